/* store.h: what the cache asks of a store that keeps pages which memory has no room for, and what it tells it.
 *
 *                      evicted, worth keeping          written
 *     HOT (or PACKED) ------------------------> WRITING -------> COLD        no memory; a place in the store
 *      ^  ^  \                                   |  | failed       |
 *      |  |   `-- evicted, place still good --------------------> COLD      | kv_load
 *      |  +---------- taken by a sequence meanwhile              v
 *      +------------------------- read --------------------- READING
 *                                                 failed: everything that needs the page leaves the tree
 *
 * The cache does no I/O. It puts tickets into a bounded ring (kv_io_next); whoever does the I/O says when one is done
 * (kv_io_done), in any order. When all tickets are out, victims are dropped and loads wait: nothing ever blocks.
 *
 * Owner: the cache's thread. */
#ifndef KVIK_KV_STORE_H
#define KVIK_KV_STORE_H

#include "kv/memory.h"

enum { KV_IO_MAX = 1024 };

/* A piece of text that leaves memory: tokens start..end of a path, all of whose tokens up to `end` hash to key. */
struct kv_leaving {
	uint64_t key, parent; /* of all tokens up to end, and up to start, with their scope */
	uint32_t start, end;
	const uint32_t *ids; /* [end - start], until the call returns */
	uint32_t hits;
	uint8_t priority;
	uint64_t bytes; /* that would be written */
};

struct kv_store {
	void *ctx;
	/* Is it worth more than computing it again? 0: no, it is dropped; else a number that comes with its tickets. */
	uint64_t (*keep)(void *ctx, const struct kv_leaving *l);
	/* What lies at this place is not needed any more, or is no longer right. Not after kv_free. */
	void (*forget)(void *ctx, uint64_t place);
	uint32_t io_max;     /* tickets that may be out, 1..KV_IO_MAX */
	uint64_t cold_bytes; /* of pages that may be cold, as if they were in memory */
};

struct kv_io {
	uint32_t ticket; /* for kv_io_done */
	bool write;
	uint32_t group;
	kv_page page;    /* its bytes are not changed up to kv_io_done, but for those behind `tokens` when writing */
	uint32_t tokens; /* that the page holds, from its first slot; of a state 0 */
	uint32_t block;  /* of the path; of a state its position */
	uint64_t record; /* write: what `keep` said */
	uint64_t place;  /* read: where */
};

#endif
