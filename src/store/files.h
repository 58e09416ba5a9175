/* files.h: every call to the system that the store makes, as a table: tests put theirs between, and fail each one.
 *
 * All return -errno. Names are relative to an open folder. Any thread. */
#ifndef KVIK_STORE_FILES_H
#define KVIK_STORE_FILES_H

#include <sys/types.h>

#include "base/err.h"

/* One transfer of a batch. */
struct file_io {
	int fd;
	bool write;
	void *bytes;
	uint32_t n;
	uint64_t at;
	int rc; /* 0: all n; else -errno, -ENODATA: the file ends before */
};

struct store_files {
	void *ctx;
	const char *name; /* of the hand: "pread", "io_uring" */
	int (*open_dir)(void *ctx, const char *path, bool make);
	int (*open)(void *ctx, int dir, const char *name, int flags, uint32_t mode);
	void (*close)(void *ctx, int fd);
	ssize_t (*pread)(void *ctx, int fd, void *bytes, size_t n, uint64_t at);
	ssize_t (*pwrite)(void *ctx, int fd, const void *bytes, size_t n, uint64_t at);
	/* All of them, at once where the system can; each says in rc how it ended. */
	void (*batch)(void *batch_ctx, struct file_io *ios, uint32_t n);
	void *batch_ctx;
	int (*sync)(void *ctx, int fd); /* a file's data, or a folder's names */
	int (*truncate)(void *ctx, int fd, uint64_t size);
	int (*punch)(void *ctx, int fd, uint64_t at, uint64_t n); /* zeros, and the room goes back to the disk */
	/* mode: of its permissions; may be NULL. -ESTALE: it has no name any more */
	int (*size)(void *ctx, int fd, uint64_t *size, uint32_t *mode);
	int (*link)(void *ctx, int dir, const char *from, const char *to); /* -EEXIST */
	int (*rename)(void *ctx, int dir, const char *from, const char *to);
	int (*unlink)(void *ctx, int dir, const char *name);
	int (*lock)(void *ctx, int fd); /* exclusive, until it is closed; -EWOULDBLOCK: another has it */
	int (*list)(void *ctx, int dir, void (*fn)(void *to, const char *name), void *to);
	int (*free_bytes)(void *ctx, int dir, uint64_t *bytes); /* of the disk */
};

const struct store_files *files_system(void);

/* Short transfers are continued. Reading beyond the end: -ENODATA. */
int files_read_all(const struct store_files *f, int fd, void *bytes, size_t n, uint64_t at) MUST_CHECK;
int files_write_all(const struct store_files *f, int fd, const void *bytes, size_t n, uint64_t at) MUST_CHECK;

/* files_system() with batches through io_uring; what cannot be is done as it is there. NULL in *out: the kernel does not
 * allow it (or the build has no liburing). uring.c */
struct uring_hand;
void uring_new(struct uring_hand **out, struct store_files *table, const struct store_files *below);
void uring_free(struct uring_hand *h);

#endif
