/* prefix.c: what the sessions of a cache share: scopes, time, pins, and the figures of it all.
 *
 * A pin is a sequence that nobody feeds: what a sequence holds is never evicted. Invariant: a pin is in its cache's
 * list until it is freed; seq is NULL once its time is over. Owner: the cache's thread. */
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/os.h"
#include "engine/disk.h"
#include "engine/session.h"
#include "engine/sized.h"

struct kvik_pin {
	struct kvik_cache *cache;
	struct kvik_pin *prev, *next; /* of the cache's list */
	struct kv_seq *seq;           /* owned */
	uint32_t *ids;                /* [n], owned: of the tokens that were asked for */
	size_t n;
	uint64_t ends_ms; /* of os_clock_ns; UINT64_MAX: never */
};

static uint64_t now_ms(void)
{
	return os_clock_ns() / 1000000;
}

int kvik_share_init(struct kvik_share *s)
{
	const struct kvik_share own = {0};
	return SIZED_WRITE(kvik_share, s, &own, NULL);
}

int cache_share(struct kv_share *own, bool *isolated, const struct kvik_share *given, struct kvik_err *err)
{
	struct kvik_share p = kvik_share_default();
	int rc = SIZED_READ(kvik_share, &p, given, err);
	*isolated = p.isolated;
	*own = (struct kv_share){.scope = {{p.scope, p.scope ? ~p.scope : 0}},
				 .read_public = p.read_public,
				 .priority = p.priority,
				 .ttl = p.ttl_ms};
	return rc;
}

static void let_go(struct kvik_pin *p)
{
	kv_seq_free(p->cache->kv, p->seq);
	p->seq = NULL;
}

void cache_tick(struct kvik_cache *c)
{
	uint64_t now = now_ms();
	for (struct kvik_pin *p = c->pins; p; p = p->next)
		if (p->ends_ms <= now)
			let_go(p);
	kv_clock(c->kv, now);
	for (struct kvik_pin *p = c->pins; p; p = p->next)
		if (p->seq)
			kv_hold(c->kv, p->seq);
	if (c->disk)
		disk_run(c->disk);
}

/* ---- Pins -------------------------------------------------------------------------------------------------------- */

int kvik_session_pin(struct kvik_pin **out, const struct kvik_session *s, size_t n_tokens, uint64_t ttl_ms,
		     struct kvik_err *err)
{
	struct kvik_cache *c = s->cache;
	*out = NULL;
	cache_tick(c);
	if (n_tokens == 0 || n_tokens > s->n)
		return err_set(err, KVIK_ERR_ARG, "a pin of %zu tokens; the session has %zu", n_tokens, s->n);
	if (!kv_seq_shares(s->seq))
		return err_set(
			err, KVIK_ERR_ARG,
			"the session is isolated (or was, when the cache was full), so that nobody could use its "
			"pin: keep the session, or fork it");
	struct kvik_pin *p = mem_zalloc(1, sizeof *p);
	if (p)
		p->ids = mem_zalloc(n_tokens, sizeof *p->ids);
	if (!p || !p->ids) {
		mem_free(p);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a pin");
	}
	int rc = session_fork_seq(&p->seq, s, n_tokens, err);
	if (!rc && kv_seq_tokens(p->seq) == 0) {
		kv_seq_free(c->kv, p->seq);
		rc = err_set(err, KVIK_ERR_LIMIT,
			     "no state of the first %zu tokens is kept, so that nothing of them could be used: pin the "
			     "session where a feed ended",
			     n_tokens);
	}
	if (rc) {
		mem_free(p->ids);
		mem_free(p);
		return rc;
	}
	uint64_t now = now_ms();
	memcpy(p->ids, s->ids, n_tokens * sizeof *p->ids);
	p->n = n_tokens;
	p->cache = c;
	p->ends_ms = ttl_ms && ttl_ms < UINT64_MAX - now ? now + ttl_ms : UINT64_MAX;
	LIST_PUSH(c->pins, p);
	*out = p;
	return 0;
}

size_t kvik_pin_tokens(const struct kvik_pin *p)
{
	return p->seq && p->ends_ms > now_ms() ? kv_seq_tokens(p->seq) : 0;
}

void kvik_pin_free(struct kvik_pin *p)
{
	if (!p)
		return;
	let_go(p);
	LIST_REMOVE(p->cache->pins, p);
	mem_free(p->ids);
	mem_free(p);
}

int kvik_pin_session(struct kvik_session **out, const struct kvik_pin *p, struct kvik_err *err)
{
	struct kvik_cache *c = p->cache;
	struct kvik_session *s = NULL;
	struct kv_seq *seq;
	*out = NULL;
	cache_tick(c);
	if (!p->seq)
		return err_set(err, KVIK_ERR_ARG, "the pin's time is over");
	int rc = kv_fork(&seq, c->kv, p->seq, kv_seq_tokens(p->seq), err);
	if (!rc)
		rc = session_adopt(&s, c, seq, err);
	if (!rc)
		rc = session_grow(s, p->n, err);
	if (rc) {
		kvik_session_free(s);
		return rc;
	}
	memcpy(s->ids, p->ids, p->n * sizeof *s->ids);
	s->n = p->n;
	*out = s;
	return 0;
}

