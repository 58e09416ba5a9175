/* buf.h: growing arrays of bytes and of ids. A failed append leaves the array as it was and returns false. Zeroed =
 * empty; the owner frees with buf_release / ids_release. */
#ifndef KVIK_BASE_BUF_H
#define KVIK_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

struct buf {
	char *data;
	size_t n, cap;
};

static inline bool buf_reserve(struct buf *b, size_t more)
{
	if (more <= b->cap - b->n)
		return true;
	size_t cap = b->cap ? b->cap : 64;
	while (cap - b->n < more) {
		if (cap > SIZE_MAX / 2)
			return false;
		cap *= 2;
	}
	char *data = mem_realloc(b->data, cap, 1);
	if (!data)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

static inline bool buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (!buf_reserve(b, n))
		return false;
	if (n > 0)
		memcpy(b->data + b->n, bytes, n);
	b->n += n;
	return true;
}

/* A NUL stands behind the last byte; it does not count. */
static inline bool buf_add_text(struct buf *b, const char *text, size_t n)
{
	if (n > SIZE_MAX - 1 || !buf_reserve(b, n + 1))
		return false;
	if (n > 0)
		memcpy(b->data + b->n, text, n);
	b->n += n;
	b->data[b->n] = '\0';
	return true;
}

static inline void buf_release(struct buf *b)
{
	mem_free(b->data);
	*b = (struct buf){0};
}

struct ids {
	uint32_t *data;
	size_t n, cap;
};

static inline bool ids_append(struct ids *a, const uint32_t *ids, size_t n)
{
	if (n > a->cap - a->n) {
		size_t cap = a->cap ? a->cap : 64;
		while (cap - a->n < n) {
			if (cap > SIZE_MAX / 2)
				return false;
			cap *= 2;
		}
		uint32_t *data = mem_realloc(a->data, cap, sizeof *data);
		if (!data)
			return false;
		a->data = data;
		a->cap = cap;
	}
	if (n > 0)
		memcpy(a->data + a->n, ids, n * sizeof *ids);
	a->n += n;
	return true;
}

static inline bool ids_add(struct ids *a, uint32_t id)
{
	return ids_append(a, &id, 1);
}

static inline void ids_release(struct ids *a)
{
	mem_free(a->data);
	*a = (struct ids){0};
}

#endif
