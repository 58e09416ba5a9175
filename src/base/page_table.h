/* page_table.h: how a block table is read: the cache fills it, the kernels follow it.
 *
 *   block    0    1    2    3    4    5    6          head 1, gone 3: blocks 1, 2, 3 were given up long ago and
 *   ids    [ a ][                ][ b ][ c ][ d ]     have no entries; the array holds a b c d
 *
 * An id names a page of one area: it lies at base + id * stride. No page has id 0. Plain data; any thread. */
#ifndef KVIK_BASE_PAGE_TABLE_H
#define KVIK_BASE_PAGE_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct page_table {
	const uint32_t *ids; /* borrowed */
	uint32_t head;       /* blocks below are ids[block] */
	uint32_t gone;       /* so many after them have no entries; others are ids[block - gone] */
};

struct page_area {
	uint8_t *base;
	size_t stride;
};

/* The page of a block of the table; 0: none. */
static inline uint32_t page_table_at(const struct page_table *t, uint32_t block)
{
	if (block < t->head)
		return t->ids[block];
	return block - t->head < t->gone ? 0 : t->ids[block - t->gone];
}

/* Where a page that has an id other than 0 lies. */
static inline uint8_t *page_address(const struct page_area *a, uint32_t id)
{
	return a->base + id * a->stride;
}

#endif
