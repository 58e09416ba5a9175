/* sched_heap.c: see sched_heap.h. Fredman, Sedgewick, Sleator, Tarjan: The pairing heap, 1986; two-pass variant.
 *
 * Invariants (sched_heap_ok proves them):
 *  1. No node is smaller than its parent.
 *  2. prev of a first child is its parent, of any other node its left sibling; the root has neither.
 */
#include "sched/sched_heap.h"

static bool before(const struct sched_heap_node *a, const struct sched_heap_node *b)
{
	return a->key < b->key || (a->key == b->key && a->order < b->order);
}

/* Two roots become one: the larger becomes the first child of the smaller. */
static struct sched_heap_node *meld(struct sched_heap_node *a, struct sched_heap_node *b)
{
	if (before(b, a)) {
		struct sched_heap_node *t = a;
		a = b;
		b = t;
	}
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	b->prev = a;
	a->child = b;
	a->next = a->prev = NULL;
	return a;
}

/* One root out of a list of siblings: pairs from the left, then all of them from the right. */
static struct sched_heap_node *meld_all(struct sched_heap_node *first)
{
	struct sched_heap_node *pairs = NULL;
	while (first) {
		struct sched_heap_node *a = first, *b = first->next;
		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	struct sched_heap_node *root = pairs;
	if (root) {
		pairs = root->next;
		root->next = NULL;
	}
	while (pairs) {
		struct sched_heap_node *next = pairs->next;
		pairs->next = NULL;
		root = meld(root, pairs);
		pairs = next;
	}
	return root;
}

void sched_heap_push(struct sched_heap *h, struct sched_heap_node *n, int64_t key, uint64_t order)
{
	*n = (struct sched_heap_node){.key = key, .order = order};
	h->root = h->root ? meld(h->root, n) : n;
	h->n++;
}

void sched_heap_remove(struct sched_heap *h, struct sched_heap_node *n)
{
	struct sched_heap_node *below = meld_all(n->child);
	if (n == h->root) {
		h->root = below;
	} else {
		if (n->prev->child == n)
			n->prev->child = n->next;
		else
			n->prev->next = n->next;
		if (n->next)
			n->next->prev = n->prev;
		if (below)
			h->root = meld(h->root, below);
	}
	n->child = n->next = n->prev = NULL;
	h->n--;
}

static bool is_first_child(const struct sched_heap_node *n)
{
	return n->prev && n->prev->child == n;
}

/* The node after n in depth-first order; NULL at the end. No stack: the way up is found through prev. */
static const struct sched_heap_node *walk(const struct sched_heap_node *n)
{
	if (n->child)
		return n->child;
	while (n && !n->next) {
		while (n->prev && !is_first_child(n))
			n = n->prev;
		n = n->prev;
	}
	return n ? n->next : NULL;
}

bool sched_heap_ok(const struct sched_heap *h)
{
	uint32_t n = 0;
	if (h->root && (h->root->prev || h->root->next))
		return false;
	for (const struct sched_heap_node *i = h->root; i && n <= h->n; i = walk(i), n++) {
		if (i->next && i->next->prev != i)
			return false;
		for (const struct sched_heap_node *c = i->child; c; c = c->next)
			if (before(c, i))
				return false;
		if (i->child && i->child->prev != i)
			return false;
	}
	return n == h->n;
}
