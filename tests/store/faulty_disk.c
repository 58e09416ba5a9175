/* faulty_disk.c: a library to be preloaded (LD_PRELOAD) below a whole server: calls about files of one folder fail, as a dying disk
 * does, once a file says so. There is no io_uring here, so that all reading and writing passes by.
 *
 *   KVIK_FAULTS_FOLDER  the folder; KVIK_FAULTS_ARMED  the file that must be there; KVIK_FAULTS_PERCENT  of all calls (5)
 *
 * A call that fails says EIO or ENOSPC, reads and writes also end early or, half done, fail; some bytes that are read are wrong. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FDS = 4096 };

static atomic_bool watched[FDS];
static atomic_ulong drawn;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static uint64_t draw(void)
{
	uint64_t x = (atomic_fetch_add(&drawn, 1) + 1) * UINT64_C(0x9E3779B97F4A7C15);
	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

static bool fails(int fd)
{
	const char *armed = getenv("KVIK_FAULTS_ARMED"), *percent = getenv("KVIK_FAULTS_PERCENT");
	if (fd < 0 || fd >= FDS || !atomic_load(&watched[fd]) || !armed || access(armed, F_OK) != 0)
		return false;
	return draw() % 100 < (percent ? strtoul(percent, NULL, 10) : 5);
}

static int fail(void)
{
	errno = draw() % 3 == 0 ? ENOSPC : EIO;
	return -1;
}

static void watch(int fd)
{
	const char *folder = getenv("KVIK_FAULTS_FOLDER");
	char name[32], path[4096];
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	ssize_t n = fd >= 0 && fd < FDS && folder ? readlink(name, path, sizeof path - 1) : -1;
	if (n >= 0)
		atomic_store(&watched[fd], strncmp(path, folder, strlen(folder)) == 0);
}

int openat(int dir, const char *name, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (fails(dir))
		return fail();
	int fd = REAL(openat)(dir, name, flags, mode);
	watch(fd);
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	int fd = REAL(openat)(AT_FDCWD, path, flags, mode);
	watch(fd);
	return fd;
}

int close(int fd)
{
	if (fd >= 0 && fd < FDS)
		atomic_store(&watched[fd], false);
	return REAL(close)(fd);
}

ssize_t pread(int fd, void *to, size_t n, off_t at)
{
	if (!fails(fd))
		return REAL(pread)(fd, to, n, at);
	switch (draw() % 4) {
	case 0: return n > 1 ? REAL(pread)(fd, to, n / 2, at) : fail();
	case 1: {
		ssize_t got = REAL(pread)(fd, to, n, at);
		if (got > 0)
			((uint8_t *)to)[draw() % (uint64_t)got] ^= (uint8_t)(1u << draw() % 8);
		return got;
	}
	default: return fail();
	}
}

ssize_t pwrite(int fd, const void *from, size_t n, off_t at)
{
	if (!fails(fd))
		return REAL(pwrite)(fd, from, n, at);
	switch (n > 1 ? draw() % 4 : 3) {
	case 0: return REAL(pwrite)(fd, from, n / 2, at);
	case 1: (void)!REAL(pwrite)(fd, from, n / 2, at); return fail();
	default: return fail();
	}
}

int fdatasync(int fd)
{
	return fails(fd) ? fail() : REAL(fdatasync)(fd);
}

int ftruncate(int fd, off_t size)
{
	return fails(fd) ? fail() : REAL(ftruncate)(fd, size);
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
	return fails(fd) ? fail() : REAL(fallocate)(fd, mode, at, n);
}

int fstat(int fd, struct stat *st)
{
	return fails(fd) ? fail() : REAL(fstat)(fd, st);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return fails(to_dir) ? fail() : REAL(renameat)(from_dir, from, to_dir, to);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	return fails(to_dir) ? fail() : REAL(linkat)(from_dir, from, to_dir, to, flags);
}

int unlinkat(int dir, const char *name, int flags)
{
	return fails(dir) ? fail() : REAL(unlinkat)(dir, name, flags);
}

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);
int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
	(void)entries, (void)ring, (void)flags;
	return -ENOSYS;
}
