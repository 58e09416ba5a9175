/* retain.c: see retain.h.
 *
 * A sequence that stands on a prefix gives it its priority and time to live (kv_share), to the token; one that stays there is a
 * pin. Both are of the scope whose request asks. Pins hold memory against everybody, so all of them together have a limit.
 *
 * Invariant: pins.tokens is the sum over the list. */
#include "engine/retain.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/os.h"

enum { PINS_MAX = 1024, PART = 2 /* of the cache's memory may be pinned one in so many */ };

struct kept_pin {
	struct kept_pin *prev, *next;
	struct kv_seq *seq; /* owned */
	uint64_t session;   /* 0: none */
	uint64_t text;      /* hash of its tokens */
	uint64_t ends_ms;   /* UINT64_MAX: never */
};

static uint64_t now_ms(void)
{
	return os_clock_ns() / 1000000;
}

static void unpin(struct kvik_engine *e, struct kept_pin *p)
{
	e->pins.n--;
	e->pins.tokens -= kv_seq_tokens(p->seq);
	LIST_REMOVE(e->pins.first, p);
	kv_seq_free(e->cache->kv, p->seq);
	mem_free(p);
}

void retain_tick(struct kvik_engine *e)
{
	uint64_t now = e->pins.first ? now_ms() : 0;
	for (struct kept_pin *p = e->pins.first, *next; p; p = next) {
		next = p->next;
		if (p->ends_ms <= now)
			unpin(e, p);
		else
			kv_hold(e->cache->kv, p->seq);
	}
}

void retain_free(struct kvik_engine *e)
{
	while (e->pins.first)
		unpin(e, e->pins.first);
}

static bool same_scope(const struct kv_seq *a, const struct kv_seq *b)
{
	const struct kv_scope *x = &kv_seq_share(a)->scope, *y = &kv_seq_share(b)->scope;
	return x->secret[0] == y->secret[0] && x->secret[1] == y->secret[1];
}

/* What the new pin takes the place of: one of its session, and one of the same text. */
static void replace(struct kvik_engine *e, const struct kept_pin *by)
{
	for (struct kept_pin *p = e->pins.first, *next; p; p = next) {
		next = p->next;
		bool session = by->session && p->session == by->session;
		bool text = p->text == by->text && kv_seq_tokens(p->seq) == kv_seq_tokens(by->seq);
		if (same_scope(p->seq, by->seq) && (session || text))
			unpin(e, p);
	}
}

/* Takes seq. */
static void pin(struct kvik_engine *e, const struct request *r, const struct kvik_retain *want, struct kv_seq *seq)
{
	uint32_t n = kv_seq_tokens(seq);
	uint64_t bytes = (e->pins.tokens + n) * kvplan_token_bytes(&e->cache->plan) +
			 (e->pins.n + UINT64_C(1)) * kvplan_state_bytes(&e->cache->plan);
	struct kept_pin own = {.seq = seq,
			       .session = r->params.session,
			       .text = hash_bytes(r->params.ids, n * sizeof *r->params.ids),
			       .ends_ms = want->ttl_ms ? now_ms() + want->ttl_ms : UINT64_MAX};
	replace(e, &own);
	bool fits = e->pins.n < PINS_MAX && bytes <= kv_capacity(e->cache->kv) / PART;
	struct kept_pin *p = n > 0 && fits ? mem_alloc(sizeof *p) : NULL;
	if (!p) {
		e->pins.refused++;
		kv_seq_free(e->cache->kv, seq);
		return;
	}
	*p = own;
	LIST_PUSH(e->pins.first, p);
	e->pins.n++;
	e->pins.tokens += n;
}

static void retain(struct kvik_engine *e, const struct request *r, const struct kvik_retain *want)
{
	struct kv *kv = e->cache->kv;
	struct kv_share share = r->share;
	struct kv_seq *seq;
	struct kv_hit hit;
	uint32_t n = want->tokens && want->tokens < r->params.n_ids ? want->tokens : (uint32_t)r->params.n_ids;
	share.priority = want->priority > share.priority ? want->priority : share.priority;
	share.ttl = want->ttl_ms > share.ttl ? want->ttl_ms : share.ttl;
	if (kv_seq_new_shared(&seq, kv, &share, NULL) != 0) {
		e->pins.refused += want->pin;
		return;
	}
	if (kv_match_uncounted(kv, seq, r->params.ids, n, &hit, NULL) == 0 && want->pin)
		pin(e, r, want, seq);
	else
		kv_seq_free(kv, seq);
}

void retain_prompt(struct kvik_engine *e, const struct request *r)
{
	if (r->isolated)
		return;
	for (size_t i = 0; i < r->params.n_retain; i++)
		retain(e, r, &r->params.retain[i]);
}
