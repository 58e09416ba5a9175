/* sched_kv.h: the cache of src/kv as the scheduler sees it. */
#ifndef KVIK_SCHED_SCHED_KV_H
#define KVIK_SCHED_SCHED_KV_H

#include "kv/kv.h"
#include "sched/sched.h"

/* Requests' share: a struct kv_share, or NULL: nothing is shared but among the answers of the request. step_tokens_max
 * as in the scheduler's configuration. sched_match.why is an enum kv_why. kv is borrowed, and stays the owner's to look
 * at (kv_stats, kv_clock). */
struct sched_kv {
	struct kv *kv;
	uint32_t step_tokens_max;
	/* With a store; each may be NULL. */
	void *store;
	/* A new sequence asks for the first time: now is the time to tell the cache (kv_adopt) what the store has of it. */
	void (*find)(void *store, const struct kv_share *share, const uint32_t *ids, uint32_t n);
	/* Is it better to load the tokens from..to than to compute them? NULL: always. */
	bool (*loads)(void *store, uint32_t from, uint32_t to);
};

struct sched_cache sched_kv_cache(struct sched_kv *k);

#endif
