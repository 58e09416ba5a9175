/* sched_admit.c: who of the waiting becomes resident.
 *
 * The tenant with the least service comes first, and of its queue the first. If that one does not fit, nobody behind it
 * is let past: a large request must not wait for ever while small ones take every page that comes free. It fits when a
 * slot is free and the cache has room for
 *
 *	its known tokens beyond what it shares + what the prefilling ones will still need + a page for each resident
 *
 * or when residents that it may displace (rank_displaces) make that room. When nobody is resident it is admitted in any
 * case. A protected one needs no room: it takes it from the others; in turn all protected residents together must fit
 * to their last token, so that none of them ever has to give way.
 */
#include "sched/sched_impl.h"

#define RETRY_STEPS 16 /* a lookup of the prefix is tried again after so many steps, though no room came free */

static uint64_t cost(const struct sched *s, uint32_t from, uint32_t to)
{
	return s->cache.cost(s->cache.ctx, from, to);
}

static uint64_t room(const struct sched *s)
{
	return s->cache.room(s->cache.ctx);
}

/* Bytes until the next sample; what is being read takes memory like what is computed. */
static uint64_t still_needed(const struct sched *s, const struct sched_seq *q)
{
	uint32_t from = q->joins && !q->loads ? q->common : q->computed;
	return cost(s, from, q->n_ids < q->cap ? q->n_ids + 1 : q->n_ids);
}

bool admit_protected_fits(const struct sched *s, const struct sched_seq *q)
{
	uint64_t sum = 0;
	if (!is_protected(s, q))
		return true;
	for (uint32_t i = 0; i < s->n_resident && is_protected(s, s->resident[i]); i++)
		sum += cost(s, 0, s->resident[i]->cap);
	return sum == 0 || sum + cost(s, 0, q->cap) <= s->cache.capacity(s->cache.ctx);
}

/* ---- Room -------------------------------------------------------------------------------------------------------- */

/* The worst one that q may displace; NULL: none. */
static struct sched_seq *worst(const struct sched *s, const struct sched_seq *q, enum sched_preempt_cause *cause)
{
	for (uint32_t i = s->n_resident; i-- > 0;)
		if (rank_displaces(s, q, s->resident[i], cause))
			return s->resident[i];
	return NULL;
}

static bool displace(struct sched *s, const struct sched_seq *q)
{
	enum sched_preempt_cause cause;
	struct sched_seq *v = worst(s, q, &cause);
	if (v)
		seq_preempt(s, v, cause);
	return v != NULL;
}

/* At most so much would come free by displacing all that q may. */
static uint64_t displaceable(const struct sched *s, const struct sched_seq *q)
{
	enum sched_preempt_cause cause;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < s->n_resident; i++)
		if (rank_displaces(s, q, s->resident[i], &cause))
			bytes += cost(s, 0, s->resident[i]->computed + s->resident[i]->step_tokens);
	return bytes;
}

static uint64_t room_needed(const struct sched *s, const struct sched_seq *q)
{
	uint64_t others = is_protected(s, q) ? 0 : s->promised + s->n_resident * s->page_cost;
	return still_needed(s, q) + others;
}

/* ---- What is known of the prefix --------------------------------------------------------------------------------- */

static void detach(struct sched *s, struct sched_seq *q)
{
	if (q->kv)
		s->cache.release(s->cache.ctx, q->kv);
	q->kv = NULL;
	q->joins = q->loads = false;
	q->computed = 0;
}

/* At most so many tokens are taken from the cache: the last one is computed in any case, for its logits. */
static uint32_t match_max(const struct sched_seq *q)
{
	uint32_t max = q->n_ids - 1;
	return q->req->cold && q->high < max ? q->high : max;
}

/* For sched_req_info.found: what admission finds, and where the prefix ends once nobody is waited for any more. */
static void note_found(struct sched_seq *q, const struct sched_match *m)
{
	struct sched_match *found = &q->req->found;
	uint32_t tokens = q->req->queue_us < 0 ? m->tokens : found->tokens;
	if (q == q->req->seqs && q->preemptions == 0)
		*found = *m;
	found->tokens = tokens;
}

/* Moves q to the end of what is known of its prefix now. */
static int match(struct sched *s, struct sched_seq *q)
{
	struct sched_match m = {0};
	uint32_t max = match_max(q);
	int rc = max > 0 ? s->cache.match(s->cache.ctx, q->kv, q->ids, max, &m) : 0;
	q->joins = q->loads = false;
	if (rc != 0)
		return rc;
	note_found(q, &m);
	q->computed = m.tokens;
	q->loads = m.loading > m.tokens; /* what is being read is waited for, whatever its length */
	uint32_t known = q->loads ? m.loading : m.pending;
	q->common = known < max ? known : max;
	q->joins = q->loads || q->common >= m.tokens + SCHED_JOIN_TOKENS_MIN;
	return 0;
}

