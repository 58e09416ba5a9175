/* sort.c: a bottom-up merge sort, because comparing may fail or be of any cost, and the order must be stable. */
#include "tmpl/sort.h"

#include <string.h>

struct pair {
	struct value key, item;
};

/* Merges the sorted runs from[low, mid) and from[mid, high) into to[low, high). */
static void merge(struct vm *vm, const struct pair *from, struct pair *to, size_t low, size_t mid, size_t high,
		  bool reverse)
{
	size_t a = low, b = mid;
	for (size_t i = low; i < high; i++) {
		bool right = a == mid;
		if (a < mid && b < high)
			right = reverse ? value_less(vm, from[a].key, from[b].key, "<")
					: value_less(vm, from[b].key, from[a].key, "<");
		to[i] = right ? from[b++] : from[a++];
	}
}

void sort_by_keys(struct vm *vm, struct value *items, struct value *keys, size_t n, bool reverse)
{
	struct pair *from = vm_zalloc(vm, n, sizeof *from), *to = vm_zalloc(vm, n, sizeof *to);
	for (size_t i = 0; i < n; i++)
		from[i] = (struct pair){keys[i], items[i]};
	for (size_t run = 1; run < n; run *= 2) {
		for (size_t low = 0; low < n; low += 2 * run) {
			size_t mid = low + run < n ? low + run : n, high = mid + run < n ? mid + run : n;
			merge(vm, from, to, low, mid, high, reverse);
		}
		struct pair *swap = from;
		from = to;
		to = swap;
	}
	for (size_t i = 0; i < n; i++) {
		keys[i] = from[i].key;
		items[i] = from[i].item;
	}
}

struct value dict_items(struct vm *vm, const struct dict *d)
{
	struct value list = seq_new(vm, V_LIST, d->n);
	for (size_t i = 0; i < d->n; i++)
		seq_add(vm, list.seq, seq_pair(vm, d->e[i].key, d->e[i].value));
	return list;
}

struct value sorted_items(struct vm *vm, const struct dict *d)
{
	struct value list = dict_items(vm, d), keys = seq_new(vm, V_LIST, d->n);
	for (size_t i = 0; i < d->n; i++)
		seq_add(vm, keys.seq, d->e[i].key);
	sort_by_keys(vm, list.seq->v, keys.seq->v, d->n, false);
	return list;
}
