/* sched_key.h: heaps in the order of a number: smallest key first, among equals the smallest order. */
#ifndef KVIK_SCHED_SCHED_KEY_H
#define KVIK_SCHED_SCHED_KEY_H

#include "base/heap.h"

struct sched_key {
	struct heap_link link;
	int64_t key; /* unchanged while in the heap, like order */
	uint64_t order;
};

static inline bool sched_key_before(const struct heap_link *a, const struct heap_link *b)
{
	const struct sched_key *x = HEAP_ELEMENT(a, struct sched_key, link),
			       *y = HEAP_ELEMENT(b, struct sched_key, link);
	return x->key < y->key || (x->key == y->key && x->order < y->order);
}

static inline void sched_key_push(struct heap *h, struct sched_key *k, int64_t key, uint64_t order)
{
	k->key = key;
	k->order = order;
	heap_push(h, &k->link);
}

/* The element that a key lies in. */
#define SCHED_KEYED(keyp, type, member) ((type *)(void *)((char *)(keyp)-offsetof(type, member)))

/* What comes out first; NULL: empty. */
static inline struct sched_key *sched_key_top(const struct heap *h)
{
	return h->top ? HEAP_ELEMENT(h->top, struct sched_key, link) : NULL;
}

#endif
