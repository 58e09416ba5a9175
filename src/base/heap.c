/* heap.c: see heap.h. A tree in heap order; a removed element's children are melded in pairs from the left and the
 * pairs from the right, which gives the amortised bound (Fredman et al., "The pairing heap", 1986).
 *
 * Invariants: 1. No element comes out before its parent. 2. Links outside the heap are all NULL. */
#include "base/heap.h"

/* Both without siblings and parent; either may be NULL. */
static struct heap_link *meld(const struct heap *h, struct heap_link *a, struct heap_link *b)
{
	if (!a || !b)
		return a ? a : b;
	if (h->before(b, a)) {
		struct heap_link *swap = a;
		a = b;
		b = swap;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child)
		a->child->prev = b;
	a->child = b;
	return a;
}

/* Takes the first sibling off a list. */
static struct heap_link *take(struct heap_link **list)
{
	struct heap_link *first = *list;
	if (first) {
		*list = first->next;
		first->next = first->prev = NULL;
	}
	return first;
}

static struct heap_link *meld_siblings(const struct heap *h, struct heap_link *list)
{
	struct heap_link *pairs = NULL, *whole = NULL;
	while (list) {
		struct heap_link *a = take(&list), *pair = meld(h, a, take(&list));
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs)
		whole = meld(h, whole, take(&pairs));
	return whole;
}

void heap_push(struct heap *h, struct heap_link *link)
{
	*link = (struct heap_link){0};
	h->top = meld(h, h->top, link);
}

void heap_remove(struct heap *h, struct heap_link *link)
{
	struct heap_link *below = meld_siblings(h, link->child);
	if (h->top == link) {
		h->top = below;
	} else {
		if (link->prev->child == link)
			link->prev->child = link->next;
		else
			link->prev->next = link->next;
		if (link->next)
			link->next->prev = link->prev;
		h->top = meld(h, h->top, below);
	}
	*link = (struct heap_link){0};
}

/* The element after this one in depth-first order; NULL at the end. No stack: the way up is found through prev. */
static const struct heap_link *walk(const struct heap_link *link)
{
	if (link->child)
		return link->child;
	while (link && !link->next) {
		while (link->prev && link->prev->child != link)
			link = link->prev;
		link = link->prev;
	}
	return link ? link->next : NULL;
}

bool heap_ok(const struct heap *h, uint32_t n)
{
	uint32_t found = 0;
	if (h->top && (h->top->prev || h->top->next))
		return false;
	for (const struct heap_link *i = h->top; i && found <= n; i = walk(i), found++) {
		if ((i->next && i->next->prev != i) || (i->child && i->child->prev != i))
			return false;
		for (const struct heap_link *c = i->child; c; c = c->next)
			if (h->before(c, i))
				return false;
	}
	return found == n;
}