/* ---- What is there ----------------------------------------------------------------------------------------------- */

const char *kvik_miss_name(enum kvik_miss m)
{
	static const char *const names[] = {
#define MISS_TEXT(name, value, text, sentence) [KVIK_MISS_##name] = text,
		KVIK_MISSES(MISS_TEXT)
#undef MISS_TEXT
	};
	return (size_t)m < sizeof names / sizeof *names ? names[m] : "?";
}

const char *kvik_miss_text(enum kvik_miss m)
{
	static const char *const texts[] = {
#define MISS_TEXT(name, value, text, sentence) [KVIK_MISS_##name] = sentence,
		KVIK_MISSES(MISS_TEXT)
#undef MISS_TEXT
	};
	return (size_t)m < sizeof texts / sizeof *texts ? texts[m] : "?";
}

static enum kvik_miss miss_of(enum kv_why why)
{
	static const enum kvik_miss misses[KV_WHY_COUNT] = {
		[KV_ALL] = KVIK_MISS_NONE,        [KV_NEW] = KVIK_MISS_NEW,         [KV_DIFFERS] = KVIK_MISS_DIFFERS,
		[KV_EVICTED] = KVIK_MISS_EVICTED, [KV_EXPIRED] = KVIK_MISS_EXPIRED, [KV_WINDOW] = KVIK_MISS_WINDOW,
		[KV_STATE] = KVIK_MISS_STATE};
	return misses[why];
}

static uint32_t beyond(uint32_t tokens, size_t from)
{
	return tokens > from ? (uint32_t)(tokens - from) : 0;
}

struct kvik_prefix cache_prefix(uint32_t tokens, uint32_t matched, enum kv_why why, uint32_t other, size_t from)
{
	return (struct kvik_prefix){.size = sizeof(struct kvik_prefix),
				    .found_tokens = beyond(tokens, from),
				    .matched_tokens = beyond(matched, from),
				    .miss = miss_of(why),
				    .other = why == KV_DIFFERS ? other : KVIK_NO_ID};
}

int kvik_cache_explain(const struct kvik_cache *c, const struct kvik_share *given, const uint32_t *ids, size_t n,
		       struct kvik_prefix *prefix, struct kvik_err *err)
{
	struct kvik_prefix own = CACHE_PREFIX_COLD;
	struct kv_share share;
	struct kv_hit hit;
	bool isolated;
	int rc = cache_share(&share, &isolated, given, err);
	if (!rc)
		rc = check_ids(c->model, ids, n, err);
	if (!rc && !isolated && !c->params.no_kv_cache) {
		kv_explain(c->kv, &share, ids, n < c->params.context ? (uint32_t)n : c->params.context, &hit);
		own = cache_prefix(hit.tokens, hit.matched, hit.why, hit.other, 0);
	}
	return rc ? rc : SIZED_WRITE(kvik_prefix, prefix, &own, err);
}

void kvik_cache_drop(struct kvik_cache *c)
{
	cache_tick(c);
	kv_drop_cached(c->kv);
}

int kvik_cache_read_stats(const struct kvik_cache *c, struct kvik_cache_stats *to)
{
	struct kv_stats s = kv_stats(c->kv);
	struct kvik_cache_stats out = {.bytes_ceiling = s.memory_bytes,
				       .bytes_used = s.bytes_used,
				       .bytes_cached = s.bytes_cached,
				       .bytes_wasted = kv_waste(c->kv),
				       .bytes_peak = s.bytes_peak,
				       .bytes_per_token = kvplan_token_bytes(&c->plan),
				       .pages_copied = s.pages_copied,
				       .pages_merged = s.pages_merged,
				       .pages_freed_by_window = s.pages_freed_by_window,
				       .queries = s.queries,
				       .tokens_queried = s.tokens_queried,
				       .tokens_hit = s.tokens_hit,
				       .tokens_joined = s.tokens_joined,
				       .tokens_evicted = s.tokens_evicted,
				       .tokens_expired = s.tokens_expired,
				       .page_tokens = KV_PAGE_TOKENS,
				       .sessions = s.sequences};
	for (uint32_t g = 0; g < c->plan.n_groups; g++) {
		out.pages_used += s.group[g].pages_used;
		out.pages_packed += s.group[g].pages_packed;
	}
	for (int i = 0; i < KV_GHOSTS; i++)
		out.hit_rate_at[i] = s.ghost[i];
	for (const struct kvik_pin *p = c->pins; p; p = p->next)
		if (p->seq) {
			out.pins++;
			out.sessions--;
			out.tokens_pinned += kv_seq_tokens(p->seq);
		}
	return SIZED_WRITE(kvik_cache_stats, to, &out, NULL);
}
