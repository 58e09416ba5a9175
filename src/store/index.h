/* index.h: which records there are and where: a hash table by key of text, in one array of slots. Knows no files.
 *
 * Owner: whoever holds the lock of the store that it belongs to. */
#ifndef KVIK_STORE_INDEX_H
#define KVIK_STORE_INDEX_H

#include "store/head.h"

struct segment;

enum { INDEX_NONE = 0 }; /* slot 0 is never used */

struct entry {
	struct store_key text;
	uint64_t scope, fingerprint; /* the first halves */
	uint64_t parts_id;           /* hash of what its parts are */
	uint64_t expires;
	struct segment *segment; /* NULL: the slot is free */
	uint32_t head_at, head_bytes;
	uint32_t data_page, data_pages; /* of DATA_PAGE bytes, in the data file */
	uint32_t start, end;
	float worth;
	uint32_t generation;     /* of the slot: a place of an earlier one is not good for this one */
	uint32_t next;           /* of the same bucket, or of the free slots */
	uint32_t before, behind; /* of the same segment */
	uint8_t hits, priority;
};

enum { DATA_PAGE = 4096 };

struct index {
	struct entry *slots; /* [n_slots] of cap */
	size_t n_slots, cap;
	uint32_t *buckets; /* [n_buckets], a power of two; slots */
	uint32_t n_buckets, n, free;
	double worth; /* of all entries */
};

void index_release(struct index *x);
/* A new entry as e says; 0: no memory. */
uint32_t index_add(struct index *x, const struct entry *e);
void index_remove(struct index *x, uint32_t slot);
/* The first, or next, entry with this key of text; 0: none. */
uint32_t index_find(const struct index *x, struct store_key text);
uint32_t index_find_next(const struct index *x, uint32_t slot);

/* Places: slot, generation, part. */
uint64_t index_place(const struct index *x, uint32_t slot);
uint32_t index_at(const struct index *x, uint64_t place); /* 0: it is gone */
static inline uint32_t index_part(uint64_t place)
{
	return (uint32_t)(place & 0xFF);
}

#endif
