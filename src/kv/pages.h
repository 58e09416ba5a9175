/* pages.h: reference-counted pages of several sizes under one ceiling of bytes.
 *
 * Each group owns a range of addresses large enough for the whole ceiling; memory is behind a page only while the
 * budget counts it:
 *
 *          pages_get                    last pages_unref
 *   cold ------------> in use (refs >= 1) -----------> free (still backed) ---+
 *    ^                      ^---------------- pages_get ----------+           |
 *    +------------------ another group needs the bytes (MADV_DONTNEED) <------+
 *
 * Owner: one thread. */
#ifndef KVIK_KV_PAGES_H
#define KVIK_KV_PAGES_H

#include "kv/kv.h"

struct page_group {
	uint8_t *base;       /* mapped range of capacity * stride bytes */
	size_t page_bytes;   /* what the caller asked for */
	size_t stride;       /* page_bytes rounded up to whole pages of the system */
	uint32_t capacity;   /* pages */
	uint32_t fresh;      /* pages fresh.. were never given out */
	uint32_t *refs;      /* [capacity] */
	uint32_t *next;      /* [capacity]: links of the two lists below */
	uint32_t free, cold; /* heads; PAGE_NONE = empty */
	uint32_t n_used, n_free;
};

#define PAGE_NONE UINT32_MAX

struct pages {
	uint64_t memory_bytes; /* ceiling */
	uint64_t table_bytes;  /* bookkeeping, this room's allocations included */
	uint64_t page_bytes_used, page_bytes_free, bytes_peak;
	uint32_t n_groups;
	struct page_group group[KV_GROUPS_MAX];
};

/* Release with pages_release, also after an error. */
int pages_init(struct pages *p, const struct kv_config *c, struct kvik_err *err) MUST_CHECK;
void pages_release(struct pages *p);

/* Bytes that pages and tables may still take. */
uint64_t pages_room(const struct pages *p);
/* A page with one reference, contents undefined. The caller has made sure that pages_room() holds its stride. */
uint8_t *pages_get(struct pages *p, uint32_t group);
void pages_ref(struct pages *p, uint32_t group, const uint8_t *page);
void pages_unref(struct pages *p, uint32_t group, const uint8_t *page);
uint32_t pages_refs(const struct pages *p, uint32_t group, const uint8_t *page);
/* Bookkeeping allocated or freed outside. */
void pages_count_table(struct pages *p, int64_t bytes);

#endif
