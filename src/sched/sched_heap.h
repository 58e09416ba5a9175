/* sched_heap.h: a pairing heap whose nodes lie in the things they order: nothing is allocated, so nothing can fail.
 * Smallest key first, among equals the smallest order. Owner: whoever owns the nodes. */
#ifndef KVIK_SCHED_SCHED_HEAP_H
#define KVIK_SCHED_SCHED_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched_heap_node {
	struct sched_heap_node *child; /* first of those that are not smaller */
	struct sched_heap_node *next;  /* sibling */
	struct sched_heap_node *prev;  /* left sibling, or the parent of a first child */
	int64_t key;
	uint64_t order;
};

struct sched_heap {
	struct sched_heap_node *root; /* NULL: empty */
	uint32_t n;
};

#define sched_heap_item(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void sched_heap_push(struct sched_heap *h, struct sched_heap_node *n, int64_t key, uint64_t order); /* O(1) */
void sched_heap_remove(struct sched_heap *h, struct sched_heap_node *n); /* O(log n) amortised */
/* Links and order are sound and n nodes are there. */
bool sched_heap_ok(const struct sched_heap *h);

#endif
