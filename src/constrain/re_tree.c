/* re_tree.c: see re_tree.h. */
#include "constrain/re_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { LAST = 0x10FFFF };

void re_tree_init(struct re_tree *t)
{
	*t = (struct re_tree){0};
	re_tree_add(t, (struct re_node){.kind = RE_EMPTY});
}

void re_tree_release(struct re_tree *t)
{
	mem_free(t->nodes);
	mem_free(t->ranges);
	*t = (struct re_tree){0};
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */

uint32_t re_tree_add(struct re_tree *t, struct re_node node)
{
	struct re_node *nodes = t->rc ? NULL : mem_grow(t->nodes, &t->cap, t->n, sizeof *nodes);
	if (!nodes) {
		t->rc = KVIK_ERR_NOMEM;
		return 0;
	}
	t->nodes = nodes;
	nodes[t->n] = node;
	return (uint32_t)t->n++;
}

uint32_t re_tree_cat(struct re_tree *t, uint32_t a, uint32_t b)
{
	return a && b ? re_tree_add(t, (struct re_node){.kind = RE_CAT, .a = a, .b = b}) : a ? a : b;
}

uint32_t re_tree_alt(struct re_tree *t, uint32_t a, uint32_t b)
{
	return re_tree_add(t, (struct re_node){.kind = RE_ALT, .a = a, .b = b});
}

uint32_t re_tree_repeat(struct re_tree *t, uint32_t a, uint32_t min, uint32_t max)
{
	return re_tree_add(t, (struct re_node){.kind = RE_REPEAT, .a = a, .min = min, .max = max});
}

uint32_t re_tree_raw(struct re_tree *t, uint8_t lo, uint8_t hi)
{
	return re_tree_add(t, (struct re_node){.kind = RE_RAW, .first = lo, .ranges = (uint32_t)hi - lo + 1});
}

uint32_t re_tree_bytes(struct re_tree *t, const void *bytes, size_t n)
{
	const uint8_t *b = bytes;
	uint32_t all = 0;
	for (size_t i = 0; i < n; i++)
		all = re_tree_cat(t, all, re_tree_raw(t, b[i], b[i]));
	return all;
}

/* ---- Sets of characters ------------------------------------------------------------------------------------------ */

void re_tree_range(struct re_tree *t, uint32_t lo, uint32_t hi)
{
	struct re_range *r = t->rc ? NULL : mem_grow(t->ranges, &t->ranges_cap, t->n_ranges, sizeof *r);
	if (!r) {
		t->rc = KVIK_ERR_NOMEM;
		return;
	}
	t->ranges = r;
	r[t->n_ranges++] = (struct re_range){lo, hi};
}

static int compare_ranges(const void *a, const void *b)
{
	const struct re_range *x = a, *y = b;
	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void set_sort(struct re_tree *t, size_t first)
{
	size_t n = t->n_ranges - first, out = 0;
	if (n == 0)
		return;
	struct re_range *r = t->ranges + first;
	qsort(r, n, sizeof *r, compare_ranges);
	for (size_t i = 1; i < n; i++)
		if (r[i].lo <= r[out].hi + 1)
			r[out].hi = r[i].hi > r[out].hi ? r[i].hi : r[out].hi;
		else
			r[++out] = r[i];
	t->n_ranges = first + out + 1;
}

void re_tree_invert(struct re_tree *t, size_t first)
{
	if (t->rc)
		return;
	set_sort(t, first);
	size_t end = t->n_ranges;
	uint32_t next = 0;
	for (size_t i = first; i < end && !t->rc; i++) {
		struct re_range r = t->ranges[i];
		if (r.lo > next)
			re_tree_range(t, next, r.lo - 1);
		next = r.hi + 1;
	}
	if (next <= LAST)
		re_tree_range(t, next, LAST);
	if (t->rc || t->n_ranges == 0)
		return;
	memmove(t->ranges + first, t->ranges + end, (t->n_ranges - end) * sizeof *t->ranges);
	t->n_ranges -= end - first;
}

void re_tree_fold(struct re_tree *t, size_t first)
{
	size_t end = t->n_ranges;
	for (size_t i = first; i < end && !t->rc; i++)
		for (uint32_t from = 'A', to = 'a', k = 0; k < 2; k++, from = 'a', to = 'A') {
			struct re_range r = t->ranges[i];
			uint32_t lo = r.lo > from ? r.lo : from, hi = r.hi < from + 25 ? r.hi : from + 25;
			if (lo <= hi)
				re_tree_range(t, lo - from + to, hi - from + to);
		}
}

/* Surrogates are no characters of UTF-8. */
static void set_cut_surrogates(struct re_tree *t, size_t first)
{
	set_sort(t, first);
	size_t end = t->n_ranges;
	for (size_t i = first; i < end; i++) {
		struct re_range r = t->ranges[i];
		if (r.hi < 0xD800 || r.lo > 0xDFFF)
			continue;
		if (r.lo < 0xD800 && r.hi > 0xDFFF) {
			t->ranges[i].hi = 0xD7FF;
			re_tree_range(t, 0xE000, r.hi);
		} else if (r.lo < 0xD800) {
			t->ranges[i].hi = 0xD7FF;
		} else if (r.hi > 0xDFFF) {
			t->ranges[i].lo = 0xE000;
		} else {
			t->ranges[i] = t->ranges[--t->n_ranges];
			end--, i--;
		}
	}
	set_sort(t, first);
}

uint32_t re_tree_class(struct re_tree *t, size_t first)
{
	if (t->rc)
		return 0;
	set_cut_surrogates(t, first);
	return re_tree_add(t, (struct re_node){.kind = RE_CLASS,
					       .first = (uint32_t)first,
					       .ranges = (uint32_t)(t->n_ranges - first)});
}
