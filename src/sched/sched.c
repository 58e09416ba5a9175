/* sched.c: the lives of requests and their sequences, from submission to the list of the ended.
 *
 *	NEW --fork--> RUNNING            (answers 2.. of a request: see sched_commit.c)
 *	WAITING --admit--> PREFILLING --first sample--> RUNNING
 *	   ^------------ preempt ------------'-------------'
 *	any --finished, cancelled, expired, failed--> ENDED
 *
 * Invariants (sched_check proves them):
 *  1. A sequence holds a cache sequence exactly while it is resident: PREFILLING or RUNNING, and then it is in
 *     resident[].
 *  2. A waiting sequence is in its tenant's queue, under its virtual arrival, or first of all when it is protected.
 *  3. A request is in the list of the live while one of its sequences is not ended, then in that of the ended.
 *  4. No sequence was preempted more than preempt_max times.
 *  5. What the counters of waiting sequences, queued requests and their tokens say is true.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "sched/sched_impl.h"

#define SEQUENCES_MAX 128 /* of one request */
#define PRIORITY_MAX 1000
#define RETRY_US_MIN 1000000
#define RETRY_US_MAX 600000000

const struct sched_config sched_defaults = {
	.step_tokens_max = 512,
	.step_seqs_max = 64,
	.seq_tokens_max = 4096,
	.itl_factor = 2,
	.itl_us = 60000,
	.cost = {.step_us = 20000, .decode_us = 1000, .prefill_us = 4000},
	.tenants_max = 1,
	.fair_quantum = 512,
	.preempt_max = 4,
	.waiting_max = 1024,
	.waiting_tokens_max = 1 << 22,
	.priority_us = 10000000,
};

/* ---- The scheduler ----------------------------------------------------------------------------------------------- */

static int check_config(const struct sched_config *c, struct kvik_err *err)
{
	if (c->step_seqs_max < 1 || c->step_seqs_max > 1u << 16)
		return err_set(err, KVIK_ERR_ARG, "sched: step_seqs_max is %u; must be 1..65536", c->step_seqs_max);
	if (c->step_tokens_max <= c->step_seqs_max || c->step_tokens_max > 1u << 20)
		return err_set(err, KVIK_ERR_ARG,
			       "sched: step_tokens_max is %u; must be above step_seqs_max (%u), up to 2^20",
			       c->step_tokens_max, c->step_seqs_max);
	if (c->step_drafts_max > c->step_tokens_max)
		return err_set(err, KVIK_ERR_ARG, "sched: step_drafts_max is %u; must be at most step_tokens_max (%u)",
			       c->step_drafts_max, c->step_tokens_max);
	if (c->seq_tokens_max < 1 || c->seq_tokens_max > 1u << 30)
		return err_set(err, KVIK_ERR_ARG, "sched: seq_tokens_max is %u; must be 1..2^30", c->seq_tokens_max);
	if (c->itl_factor != 0 && !(c->itl_factor > 1 && c->itl_factor < 1e6))
		return err_set(err, KVIK_ERR_ARG, "sched: itl_factor is %g; must be 0 (off) or above 1", c->itl_factor);
	if (!(c->itl_us >= 0 && c->itl_us < 1e12))
		return err_set(err, KVIK_ERR_ARG, "sched: itl_us is %g; must be 0 (off) or more", c->itl_us);
	if (!(c->cost.step_us > 0 && c->cost.decode_us > 0 && c->cost.prefill_us > 0))
		return err_set(err, KVIK_ERR_ARG, "sched: the cost of a step must be above 0, as far as it is known");
	if (c->tenants_max < 1 || c->tenants_max > 1u << 20 || c->fair_quantum < 1 || c->preempt_max > 1000)
		return err_set(err, KVIK_ERR_ARG,
			       "sched: tenants_max is %u (1..2^20), fair_quantum %u (1..), preempt_max %u "
			       "(0..1000)",
			       c->tenants_max, c->fair_quantum, c->preempt_max);
	if (c->priority_us < 0 || c->priority_us > INT64_MAX / 4 / PRIORITY_MAX)
		return err_set(err, KVIK_ERR_ARG, "sched: priority_us is out of range");
	return 0;
}

