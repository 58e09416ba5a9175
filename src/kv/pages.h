/* pages.h: reference-counted pages of several sizes under one ceiling of bytes.
 *
 * Each group owns an area of places (memory.h) large enough for the whole ceiling; memory is behind a page only while
 * the budget counts it:
 *
 *          pages_prepare              pages_get                    last reference
 *   cold --------------> free (committed) -----> in use (refs >= 1) ---------------> free ---+
 *    ^                                                                                       |
 *    +---------------- another group or a table needs the bytes (decommit) <-----------------+
 *
 * References come from block tables and from nodes of the tree; pages that only the tree holds can be evicted, so they
 * are counted apart. The slots of a page are claimed in order, by whoever appends next: `claimed` says how many are
 * taken, so that of all who share a page one may go on in place and the others copy.
 *
 * A page is released when its last reference goes; one that is being written or read then waits for that to end
 * (n_limbo), since the other side still has its memory.
 *
 * A page that only the tree holds may be packed: its contents lie in a slot of another area, in a smaller form, and the
 * memory behind its own place is given back. Its id stays its name, so neither nodes nor references know of it. It must
 * be unpacked before a table takes it.
 *
 * Owner: one thread. */
#ifndef KVIK_KV_PAGES_H
#define KVIK_KV_PAGES_H

#include "kv/kv.h"

struct page_info {
	uint32_t refs;    /* of tables and nodes */
	uint32_t tree;    /* of nodes alone */
	uint32_t claimed; /* slots that are written, or that a reservation will write */
	uint32_t next;    /* of the lists below; in use: the slot that it is packed into, or 0 */
	uint8_t form;     /* enum page_form */
	bool stale;       /* of one that is being written: somebody has claimed slots of it since */
	bool stays;       /* and it stays in memory when that is done */
};

/* Where a page's bytes are; store.h draws how one becomes another. All but HOT and WRITING are the tree's alone. */
enum page_form { PAGE_HOT, PAGE_PACKED, PAGE_WRITING, PAGE_COLD, PAGE_READING };

/* Room for packed pages; a slot that is free has no memory. */
struct packed_slots {
	size_t stride;            /* 0: the group's pages have no packed form */
	uint32_t capacity, fresh; /* slots 1..fresh were given out */
	uint32_t *next;           /* [capacity + 1]: link of the free ones */
	uint32_t free;
};

struct page_group {
	size_t page_bytes;       /* what the caller asked for */
	size_t stride;           /* what a page takes of the memory */
	uint32_t capacity;       /* pages 1..capacity */
	uint32_t fresh;          /* pages 1..fresh were committed once */
	struct page_info *info;  /* [capacity + 1] */
	uint32_t free, cold;     /* heads; 0 = empty */
	uint32_t kept;           /* free ones that pages_prepare has spoken for */
	uint32_t n_used, n_free; /* in use, on the free list */
	uint32_t n_cached;       /* in use, by the tree alone */
	uint32_t n_packed;       /* of these */
	uint32_t n_cold;         /* of these, in the store alone */
	uint32_t n_limbo;        /* without references, but written or read right now */
	uint32_t cold_max;       /* of n_cold */
	uint64_t *place;         /* [capacity + 1]: in the store; 0: none. NULL without a store */
	struct packed_slots packed;
};

struct pages {
	uint64_t memory_bytes; /* ceiling */
	uint64_t table_bytes;  /* bookkeeping, this room's allocations included */
	uint64_t page_bytes_used, page_bytes_free, bytes_peak;
	uint64_t page_bytes_cached; /* of those used: by the tree alone, and not being written or read */
	uint32_t n_groups;
	struct page_group group[KV_GROUPS_MAX];
	struct kv_memory memory;
	/* Of the longest packed form: counted from the start, since a page is in both forms while it is converted. */
	size_t convert_bytes;
	const struct kv_store *store; /* NULL: none */
	uint32_t n_away;              /* pages that are COLD or READING */
	uint64_t packs, unpacks;
};

/* Release with pages_release, also after an error. */
int pages_init(struct pages *p, const struct kv_config *c, const struct kv_memory *m, struct kvik_err *err) MUST_CHECK;
void pages_release(struct pages *p);

/* Bytes that pages and tables may still take. */
uint64_t pages_room(const struct pages *p);
/* Memory behind the n[group] pages of each group that the caller takes next; pages_room() holds them. NOMEM. */
int pages_prepare(struct pages *p, const uint32_t *n, struct kvik_err *err) MUST_CHECK;
/* A page that was prepared, with one reference (of a table), nothing claimed, contents undefined. */
kv_page pages_get(struct pages *p, uint32_t group);
/* Bytes of so many pages of a group, all its packed ones among them. */
static inline uint64_t pages_group_bytes(const struct page_group *g, uint32_t n)
{
	return (n - g->n_packed - g->n_cold) * (uint64_t)g->stride + g->n_packed * (uint64_t)g->packed.stride;
}

