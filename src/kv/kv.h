/* kv.h: the paged cache: one budget, pools of pages per group of layers, sequences with a block table per group.
 *
 * The room knows nothing of weights or dtypes: a page is page_bytes opaque bytes that hold page_tokens tokens of one
 * group. Owner: one thread. See src/kv/README.md. */
#ifndef KVIK_KV_KV_H
#define KVIK_KV_KV_H

#include "base/err.h"

#define KV_GROUPS_MAX 16

struct kv_group_desc {
	uint32_t page_tokens; /* a power of two */
	size_t page_bytes;    /* a multiple of 64 */
	uint32_t window;      /* 0 = every token stays; else a page is freed once no later query can see it */
	uint32_t sinks;       /* with a window: the first so many tokens stay */
};

struct kv_config {
	uint64_t memory_bytes; /* hard ceiling over pages, tables and all else the cache allocates */
	uint32_t n_groups;
	const struct kv_group_desc *groups;
	uint32_t seq_tokens_max; /* longest sequence */
};

struct kv;
struct kv_seq;

/* Errors: ARG, NOMEM, LIMIT (the ceiling holds not even one page per group). Pages are backed by memory when used. */
int kv_new(struct kv **out, const struct kv_config *c, struct kvik_err *err) MUST_CHECK;
void kv_free(struct kv *kv); /* sequences included */

int kv_seq_new(struct kv_seq **out, struct kv *kv, struct kvik_err *err) MUST_CHECK;
void kv_seq_free(struct kv *kv, struct kv_seq *s);

/* Room for n tokens after the last committed one, in every group, all or nothing; a shared page that would be written
 * is copied first. FULL: nothing has changed. LIMIT: past seq_tokens_max. */
int kv_reserve(struct kv *kv, struct kv_seq *s, uint32_t n, struct kvik_err *err) MUST_CHECK;
/* The first n reserved tokens have been written; pages of window groups that no later query sees are freed. Until the
 * commit everything that the queries of the reserved tokens can see stays. */
void kv_commit(struct kv *kv, struct kv_seq *s, uint32_t n);
/* Keeps the first tokens tokens, drops the rest and all reservations. ARG: more than there are; LIMIT: a window group
 * has already freed what the next query would see. */
int kv_truncate(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err) MUST_CHECK;
/* A new sequence that shares the first tokens tokens of s (committed ones); errors as for truncate. */
int kv_fork(struct kv_seq **out, struct kv *kv, const struct kv_seq *s, uint32_t tokens,
	    struct kvik_err *err) MUST_CHECK;

uint32_t kv_seq_tokens(const struct kv_seq *s); /* committed */
/* Block table of a group: [block] -> page, NULL where freed; valid until the next call that changes s. */
uint8_t *const *kv_seq_pages(const struct kv_seq *s, uint32_t group, uint32_t *n_blocks);

struct kv_group_stats {
	uint32_t pages_used, pages_free; /* backed by memory */
	uint64_t bytes_used;
};

struct kv_stats {
	uint64_t memory_bytes, bytes_used, bytes_peak, bytes_tables;
	uint32_t sequences;
	uint64_t pages_copied, pages_freed_by_window;
	struct kv_group_stats group[KV_GROUPS_MAX];
};
struct kv_stats kv_stats(const struct kv *kv);

/* Proves every invariant (tests, debug builds): NULL, or a text that says which one is broken. */
const char *kv_check(const struct kv *kv);

#endif