int sched_new(struct sched **out, const struct sched_config *c, const struct sched_cache *cache, struct kvik_err *err)
{
	*out = NULL;
	int rc = check_config(c, err);
	if (rc)
		return rc;
	struct sched *s = mem_zalloc(1, sizeof *s);
	if (!s)
		return err_set(err, KVIK_ERR_NOMEM, "sched: no memory");
	s->config = *c;
	s->cache = *cache;
	s->tenants = mem_zalloc(c->tenants_max, sizeof *s->tenants);
	s->resident = mem_zalloc(c->step_seqs_max, sizeof(struct sched_seq *));
	s->items = mem_zalloc(c->step_seqs_max, sizeof *s->items);
	if (!s->tenants || !s->resident || !s->items) {
		sched_free(s);
		return err_set(err, KVIK_ERR_NOMEM, "sched: no memory");
	}
	s->fair.before = s->deadlines.before = sched_key_before;
	for (uint32_t i = 0; i < c->tenants_max; i++)
		s->tenants[i] = (struct sched_tenant){.weight = 1, .waiting.before = sched_key_before};
	s->page_cost = cache->cost(cache->ctx, 0, 1);
	cost_init(&s->cost, &c->cost, c->step_seqs_max);
	*out = s;
	return 0;
}

static void free_list(struct sched *s, struct sched_req *r)
{
	while (r) {
		struct sched_req *next = r->next;
		for (uint32_t i = 0; i < r->n_seqs; i++)
			if (r->seqs[i].kv)
				s->cache.release(s->cache.ctx, r->seqs[i].kv);
		mem_free(r);
		r = next;
	}
}

void sched_free(struct sched *s)
{
	if (!s)
		return;
	free_list(s, s->live);
	free_list(s, s->ended);
	mem_free(s->tenants);
	mem_free(s->resident);
	mem_free(s->items);
	mem_free(s);
}

/* ---- Submission -------------------------------------------------------------------------------------------------- */

static int check_request(const struct sched *s, const struct sched_request *r, struct kvik_err *err)
{
	const struct sched_config *c = &s->config;
	if (!r->ids || r->n_ids < 1)
		return err_set(err, KVIK_ERR_ARG, "the prompt has no tokens");
	if (r->n_sequences < 1 || r->n_sequences > SEQUENCES_MAX || (r->max_new == 0 && r->n_sequences > 1))
		return err_set(err, KVIK_ERR_ARG, "n is %u; must be 1..%d, and 1 when nothing is generated",
			       r->n_sequences, SEQUENCES_MAX);
	if (r->n_marks > SCHED_MARKS_MAX)
		return err_set(err, KVIK_ERR_ARG, "%u places to come back to; at most %d", r->n_marks, SCHED_MARKS_MAX);
	if (r->tenant >= c->tenants_max)
		return err_set(err, KVIK_ERR_ARG, "tenant %u; there are %u", r->tenant, c->tenants_max);
	if (r->priority < -PRIORITY_MAX || r->priority > PRIORITY_MAX)
		return err_set(err, KVIK_ERR_ARG, "priority is %d; must be -%d..%d", r->priority, PRIORITY_MAX,
			       PRIORITY_MAX);
	if (r->n_ids > c->seq_tokens_max || r->max_new > c->seq_tokens_max - r->n_ids)
		return err_set(
			err, KVIK_ERR_LIMIT,
			"the prompt has %u tokens and %u more are asked for, but a sequence may hold %u: shorten it, "
			"ask for less or raise --ctx",
			r->n_ids, r->max_new, c->seq_tokens_max);
	uint64_t need = s->cache.cost(s->cache.ctx, 0, r->n_ids + r->max_new), have = s->cache.capacity(s->cache.ctx);
	if (need > have)
		return err_set(
			err, KVIK_ERR_LIMIT,
			"a sequence of %u tokens needs %llu bytes of KV cache, but there are %llu: raise --kv-memory "
			"or ask for less",
			r->n_ids + r->max_new, (unsigned long long)need, (unsigned long long)have);
	return 0;
}

/* How long until the queue has drained by what is too much. */
static int64_t retry_after(const struct sched *s, uint32_t n_ids)
{
	double requests = 1 + (double)s->stats.queued - s->config.waiting_max;
	double over = (double)s->stats.queued_tokens + n_ids - (double)s->config.waiting_tokens_max;
	double by_tokens = over * s->stats.queued / ((double)s->stats.queued_tokens + 1);
	double us = s->admit_us * (requests > by_tokens ? requests : by_tokens);
	return us < RETRY_US_MIN ? RETRY_US_MIN : us > RETRY_US_MAX ? RETRY_US_MAX : (int64_t)us;
}

static bool queue_full(const struct sched *s, uint32_t n_ids)
{
	return s->stats.queued >= s->config.waiting_max ||
	       (s->stats.queued > 0 && s->stats.queued_tokens + n_ids > s->config.waiting_tokens_max);
}

