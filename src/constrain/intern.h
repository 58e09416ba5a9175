/* intern.h: words that are kept once: equal arrays of 32-bit words get the same number, from 1 on in the order in which they come.
 * What is kept never moves. Owner: one thread at a time. */
#ifndef KVIK_CONSTRAIN_INTERN_H
#define KVIK_CONSTRAIN_INTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intern_block;

struct intern {
	struct intern_block *blocks;
	uint32_t **items; /* [n + 1]: the length, then the words; 0 is none */
	size_t n, cap;
	uint32_t *index; /* hash table, [index_n], a power of two; 0: empty */
	size_t index_n;
	size_t bytes; /* of all of it */
};

/* 0: no memory. */
uint32_t intern_add(struct intern *t, const uint32_t *words, uint32_t n);
/* 0: not there. */
uint32_t intern_find(const struct intern *t, const uint32_t *words, uint32_t n);
void intern_release(struct intern *t);

static inline const uint32_t *intern_words(const struct intern *t, uint32_t id, uint32_t *n)
{
	*n = t->items[id][0];
	return t->items[id] + 1;
}

#endif
