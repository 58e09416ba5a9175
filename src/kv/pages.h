/* pages.h: reference-counted pages of several sizes under one ceiling of bytes.
 *
 * Each group owns a range of addresses large enough for the whole ceiling; memory is behind a page only while the
 * budget counts it:
 *
 *          pages_get                    last reference
 *   cold ------------> in use (refs >= 1) -----------> free (still backed) ---+
 *    ^                      ^---------------- pages_get ----------+           |
 *    +------------------ another group needs the bytes (MADV_DONTNEED) <------+
 *
 * References come from block tables and from nodes of the tree; pages that only the tree holds can be evicted, so they
 * are counted apart. The slots of a page are claimed in order, by whoever appends next: `claimed` says how many are
 * taken, so that of all who share a page one may go on in place and the others copy.
 *
 * A page that only the tree holds may be packed: its contents lie in a slot of another range, in a smaller form, and
 * the memory behind its address is given back. The address stays its name, so neither nodes nor references know of it.
 * It must be unpacked before a table takes it.
 *
 * Owner: one thread. */
#ifndef KVIK_KV_PAGES_H
#define KVIK_KV_PAGES_H

#include "kv/kv.h"

struct page_info {
	uint32_t refs;    /* of tables and nodes */
	uint32_t tree;    /* of nodes alone */
	uint32_t claimed; /* slots that are written, or that a reservation will write */
	uint32_t next;    /* of the lists below; in use: the slot that it is packed into, or PAGE_NONE */
};

/* Room for packed pages; a slot that is free has no memory. */
struct packed_slots {
	uint8_t *base; /* mapped range of capacity * stride bytes; NULL: the group's pages have no packed form */
	size_t stride;
	uint32_t capacity, fresh;
	uint32_t *next; /* [capacity]: link of the free ones */
	uint32_t free;
};

struct page_group {
	uint8_t *base;           /* mapped range of capacity * stride bytes */
	size_t page_bytes;       /* what the caller asked for */
	size_t stride;           /* page_bytes rounded up to whole pages of the system */
	uint32_t shift;          /* stride = odd << shift; page number = (offset >> shift) * inverse: see page_number */
	uint64_t inverse;        /* of odd, modulo 2^64 */
	uint32_t capacity;       /* pages */
	uint32_t fresh;          /* pages fresh.. were never given out */
	struct page_info *info;  /* [capacity] */
	uint32_t free, cold;     /* heads; PAGE_NONE = empty */
	uint32_t n_used, n_free; /* in use, on the free list */
	uint32_t n_cached;       /* in use, by the tree alone */
	uint32_t n_packed;       /* of these */
	struct packed_slots packed;
};

#define PAGE_NONE UINT32_MAX

struct pages {
	uint64_t memory_bytes; /* ceiling */
	uint64_t table_bytes;  /* bookkeeping, this room's allocations included */
	uint64_t page_bytes_used, page_bytes_free, bytes_peak;
	uint64_t page_bytes_cached; /* of those used: by the tree alone */
	uint32_t n_groups;
	struct page_group group[KV_GROUPS_MAX];
	kv_convert_fn *convert;
	void *convert_ctx;
	uint8_t *scratch; /* of the longest packed form, through which a page goes: one page is never held twice */
	size_t scratch_bytes;
	uint64_t packs, unpacks;
};

/* Release with pages_release, also after an error. */
int pages_init(struct pages *p, const struct kv_config *c, struct kvik_err *err) MUST_CHECK;
void pages_release(struct pages *p);

/* Bytes that pages and tables may still take. */
uint64_t pages_room(const struct pages *p);
/* A page with one reference (of a table), nothing claimed, contents undefined. The caller has made sure that
 * pages_room() holds its stride. */
uint8_t *pages_get(struct pages *p, uint32_t group);
void pages_ref(struct pages *p, uint32_t group, const uint8_t *page);
void pages_unref(struct pages *p, uint32_t group, const uint8_t *page);
/* The same for references of the tree. */
void pages_ref_tree(struct pages *p, uint32_t group, const uint8_t *page);
void pages_unref_tree(struct pages *p, uint32_t group, const uint8_t *page);
/* Bytes of so many pages of a group, all its packed ones among them. */
static inline uint64_t pages_group_bytes(const struct page_group *g, uint32_t n)
{
	return (n - g->n_packed) * (uint64_t)g->stride + g->n_packed * (uint64_t)g->packed.stride;
}

/* Bytes that a page in use takes. */
uint64_t pages_held(const struct pages *p, uint32_t group, const uint8_t *page);
/* Packs a page; false: it has no packed form, is packed, or a table holds it. */
bool pages_pack(struct pages *p, uint32_t group, const uint8_t *page);
/* Bytes of pages_room that unpacking it takes: 0 when it is not packed. */
uint64_t pages_unpack_bytes(const struct pages *p, uint32_t group, const uint8_t *page);
/* The caller has made sure of pages_unpack_bytes(). */
void pages_unpack(struct pages *p, uint32_t group, uint8_t *page);
/* References and claims of a page, to read and to set its claims. */
struct page_info *pages_info(const struct pages *p, uint32_t group, const uint8_t *page);
/* Gives memory of free pages back to the system until `bytes` more fit below the ceiling, as far as there are any. */
void pages_give_back(struct pages *p, uint64_t bytes);
/* Bookkeeping to be allocated (after pages_give_back has made way for it) or freed outside. */
void pages_count_table(struct pages *p, int64_t bytes);

#endif
