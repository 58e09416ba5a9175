/* sched_plan.c: one step: the ended go, running sequences get their token, waiting ones are admitted, and prefill takes
 * what the budget and the streams' latency leave.
 *
 * Memory follows the rank (sched_rank.c): whoever needs a page takes it from the worst one behind him; if there is
 * none, he waits for a step and keeps what he has. So the best one always goes on, nobody gives way for somebody worse,
 * and two never preempt each other in turn.
 *
 * Prefill: the best ranked one gets half of the budget, which bounds its time whatever arrives; the other half goes to
 * those that have least left, so that a short prompt is not kept waiting by a long one.
 *
 * Invariants (sched_check proves 1 and 2; the simulation 3):
 *  1. A plan has at most step_tokens_max tokens and step_seqs_max items; each item has its memory.
 *  2. Every running sequence is in the plan, unless it stalls for memory.
 *  3. While anything is resident a plan computes something, unless all of it waits for reads.
 */
#include <assert.h>

#include "sched/sched_impl.h"

/* After so many steps in a row with decode and prefill comes one without prefill: it shows the undisturbed time. */
#define PROBE_STEPS 32
#define PROBE_STEPS_FIRST 4 /* while nothing is known of it */

static void reap(struct sched *s)
{
	while (s->cancelled)
		req_end(s, s->cancelled, SCHED_CANCELLED, 0); /* which takes it off the list */
	struct sched_key *next;
	while ((next = sched_key_top(&s->deadlines)) && next->key <= s->now_us)
		req_end(s, SCHED_KEYED(next, struct sched_req, in_deadlines), SCHED_EXPIRED, 0);
}

/* Room for n tokens in this step, n_before of which it had. */
static bool grow(struct sched *s, struct sched_seq *q, uint32_t n)
{
	int rc;
	while ((rc = s->cache.reserve(s->cache.ctx, q->kv, n, false)) != 0) {
		struct sched_seq *victim = rank_victim(s, q);
		s->grow_code = rc;
		if (!victim)
			return false;
		seq_preempt(s, victim, SCHED_FOR_MEMORY);
	}
	*(q->state == SEQ_RUNNING ? &s->n_decode : &s->n_prefill) += n - q->step_tokens;
	q->step_tokens = n;
	return true;
}

static void plan_decode(struct sched *s)
{
	for (uint32_t i = 0; i < s->n_resident; i++) /* victims are behind i */
		if (s->resident[i]->state == SEQ_RUNNING && s->resident[i]->step_tokens == 0 &&
		    !grow(s, s->resident[i], 1))
			s->stats.stalls++;
}

/* Who has lost known tokens with a wrong draft computes them again with its next one, as far as there is room. */
static void plan_again(struct sched *s)
{
	uint32_t left = s->config.step_tokens_max - s->n_decode - s->n_prefill;
	for (uint32_t i = 0; i < s->n_resident; i++) {
		struct sched_seq *q = s->resident[i];
		uint32_t more = q->n_ids - q->computed - 1, n = more < left ? more : left;
		if (q->state != SEQ_RUNNING || q->step_tokens != 1 || n == 0 ||
		    s->cache.reserve(s->cache.ctx, q->kv, 1 + n, false) != 0)
			continue;
		q->step_tokens += n;
		s->n_decode += n;
		left -= n;
	}
}

/* Drafts: when everybody has his token, as far as there is room without taking any from others. */
static void plan_drafts(struct sched *s)
{
	uint32_t left = (s->config.step_tokens_max - s->n_decode) / 2;
	left = left < s->config.step_drafts_max ? left : s->config.step_drafts_max;
	for (uint32_t i = 0; i < s->n_resident; i++) {
		struct sched_seq *q = s->resident[i];
		if (q->state != SEQ_RUNNING || q->step_tokens != 1 || q->n_drafts == 0)
			continue;
		q->n_drafts = q->n_drafts < left ? q->n_drafts : left;
		if (q->n_drafts > 0 && s->cache.reserve(s->cache.ctx, q->kv, 1 + q->n_drafts, true) != 0)
			q->n_drafts = 0;
		q->step_tokens += q->n_drafts;
		s->n_decode += q->n_drafts;
		left -= q->n_drafts;
	}
}

static uint32_t prefill_budget(const struct sched *s)
{
	uint32_t left = s->config.step_tokens_max - s->n_decode - s->n_prefill;
	if (s->n_decode == 0 || s->config.itl_factor == 0)
		return left;
	if (s->mixed_steps >= (s->cost.n_decode_steps > 0 ? PROBE_STEPS : PROBE_STEPS_FIRST))
		return 0;
	uint32_t chunk = cost_chunk(&s->cost, s->n_decode, s->config.itl_factor, s->config.itl_us);
	return chunk < left ? chunk : left;
}

