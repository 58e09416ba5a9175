/* memory_files.h: a disk in memory for the tests of the store. It knows what was synced, so that it can lose power: of what
 * was not, each sector, size and name is as it was or as it is, at random. It fails on demand: the nth call, or one in so
 * many, with an error, short, or torn (half is done, then the error). */
#ifndef TESTS_STORE_MEMORY_FILES_H
#define TESTS_STORE_MEMORY_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "fixture.h"
#include "store/files.h"

enum { MEM_FILES = 256, MEM_SECTOR = 512, MEM_DIR = 99, MEM_FD = 100 };

struct mem_image {
	uint8_t *bytes; /* owned */
	uint64_t size;
	bool named;
};

struct mem_file {
	char name[64];
	bool used, locked;
	struct mem_image now, synced;
	int open; /* handles */
};

enum mem_fault { MEM_ERROR, MEM_SHORT, MEM_TORN };

struct mem_disk {
	struct store_files files;
	pthread_mutex_t lock;
	struct mem_file file[MEM_FILES];
	uint64_t random;
	uint64_t calls, faults;
	bool saved;            /* syncs change nothing: see mem_save */
	uint64_t fail_at;      /* this call fails; 0: none */
	uint32_t fails_one_in; /* 0: never */
	int error;
	enum mem_fault how;
	bool off; /* it is as if there were no faults */
	bool full, read_only, vanished;
};

static inline uint64_t mem_random(struct mem_disk *d)
{
	return mix(d->random += UINT64_C(0x9E3779B97F4A7C15));
}

/* Counts a call, under the lock, and says whether it is to fail. */
static inline bool mem_faults(struct mem_disk *d)
{
	d->calls++;
	bool fails = !d->off && (d->calls == d->fail_at || (d->fails_one_in && mem_random(d) % d->fails_one_in == 0));
	d->faults += fails;
	return fails;
}

#define MEM_ENTER(ctx)                \
	struct mem_disk *d = (ctx);   \
	pthread_mutex_lock(&d->lock); \
	bool fails = mem_faults(d);   \
	(void)fails
#define MEM_LEAVE(rc)                           \
	do {                                    \
		__typeof__(rc) rc_ = (rc);      \
		pthread_mutex_unlock(&d->lock); \
		return rc_;                     \
	} while (0)

static inline int mem_open_dir(void *ctx, const char *path, bool make)
{
	MEM_ENTER(ctx);
	(void)path;
	(void)make;
	MEM_LEAVE(fails ? -d->error : MEM_DIR);
}

static inline struct mem_file *mem_named(struct mem_disk *d, const char *name)
{
	for (int i = 0; i < MEM_FILES; i++)
		if (d->file[i].used && d->file[i].now.named && strcmp(d->file[i].name, name) == 0)
			return &d->file[i];
	return NULL;
}

static inline int mem_open(void *ctx, int dir, const char *name, int flags, uint32_t mode)
{
	MEM_ENTER(ctx);
	(void)mode;
	struct mem_file *f = mem_named(d, name);
	if (fails || dir != MEM_DIR)
		MEM_LEAVE(-d->error);
	if (d->vanished && !f)
		MEM_LEAVE(-ENOENT);
	if (f && (flags & O_EXCL))
		MEM_LEAVE(-EEXIST);
	if (d->read_only && (flags & (O_RDWR | O_WRONLY)))
		MEM_LEAVE(-EROFS);
	if (!f && !(flags & O_CREAT))
		MEM_LEAVE(-ENOENT);
	for (int i = 0; i < MEM_FILES && !f; i++)
		if (!d->file[i].used) {
			f = &d->file[i];
			*f = (struct mem_file){.used = true, .now.named = true};
			snprintf(f->name, sizeof f->name, "%s", name);
		}
	if (!f)
		MEM_LEAVE(-ENFILE);
	f->open++;
	MEM_LEAVE(MEM_FD + (int)(f - d->file));
}

static inline void mem_file_end(struct mem_file *f)
{
	if (f->open > 0 || f->now.named || f->synced.named)
		return;
	free(f->now.bytes);
	free(f->synced.bytes);
	*f = (struct mem_file){0};
}

static inline void mem_close(void *ctx, int fd)
{
	struct mem_disk *d = ctx;
	pthread_mutex_lock(&d->lock);
	if (fd != MEM_DIR) {
		struct mem_file *f = &d->file[fd - MEM_FD];
		f->open--;
		f->locked = false;
		mem_file_end(f);
	}
	pthread_mutex_unlock(&d->lock);
}

