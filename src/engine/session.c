/* session.c: one sequence of tokens in a cache.
 *
 * Invariant: ids[0..n) are the session's tokens. The sequence holds them all, or fewer: where layers keep a state it can go
 * back only to some positions, and what lies between is computed again with the next feed (with no_kv_cache: all of it).
 * Owner: the cache's thread. */
#include "engine/session.h"

#include <string.h>

#include "base/mem.h"
#include "engine/disk.h"
#include "engine/sized.h"
#include "sample/sample.h"

int session_grow(struct kvik_session *s, size_t n, struct kvik_err *err)
{
	if (n <= s->cap)
		return 0;
	size_t cap = s->cap ? s->cap : 256;
	while (cap < n)
		cap *= 2;
	uint32_t *ids = mem_realloc(s->ids, cap, sizeof *ids);
	if (!ids)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for %zu token ids", n);
	s->ids = ids;
	s->cap = cap;
	return 0;
}

int session_adopt(struct kvik_session **out, struct kvik_cache *c, struct kv_seq *seq, struct kvik_err *err)
{
	struct kvik_session *s = mem_zalloc(1, sizeof *s);
	if (s)
		s->logits = mem_alloc(cache_vocab_size(c) * sizeof *s->logits);
	if (!s || !s->logits) {
		mem_free(s);
		kv_seq_free(c->kv, seq);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a session");
	}
	s->cache = c;
	s->seq = seq;
	s->prefix = CACHE_PREFIX_COLD;
	atomic_init(&s->interrupted, false);
	*out = s;
	return 0;
}

int kvik_session_new(struct kvik_session **out, struct kvik_cache *c, const struct kvik_share *given,
		     struct kvik_err *err)
{
	struct kv_share share;
	struct kv_seq *seq;
	bool isolated;
	*out = NULL;
	int rc = cache_share(&share, &isolated, given, err);
	if (rc)
		return rc;
	cache_tick(c);
	if (isolated || c->params.no_kv_cache)
		rc = kv_seq_new(&seq, c->kv, err);
	else
		rc = kv_seq_new_shared(&seq, c->kv, &share, err);
	return rc ? rc : session_adopt(out, c, seq, err);
}

/* Where the sequence can be cut for a text that goes on after its first n tokens. */
static uint32_t nearest(const struct kvik_session *s, size_t n)
{
	uint32_t held = kv_seq_tokens(s->seq), at = n < held ? (uint32_t)n : held;
	return cache_keeps_states(s->cache) ? kv_nearest(s->cache->kv, s->seq, at) : at;
}

int session_fork_seq(struct kv_seq **out, const struct kvik_session *s, size_t n, struct kvik_err *err)
{
	return kv_fork(out, s->cache->kv, s->seq, nearest(s, n), err);
}

int kvik_session_fork(struct kvik_session **out, const struct kvik_session *s, size_t n_tokens, struct kvik_err *err)
{
	struct kv_seq *seq;
	struct kvik_session *f = NULL;
	*out = NULL;
	if (n_tokens > s->n)
		return err_set(err, KVIK_ERR_ARG, "the session has %zu tokens, not %zu", s->n, n_tokens);
	cache_tick(s->cache);
	int rc = session_fork_seq(&seq, s, n_tokens, err);
	if (!rc)
		rc = session_adopt(&f, s->cache, seq, err);
	if (rc)
		return rc;
	rc = session_grow(f, n_tokens, err);
	if (rc) {
		kvik_session_free(f);
		return rc;
	}
	if (n_tokens > 0)
		memcpy(f->ids, s->ids, n_tokens * sizeof *f->ids);
	f->n = n_tokens;
	*out = f;
	return 0;
}

void kvik_session_free(struct kvik_session *s)
{
	if (!s)
		return;
	kv_seq_free(s->cache->kv, s->seq);
	mem_free(s->ids);
	mem_free(s->logits);
	mem_free(s);
}

int session_reserve(struct kvik_session *s, uint32_t n, struct kvik_err *err)
{
	struct kv *kv = s->cache->kv;
	int rc = kv_reserve(kv, s->seq, n, err);
	if (rc != KVIK_ERR_FULL || !kv_seq_shares(s->seq))
		return rc;
	kv_leave(kv, s->seq);
	return kv_reserve(kv, s->seq, n, err);
}