static struct sched_req *req_new(const struct sched *s, const struct sched_request *r, int64_t now_us)
{
	uint32_t cap = r->n_ids + r->max_new;
	size_t head = sizeof(struct sched_req) + r->n_sequences * sizeof(struct sched_seq);
	struct sched_req *q = mem_alloc(head + (size_t)r->n_sequences * cap * sizeof *r->ids);
	if (!q)
		return NULL;
	memset(q, 0, head); /* memory of tokens still to come is not touched */
	q->user = r->user;
	q->share = r->share;
	q->n_marks = r->n_marks;
	for (uint32_t i = 0; i < r->n_marks; i++)
		q->marks[i] = r->marks[i];
	q->arrival_us = now_us;
	q->virtual_us = now_us - r->priority * s->config.priority_us;
	q->start_by_us = r->start_by_us ? r->start_by_us : SCHED_NEVER;
	q->deadline_us = r->deadline_us ? r->deadline_us : SCHED_NEVER;
	q->queue_us = -1;
	q->tenant = r->tenant;
	q->priority = r->priority;
	q->n_prompt = r->n_ids;
	q->max_new = r->max_new;
	q->n_seqs = q->n_live = r->n_sequences;
	q->cold = r->cold;
	uint32_t *ids = (uint32_t *)(void *)((char *)q + head);
	for (uint32_t i = 0; i < q->n_seqs; i++)
		q->seqs[i] = (struct sched_seq){.req = q, .ids = ids + (size_t)i * cap, .cap = cap};
	memcpy(ids, r->ids, r->n_ids * sizeof *ids);
	q->seqs[0].n_ids = r->n_ids;
	return q;
}

static void watch_deadline(struct sched *s, struct sched_req *r, int64_t key)
{
	if (r->deadline_key < SCHED_NEVER)
		heap_remove(&s->deadlines, &r->in_deadlines.link);
	r->deadline_key = key;
	if (key < SCHED_NEVER)
		sched_key_push(&s->deadlines, &r->in_deadlines, key, r->number);
}

static void list_append(struct sched_req **first, struct sched_req **last, struct sched_req *r)
{
	r->next = NULL;
	r->prev = *last;
	if (*last)
		(*last)->next = r;
	else
		*first = r;
	*last = r;
}

static void list_remove(struct sched_req **first, struct sched_req **last, struct sched_req *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		*first = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		*last = r->prev;
	r->prev = r->next = NULL;
}

int sched_submit(struct sched *s, struct sched_req **out, const struct sched_request *r, int64_t now_us,
		 int64_t *retry_us, struct kvik_err *err)
{
	*out = NULL;
	*retry_us = 0;
	int rc = check_request(s, r, err);
	if (rc)
		return rc;
	if (queue_full(s, r->n_ids)) {
		s->stats.refused++;
		*retry_us = retry_after(s, r->n_ids);
		return err_set(err, KVIK_ERR_FULL, "%u requests with %llu tokens are waiting: try again in %lld s",
			       s->stats.queued, (unsigned long long)s->stats.queued_tokens,
			       (long long)(*retry_us + 999999) / 1000000);
	}
	struct sched_req *q = req_new(s, r, now_us);
	if (!q)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a request of %u tokens", r->n_ids);
	q->number = s->numbers++;
	q->deadline_key = SCHED_NEVER;
	watch_deadline(s, q, q->start_by_us < q->deadline_us ? q->start_by_us : q->deadline_us);
	list_append(&s->live, &s->live_last, q);
	s->stats.submitted++;
	s->stats.queued++;
	s->stats.queued_tokens += q->n_prompt;
	seq_wait(s, &q->seqs[0]);
	*out = q;
	return 0;
}

/* ---- Sequences --------------------------------------------------------------------------------------------------- */

void seq_wait(struct sched *s, struct sched_seq *q)
{
	struct sched_tenant *t = tenant_of(s, q);
	q->state = SEQ_WAITING;
	q->need = q->retry_step = 0;
	sched_key_push(&t->waiting, &q->in_waiting, is_protected(s, q) ? INT64_MIN : q->req->virtual_us,
		       q->req->number);
	if (t->n_waiting++ == 0)
		fair_enter(s, t);
	s->stats.waiting++;
}

void seq_unwait(struct sched *s, struct sched_seq *q)
{
	struct sched_tenant *t = tenant_of(s, q);
	heap_remove(&t->waiting, &q->in_waiting.link);
	if (--t->n_waiting == 0)
		fair_leave(s, t);
	s->stats.waiting--;
}

/* Out of the residents, its pages released; the state is the caller's to set. */
static void seq_leave(struct sched *s, struct sched_seq *q)
{
	uint32_t i = 0;
	while (s->resident[i] != q)
		i++;
	s->n_resident--;
	tenant_of(s, q)->n_resident--;
	memmove(&s->resident[i], &s->resident[i + 1], (s->n_resident - i) * sizeof(struct sched_seq *));
	*(q->state == SEQ_RUNNING ? &s->n_decode : &s->n_prefill) -= q->step_tokens;
	fair_settle(s, q);
	s->cache.release(s->cache.ctx, q->kv);
	q->kv = NULL;
	q->joins = q->loads = false;
	q->computed = q->step_tokens = q->n_drafts = 0;
}

