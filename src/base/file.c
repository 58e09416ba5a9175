/* file.c: read-only file mappings (POSIX). */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

/* What a path that is no regular file is. */
static const char *kind(mode_t mode)
{
	return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a pipe" : S_ISSOCK(mode) ? "a socket" : "a device";
}

int file_map(struct file_map *m, const char *path, struct kvik_err *err)
{
	*m = (struct file_map){0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer would block */
	if (fd < 0)
		return err_set(err, KVIK_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
	struct stat st;
	int rc = 0;
	if (fstat(fd, &st) != 0) {
		rc = err_set(err, KVIK_ERR_IO, "%s: cannot stat: %s", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		rc = err_set(err, KVIK_ERR_IO, "%s: is %s; only a file can be read in any order", path,
			     kind(st.st_mode));
	} else if (st.st_size > 0) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			rc = err_set(err, KVIK_ERR_IO, "%s: cannot map: %s", path, strerror(errno));
		else
			*m = (struct file_map){.data = p, .size = (size_t)st.st_size};
	}
	close(fd);
	return rc;
}

void file_unmap(struct file_map *m)
{
	if (m->data)
		munmap((void *)(uintptr_t)m->data, m->size);
	*m = (struct file_map){0};
}

bool file_exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

char *file_join(const char *dir, size_t dir_bytes, const char *name)
{
	size_t n = strlen(name);
	char *path = mem_alloc(dir_bytes + n + 2);
	if (path) {
		memcpy(path, dir, dir_bytes);
		path[dir_bytes] = '/';
		memcpy(path + dir_bytes + 1, name, n + 1);
	}
	return path;
}
