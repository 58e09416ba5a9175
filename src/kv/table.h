/* table.h: the block table of one group of a sequence, and which blocks a group needs where.
 *
 *   block      0     1     2     3     4     5     6          window 40, sinks 4, pages of 16 tokens,
 *   pages   [sink][NULL][NULL][page][page][page][page]        96 tokens committed, 10 reserved:
 *                         freed = 3 --^     ^ query at 96 sees 57..96
 *
 * Memory behind the entries of freed blocks goes back to the system, so that a stream without end does not grow it.
 * Owner: one thread. */
#ifndef KVIK_KV_TABLE_H
#define KVIK_KV_TABLE_H

#include "kv/pages.h"

struct kv_table {
	uint8_t **pages;     /* [cap]; pages[b] holds tokens b * page_tokens ..; NULL where freed by the window */
	uint32_t n_blocks;   /* with pages: committed and reserved */
	uint32_t cap;        /* entries */
	uint32_t freed;      /* blocks below are NULL, but for those of the sinks */
	uint32_t hole_end;   /* entries below may be in holes */
	uint32_t hole_bytes; /* of the array, not backed by memory */
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

/* Most bytes that table_grow will count for n blocks. */
uint64_t table_more_bytes(const struct kv_table *t, uint32_t n);
/* Room for n blocks; the caller has made sure of table_more_bytes. NOMEM. */
int table_grow(struct pages *p, struct kv_table *t, const struct kv_group_desc *d, uint32_t n,
	       struct kvik_err *err) MUST_CHECK;
void table_release(struct pages *p, struct kv_table *t, uint32_t group);
/* Blocks first.. lose their pages. */
void table_drop(struct pages *p, struct kv_table *t, uint32_t group, uint32_t first);
/* Frees what the query at position tokens and later ones cannot see; returns the number of pages. */
uint32_t table_slide(struct pages *p, struct kv_table *t, uint32_t group, const struct kv_group_desc *d,
		     uint32_t tokens);
/* Counts the holes as memory, before entries in them are used again; the caller has made sure of hole_bytes. */
void table_fill_holes(struct pages *p, struct kv_table *t);
uint64_t table_bytes(const struct kv_table *t);

#endif
