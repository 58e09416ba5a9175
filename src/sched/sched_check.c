/* sched_check.c: proves the invariants of the room from scratch; slow, for tests and debug builds. */
#include "sched/sched_impl.h"

struct count {
	uint32_t waiting, resident, queued, deadlines;
	uint64_t queued_tokens;
};

static const char *check_resident(const struct sched *s, const struct sched_seq *q)
{
	uint32_t found = 0;
	for (uint32_t i = 0; i < s->n_resident; i++)
		found += s->resident[i] == q;
	if (found != 1 || !q->kv)
		return "a resident sequence is not among the residents, or has no sequence in the cache";
	if (q->computed >= q->n_ids || q->computed > q->high || q->high > q->n_ids)
		return "a resident sequence has computed more than it knows";
	if (q->state == SEQ_RUNNING && (q->n_ids - q->computed > 1 + s->config.step_drafts_max || q->owed))
		return "a running sequence has more to compute than a token and lost drafts, or is owed a prompt";
	if (q->owed > q->req->n_prompt)
		return "more is owed than was asked for";
	if (q->joins && (q->state != SEQ_PREFILLING || q->common <= q->computed || q->common >= q->n_ids))
		return "a sequence waits for tokens that it has or cannot take";
	return NULL;
}

static const char *check_seq(const struct sched *s, const struct sched_seq *q, struct count *n)
{
	if (q->n_ids > q->cap || (q->state != SEQ_NEW && q->state != SEQ_ENDED && q->n_ids < q->req->n_prompt))
		return "a sequence has lost tokens, or has too many";
	if (q->preemptions > s->config.preempt_max)
		return "a sequence was preempted too often";
	if (is_resident(q)) {
		n->resident++;
		return check_resident(s, q);
	}
	if (q->kv || q->owed || q->joins || q->step_tokens)
		return "a sequence that is not resident holds something";
	if (q->state == SEQ_WAITING) {
		n->waiting++;
		if (q->in_waiting.key != (is_protected(s, q) ? INT64_MIN : q->req->virtual_us))
			return "a waiting sequence is at a wrong place of its queue";
	}
	return NULL;
}

static const char *check_requests(const struct sched *s, struct count *n)
{
	for (const struct sched_req *r = s->live; r; r = r->next) {
		uint32_t n_live = 0;
		for (uint32_t i = 0; i < r->n_seqs; i++) {
			const char *broken = check_seq(s, &r->seqs[i], n);
			if (broken)
				return broken;
			n_live += r->seqs[i].state != SEQ_ENDED;
		}
		if (n_live != r->n_live || n_live == 0 || r->end != SCHED_LIVE)
			return "a live request has ended";
		if ((r->next ? r->next->prev : s->live_last) != r && (r->next || s->live_last != r))
			return "the list of live requests is broken";
		n->deadlines += r->deadline_key < SCHED_NEVER;
		if (r->queue_us < 0) {
			n->queued++;
			n->queued_tokens += r->n_prompt;
		}
	}
	for (const struct sched_req *r = s->ended; r; r = r->next)
		if (r->n_live != 0 || r->end == SCHED_LIVE)
			return "an ended request lives";
	return NULL;
}

static const char *check_tenants(const struct sched *s, const struct count *n)
{
	uint32_t waiting = 0, tenants = 0, residents = 0;
	uint64_t owed = 0;
	for (uint32_t i = 0; i < s->n_resident; i++)
		owed += s->resident[i]->owed;
	for (uint32_t i = 0; i < s->config.tenants_max; i++) {
		const struct sched_tenant *t = &s->tenants[i];
		owed -= t->owed;
		residents += t->n_resident;
		if (!heap_ok(&t->waiting, t->n_waiting))
			return "the queue of a tenant is broken";
		if (t->n_waiting > 0 && t->in_fair.key != t->counter)
			return "a tenant is in the heap under another counter than its own";
		waiting += t->n_waiting;
		tenants += t->n_waiting > 0;
	}
	if (!heap_ok(&s->fair, tenants) || !heap_ok(&s->deadlines, n->deadlines))
		return "a tenant waits and is not in the heap, or the other way round; or deadlines are broken";
	if (owed != 0 || residents != s->n_resident)
		return "what tenants have and are owed is not what their sequences have and are owed";
	return waiting == s->stats.waiting ? NULL : "waiting sequences are counted wrongly";
}

static const char *check_protected(const struct sched *s)
{
	uint64_t sum = 0;
	uint32_t n = 0;
	for (uint32_t i = 0; i < s->n_resident; i++)
		if (is_protected(s, s->resident[i])) {
			sum += s->cache.cost(s->cache.ctx, 0, s->resident[i]->cap);
			n++;
		}
	return n > 1 && sum > s->cache.capacity(s->cache.ctx)
		       ? "the protected residents do not all fit to their last token"
		       : NULL;
}

const char *sched_check(const struct sched *s)
{
	struct count n = {0};
	const char *broken = check_requests(s, &n);
	if (!broken)
		broken = check_tenants(s, &n);
	if (!broken)
		broken = check_protected(s);
	if (broken)
		return broken;
	if (n.resident != s->n_resident || s->n_resident > s->config.step_seqs_max)
		return "residents are counted wrongly, or too many";
	if (n.queued != s->stats.queued || n.queued_tokens != s->stats.queued_tokens)
		return "queued requests are counted wrongly";
	if (s->plan.n_tokens > s->config.step_tokens_max || s->plan.n_items > s->config.step_seqs_max)
		return "a plan was larger than the budget";
	return NULL;
}
