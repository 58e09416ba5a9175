/* cache.h: the inside of a cache, and the step that every computation goes through.
 *
 * Owner: the cache's one thread. */
#ifndef KVIK_ENGINE_CACHE_H
#define KVIK_ENGINE_CACHE_H

#include <kvik.h>

#include "base/hash.h"
#include "engine/loaded.h"

struct step_item;

struct kvik_cache {
	struct kvik_model *model;
	struct kvik_cache_params params; /* with defaults filled in */
	struct kvplan plan;
	struct kv *kv;
	struct dev_pages *pages; /* what kv's pages lie in */
	struct disk *disk;       /* below kv; NULL: none */
	struct model_work *work;
	struct batch_seq *seqs;  /* [chunk]: the batch being put together */
	uint32_t *ids;           /* [chunk] */
	uint32_t *logit_tokens;  /* [chunk] */
	uint32_t *hidden_tokens; /* [chunk] */
	float *row;              /* [n_vocab]: logits that sampling may change */
	void *sample_scratch;    /* sample_scratch_bytes(n_vocab) */
	struct kvik_pin *pins;   /* all that have not been freed; the callers' */
	uint64_t step;           /* how many kvik_cache_step there were; of them: */
	struct step_item *items; /* [items_cap] */
	size_t items_cap;
	struct hash128 fingerprint; /* once it was asked for: fingerprint.c */
	bool has_fingerprint;
};

/* Tells the cache the time, which ends the lives of prefixes and pins; before whatever else is done with it. */
void cache_tick(struct kvik_cache *c);
/* How whoever gave this (NULL: the default) shares; *isolated: not at all. ARG: its size. */
int cache_share(struct kv_share *own, bool *isolated, const struct kvik_share *given, struct kvik_err *err) MUST_CHECK;
/* A look-up's result as callers see it, counted from token `from` on. */
struct kvik_prefix cache_prefix(uint32_t tokens, uint32_t matched, enum kv_why why, uint32_t other, size_t from);
#define CACHE_PREFIX_COLD \
	((struct kvik_prefix){.size = sizeof(struct kvik_prefix), .miss = KVIK_MISS_COLD, .other = KVIK_NO_ID})

/* A sequence's part of a step. */
struct step_item {
	struct kvik_session *session; /* of a step that the caller planned; else NULL */
	struct kv_seq *seq;
	const uint32_t *ids; /* [n], each below n_vocab */
	uint32_t n;
	uint32_t n_logits; /* the logits of its last so many tokens are wanted */
	uint32_t n_hidden; /* and the normed hidden states of its last so many */
};

/* Computes the tokens of all items (at most params.chunk in all), for which room was reserved (kv_reserve); the caller
 * commits them. logits: [sum of n_logits][n_vocab], hidden: [sum of n_hidden][dim], item after item. Cannot fail. */
void cache_forward(struct kvik_cache *c, const struct step_item *items, uint32_t n_items, float *logits, float *hidden);

/* Of planning: what the caller gave (may be NULL), with the defaults that depend on the model; the groups of layers; bytes of pages and tables of
 * `sessions` sequences of `context` tokens. */
int cache_resolve(struct kvik_cache_params *p, const struct kvik_cache_params *given, const struct hparams *h,
		  struct kvik_err *err) MUST_CHECK;
int cache_plan(struct kvplan *plan, const struct hparams *h, const struct kvik_cache_params *p,
	       struct kvik_err *err) MUST_CHECK;
/* Tokens between snapshots of states; 0: no layer keeps one. */
uint32_t cache_state_every(const struct kvplan *plan, const struct kvik_cache_params *p);
/* Of pages and states of one sequence of `context` tokens. */
uint64_t cache_session_bytes(const struct kvplan *plan, const struct kvik_cache_params *p);
uint64_t cache_bytes(const struct kvplan *plan, const struct kvik_cache_params *p);

static inline bool cache_keeps_states(const struct kvik_cache *c)
{
	return c->plan.state_group < c->plan.n_groups;
}

/* Of model, arithmetic, dtypes and windows: with another one no page of this cache is of any use. Reads all weights, once.
 * NOMEM. */
int cache_fingerprint(struct kvik_cache *c, struct hash128 *out, struct kvik_err *err) MUST_CHECK;
/* A page's first `tokens` tokens (of a state: all of it) to the host, and zeros in the place of the others, which may be
 * somebody else's. */
void cache_read_page(const struct kvik_cache *c, uint32_t group, kv_page page, uint32_t tokens, void *to);

uint32_t cache_vocab_size(const struct kvik_cache *c);

#endif
