/* table.c: see table.h.
 *
 * Invariants: 1. Blocks below freed are NULL, but for sinks; from freed up to n_blocks all have pages.
 * 2. The budget counts table_bytes(). 3. A hole reads as NULL: anonymous memory given back comes back zeroed. */
#include "kv/table.h"

#include <sys/mman.h>

#include "base/mem.h"

enum { SYSTEM_PAGE = 4096, GROW_MAX = 4096 }; /* bytes; entries */

uint64_t table_bytes(const struct kv_table *t)
{
	return (uint64_t)t->cap * sizeof *t->pages - t->hole_bytes;
}

/* Doubles while short; later by steps, since unused entries count too. */
static uint32_t cap_for(const struct kv_table *t, uint32_t n)
{
	uint32_t cap = t->cap ? t->cap : 4;
	while (cap < n)
		cap += cap < GROW_MAX ? cap : GROW_MAX;
	return cap;
}

uint64_t table_more_bytes(const struct kv_table *t, uint32_t n)
{
	uint64_t realigned = t->hole_bytes ? SYSTEM_PAGE : 0; /* the hole may lose one of its system pages */
	return n <= t->cap ? 0 : (uint64_t)(cap_for(t, n) - t->cap) * sizeof *t->pages + realigned;
}

/* First entry that is neither a sink's nor in a hole already. */
static uint32_t hole_start(const struct kv_table *t, const struct kv_group_desc *d)
{
	uint32_t sinks = d->sinks ? blocks_for(d, d->sinks) : 0;
	return sinks > t->hole_end ? sinks : t->hole_end;
}

/* Gives back the system pages of the array that lie wholly in freed entries behind the sinks; returns the bytes. */
static uint32_t punch_hole(struct kv_table *t, const struct kv_group_desc *d)
{
	uint32_t first = hole_start(t, d);
	if (t->freed < first + SYSTEM_PAGE / sizeof *t->pages)
		return 0;
	uintptr_t from = ((uintptr_t)&t->pages[first] + SYSTEM_PAGE - 1) / SYSTEM_PAGE * SYSTEM_PAGE;
	uintptr_t to = (uintptr_t)&t->pages[t->freed] / SYSTEM_PAGE * SYSTEM_PAGE;
	if (from >= to || madvise((void *)from, to - from, MADV_DONTNEED) != 0)
		return 0;
	t->hole_end = (uint32_t)((to - (uintptr_t)t->pages) / sizeof *t->pages);
	t->hole_bytes += (uint32_t)(to - from);
	return (uint32_t)(to - from);
}

int table_grow(struct pages *p, struct kv_table *t, const struct kv_group_desc *d, uint32_t n, struct kvik_err *err)
{
	if (n <= t->cap)
		return 0;
	struct kv_table grown = {.n_blocks = t->n_blocks, .cap = cap_for(t, n), .freed = t->freed};
	grown.pages = mem_zalloc(grown.cap, sizeof *grown.pages);
	if (!grown.pages)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for a block table");
	uint32_t sinks = hole_start(&grown, d), first = t->freed > sinks ? t->freed : sinks;
	for (uint32_t b = 0; b < t->n_blocks; b = b + 1 < sinks || b + 1 >= first ? b + 1 : first)
		grown.pages[b] = t->pages[b];
	(void)punch_hole(&grown, d);
	pages_count_table(p, (int64_t)table_bytes(&grown) - (int64_t)table_bytes(t));
	mem_free(t->pages);
	*t = grown;
	return 0;
}

void table_drop(struct pages *p, struct kv_table *t, uint32_t group, uint32_t first)
{
	for (; t->n_blocks > first; t->n_blocks--) {
		uint8_t *page = t->pages[t->n_blocks - 1];
		if (page)
			pages_unref(p, group, page);
	}
	if (t->freed > first)
		t->freed = first;
}

void table_fill_holes(struct pages *p, struct kv_table *t)
{
	pages_count_table(p, t->hole_bytes);
	t->hole_end = t->hole_bytes = 0;
}

void table_release(struct pages *p, struct kv_table *t, uint32_t group)
{
	table_drop(p, t, group, 0);
	pages_count_table(p, -(int64_t)table_bytes(t));
	mem_free(t->pages);
	*t = (struct kv_table){0};
}

uint32_t table_slide(struct pages *p, struct kv_table *t, uint32_t group, const struct kv_group_desc *d,
		     uint32_t tokens)
{
	uint32_t end = block_of(d, visible_from(d, tokens)), freed = 0;
	if (t->freed >= end)
		return 0;
	for (; t->freed < end; t->freed++) {
		uint8_t **page = &t->pages[t->freed];
		if (!*page || is_sink(d, t->freed))
			continue;
		pages_unref(p, group, *page);
		*page = NULL;
		freed++;
	}
	pages_count_table(p, -(int64_t)punch_hole(t, d));
	return freed;
}