static inline ssize_t mem_pread(void *ctx, int fd, void *bytes, size_t n, uint64_t at)
{
	MEM_ENTER(ctx);
	struct mem_file *f = &d->file[fd - MEM_FD];
	if (fails && d->how != MEM_SHORT)
		MEM_LEAVE((ssize_t)-d->error);
	if (at >= f->now.size)
		MEM_LEAVE((ssize_t)0);
	if (n > f->now.size - at)
		n = f->now.size - at;
	if (fails && n > 1)
		n /= 2;
	memcpy(bytes, f->now.bytes + at, n);
	MEM_LEAVE((ssize_t)n);
}

static inline void mem_resize(struct mem_image *m, uint64_t size)
{
	m->bytes = realloc(m->bytes, size + 1);
	if (size > m->size)
		memset(m->bytes + m->size, 0, size - m->size);
	m->size = size;
}

static inline ssize_t mem_pwrite(void *ctx, int fd, const void *bytes, size_t n, uint64_t at)
{
	MEM_ENTER(ctx);
	struct mem_file *f = &d->file[fd - MEM_FD];
	if (d->full && at + n > f->now.size)
		MEM_LEAVE((ssize_t)-ENOSPC);
	if (fails && d->how == MEM_ERROR)
		MEM_LEAVE((ssize_t)-d->error);
	if (fails && n > 1)
		n /= 2;
	if (at + n > f->now.size)
		mem_resize(&f->now, at + n);
	memcpy(f->now.bytes + at, bytes, n);
	MEM_LEAVE(fails && d->how == MEM_TORN ? (ssize_t)-d->error : (ssize_t)n);
}

static inline void mem_batch(void *ctx, struct file_io *ios, uint32_t n)
{
	struct mem_disk *d = ctx;
	for (uint32_t i = 0; i < n; i++)
		ios[i].rc = ios[i].write ? files_write_all(&d->files, ios[i].fd, ios[i].bytes, ios[i].n, ios[i].at)
					 : files_read_all(&d->files, ios[i].fd, ios[i].bytes, ios[i].n, ios[i].at);
}

static inline int mem_sync(void *ctx, int fd)
{
	MEM_ENTER(ctx);
	if (fails || d->saved)
		MEM_LEAVE(fails ? -d->error : 0);
	if (fd != MEM_DIR) {
		struct mem_file *f = &d->file[fd - MEM_FD];
		f->synced.bytes = realloc(f->synced.bytes, f->now.size + 1);
		f->synced.size = f->now.size;
		if (f->now.size)
			memcpy(f->synced.bytes, f->now.bytes, f->now.size);
		MEM_LEAVE(0);
	}
	for (int i = 0; i < MEM_FILES; i++) {
		d->file[i].synced.named = d->file[i].now.named;
		if (d->file[i].used)
			mem_file_end(&d->file[i]);
	}
	MEM_LEAVE(0);
}

static inline int mem_truncate(void *ctx, int fd, uint64_t size)
{
	MEM_ENTER(ctx);
	if (fails)
		MEM_LEAVE(-d->error);
	mem_resize(&d->file[fd - MEM_FD].now, size);
	MEM_LEAVE(0);
}

static inline int mem_punch(void *ctx, int fd, uint64_t at, uint64_t n)
{
	MEM_ENTER(ctx);
	struct mem_image *m = &d->file[fd - MEM_FD].now;
	if (fails)
		MEM_LEAVE(-d->error);
	if (at < m->size)
		memset(m->bytes + at, 0, n < m->size - at ? n : m->size - at);
	MEM_LEAVE(0);
}

static inline int mem_size(void *ctx, int fd, uint64_t *size, uint32_t *mode)
{
	MEM_ENTER(ctx);
	struct mem_file *f = &d->file[fd - MEM_FD];
	if (fails)
		MEM_LEAVE(-d->error);
	*size = f->now.size;
	if (mode)
		*mode = 0600;
	MEM_LEAVE(f->now.named ? 0 : -ESTALE);
}

static inline int mem_rename(void *ctx, int dir, const char *from, const char *to)
{
	MEM_ENTER(ctx);
	(void)dir;
	struct mem_file *f = mem_named(d, from), *old = mem_named(d, to);
	if (fails || !f)
		MEM_LEAVE(fails ? -d->error : -ENOENT);
	if (old) {
		old->now.named = false;
		mem_file_end(old);
	}
	snprintf(f->name, sizeof f->name, "%s", to);
	MEM_LEAVE(0);
}

/* Where there are no two names of one file: a rename that does not replace. */
static inline int mem_link(void *ctx, int dir, const char *from, const char *to)
{
	struct mem_disk *d = ctx;
	pthread_mutex_lock(&d->lock);
	bool there = mem_named(d, to);
	pthread_mutex_unlock(&d->lock);
	return there ? -EEXIST : mem_rename(ctx, dir, from, to);
}

static inline int mem_unlink(void *ctx, int dir, const char *name)
{
	MEM_ENTER(ctx);
	(void)dir;
	struct mem_file *f = mem_named(d, name);
	if (fails || !f)
		MEM_LEAVE(fails ? -d->error : -ENOENT);
	f->now.named = false;
	mem_file_end(f);
	MEM_LEAVE(0);
}