int session_match(struct kvik_session *s, size_t to, struct kvik_err *err)
{
	struct kv_hit hit;
	if (to <= kv_seq_tokens(s->seq) || !kv_seq_shares(s->seq))
		return 0;
	struct kvik_cache *c = s->cache;
	uint32_t n = to < c->params.context ? (uint32_t)to : c->params.context;
	if (c->disk)
		disk_find(c->disk, kv_seq_share(s->seq), s->ids, n);
	int rc = kv_match(c->kv, s->seq, s->ids, n, &hit, err);
	while (!rc && hit.stored > hit.tokens && disk_pays(c->disk, hit.tokens, hit.stored) &&
	       kv_load(c->kv, s->seq, s->ids, n)) {
		if (!disk_run(c->disk)) {
			disk_wait(c->disk, 100);
			disk_run(c->disk);
		}
		rc = kv_match(c->kv, s->seq, s->ids, n, &hit, err);
	}
	if (rc)
		return rc == KVIK_ERR_FULL ? 0 : rc;
	if (hit.tokens < s->n)
		return 0; /* less than it had before it was cut */
	s->prefix = cache_prefix(hit.tokens, hit.matched, hit.why, hit.other, s->n);
	s->n = hit.tokens;
	return 0;
}

/* Computes ids[from..to) of the session; the logits of those from `wanted` on go to all_logits, [to - wanted] rows, or
 * only the last one's to s->logits. */
static int compute(struct kvik_session *s, size_t from, size_t to, size_t wanted, float *all_logits,
		   struct kvik_err *err)
{
	struct kvik_cache *c = s->cache;
	size_t n_vocab = cache_vocab_size(c);
	for (size_t at = from; at < to;) {
		uint32_t n = to - at < c->params.chunk ? (uint32_t)(to - at) : c->params.chunk;
		struct step_item item = {.seq = s->seq, .ids = s->ids + at, .n = n};
		float *logits = s->logits;
		if (c->disk)
			cache_tick(c); /* what is computed is written behind */
		if (atomic_load(&s->interrupted))
			return err_set(err, KVIK_ERR_CANCELLED, "interrupted after %zu of %zu tokens", s->n, to);
		int rc = session_reserve(s, n, err);
		if (rc)
			return rc;
		if (all_logits && at + n > wanted) {
			size_t first = at > wanted ? at : wanted;
			item.n_logits = (uint32_t)(at + n - first);
			logits = all_logits + (first - wanted) * n_vocab;
		} else if (at + n == to) {
			item.n_logits = 1;
		}
		cache_forward(c, &item, 1, logits, NULL);
		kv_commit_ids(c->kv, s->seq, s->ids + at, n);
		at += n;
		if (at > s->n)
			s->n = at;
	}
	if (all_logits && to > wanted)
		memcpy(s->logits, all_logits + (to - 1 - wanted) * n_vocab, n_vocab * sizeof *s->logits);
	return 0;
}

int session_catch_up(struct kvik_session *s, struct kvik_err *err)
{
	return compute(s, kv_seq_tokens(s->seq), s->n, s->n, NULL, err);
}

int kvik_session_feed(struct kvik_session *s, const uint32_t *ids, size_t n, float *all_logits, struct kvik_err *err)
{
	size_t before = s->n, end = before + n;
	bool no_cache = s->cache->params.no_kv_cache;
	s->prefix = CACHE_PREFIX_COLD;
	if (n == 0)
		return 0;
	cache_tick(s->cache);
	int rc = check_ids(s->cache->model, ids, n, err);
	if (!rc)
		rc = session_grow(s, end, err);
	if (!rc && no_cache)
		rc = kv_truncate(s->cache->kv, s->seq, 0, err);
	if (rc)
		return rc;
	memcpy(s->ids + before, ids, n * sizeof *ids);
	s->has_logits = false;
	if (!all_logits)
		rc = session_match(s, end - 1, err);
	kv_state_want(s->cache->kv, s->seq, (uint32_t)end - 1); /* as far as the same text would match */
	if (!rc)
		rc = compute(s, kv_seq_tokens(s->seq), end, before, all_logits, err);
	if (!rc && n > 1)
		kv_mark(s->cache->kv, s->seq);
	s->has_logits = !rc;
	return rc;
}

/* Leaves `any` in all states of the reserved tokens. */
static void fill_states(struct kvik_cache *c, struct kv_seq *seq, const uint8_t *any)
{
	struct kv_state_step step;
	kv_state_begin(c->kv, seq);
	kv_state_step(c->kv, seq, c->plan.state_group, &step);
	for (uint32_t i = 0; i < step.n; i++)
		device_backend(c->model->device)->page_write(c->pages, c->plan.state_group, step.page[i], any);
}

/* Reserves and commits n tokens at `at`, and fills their pages with `any`, which is as long as the largest. Pages that
 * began before keep what they hold. */
