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

struct kv_scope; /* kv.h */

enum { KV_IO_MAX = 1024 };

/* A piece of text that is to be written: tokens start..end of a path, start being that of a block in all groups. Its
 * pages are those of all its blocks (kv_adopt), and the states of its end if there are any. */
struct kv_leaving {
	const struct kv_scope *scope;
	uint32_t start, end;
	const uint32_t *ids; /* [end]: of the whole path; these pointers are good until the call returns */
	uint32_t hits;
	uint8_t priority;
	uint64_t ttl;     /* 0: no limit */
	uint32_t n_pages; /* tickets that follow, one after another */
	uint64_t bytes;   /* of their pages */
};

struct kv_store {
	void *ctx;
	/* Is it worth more than computing it again? 0: no, it is dropped; else a number that comes with its tickets. */
	uint64_t (*keep)(void *ctx, const struct kv_leaving *l);
	/* What lies at this place is not needed any more, or is no longer right. Not after kv_free. */
	void (*forget)(void *ctx, uint64_t place);
	uint32_t io_max;     /* tickets that may be out, 1..KV_IO_MAX */
	uint64_t cold_bytes; /* of pages that may be cold, as if they were in memory */
	uint64_t sync_after; /* what has changed so long ago (kv_clock) is written, and stays; 0: only what leaves is */
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