static inline int mem_lock(void *ctx, int fd)
{
	MEM_ENTER(ctx);
	struct mem_file *f = &d->file[fd - MEM_FD];
	if (fails || f->locked)
		MEM_LEAVE(fails ? -d->error : -EWOULDBLOCK);
	f->locked = true;
	MEM_LEAVE(0);
}

static inline int mem_list(void *ctx, int dir, void (*fn)(void *to, const char *name), void *to)
{
	MEM_ENTER(ctx);
	(void)dir;
	for (int i = 0; i < MEM_FILES && !fails; i++)
		if (d->file[i].used && d->file[i].now.named)
			fn(to, d->file[i].name);
	MEM_LEAVE(fails ? -d->error : 0);
}

static inline int mem_free_bytes(void *ctx, int dir, uint64_t *bytes)
{
	MEM_ENTER(ctx);
	(void)dir;
	*bytes = UINT64_C(1) << 30;
	MEM_LEAVE(0);
}

static inline struct mem_disk *mem_disk_new(uint64_t seed)
{
	struct mem_disk *d = calloc(1, sizeof *d);
	pthread_mutex_init(&d->lock, NULL);
	d->random = seed;
	d->error = EIO;
	d->files = (struct store_files){.ctx = d,
					.batch_ctx = d,
					.name = "memory",
					.open_dir = mem_open_dir,
					.open = mem_open,
					.close = mem_close,
					.pread = mem_pread,
					.pwrite = mem_pwrite,
					.batch = mem_batch,
					.sync = mem_sync,
					.truncate = mem_truncate,
					.punch = mem_punch,
					.size = mem_size,
					.link = mem_link,
					.rename = mem_rename,
					.unlink = mem_unlink,
					.lock = mem_lock,
					.list = mem_list,
					.free_bytes = mem_free_bytes};
	return d;
}

static inline void mem_disk_free(struct mem_disk *d)
{
	for (int i = 0; i < MEM_FILES; i++) {
		free(d->file[i].now.bytes);
		free(d->file[i].synced.bytes);
	}
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* Everything is synced, and comes back with mem_restore; nothing may be open. */
static inline void mem_save(struct mem_disk *d)
{
	for (int i = 0; i < MEM_FILES; i++)
		if (d->file[i].used)
			mem_sync(d, MEM_FD + i);
	mem_sync(d, MEM_DIR);
	d->saved = true;
}

static inline void mem_restore(struct mem_disk *d)
{
	for (int i = 0; i < MEM_FILES; i++) {
		struct mem_file *f = &d->file[i];
		if (!f->used)
			continue;
		f->now.named = f->synced.named;
		mem_resize(&f->now, f->synced.size);
		if (f->synced.size)
			memcpy(f->now.bytes, f->synced.bytes, f->synced.size);
		mem_file_end(f);
	}
}

/* What is found after the power came back; nothing may be open. */
static inline void mem_lose_power(struct mem_disk *d)
{
	for (int i = 0; i < MEM_FILES; i++) {
		struct mem_file *f = &d->file[i];
		if (!f->used)
			continue;
		assert_int_equal(f->open, 0);
		if (f->now.named != f->synced.named && mem_random(d) % 2)
			f->now.named = f->synced.named;
		uint64_t size = f->synced.size != f->now.size && mem_random(d) % 2 ? f->synced.size : f->now.size;
		mem_resize(&f->now, size);
		for (uint64_t at = 0; at < size; at += MEM_SECTOR) {
			uint64_t n = size - at < MEM_SECTOR ? size - at : MEM_SECTOR;
			if (mem_random(d) % 2)
				continue;
			memset(f->now.bytes + at, 0, n); /* what a file has not been given yet reads as zeros */
			if (at < f->synced.size)
				memcpy(f->now.bytes + at, f->synced.bytes + at,
				       n < f->synced.size - at ? n : f->synced.size - at);
		}
		if (f->now.named) { /* that is now the truth */
			f->synced.bytes = realloc(f->synced.bytes, size + 1);
			f->synced.size = size;
			memcpy(f->synced.bytes, f->now.bytes, size);
		}
		f->synced.named = f->now.named;
		mem_file_end(f);
	}
}

/* A store on it with one thread, so that calls come in one order. NULL: it could not be opened. */
static inline struct store *mem_store(struct mem_disk *d, uint64_t bytes_max)
{
	struct store *s;
	struct kvik_err err;
	struct store_config c = {.where = "memory",
				 .bytes_max = bytes_max,
				 .threads = 1,
				 .sync_ms = 3600000,
				 .files = &d->files,
				 .log = fix_log};
	return store_open(&s, &c, &err) ? NULL : s;
}

#endif