/* Bytes that a page in use takes. */
uint64_t pages_held(const struct pages *p, uint32_t group, kv_page page);
/* Packs a page; false: it has no packed form, is packed, a table holds it, or there is no memory for it. */
bool pages_pack(struct pages *p, uint32_t group, kv_page page);
/* Bytes of pages_room that unpacking it takes: 0 when it is not packed. */
uint64_t pages_unpack_bytes(const struct pages *p, uint32_t group, kv_page page);
/* The caller has made sure of pages_unpack_bytes(). NOMEM. */
int pages_unpack(struct pages *p, uint32_t group, kv_page page, struct kvik_err *err) MUST_CHECK;
/* References and claims of a page, to read and to set its claims. */
static inline struct page_info *pages_info(const struct pages *p, uint32_t group, kv_page page)
{
	return &p->group[group].info[page];
}
/* Changes both counts of a page and, with them, whether it is in use and whether only the tree holds it. */
void pages_change_refs(struct pages *p, uint32_t group, kv_page page, int refs, int tree);

/* References of tables. One of many changes nothing else. */
static inline void pages_ref(struct pages *p, uint32_t group, kv_page page)
{
	struct page_info *i = pages_info(p, group, page);
	if (i->refs > i->tree)
		i->refs++;
	else
		pages_change_refs(p, group, page, 1, 0);
}

static inline void pages_unref(struct pages *p, uint32_t group, kv_page page)
{
	struct page_info *i = pages_info(p, group, page);
	if (i->refs > i->tree + 1)
		i->refs--;
	else
		pages_change_refs(p, group, page, -1, 0);
}

/* The same for references of the tree. */
static inline void pages_ref_tree(struct pages *p, uint32_t group, kv_page page)
{
	pages_change_refs(p, group, page, 1, 1);
}

static inline void pages_unref_tree(struct pages *p, uint32_t group, kv_page page)
{
	pages_change_refs(p, group, page, -1, -1);
}

/* All bytes of a page in use to another one, which only the caller has. */
void pages_copy(struct pages *p, uint32_t group, kv_page to, kv_page from);
/* Is it in its own place, as those read it that compute? */
static inline bool pages_in_place(const struct pages *p, uint32_t group, kv_page page)
{
	uint8_t form = pages_info(p, group, page)->form;
	return form == PAGE_HOT || form == PAGE_WRITING;
}

/* ---- Pages and the store: called by io.c -------------------------------------------------------------------------- */

/* Is it in memory, packed or not? */
static inline bool pages_resident(const struct pages *p, uint32_t group, kv_page page)
{
	uint8_t form = pages_info(p, group, page)->form;
	return form != PAGE_COLD && form != PAGE_READING;
}

static inline uint64_t pages_place(const struct pages *p, uint32_t group, kv_page page)
{
	return p->group[group].place ? p->group[group].place[page] : 0;
}

/* Somebody claims slots of a page: what the store has of it is not it any more. */
void pages_forget(struct pages *p, uint32_t group, kv_page page);
static inline void pages_claim(struct pages *p, uint32_t group, kv_page page, uint32_t slots)
{
	pages_info(p, group, page)->claimed = slots;
	if (p->store)
		pages_forget(p, group, page);
}

/* HOT -> WRITING. stays: it will be HOT again, else COLD if it is still the tree's alone. */
void pages_write(struct pages *p, uint32_t group, kv_page page, bool stays);
/* It is written, at this place, or not (0). Returns whether it is now COLD. */
bool pages_written(struct pages *p, uint32_t group, kv_page page, uint64_t place);
/* HOT, with a place -> COLD. */
void pages_cool(struct pages *p, uint32_t group, kv_page page);
/* COLD -> READING; pages_room() holds it. NOMEM. */
int pages_read(struct pages *p, uint32_t group, kv_page page, struct kvik_err *err) MUST_CHECK;
/* READING -> HOT, or what it was is lost: those that name it must give it up. */
void pages_was_read(struct pages *p, uint32_t group, kv_page page, bool ok);
/* A COLD page with one reference of the tree; 0: there is no room for one. */
kv_page pages_adopt(struct pages *p, uint32_t group, uint64_t place, uint32_t claimed);

/* Gives memory of free pages back to the system until `bytes` more fit below the ceiling, as far as there are any. */
void pages_give_back(struct pages *p, uint64_t bytes);
/* Bookkeeping to be allocated (after pages_give_back has made way for it) or freed outside. */
void pages_count_table(struct pages *p, int64_t bytes);

#endif
