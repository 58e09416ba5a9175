/* heap.h: a pairing heap of links that live inside their elements, so that it never allocates and never fails.
 *
 * push O(1); pop and remove O(log n) amortised. Owner: whoever owns the elements; one thread. */
#ifndef KVIK_BASE_HEAP_H
#define KVIK_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_link {
	struct heap_link *child, *next; /* first child; next sibling */
	struct heap_link *prev;         /* sibling before, or the parent; NULL: the top, or in no heap */
};

/* Does a come out before b? The order of two elements must not change while they are in the heap. */
typedef bool heap_before_fn(const struct heap_link *a, const struct heap_link *b);

struct heap {
	struct heap_link *top; /* NULL: empty */
	heap_before_fn *before;
};

void heap_push(struct heap *h, struct heap_link *link);
void heap_remove(struct heap *h, struct heap_link *link);

/* Links and order are sound, and n elements are there; for checks. */
bool heap_ok(const struct heap *h, uint32_t n);

static inline bool heap_has(const struct heap *h, const struct heap_link *link)
{
	return link->prev || h->top == link;
}

/* The element that a link lies in. */
#define HEAP_ELEMENT(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

#endif
