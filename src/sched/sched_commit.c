/* sched_commit.c: what a step has brought: tokens sampled, drafts that were right, answers forked off the first,
 * sequences at their end.
 *
 * All answers of a request are drawn from the one row of logits at the end of its prompt; the others then fork the
 * first one's pages. One that finds no slot or no memory waits like a preempted one, with its first token, and attaches
 * to the prompt in the cache later. */
#include <assert.h>
#include <string.h>

#include "sched/sched_impl.h"

void sched_accept(struct sched *s, const struct sched_item *it, uint32_t i, uint32_t n_right, uint32_t token, bool last)
{
	assert(s->planned && i < it->n_samples && n_right <= it->n_drafts);
	struct sched_req *r = it->req;
	struct sched_seq *q = &r->seqs[it->index + i];
	assert(q->n_accepted == 0);
	if (q->state == SEQ_NEW) {
		memcpy(q->ids, r->seqs[0].ids, r->n_prompt * sizeof *q->ids);
		q->n_ids = r->n_prompt;
	}
	q->n_ids += n_right; /* they lie there already */
	q->ids[q->n_ids++] = token;
	q->n_accepted = n_right + 1;
	q->last = last || q->n_ids == q->cap;
	fair_serve_decode(s, q, n_right + 1);
}

uint32_t sched_draft_room(const struct sched_req *r, uint32_t index)
{
	const struct sched_seq *q = &r->seqs[index];
	bool whole = q->state == SEQ_RUNNING && q->n_ids - q->computed == 1;
	return whole && q->n_ids < q->cap ? q->cap - q->n_ids - 1 : 0;
}

void sched_draft(struct sched_req *r, uint32_t index, const uint32_t *ids, uint32_t n)
{
	struct sched_seq *q = &r->seqs[index];
	uint32_t room = sched_draft_room(r, index);
	q->n_drafts = n < room ? n : room;
	if (q->n_drafts > 0)
		memcpy(q->ids + q->n_ids, ids, q->n_drafts * sizeof *ids);
}

static void fork_answer(struct sched *s, const struct sched_seq *first, struct sched_seq *q)
{
	q->high = first->computed;
	if (!fair_slot(s, tenant_of(s, q)) || !admit_protected_fits(s, q) ||
	    s->cache.fork(s->cache.ctx, &q->kv, first->kv, first->computed) != 0) {
		q->kv = NULL;
		seq_wait(s, q);
		return;
	}
	q->state = SEQ_RUNNING;
	q->computed = first->computed;
	rank_insert(s, q);
}

/* n tokens are computed, which the cache takes; or gives up with the wrong drafts behind them. */
static void commit_tokens(struct sched *s, struct sched_seq *q, uint32_t n)
{
	n = s->cache.commit(s->cache.ctx, q->kv, q->ids + q->computed, n);
	uint32_t end = q->computed + n, begin = q->computed > q->high ? q->computed : q->high;
	if (q->state == SEQ_PREFILLING) {
		s->stats.tokens_prefill += n;
		s->stats.tokens_again += n - (end > begin ? end - begin : 0);
	} else {
		s->stats.tokens_decode += n;
	}
	q->req->computed_first += fair_serve(s, q, n);
	q->computed = end;
	q->step_tokens = q->n_drafts = 0;
	if (q->high < end)
		q->high = end;
}

/* After a sample, or in its place. */
static void go_on(struct sched *s, const struct sched_seq *first, struct sched_seq *q)
{
	bool ends = q->n_accepted == 0 || q->last;
	q->n_accepted = 0;
	q->last = false;
	if (ends)
		seq_end(s, q, SCHED_FINISHED);
	else if (q->state == SEQ_NEW)
		fork_answer(s, first, q);
	else
		q->state = SEQ_RUNNING;
}

static void commit_item(struct sched *s, const struct sched_item *it)
{
	struct sched_seq *q = &it->req->seqs[it->index];
	uint32_t right = it->n_drafts > 0 && q->n_accepted > 0 ? q->n_accepted - 1 : 0;
	uint32_t known = it->n_tokens - it->n_drafts;
	s->stats.tokens_drafted += it->n_drafts;
	s->stats.tokens_accepted += right;
	commit_tokens(s, q, known + right);
	if (it->position + known < it->n_ids)
		return;
	fair_settle(s, q);
	if (it->prefill)
		s->cache.mark(s->cache.ctx, q->kv);
	for (uint32_t i = it->n_samples; i-- > 1;) /* the first one last: the others fork it */
		go_on(s, q, q + i);
	go_on(s, q, q);
}

void sched_commit(struct sched *s, int64_t now_us, uint64_t step_us, uint64_t busy_us)
{
	assert(s->planned);
	s->planned = false;
	s->now_us = now_us;
	for (uint32_t i = 0; i < s->plan.n_items; i++)
		commit_item(s, &s->plan.items[i]);
	s->mixed_steps = s->plan.n_decode > 0 && s->plan.n_prefill > 0 ? s->mixed_steps + 1 : 0;
	if (step_us > 0)
		cost_learn(&s->cost, s->plan.n_decode, s->plan.n_prefill, (double)step_us, (double)busy_us);
	s->stats.steps += s->plan.n_tokens > 0;
}