static void announce(struct sched *s, struct sched_seq *q)
{
	s->cache.announce(s->cache.ctx, q->kv, q->ids, q->n_ids);
	for (uint32_t i = 0; i < q->req->n_marks; i++)
		if (q->req->marks[i] > q->computed)
			s->cache.mark_at(s->cache.ctx, q->kv, q->req->marks[i]);
}

/* ---- Admission --------------------------------------------------------------------------------------------------- */

/* q is attached: what it shares is not part of the room any more. */
static bool make_room(struct sched *s, struct sched_seq *q, uint64_t room_before)
{
	uint64_t need = room_needed(s, q), have = room(s);
	q->need = need > have ? room_before + (need - have) : 0;
	if (need > have && s->n_resident > 0 && have + displaceable(s, q) < need)
		return false;
	while (s->n_resident > 0 && room(s) < room_needed(s, q)) {
		if (!displace(s, q))
			return false;
		if (q->joins)
			(void)match(s, q); /* the other may be gone: q needs more now */
	}
	return true;
}

/* An empty sequence of the cache, moved to where q's known prefix ends. */
static int attach(struct sched *s, struct sched_seq *q)
{
	int rc;
	do
		rc = s->cache.open(s->cache.ctx, &q->kv, q->req->share);
	while (rc == KVIK_ERR_FULL && displace(s, q));
	if (rc == 0)
		(void)match(s, q); /* without room for what it would find it computes all of it */
	else
		detach(s, q);
	return rc;
}

static void enter(struct sched *s, struct sched_seq *q)
{
	seq_unwait(s, q);
	q->state = SEQ_PREFILLING;
	q->admitted_step = s->step;
	if (q->req->queue_us < 0)
		s->stats.tokens_cached += q->computed;
	fair_owe(s, q, q->joins ? q->common : q->computed);
	if (q->high < q->computed)
		q->high = q->computed;
	s->promised += still_needed(s, q);
	rank_insert(s, q);
	if (!q->joins)
		announce(s, q);
	req_admitted(s, q->req);
}

/* Is it worth looking up its prefix? */
static bool worth_trying(const struct sched *s, const struct sched_seq *q)
{
	enum sched_preempt_cause cause;
	if (!fair_slot(s, tenant_of(s, q)) && !worst(s, q, &cause))
		return false;
	if (s->n_resident == 0 || is_protected(s, q))
		return admit_protected_fits(s, q);
	/* The room that it lacked last time, or a displacement that has become possible meanwhile. */
	return room(s) >= q->need || s->step >= q->retry_step;
}

/* False: it must wait. */
static bool admit_one(struct sched *s, struct sched_seq *q)
{
	uint64_t room_before = room(s);
	if (!worth_trying(s, q))
		return false;
	q->retry_step = s->step + RETRY_STEPS;
	int rc = attach(s, q);
	if (rc != 0 && s->n_resident == 0)
		req_end(s, q->req, SCHED_FAILED, rc);
	if (rc != 0)
		return s->n_resident == 0;
	if (!make_room(s, q, room_before) || (!fair_slot(s, tenant_of(s, q)) && !displace(s, q))) {
		detach(s, q);
		return false;
	}
	enter(s, q);
	return true;
}

void admit(struct sched *s)
{
	s->promised = 0;
	for (uint32_t i = 0; i < s->n_resident; i++)
		if (s->resident[i]->state == SEQ_PREFILLING)
			s->promised += still_needed(s, s->resident[i]);
	while (s->fair.top) {
		struct sched_tenant *t = SCHED_KEYED(sched_key_top(&s->fair), struct sched_tenant, in_fair);
		struct sched_seq *q = SCHED_KEYED(sched_key_top(&t->waiting), struct sched_seq, in_waiting);
		bool just_preempted = q->preempted_step == s->step && s->n_resident > 0;
		if (just_preempted || !admit_one(s, q))
			return;
	}
}

void join_update(struct sched *s)
{
	for (uint32_t i = 0; i < s->n_resident; i++) {
		struct sched_seq *q = s->resident[i];
		uint32_t before = q->computed;
		bool loaded = q->loads;
		if (!q->joins)
			continue;
		(void)match(s, q); /* without room for that it computes on its own */
		*(loaded ? &s->stats.tokens_loaded : &s->stats.tokens_joined) += q->computed - before;
		if (q->high < q->computed)
			q->high = q->computed;
		if (!q->joins)
			announce(s, q);
	}
}