static int fill_chunk(struct kvik_session *s, size_t at, uint32_t n, const uint8_t *any, struct kvik_err *err)
{
	struct kvik_cache *c = s->cache;
	const struct backend *backend = device_backend(c->model->device);
	int rc = kv_reserve(c->kv, s->seq, n, err);
	for (uint32_t g = 0; g < c->plan.state_group && !rc; g++) {
		uint32_t page = c->plan.desc[g].page_tokens;
		struct page_table blocks = kv_seq_blocks(s->seq, g, NULL);
		for (size_t b = (at + page - 1) / page; b * page < at + n; b++)
			backend->page_write(c->pages, g, page_table_at(&blocks, (uint32_t)b), any);
	}
	if (!rc && cache_keeps_states(c))
		fill_states(c, s->seq, any);
	if (!rc)
		kv_commit(c->kv, s->seq, n);
	return rc;
}

/* A page of bytes that are a small normal number in every dtype; NULL: no memory. */
static uint8_t *any_page(const struct kvplan *plan)
{
	enum { ANY = 0x11 };
	size_t bytes = 0;
	for (uint32_t g = 0; g < plan->n_groups; g++)
		bytes = plan->desc[g].page_bytes > bytes ? plan->desc[g].page_bytes : bytes;
	uint8_t *page = mem_alloc(bytes);
	return page ? memset(page, ANY, bytes) : NULL;
}

int kvik_session_fill(struct kvik_session *s, const uint32_t *ids, size_t n, struct kvik_err *err)
{
	uint32_t chunk = s->cache->params.chunk;
	int rc = check_ids(s->cache->model, ids, n, err);
	if (!rc)
		rc = session_grow(s, s->n + n, err);
	if (rc || n == 0)
		return rc;
	memcpy(s->ids + s->n, ids, n * sizeof *ids);
	s->has_logits = false;
	uint8_t *any = any_page(&s->cache->plan);
	if (!any)
		return err_set(err, KVIK_ERR_NOMEM, "no memory to fill a cache");
	kv_leave(s->cache->kv, s->seq); /* nobody may take these bytes for keys and values */
	for (size_t at = s->cache->params.no_kv_cache ? s->n + n : kv_seq_tokens(s->seq); at < s->n + n && !rc;) {
		uint32_t now = s->n + n - at < chunk ? (uint32_t)(s->n + n - at) : chunk;
		rc = fill_chunk(s, at, now, any, err);
		at += now;
	}
	s->n = rc ? kv_seq_tokens(s->seq) : s->n + n;
	mem_free(any);
	return rc;
}

void kvik_session_mark(struct kvik_session *s, size_t position)
{
	if (position <= s->cache->params.context)
		kv_mark_at(s->cache->kv, s->seq, (uint32_t)position);
}

int kvik_session_read_prefix(const struct kvik_session *s, struct kvik_prefix *p)
{
	return SIZED_WRITE(kvik_prefix, p, &s->prefix, NULL);
}

void kvik_session_interrupt(struct kvik_session *s, bool on)
{
	atomic_store(&s->interrupted, on);
}

const float *kvik_session_logits(const struct kvik_session *s)
{
	return s->has_logits ? s->logits : NULL;
}

int kvik_session_truncate(struct kvik_session *s, size_t n_tokens, struct kvik_err *err)
{
	if (n_tokens > s->n)
		return err_set(err, KVIK_ERR_ARG, "the session has %zu tokens, not %zu", s->n, n_tokens);
	if (n_tokens == s->n)
		return 0;
	cache_tick(s->cache);
	int rc = kv_truncate(s->cache->kv, s->seq, nearest(s, n_tokens), err);
	if (rc)
		return rc;
	s->n = n_tokens;
	s->has_logits = false;
	return 0;
}

size_t kvik_session_tokens(const struct kvik_session *s)
{
	return s->n;
}

const uint32_t *kvik_session_ids(const struct kvik_session *s)
{
	return s->ids;
}

int kvik_session_sample(struct kvik_session *s, const struct kvik_sampling *given, uint32_t *id, struct kvik_err *err)
{
	struct kvik_cache *c = s->cache;
	struct kvik_sampling p = kvik_sampling_default();
	uint32_t n_vocab = cache_vocab_size(c);
	int rc = SIZED_READ(kvik_sampling, &p, given, err);
	if (!rc)
		rc = sample_check(&p, n_vocab, err);
	if (rc)
		return rc;
	if (!s->has_logits)
		return err_set(err, KVIK_ERR_ARG, "there are no logits to sample from: feed a token first");
	memcpy(c->row, s->logits, n_vocab * sizeof *c->row);
	suppress(c->model, c->row);
	*id = sample_next(&p, c->row, n_vocab, s->ids, s->n, s->n, c->sample_scratch);
	return 0;
}
