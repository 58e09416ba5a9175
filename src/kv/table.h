/* table.h: the block table of one group of a sequence, and which blocks a group needs where.
 *
 *   block      0     1     2     3     4     5     6          window 40, sinks 4, pages of 16 tokens,
 *   pages   [sink][none][none][page][page][page][page]        96 tokens committed, 10 reserved:
 *                         freed = 3 --^     ^ query at 96 sees 57..96
 *
 * Entries of freed blocks are dropped from time to time (`gone`; base/page_table.h draws it), so that a stream without
 * end does not grow its table.
 * Owner: one thread. */
#ifndef KVIK_KV_TABLE_H
#define KVIK_KV_TABLE_H

#include "kv/pages.h"

struct kv_table {
	kv_page *pages;    /* [cap]: see table_entry */
	uint32_t n_blocks; /* with pages: committed and reserved */
	uint32_t cap;      /* entries */
	uint32_t head;     /* blocks of sinks: have entries for ever; set when the sequence is made */
	uint32_t gone;     /* so many blocks behind them have none */
	uint32_t freed;    /* blocks below have no page, but for those of the sinks */
};

/* The block that a position lies in; a page's tokens are a power of two, and a division would cost as much as the rest
 * of what is done for a token. */
static inline uint32_t block_of(const struct kv_group_desc *d, uint32_t position)
{
	return position >> __builtin_ctz(d->page_tokens);
}

static inline uint32_t blocks_for(const struct kv_group_desc *d, uint32_t tokens)
{
	return block_of(d, tokens) + ((tokens & (d->page_tokens - 1)) != 0);
}

/* First position that a query at `position` sees, sinks aside. */
static inline uint32_t visible_from(const struct kv_group_desc *d, uint32_t position)
{
	return d->window && position + 1 > d->window ? position + 1 - d->window : 0;
}

static inline bool is_sink(const struct kv_group_desc *d, uint32_t block)
{
	return d->window && (uint64_t)block * d->page_tokens < d->sinks;
}

/* Does a query at position tokens, the next one, see anything of a block of earlier tokens? */
static inline bool is_needed(const struct kv_group_desc *d, uint32_t block, uint32_t tokens)
{
	return block >= block_of(d, visible_from(d, tokens)) || is_sink(d, block);
}

/* Does a block have an entry? */
static inline bool table_has(const struct kv_table *t, uint32_t block)
{
	return block < t->head || block - t->head >= t->gone;
}

static inline kv_page *table_entry(const struct kv_table *t, uint32_t block)
{
	return &t->pages[block < t->head ? block : block - t->gone];
}

static inline kv_page table_page(const struct kv_table *t, uint32_t block)
{
	return table_has(t, block) ? *table_entry(t, block) : KV_PAGE_NONE;
}

/* What is gone when the first block behind the sinks that is of any use is `first`. */
static inline uint32_t table_gone(const struct kv_table *t, uint32_t first)
{
	return first > t->head ? first - t->head : 0;
}

/* Most bytes that table_grow will count for n blocks. */
uint64_t table_more_bytes(const struct kv_table *t, uint32_t n);
/* Entries for n blocks; the caller has made sure of table_more_bytes. NOMEM. */
int table_grow(struct pages *p, struct kv_table *t, uint32_t n, struct kvik_err *err) MUST_CHECK;
void table_release(struct pages *p, struct kv_table *t, uint32_t group);
/* Blocks first.. lose their pages. */
void table_drop(struct pages *p, struct kv_table *t, uint32_t group, uint32_t first);
/* Blocks from `first` on get entries again, empty ones; cap has room for those up to n_blocks. */
void table_rewind(struct kv_table *t, uint32_t first);
/* Frees the pages of blocks below `end`, but for sinks; returns their number. */
uint32_t table_free_below(struct pages *p, struct kv_table *t, uint32_t group, uint32_t end);

/* Frees what the query at position tokens and later ones cannot see; returns the number of pages. */
static inline uint32_t table_slide(struct pages *p, struct kv_table *t, uint32_t group, const struct kv_group_desc *d,
				   uint32_t tokens)
{
	uint32_t end = block_of(d, visible_from(d, tokens));
	return end > t->freed ? table_free_below(p, t, group, end) : 0;
}

uint64_t table_bytes(const struct kv_table *t);

#endif
