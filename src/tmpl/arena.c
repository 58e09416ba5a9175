/* arena.c: chunks that double up to 1 MiB; a request larger than a quarter of that gets a chunk of its own.
 *
 * Invariants: 1. `used` is the sum of all chunks' sizes and never above `limit`. 2. Small requests are served from
 * chunks[0]; a chunk made for a single large request is linked behind it. */
#include "tmpl/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 1 << 20, ALIGN = 16 };

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, at; /* bytes of data[], and how many of them are given out */
	_Alignas(ALIGN) unsigned char data[];
};

static struct arena_chunk *chunk_new(struct arena *a, size_t bytes)
{
	size_t size = sizeof(struct arena_chunk) + bytes;
	a->full = size > a->limit - a->used;
	struct arena_chunk *c = a->full ? NULL : mem_alloc(size);
	if (c) {
		*c = (struct arena_chunk){.size = bytes};
		a->used += size;
	}
	return c;
}

static void *take(struct arena_chunk *c, size_t bytes)
{
	void *p = c->data + c->at;
	c->at += bytes;
	return p;
}

static void *alloc_large(struct arena *a, size_t bytes)
{
	struct arena_chunk *c = chunk_new(a, bytes);
	if (!c)
		return NULL;
	struct arena_chunk **at = a->chunks ? &a->chunks->next : &a->chunks;
	c->next = *at;
	*at = c;
	return take(c, bytes);
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	if (bytes > SIZE_MAX / 4) {
		a->full = true;
		return NULL;
	}
	bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct arena_chunk *c = a->chunks;
	if (c && bytes <= c->size - c->at)
		return take(c, bytes);
	if (bytes > LARGEST_CHUNK / 4)
		return alloc_large(a, bytes);
	size_t size = c ? 2 * c->size : FIRST_CHUNK;
	size = size > LARGEST_CHUNK ? LARGEST_CHUNK : size < bytes ? bytes : size;
	size_t rest = a->limit - a->used;
	if (size + sizeof *c > rest && bytes + sizeof *c <= rest)
		size = rest - sizeof *c;
	c = chunk_new(a, size);
	if (!c)
		return NULL;
	c->next = a->chunks;
	a->chunks = c;
	return take(c, bytes);
}

void *arena_grow(struct arena *a, void *p, size_t old, size_t bytes)
{
	void *bigger = arena_alloc(a, bytes);
	if (bigger && p)
		memcpy(bigger, p, old < bytes ? old : bytes);
	return bigger;
}

void arena_release(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;
		mem_free(a->chunks);
		a->chunks = next;
	}
	a->used = 0;
}
