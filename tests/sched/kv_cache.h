/* kv_cache.h: the cache of src/kv for the simulation: whatever is computed is written into the pages of every group,
 * and looked for again where a query must see it. */
#ifndef TESTS_SCHED_KV_CACHE_H
#define TESTS_SCHED_KV_CACHE_H

#include "../kv/fake_disk.h"
#include "sched/sched_kv.h"
#include "sim.h"

enum { KV_CACHE_GROUPS = 4 };

struct kv_cache {
	struct sched_kv k;
	struct kv_share shares[2];
	struct fake_disk disk;
	bool has_disk;
};

/* A cache of so many bytes behind sim, with a disk that sometimes fails or not; false: too small for the room itself. */
bool kv_cache_init(struct kv_cache *c, struct sim *sim, uint64_t bytes, uint32_t n_groups, bool disk);
/* NULL, or what it still holds that cannot be evicted. */
const char *kv_cache_left_over(struct kv_cache *c);

#endif
