/* fake_cache.h: a small, obviously right prefix cache for the simulation: pages of FAKE_PAGE tokens, a page costs one
 * "byte"; a full page is a node of a tree, found by its tokens under its parent. It aborts when the scheduler misuses
 * it. */
#ifndef TESTS_SCHED_FAKE_CACHE_H
#define TESTS_SCHED_FAKE_CACHE_H

#include "sched/sched.h"

enum { FAKE_PAGE = 8, FAKE_PAGES_MAX = 8192, FAKE_SEQS_MAX = 256, FAKE_TOKENS_MAX = 16384 };

struct fake_node {
	bool used;
	uint32_t refs; /* sequences whose path goes through it */
	uint32_t n_children;
	struct fake_node *parent; /* NULL: first page */
	uint32_t reads;           /* times that a match must ask before it is in memory */
	const void *share;
	uint32_t ids[FAKE_PAGE];
	uint64_t touched;
};

struct fake_seq {
	bool used;
	const void *share;
	uint32_t n_path, n_tail, n_pages; /* n_pages: private ones, for the tail and what is reserved */
	struct fake_node *path[FAKE_TOKENS_MAX / FAKE_PAGE];
	uint32_t tail[FAKE_PAGE];
	uint32_t reserved; /* tokens */
	bool drafts;       /* perhaps not all of them will be committed */
	const uint32_t *announced;
	uint32_t n_announced;
};

struct fake_cache {
	bool whole;     /* what is reserved is committed whole or not at all, as with states of recurrent layers */
	uint32_t reads; /* a node that nobody holds any more takes so many asks to be read; 0: none */
	uint32_t capacity, used, unreferenced; /* pages; unreferenced: nodes that may be evicted */
	uint64_t clock;
	uint32_t n_nodes_hw, n_seqs; /* hw: nodes beyond were never used */
	struct fake_node node[FAKE_PAGES_MAX];
	struct fake_seq seq[FAKE_SEQS_MAX];
};

void fake_init(struct fake_cache *f, uint32_t capacity);
struct sched_cache fake_ops(struct fake_cache *f);
uint32_t fake_tokens(const struct fake_seq *s);
/* Do the first n tokens of the sequence have these ids? */
bool fake_holds(const struct fake_seq *s, const uint32_t *ids, uint32_t n);
const char *fake_check(const struct fake_cache *f);

#endif
