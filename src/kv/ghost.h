/* ghost.h: what a cache of another size would have held, and what this one held once; keys without contents.
 *
 * Keys are hashes of all tokens up to a unit's end (and of the scope), so a unit stands for its whole prefix. Four LRU
 * lists in a row hold the keys that caches of 1/2, 1, 2 and 4 times the memory would hold beyond the smaller one: a key
 * found in list i would have hit in every cache from i on (LRU caches include the smaller ones: Mattson et al., 1970).
 * Large caches are sampled: only keys whose hash falls into 1/2^k of the range are followed, in lists 1/2^k as long
 * (SHARDS: Waldspurger et al., 2015). The history is a small table of the last prefixes that left: why, and how often
 * they had been hit.
 *
 * Owner: one thread. Memory is fixed at ghost_init. */
#ifndef KVIK_KV_GHOST_H
#define KVIK_KV_GHOST_H

#include "kv/kv.h"

#define GHOST_UNIT_TOKENS 16
#define GHOST_NONE UINT32_MAX

struct ghost_entry {
	uint64_t key;
	uint32_t prev, next; /* in the list; next also links free entries */
	uint32_t chain;      /* of the bucket */
	uint32_t list;
};

struct ghost_list {
	uint32_t first, last, n, cap;
};

struct ghost {
	struct ghost_entry *entries; /* [n_entries] */
	uint32_t *buckets;           /* [n_buckets]: a power of two */
	uint64_t *history;           /* [n_history]: a power of two; see ghost.c */
	uint32_t n_entries, n_buckets, n_history, free;
	uint32_t sample_bits; /* keys with so many leading zeros are followed */
	struct ghost_list list[KV_GHOSTS];
	uint64_t asked, hits[KV_GHOSTS]; /* hits[i]: found in list i */
};

/* units: of GHOST_UNIT_TOKENS tokens, that fit into the cache's memory; bytes_max: for the tables of the
 * ghost. NOMEM. */
int ghost_init(struct ghost *g, uint64_t units, uint64_t bytes_max, struct kvik_err *err) MUST_CHECK;
void ghost_release(struct ghost *g);
uint64_t ghost_bytes(const struct ghost *g);

/* The unit that ends here is used; asked: by a query, which counts as a hit or a miss. */
void ghost_use(struct ghost *g, uint64_t hash, bool asked);
/* Predicted hit rate; NAN when nothing was asked. */
double ghost_rate(const struct ghost *g, uint32_t size);

void ghost_note_gone(struct ghost *g, uint64_t hash, enum kv_why cause, uint32_t hits);
/* What a prefix that is computed again starts with: its hits when it was evicted, and one for its return. */
uint32_t ghost_return_hits(const struct ghost *g, uint64_t hash);
/* KV_EVICTED, KV_EXPIRED, or KV_NEW when nothing is remembered. */
enum kv_why ghost_cause(const struct ghost *g, uint64_t hash);

/* The hash of one more token; quick, good only after ghost_mix. */
static inline uint64_t ghost_roll(uint64_t hash, uint32_t token)
{
	return ((hash << 5 | hash >> 59) ^ token) * UINT64_C(0x9E3779B97F4A7C15);
}

static inline uint64_t ghost_mix(uint64_t hash)
{
	hash = (hash ^ hash >> 32) * UINT64_C(0xD6E8FEB86659FD93);
	return hash ^ hash >> 32;
}

#endif
