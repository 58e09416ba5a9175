/* merge.c: a heap of candidate pairs over a doubly linked list of symbols. A candidate that one of its symbols has
 * outlived (it was joined with another) is recognised by the bytes it was made of, and dropped when it comes up. */
#include "token/merge.h"

#include "base/mem.h"

struct merge_candidate {
	double priority;
	uint32_t left, right;
	size_t bytes; /* of both together, when it was made */
	int64_t id;
};

bool merger_add(struct merger *m, size_t start, size_t bytes, int64_t id)
{
	struct symbol *symbols = m->n < SYMBOL_NONE - 1 ? mem_grow(m->symbols, &m->cap, m->n, sizeof *symbols) : NULL;
	if (!symbols)
		return false;
	m->symbols = symbols;
	m->symbols[m->n++] = (struct symbol){.start = start, .bytes = bytes, .id = id};
	return true;
}

static bool before(const struct merge_candidate *a, const struct merge_candidate *b)
{
	return a->priority < b->priority || (a->priority == b->priority && a->left < b->left);
}

static void swap(struct merge_candidate *a, struct merge_candidate *b)
{
	struct merge_candidate t = *a;
	*a = *b;
	*b = t;
}

static bool push(struct merger *m, const struct merge_candidate *c)
{
	struct merge_candidate *heap = mem_grow(m->heap, &m->cap_heap, m->n_heap, sizeof *heap);
	if (!heap)
		return false;
	m->heap = heap;
	size_t i = m->n_heap++;
	m->heap[i] = *c;
	for (; i > 0 && before(&m->heap[i], &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&m->heap[i], &m->heap[(i - 1) / 2]);
	return true;
}

static struct merge_candidate pop(struct merger *m)
{
	struct merge_candidate best = m->heap[0];
	m->heap[0] = m->heap[--m->n_heap];
	for (size_t i = 0, child; (child = 2 * i + 1) < m->n_heap; i = child) {
		if (child + 1 < m->n_heap && before(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (!before(&m->heap[child], &m->heap[i]))
			break;
		swap(&m->heap[child], &m->heap[i]);
	}
	return best;
}

static bool offer(struct merger *m, merge_pair_fn *pair, const void *ctx, uint32_t left, uint32_t right)
{
	struct merge_candidate c = {.left = left, .right = right};
	if (left == SYMBOL_NONE || right == SYMBOL_NONE)
		return true;
	const struct symbol *a = &m->symbols[left], *b = &m->symbols[right];
	if (!pair(ctx, a, b, &c.priority, &c.id))
		return true;
	c.bytes = a->bytes + b->bytes;
	return push(m, &c);
}

static void join(struct merger *m, const struct merge_candidate *c)
{
	struct symbol *a = &m->symbols[c->left], *b = &m->symbols[c->right];
	a->bytes = c->bytes;
	a->id = c->id;
	a->next = b->next;
	if (b->next != SYMBOL_NONE)
		m->symbols[b->next].prev = c->left;
	b->bytes = 0;
}

static void compact(struct merger *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (m->symbols[i].bytes > 0)
			m->symbols[n++] = m->symbols[i];
	m->n = n;
}

bool merger_run(struct merger *m, merge_pair_fn *pair, const void *ctx)
{
	m->n_heap = 0;
	for (uint32_t i = 0; i < m->n; i++) {
		m->symbols[i].prev = i > 0 ? i - 1 : SYMBOL_NONE;
		m->symbols[i].next = i + 1 < m->n ? i + 1 : SYMBOL_NONE;
	}
	for (uint32_t i = 0; i + 1 < m->n; i++)
		if (!offer(m, pair, ctx, i, i + 1))
			return false;
	while (m->n_heap > 0) {
		struct merge_candidate c = pop(m);
		const struct symbol *a = &m->symbols[c.left], *b = &m->symbols[c.right];
		if (a->bytes == 0 || b->bytes == 0 || a->next != c.right || a->bytes + b->bytes != c.bytes)
			continue;
		join(m, &c);
		if (!offer(m, pair, ctx, a->prev, c.left) || !offer(m, pair, ctx, c.left, a->next))
			return false;
	}
	compact(m);
	return true;
}

void merger_release(struct merger *m)
{
	mem_free(m->symbols);
	mem_free(m->heap);
	*m = (struct merger){0};
}
