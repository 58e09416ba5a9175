/* make.h: what the tests of the format room share: bytes put together one by one, GGUF files among them, and folders
 * that vanish. */
#ifndef KVIK_TESTS_FORMAT_MAKE_H
#define KVIK_TESTS_FORMAT_MAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

struct buf {
	uint8_t data[8192];
	size_t n;
};

static inline void put(struct buf *b, const void *p, size_t n)
{
	assert_true(b->n + n <= sizeof b->data);
	memcpy(b->data + b->n, p, n);
	b->n += n;
}

static inline void put_u32(struct buf *b, uint32_t v)
{
	put(b, &v, 4);
}

static inline void put_u64(struct buf *b, uint64_t v)
{
	put(b, &v, 8);
}

static inline void put_str(struct buf *b, const char *s)
{
	put_u64(b, strlen(s));
	put(b, s, strlen(s));
}

static inline void put_head(struct buf *b, uint32_t version, uint64_t tensors, uint64_t keys)
{
	*b = (struct buf){0};
	put(b, "GGUF", 4);
	put_u32(b, version);
	put_u64(b, tensors);
	put_u64(b, keys);
}

static inline void put_key_u32(struct buf *b, const char *key, uint32_t v)
{
	put_str(b, key);
	put_u32(b, 4);
	put_u32(b, v);
}

static inline void put_key_f32(struct buf *b, const char *key, float v)
{
	put_str(b, key);
	put_u32(b, 6);
	put(b, &v, 4);
}

static inline void put_key_str(struct buf *b, const char *key, const char *v)
{
	put_str(b, key);
	put_u32(b, 8);
	put_str(b, v);
}

/* Type and count of an array; its elements follow. */
static inline void put_key_array(struct buf *b, const char *key, uint32_t type, uint64_t n)
{
	put_str(b, key);
	put_u32(b, 9);
	put_u32(b, type);
	put_u64(b, n);
}

/* rows 0: a vector. */
static inline void put_tensor(struct buf *b, const char *name, uint32_t type, uint64_t cols, uint64_t rows,
			      uint64_t offset)
{
	put_str(b, name);
	put_u32(b, rows ? 2 : 1);
	put_u64(b, cols);
	if (rows)
		put_u64(b, rows);
	put_u32(b, type);
	put_u64(b, offset);
}

/* Padding to the alignment, then so many bytes of data. */
static inline void put_data(struct buf *b, size_t n)
{
	while (b->n % 32)
		put(b, "", 1);
	for (size_t i = 0; i < n; i++)
		put(b, &(uint8_t){(uint8_t)i}, 1);
}

/* JSON written with ' for " */
static inline char *quoted(const char *s)
{
	char *t = strdup(s);
	for (char *p = t; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return t;
}

/* ---- Folders ----------------------------------------------------------------------------------------------------- */

struct folder {
	char path[64];
};

static inline struct folder folder_new(void)
{
	struct folder f = {"/tmp/kvik-test-XXXXXX"};
	assert_non_null(mkdtemp(f.path));
	return f;
}

static inline void folder_path(const struct folder *f, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", f->path, name);
}

static inline void folder_write(const struct folder *f, const char *name, const void *data, size_t bytes)
{
	char path[256];
	folder_path(f, name, path);
	FILE *out = fopen(path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(data, 1, bytes, out), bytes);
	assert_int_equal(fclose(out), 0);
}

static inline void folder_write_json(const struct folder *f, const char *name, const char *json)
{
	char *text = quoted(json);
	folder_write(f, name, text, strlen(text));
	free(text);
}

static inline void folder_remove(const struct folder *f, const char *name)
{
	char path[256];
	folder_path(f, name, path);
	assert_int_equal(unlink(path), 0);
}

/* names: ends with NULL; of files that may or may not be there. */
static inline void folder_free(const struct folder *f, const char *const *names)
{
	char path[256];
	for (; *names; names++) {
		folder_path(f, *names, path);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(f->path), 0);
}

#endif
