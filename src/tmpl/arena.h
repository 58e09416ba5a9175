/* arena.h: memory that is given back all at once, under a ceiling.  Owner: one thread. */
#ifndef KVIK_TMPL_ARENA_H
#define KVIK_TMPL_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed but for limit = empty. */
struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t used;                /* bytes of all chunks */
	size_t limit;               /* the most that `used` may reach */
	bool full;                  /* the last NULL was for the limit, not for want of memory */
};

void *arena_alloc(struct arena *a, size_t bytes); /* 16-byte aligned, uninitialised; NULL: see full */
/* p: the result of an earlier call of `old` bytes (or NULL), which keeps its content up to the smaller size. */
void *arena_grow(struct arena *a, void *p, size_t old, size_t bytes);
void arena_release(struct arena *a);

#endif
