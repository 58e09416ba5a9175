/* kv_check.c: proves the invariants of pages.c and kv.c from scratch; slow, for tests and debug builds. */
#include "base/mem.h"
#include "kv/kv_impl.h"

/* Takes this sequence's references off a copy of the counts. */
static const char *check_seq(const struct kv *kv, const struct kv_seq *s, uint32_t g, uint32_t *left)
{
	const struct kv_table *t = &s->table[g];
	const struct kv_group_desc *d = &kv->desc[g];
	const struct page_group *pg = &kv->pages.group[g];
	uint64_t tokens = (uint64_t)s->tokens + s->reserved;
	if (t->n_blocks != (tokens + d->page_tokens - 1) / d->page_tokens)
		return "a block table does not fit its sequence's tokens";
	if (t->n_blocks > t->cap || t->freed > t->n_blocks)
		return "a block table is longer than its memory";
	uint32_t from = d->window && s->tokens + 1 > d->window ? s->tokens + 1 - d->window : 0;
	for (uint32_t b = 0; b < t->n_blocks; b++) {
		const uint8_t *page = t->pages[b];
		bool sink = d->window && b * d->page_tokens < d->sinks;
		if (!page && (sink || b >= from / d->page_tokens))
			return "a visible block has no page";
		if (page && b < t->freed && !sink)
			return "a block below the window still has its page";
		if (!page)
			continue;
		size_t offset = (size_t)(page - pg->base);
		if (page < pg->base || offset / pg->stride >= pg->fresh || offset % pg->stride != 0)
			return "a block names no page of its group";
		if (left[offset / pg->stride]-- == 0)
			return "a page is named more often than its references say";
	}
	return NULL;
}

/* Walks a list, marking pages in seen; returns its length or UINT32_MAX when it is broken. */
static uint32_t walk(const struct page_group *g, uint32_t head, bool *seen)
{
	uint32_t n = 0;
	for (uint32_t i = head; i != PAGE_NONE; i = g->next[i], n++) {
		if (i >= g->fresh || seen[i] || g->refs[i] != 0)
			return UINT32_MAX;
		seen[i] = true;
	}
	return n;
}

static const char *check_lists(const struct page_group *g, bool *seen)
{
	uint32_t n_free = walk(g, g->free, seen), n_cold = walk(g, g->cold, seen), n_used = 0;
	if (n_free == UINT32_MAX || n_cold == UINT32_MAX)
		return "a page is on two lists, or on one while in use";
	for (uint32_t i = 0; i < g->capacity; i++)
		n_used += g->refs[i] > 0;
	if (n_free != g->n_free || n_used != g->n_used || (uint64_t)n_free + n_cold + n_used != g->fresh)
		return "pages were lost or counted wrongly";
	return NULL;
}

static const char *check_group(const struct kv *kv, uint32_t g)
{
	const struct page_group *pg = &kv->pages.group[g];
	uint32_t *left = mem_alloc((pg->fresh + 1) * sizeof *left);
	bool *seen = mem_zalloc(pg->fresh + 1, sizeof *seen);
	const char *broken = left && seen ? NULL : "no memory for the check";
	for (uint32_t i = 0; !broken && i < pg->fresh; i++)
		left[i] = pg->refs[i];
	for (const struct kv_seq *s = kv->seqs; s && !broken; s = s->next)
		broken = check_seq(kv, s, g, left);
	for (uint32_t i = 0; !broken && i < pg->fresh; i++)
		if (left[i] != 0)
			broken = "a page has references that nobody holds";
	if (!broken)
		broken = check_lists(pg, seen);
	mem_free(left);
	mem_free(seen);
	return broken;
}

static uint64_t table_bytes(const struct kv *kv)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < kv->n_groups; g++)
		bytes += kv->pages.group[g].capacity * 2 * sizeof(uint32_t);
	for (const struct kv_seq *s = kv->seqs; s; s = s->next) {
		bytes += sizeof *s + kv->n_groups * sizeof s->table[0];
		for (uint32_t g = 0; g < kv->n_groups; g++)
			bytes += s->table[g].cap * sizeof(uint8_t *);
	}
	return bytes;
}

const char *kv_check(const struct kv *kv)
{
	uint64_t used = 0, unused = 0;
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		const struct page_group *pg = &kv->pages.group[g];
		const char *broken = check_group(kv, g);
		if (broken)
			return broken;
		used += pg->n_used * (uint64_t)pg->stride;
		unused += pg->n_free * (uint64_t)pg->stride;
	}
	if (used != kv->pages.page_bytes_used || unused != kv->pages.page_bytes_free)
		return "the byte counters differ from the pages";
	if (table_bytes(kv) != kv->pages.table_bytes)
		return "the byte counter of the tables differs from the tables";
	if (used + unused + kv->pages.table_bytes > kv->pages.memory_bytes)
		return "more bytes are held than the ceiling allows";
	return NULL;
}
