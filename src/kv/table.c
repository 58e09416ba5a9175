/* table.c: see table.h.
 *
 * Invariants: 1. Blocks below freed have no page, but for sinks; from freed up to n_blocks all have one.
 * 2. gone = 0 or head + gone <= freed; entries of all other blocks fit into cap.
 * 3. The budget counts table_bytes(). */
#include "kv/table.h"

#include <string.h>

#include "base/mem.h"

enum { GROW_MAX = 4096, GONE_MIN = 256 }; /* entries */

uint64_t table_bytes(const struct kv_table *t)
{
	return (uint64_t)t->cap * sizeof *t->pages;
}

/* Doubles while short; later by steps, since unused entries count too. */
static uint32_t cap_for(uint32_t cap, uint32_t entries)
{
	cap = cap ? cap : 4;
	while (cap < entries)
		cap += cap < GROW_MAX ? cap : GROW_MAX;
	return cap;
}

static uint32_t entries_for(const struct kv_table *t, uint32_t n)
{
	return n > t->gone ? n - t->gone : 0;
}

uint64_t table_more_bytes(const struct kv_table *t, uint32_t n)
{
	uint32_t entries = entries_for(t, n);
	return entries <= t->cap ? 0 : (uint64_t)(cap_for(t->cap, entries) - t->cap) * sizeof *t->pages;
}

static bool resize(struct pages *p, struct kv_table *t, uint32_t cap)
{
	kv_page *pages = mem_realloc(t->pages, cap, sizeof *pages);
	if (!pages)
		return false;
	pages_count_table(p, ((int64_t)cap - (int64_t)t->cap) * (int64_t)sizeof *pages);
	t->pages = pages;
	t->cap = cap;
	return true;
}

int table_grow(struct pages *p, struct kv_table *t, uint32_t n, struct kvik_err *err)
{
	uint32_t entries = entries_for(t, n);
	if (entries <= t->cap || resize(p, t, cap_for(t->cap, entries)))
		return 0;
	return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for a block table");
}

static void unref(struct pages *p, const struct kv_table *t, uint32_t group, uint32_t block)
{
	if (*table_entry(t, block))
		pages_unref(p, group, *table_entry(t, block));
}

void table_drop(struct pages *p, struct kv_table *t, uint32_t group, uint32_t first)
{
	uint32_t end = t->n_blocks;
	if (first >= end)
		return;
	for (; end > first && end > t->head + t->gone; end--)
		unref(p, t, group, end - 1);
	for (end = end < t->head ? end : t->head; end > first; end--)
		unref(p, t, group, end - 1);
	t->n_blocks = first;
	if (t->freed > first)
		t->freed = first;
	if (t->gone > table_gone(t, first))
		t->gone = table_gone(t, first);
}

void table_rewind(struct kv_table *t, uint32_t first)
{
	uint32_t gone = table_gone(t, first), end = t->head + t->gone;
	if (gone >= t->gone)
		return;
	uint32_t back = t->gone - gone, live = t->n_blocks > end ? t->n_blocks - end : 0;
	kv_page *at = t->pages + t->head;
	memmove(at + back, at, live * sizeof *at);
	memset(at, 0, back * sizeof *at);
	t->gone = gone;
}

void table_release(struct pages *p, struct kv_table *t, uint32_t group)
{
	table_drop(p, t, group, 0);
	pages_count_table(p, -(int64_t)table_bytes(t));
	mem_free(t->pages);
	*t = (struct kv_table){0};
}

/* Drops the entries of freed blocks when they are many, and no fewer than those that have to be moved for it. A table
 * of which most was used once gets shorter; if the system does not take the rest back, it stays. */
static void drop_entries(struct pages *p, struct kv_table *t)
{
	uint32_t gone = table_gone(t, t->freed), live = t->n_blocks - t->freed;
	if (gone < t->gone + GONE_MIN || gone - t->gone < live)
		return;
	memmove(t->pages + t->head, t->pages + t->head + (gone - t->gone), live * sizeof *t->pages);
	t->gone = gone;
	uint32_t cap = cap_for(0, t->head + live);
	if (cap <= t->cap / 4)
		(void)resize(p, t, cap);
}

uint32_t table_free_below(struct pages *p, struct kv_table *t, uint32_t group, uint32_t end)
{
	uint32_t freed = 0;
	for (; t->freed < end; t->freed++) {
		kv_page *page = table_entry(t, t->freed);
		if (t->freed < t->head || !*page)
			continue;
		pages_unref(p, group, *page);
		*page = KV_PAGE_NONE;
		freed++;
	}
	drop_entries(p, t);
	return freed;
}
