/* files.c: the table of the system's own calls. */
#include "store/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int or_errno(int rc)
{
	return rc < 0 ? -errno : rc;
}

/* Folders on the way are made too. */
static int make_dirs(const char *path)
{
	char part[4096];
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof part)
		return -ENAMETOOLONG;
	memcpy(part, path, n + 1);
	for (size_t i = 1; i < n; i++)
		if (part[i] == '/') {
			part[i] = '\0';
			if (mkdir(part, 0755) && errno != EEXIST)
				return -errno;
			part[i] = '/';
		}
	return mkdir(part, 0700) && errno != EEXIST ? -errno : 0;
}

static int sys_open_dir(void *ctx, const char *path, bool make)
{
	(void)ctx;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 || errno != ENOENT || !make)
		return or_errno(fd);
	int rc = make_dirs(path);
	return rc ? rc : or_errno(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int sys_open(void *ctx, int dir, const char *name, int flags, uint32_t mode)
{
	(void)ctx;
	return or_errno(openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, (mode_t)mode));
}

static void sys_close(void *ctx, int fd)
{
	(void)ctx;
	close(fd);
}

static ssize_t sys_pread(void *ctx, int fd, void *bytes, size_t n, uint64_t at)
{
	(void)ctx;
	ssize_t got = pread(fd, bytes, n, (off_t)at);
	return got < 0 ? -errno : got;
}

static ssize_t sys_pwrite(void *ctx, int fd, const void *bytes, size_t n, uint64_t at)
{
	(void)ctx;
	ssize_t got = pwrite(fd, bytes, n, (off_t)at);
	return got < 0 ? -errno : got;
}

static void sys_batch(void *ctx, struct file_io *ios, uint32_t n)
{
	(void)ctx;
	const struct store_files *f = files_system();
	for (uint32_t i = 0; i < n; i++)
		ios[i].rc = ios[i].write ? files_write_all(f, ios[i].fd, ios[i].bytes, ios[i].n, ios[i].at)
					 : files_read_all(f, ios[i].fd, ios[i].bytes, ios[i].n, ios[i].at);
}

static int sys_sync(void *ctx, int fd)
{
	(void)ctx;
	return or_errno(fdatasync(fd));
}

static int sys_truncate(void *ctx, int fd, uint64_t size)
{
	(void)ctx;
	return or_errno(ftruncate(fd, (off_t)size));
}

static int sys_punch(void *ctx, int fd, uint64_t at, uint64_t n)
{
	(void)ctx;
	return or_errno(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)n));
}

static int sys_size(void *ctx, int fd, uint64_t *size, uint32_t *mode)
{
	(void)ctx;
	struct stat st;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*size = (uint64_t)st.st_size;
	if (mode)
		*mode = st.st_mode & 0777;
	return st.st_nlink == 0 ? -ESTALE : 0;
}

static int sys_link(void *ctx, int dir, const char *from, const char *to)
{
	(void)ctx;
	return or_errno(linkat(dir, from, dir, to, 0));
}

static int sys_rename(void *ctx, int dir, const char *from, const char *to)
{
	(void)ctx;
	return or_errno(renameat(dir, from, dir, to));
}

static int sys_unlink(void *ctx, int dir, const char *name)
{
	(void)ctx;
	return or_errno(unlinkat(dir, name, 0));
}

static int sys_lock(void *ctx, int fd)
{
	(void)ctx;
	return or_errno(flock(fd, LOCK_EX | LOCK_NB));
}

static int sys_list(void *ctx, int dir, void (*fn)(void *to, const char *name), void *to)
{
	(void)ctx;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		int rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	errno = 0;
	for (struct dirent *e; (e = readdir(d)); errno = 0)
		if (e->d_name[0] != '.')
			fn(to, e->d_name);
	int rc = -errno;
	closedir(d);
	return rc;
}

static int sys_free_bytes(void *ctx, int dir, uint64_t *bytes)
{
	(void)ctx;
	struct statvfs st;
	if (fstatvfs(dir, &st))
		return -errno;
	*bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return 0;
}

const struct store_files *files_system(void)
{
	static const struct store_files table = {.name = "pread",
						 .open_dir = sys_open_dir,
						 .open = sys_open,
						 .close = sys_close,
						 .pread = sys_pread,
						 .pwrite = sys_pwrite,
						 .batch = sys_batch,
						 .sync = sys_sync,
						 .truncate = sys_truncate,
						 .punch = sys_punch,
						 .size = sys_size,
						 .link = sys_link,
						 .rename = sys_rename,
						 .unlink = sys_unlink,
						 .lock = sys_lock,
						 .list = sys_list,
						 .free_bytes = sys_free_bytes};
	return &table;
}

int files_read_all(const struct store_files *f, int fd, void *bytes, size_t n, uint64_t at)
{
	for (size_t got = 0; got < n;) {
		ssize_t rc = f->pread(f->ctx, fd, (uint8_t *)bytes + got, n - got, at + got);
		if (rc == -EINTR)
			continue;
		if (rc <= 0)
			return rc < 0 ? (int)rc : -ENODATA;
		got += (size_t)rc;
	}
	return 0;
}

int files_write_all(const struct store_files *f, int fd, const void *bytes, size_t n, uint64_t at)
{
	for (size_t put = 0; put < n;) {
		ssize_t rc = f->pwrite(f->ctx, fd, (const uint8_t *)bytes + put, n - put, at + put);
		if (rc == -EINTR)
			continue;
		if (rc <= 0)
			return rc < 0 ? (int)rc : -EIO;
		put += (size_t)rc;
	}
	return 0;
}