void seq_preempt(struct sched *s, struct sched_seq *q, enum sched_preempt_cause cause)
{
	assert(!is_protected(s, q));
	seq_leave(s, q);
	q->preemptions++;
	q->preempted_step = s->step;
	s->stats.preempted[cause]++;
	seq_wait(s, q);
}

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

static void forget_cancel(struct sched *s, const struct sched_req *r)
{
	struct sched_req **link = &s->cancelled;
	while (*link && *link != r)
		link = &(*link)->next_cancelled;
	if (*link)
		*link = r->next_cancelled;
}

static void leave_queue(struct sched *s, const struct sched_req *r)
{
	s->stats.queued--;
	s->stats.queued_tokens -= r->n_prompt;
}

static void req_close(struct sched *s, struct sched_req *r)
{
	if (r->cancelled)
		forget_cancel(s, r);
	if (r->queue_us < 0)
		leave_queue(s, r);
	watch_deadline(s, r, SCHED_NEVER);
	list_remove(&s->live, &s->live_last, r);
	list_append(&s->ended, &s->ended_last, r);
	s->stats.ended[r->end]++;
}

void seq_end(struct sched *s, struct sched_seq *q, enum sched_end end)
{
	if (q->state == SEQ_ENDED)
		return;
	if (q->state == SEQ_WAITING)
		seq_unwait(s, q);
	else if (is_resident(q))
		seq_leave(s, q);
	q->state = SEQ_ENDED;
	if (--q->req->n_live == 0) {
		q->req->end = end;
		req_close(s, q->req);
	}
}

void req_end(struct sched *s, struct sched_req *r, enum sched_end end, int code)
{
	r->code = code;
	for (uint32_t i = 0; i < r->n_seqs; i++)
		seq_end(s, &r->seqs[i], end);
}

void req_admitted(struct sched *s, struct sched_req *r)
{
	if (r->queue_us >= 0)
		return;
	leave_queue(s, r);
	r->queue_us = s->now_us - r->arrival_us;
	watch_deadline(s, r, r->deadline_us);
	s->stats.admitted++;
	s->stats.queue_us_sum += (uint64_t)r->queue_us;
	/* Time that one admission takes while there is somebody to admit. */
	int64_t since = s->last_admit_us > r->arrival_us ? s->last_admit_us : r->arrival_us;
	s->admit_us += 0.1 * ((double)(s->now_us - since) - s->admit_us);
	s->last_admit_us = s->now_us;
}

void sched_cancel(struct sched *s, struct sched_req *r)
{
	if (r->n_live == 0 || r->cancelled)
		return;
	r->cancelled = true;
	r->next_cancelled = s->cancelled;
	s->cancelled = r;
}

struct sched_req *sched_next_ended(struct sched *s)
{
	struct sched_req *r = s->ended;
	if (r)
		list_remove(&s->ended, &s->ended_last, r);
	return r;
}

void sched_req_free(struct sched_req *r)
{
	mem_free(r);
}

/* ---- Figures ----------------------------------------------------------------------------------------------------- */

struct sched_req_info sched_req_info(const struct sched_req *r)
{
	struct sched_req_info i = {.user = r->user,
				   .end = r->end,
				   .code = r->code,
				   .cached = r->n_prompt - r->computed_first,
				   .found = r->found,
				   .queue_us = r->queue_us,
				   .n_sequences = r->n_seqs};
	for (uint32_t k = 0; k < r->n_seqs; k++)
		i.preemptions += r->seqs[k].preemptions;
	return i;
}

const uint32_t *sched_req_ids(const struct sched_req *r, uint32_t index, uint32_t *n_ids)
{
	*n_ids = index < r->n_seqs ? r->seqs[index].n_ids : 0;
	return index < r->n_seqs ? r->seqs[index].ids : NULL;
}

static bool waits(const struct sched_req *r)
{
	for (uint32_t i = 0; i < r->n_seqs; i++)
		if (r->seqs[i].state == SEQ_WAITING)
			return true;
	return false;
}

struct sched_stats sched_stats(const struct sched *s, int64_t now_us)
{
	struct sched_stats st = s->stats;
	const struct sched_req *oldest = s->live;
	for (uint32_t i = 0; i < s->n_resident; i++)
		*(s->resident[i]->state == SEQ_RUNNING ? &st.running : &st.prefilling) += 1;
	while (oldest && !waits(oldest))
		oldest = oldest->next;
	st.oldest_wait_us = oldest ? now_us - oldest->arrival_us : 0;
	st.cost = cost_now(&s->cost);
	return st;
}
