/* disk.h: the disk below a cache (--kv-disk): what kv has no room for, or what is to outlive the process, goes to a store
 * (src/store), and comes back when a text needs it.
 *
 *     kv: tickets --> disk_run --> store_put, store_get --> threads of the store
 *     kv_io_done  <-- disk_run <-- store_next           <--
 *
 * Owner: the cache's thread. */
#ifndef KVIK_ENGINE_DISK_H
#define KVIK_ENGINE_DISK_H

#include "engine/cache.h"

struct disk;

/* Opens c->params.disk for the cache, whose plan is made. UNSUPPORTED: this build has no store; else as store_open. */
int disk_open(struct disk **out, struct kvik_cache *c, struct kvik_err *err) MUST_CHECK;
/* What kv_new is given; room: bytes of the cache, of which books of cold pages may take a part. */
const struct kv_store *disk_store(struct disk *d, uint64_t room);
/* c->kv is there: it learns what the store has from before. */
void disk_attach(struct disk *d);
/* The same for a scope that asks for the first time; ids are not looked at. */
void disk_find(void *disk, const struct kv_share *share, const uint32_t *ids, uint32_t n);
/* Everything worth keeping is written, and nothing is under way any more: before kv_free. */
void disk_flush(struct disk *d);
void disk_close(struct disk *d); /* after kv_free; NULL is fine */

/* Hands out tickets, takes completions: once per step, and when there is news. Whether anything has ended: who has planned
 * before that plans again before he sleeps. */
bool disk_run(struct disk *d);
/* Waits for news, at most so long. */
void disk_wait(struct disk *d, uint32_t ms);
/* When disk_run is to be called at the latest (os_clock_ns in microseconds): something is to be copied, or the disk is
 * silent while somebody waits; INT64_MAX: only when there is news. */
int64_t disk_due_us(const struct disk *d);
/* From a thread of its own fn(ctx) is called when there is news, and not again before disk_run. NOMEM. */
int disk_watch(struct disk *d, void (*fn)(void *ctx), void *ctx, struct kvik_err *err) MUST_CHECK;

/* Is it quicker to load the tokens from..to than to compute them? What a token's computing takes is measured. */
bool disk_pays(void *disk, uint32_t from, uint32_t to);
void disk_prefill_us(struct disk *d, double us_per_token);

struct disk_stats {
	uint64_t bytes, bytes_max, records; /* in the folder */
	uint64_t bytes_read, bytes_written;
	uint64_t pages_read, pages_written; /* by this cache */
	uint64_t tokens_known;              /* found at the start */
	uint64_t refused, evicted, failed;  /* records: by cost or budget; for room; reads and writes that failed */
	uint64_t faults;                    /* all kinds, see the log */
	double read_ms_sum, write_ms_sum;
};
struct disk_stats disk_stats(const struct disk *d);

#endif