static bool wants_prefill(const struct sched_seq *q)
{
	return q->state == SEQ_PREFILLING && !q->joins;
}

/* Tokens that q could still take in this step. */
static uint32_t prefill_left(const struct sched_seq *q)
{
	return q->n_ids - q->computed - q->step_tokens;
}

/* Up to max more tokens for q; returns how many. */
static uint32_t give_prefill(struct sched *s, struct sched_seq *q, uint32_t max)
{
	uint32_t n = prefill_left(q) < max ? prefill_left(q) : max;
	if (n == 0)
		return 0;
	if (!grow(s, q, q->step_tokens + n)) {
		s->stats.stalls++;
		return 0;
	}
	return n;
}

static void plan_prefill(struct sched *s)
{
	struct heap shortest = {.before = sched_key_before};
	uint32_t n = 0;
	struct sched_seq *best = NULL;
	uint32_t budget = s->stats.prefill_budget = prefill_budget(s);
	for (uint32_t i = 0; i < s->n_resident; i++)
		if (wants_prefill(s->resident[i])) {
			best = best ? best : s->resident[i];
			n++;
			sched_key_push(&shortest, &s->resident[i]->in_short, prefill_left(s->resident[i]), i);
		}
	if (best)
		budget -= give_prefill(s, best, n > 1 ? (budget + 1) / 2 : budget);
	while (budget > 0 && shortest.top) {
		struct sched_seq *q = SCHED_KEYED(sched_key_top(&shortest), struct sched_seq, in_short);
		heap_remove(&shortest, &q->in_short.link);
		if (is_resident(q)) /* a better one may have taken its pages */
			budget -= give_prefill(s, q, budget);
	}
}

/* How many wait for reads. */
static uint32_t count_loading(const struct sched *s)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->n_resident; i++)
		n += s->resident[i]->loads;
	return n;
}

/* Nobody got a token: the worst resident gives way. Ends it when it may not be preempted: then the cache holds less
 * than was promised when the request was accepted. */
static void unblock(struct sched *s)
{
	struct sched_seq *q = s->resident[s->n_resident - 1];
	if (s->n_resident > 1 && !is_protected(s, q))
		seq_preempt(s, q, SCHED_FOR_MEMORY);
	else
		req_end(s, q->req, SCHED_FAILED, s->grow_code);
}

static uint32_t samples_of(const struct sched_seq *q)
{
	const struct sched_req *r = q->req;
	if (q->computed + q->step_tokens < q->n_ids || r->max_new == 0)
		return 0;
	return q == r->seqs && r->n_seqs > 1 && r->seqs[1].state == SEQ_NEW ? r->n_seqs : 1;
}

static void list_items(struct sched *s)
{
	struct sched_plan *p = &s->plan;
	*p = (struct sched_plan){.items = s->items, .n_decode = s->n_decode, .n_prefill = s->n_prefill};
	for (uint32_t i = 0; i < s->n_resident; i++) {
		struct sched_seq *q = s->resident[i];
		if (q->step_tokens == 0)
			continue;
		s->items[p->n_items++] = (struct sched_item){.req = q->req,
							     .user = q->req->user,
							     .index = (uint32_t)(q - q->req->seqs),
							     .kv = q->kv,
							     .ids = q->ids,
							     .n_ids = q->n_ids,
							     .position = q->computed,
							     .n_tokens = q->step_tokens,
							     .n_drafts = q->n_drafts,
							     .n_rows = samples_of(q) > 0 ? 1 + q->n_drafts : 0,
							     .n_samples = samples_of(q),
							     .prefill = q->state == SEQ_PREFILLING};
		p->n_samples += samples_of(q);
	}
	p->n_tokens = p->n_decode + p->n_prefill;
	p->n_loading = count_loading(s);
	p->wake_us = s->deadlines.top ? sched_key_top(&s->deadlines)->key : SCHED_NEVER;
}

const struct sched_plan *sched_plan(struct sched *s, int64_t now_us)
{
	assert(!s->planned);
	s->planned = true;
	s->now_us = now_us;
	s->step++;
	s->n_decode = s->n_prefill = 0;
	reap(s);
	rank_residents(s);
	for (bool again = false;; again = true) {
		join_update(s);
		plan_decode(s);
		plan_again(s);
		admit(s);
		plan_drafts(s);
		plan_prefill(s);
		if (s->n_decode + s->n_prefill > 0 || s->n_resident == 0)
			break;
		if (again && count_loading(s) > 0)
			break;
		if (again) /* at first only somebody to wait for may have left */
			unblock(s);
	}
	list_items(s);
	return &s->plan;
}
