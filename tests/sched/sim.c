/* sim.c: see sim.h. */
#include "sim.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

uint32_t sim_below(struct sim *sim, uint32_t n)
{
	sim->random = sim->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(sim->random >> 33) % n;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15u;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9u;
	return x ^ x >> 32;
}

uint32_t sim_token(const struct sim_req *q, uint32_t index, uint32_t position)
{
	return (uint32_t)mix((uint64_t)q->id * 1000003 + index * 7919u + ((uint64_t)position << 32)) | 1u << 31;
}

static void broken(struct sim *sim, const char *what)
{
	if (!sim->broken)
		sim->broken = what;
}

static void submit(struct sim *sim)
{
	while (sim->n_submitted < sim->n_reqs && sim->reqs[sim->n_submitted].arrival_us <= sim->now_us) {
		struct sim_req *q = &sim->reqs[sim->n_submitted++];
		int64_t retry_us;
		struct kvik_err err;
		q->r.user = q;
		int rc = sched_submit(sim->sched, &q->handle, &q->r, sim->now_us, &retry_us, &err);
		q->submitted = rc == 0;
		q->refused = rc != 0;
		sim->n_ended += rc != 0;
		if (rc != 0 && rc != KVIK_ERR_FULL && rc != KVIK_ERR_LIMIT && !(sim->torture && rc == KVIK_ERR_NOMEM))
			broken(sim, "a good request is refused with a strange error");
		if (rc == KVIK_ERR_FULL && (retry_us < 1000000 || retry_us > 600000000))
			broken(sim, "retry-after is out of its range");
	}
}

static void cancel(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->n_submitted; i++)
		if (sim->reqs[i].handle && sim->reqs[i].cancel_us <= sim->now_us)
			sched_cancel(sim->sched, sim->reqs[i].handle);
}

/* Was this time reached when the last plan was made? 0: it never is. */
static bool is_over(const struct sim *sim, int64_t us)
{
	return us != 0 && us <= sim->plan_us;
}

static void collect(struct sim *sim)
{
	struct sched_req *r;
	while ((r = sched_next_ended(sim->sched))) {
		struct sim_req *q = sched_req_info(r).user;
		if (q->ended)
			broken(sim, "a request ends twice");
		q->info = sched_req_info(r);
		q->end = q->info.end;
		q->ended = true;
		q->ended_us = sim->now_us;
		q->handle = NULL;
		sim->n_ended++;
		for (uint32_t a = 0; a < q->r.n_sequences; a++) {
			uint32_t n;
			const uint32_t *ids = sched_req_ids(r, a, &n);
			if (n != (n ? q->r.n_ids + q->n_out[a] : 0) ||
			    (n && memcmp(ids, q->r.ids, q->r.n_ids * sizeof *ids) != 0))
				broken(sim, "a sequence has not its prompt and its tokens");
			for (uint32_t p = q->r.n_ids; p < n; p++)
				if (ids[p] != sim_token(q, a, p))
					broken(sim, "a sequence has a wrong token");
		}
		if (q->end == SCHED_FINISHED && q->info.cached + q->computed < q->r.n_ids)
			broken(sim, "prompt tokens came from nowhere");
		if (q->end == SCHED_FAILED && !sim->may_fail && !(sim->torture && q->info.code == KVIK_ERR_NOMEM))
			broken(sim, "a request failed that was accepted");
		if (q->end == SCHED_EXPIRED && !is_over(sim, q->r.deadline_us) &&
		    (q->info.queue_us >= 0 || !is_over(sim, q->r.start_by_us)))
			broken(sim, "a request expired before its time");
		if (q->end == SCHED_CANCELLED && q->cancel_us > sim->plan_us && !sim->eager)
			broken(sim, "a request was cancelled by nobody");
		if (q->end == SCHED_LIVE)
			broken(sim, "an ended request is said to live");
		sched_req_free(r);
	}
}

/* First admissions follow the order of arrival among equals. */
static void check_fifo(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->n_submitted; i++) {
		struct sim_req *q = &sim->reqs[i];
		if (!q->handle || q->admitted || sched_req_info(q->handle).queue_us < 0)
			continue;
		q->admitted = true;
		for (uint32_t k = 0; k < i; k++) {
			const struct sim_req *o = &sim->reqs[k];
			if (o->handle && o->r.tenant == q->r.tenant && o->r.priority == q->r.priority &&
			    sched_req_info(o->handle).queue_us < 0 && sched_req_info(o->handle).end == SCHED_LIVE)
				broken(sim, "a request was admitted before an earlier one of its class");
		}
	}
}

static void check_item(struct sim *sim, const struct sched_item *it)
{
	const struct sim_req *q = it->user;
	if (it->n_tokens == 0 || it->position + it->n_tokens > it->n_ids + it->n_drafts)
		broken(sim, "an item is empty, or goes beyond what is known");
	if (it->prefill ? it->n_ids < q->r.n_ids || it->n_drafts > 0
			: it->n_tokens != 1 + it->n_drafts && (it->n_drafts > 0 || it->n_tokens > sim->again_max))
		broken(sim, "an item is neither prefill nor decode");
	if (sim->holds && !sim->holds(it->kv, it->ids, it->position))
		broken(sim, "the cache's sequence does not hold what lies before the item");
	if (it->n_samples > 0 && it->n_ids != q->r.n_ids + q->n_out[it->index])
		broken(sim, "an item samples a position again");
	bool whole = it->position + it->n_tokens >= it->n_ids && q->r.max_new > 0;
	if ((it->n_samples > 0) != whole || it->n_rows != (whole ? 1 + it->n_drafts : 0))
		broken(sim, "an item samples where it should not");
}

static void check_plan(struct sim *sim, const struct sched_plan *p)
{
	uint32_t n_tokens = 0, n_samples = 0;
	for (uint32_t i = 0; i < p->n_items; i++) {
		n_tokens += p->items[i].n_tokens;
		n_samples += p->items[i].n_samples;
		check_item(sim, &p->items[i]);
	}
	if (n_tokens != p->n_tokens || n_samples != p->n_samples || p->n_decode + p->n_prefill != n_tokens)
		broken(sim, "a plan counts wrongly");
	if (n_tokens > sim->config.step_tokens_max || p->n_items > sim->config.step_seqs_max)
		broken(sim, "a plan is larger than the budget");
	if (n_tokens == 0 && p->n_loading == 0 && sim->n_ended < sim->n_submitted) {
		struct sched_stats st = sched_stats(sim->sched, sim->now_us);
		if (st.running + st.prefilling + st.waiting > 0)
			broken(sim, "somebody waits and nothing is computed");
	}
	check_fifo(sim);
}

/* Drafts that are the tokens which come anyway, as far as the answer goes. */
static uint32_t right_drafts(const struct sched_item *it, uint32_t a, uint32_t position)
{
	const struct sim_req *q = it->user;
	uint32_t n = 0;
	while (n < it->n_drafts && position + n < q->ends_at && it->ids[it->n_ids + n] == sim_token(q, a, position + n))
		n++;
	return n;
}

static void sample(struct sim *sim, const struct sched_item *it)
{
	struct sim_req *q = it->user;
	for (uint32_t i = 0; i < it->n_samples; i++) {
		uint32_t a = it->index + i, position = q->r.n_ids + q->n_out[a];
		if (sim->eager && sim_below(sim, 500) == 0)
			continue; /* the engine could not sample: the sequence ends */
		uint32_t right = right_drafts(it, a, position);
		position += right;
		sched_accept(sim->sched, it, i, right, sim_token(q, a, position), position >= q->ends_at);
		if (q->n_out[a] == 0)
			q->first_us[a] = sim->now_us;
		else if (sim->now_us - q->last_us[a] > q->itl_us_max)
			q->itl_us_max = sim->now_us - q->last_us[a];
		q->n_out[a] += right + 1;
		q->last_us[a] = sim->now_us;
	}
}

/* Guesses for everybody that runs: a run of right ones, then others. */
static void draft(struct sim *sim)
{
	uint32_t ids[16];
	for (uint32_t i = 0; i < sim->n_submitted && sim->drafts > 0; i++) {
		const struct sim_req *q = &sim->reqs[i];
		for (uint32_t a = 0; q->handle && a < q->r.n_sequences; a++) {
			uint32_t n = 1 + sim_below(sim, sim->drafts), right = sim_below(sim, n + 1);
			for (uint32_t k = 0; k < n; k++)
				ids[k] = k < right ? sim_token(q, a, q->r.n_ids + q->n_out[a] + k) : sim_below(sim, 9);
			if (sim_below(sim, 3) > 0)
				sched_draft(q->handle, a, ids, n);
		}
	}
}

/* *busy_us: of that the owner had a CPU. */
static uint64_t step_time(struct sim *sim, const struct sched_plan *p, uint64_t *busy_us)
{
	const struct sim_model *m = &sim->model;
	double us = m->step_us;
	for (uint32_t i = 0; i < p->n_items; i++) {
		const struct sched_item *it = &p->items[i];
		us += it->n_tokens * (it->prefill ? m->prefill_us : m->decode_us);
		us += it->n_tokens * m->depth_us * (it->position + it->n_tokens / 2.0) / 1024;
	}
	us *= 1 + m->noise * (sim_below(sim, 2001) / 1000.0 - 1);
	*busy_us = (uint64_t)llround(us);
	if (m->neighbour_us > 0 && sim->now_us / (m->neighbour_us / 4) % 4 != 0)
		us *= m->neighbour;
	if (m->tail_one_in > 0 && sim_below(sim, m->tail_one_in) == 0) {
		double away = m->tail_us;
		while (away < 64 * m->tail_us && sim_below(sim, 2) == 0)
			away *= 2;
		us += away;
	}
	return (uint64_t)llround(us);
}

static void wait_for_arrival(struct sim *sim, int64_t wake_us)
{
	int64_t next = sim->n_submitted < sim->n_reqs ? sim->reqs[sim->n_submitted].arrival_us : SCHED_NEVER;
	int64_t until = next < wake_us ? next : wake_us;
	int64_t disk = sim->disk ? sim->disk(sim->now_us) : SCHED_NEVER;
	until = disk < until ? disk : until;
	if (until < SCHED_NEVER)
		sim->now_us = until > sim->now_us ? until : sim->now_us + 1;
	else
		broken(sim, "somebody waits for what never comes");
}

/* Nothing outlives its deadline, or its cancellation, by more than a step. */
static void check_prompt_ends(struct sim *sim)
{
	for (uint32_t i = 0; i < sim->n_submitted; i++) {
		const struct sim_req *q = &sim->reqs[i];
		if (!q->handle)
			continue;
		bool late = is_over(sim, q->r.deadline_us) || (!q->admitted && is_over(sim, q->r.start_by_us));
		if (late || q->cancel_us <= sim->plan_us)
			broken(sim, "a request lives on after its deadline or cancellation");
	}
}

static void check_pair(struct sim *sim, uint32_t a, uint32_t b, bool both, double bound)
{
	struct sim_range *r = &sim->ranges[a][b];
	double d = (double)sched_served(sim->sched, a) / sim->weights[a] -
		   (double)sched_served(sim->sched, b) / sim->weights[b];
	if (!both || !r->both)
		*r = (struct sim_range){.both = both, .lowest = d, .highest = d};
	r->lowest = fmin(r->lowest, d);
	r->highest = fmax(r->highest, d);
	if (r->highest - r->lowest > bound)
		broken(sim, "two tenants that both waited were served too differently");
}

/* The stated bound, at any time. */
static void check_shares(struct sim *sim)
{
	uint32_t n = sim->config.tenants_max, prompt_max = 0, new_max = 0;
	bool queued[SIM_TENANTS_MAX] = {false};
	if (n < 2 || n > SIM_TENANTS_MAX || !sim->weights[0])
		return;
	for (uint32_t i = 0; i < sim->n_submitted; i++) {
		const struct sim_req *q = &sim->reqs[i];
		prompt_max = q->r.n_ids > prompt_max ? q->r.n_ids : prompt_max;
		new_max = q->r.max_new > new_max ? q->r.max_new : new_max;
		queued[q->r.tenant] |= q->handle && sched_req_info(q->handle).queue_us < 0;
	}
	for (uint32_t a = 0; a < n; a++)
		for (uint32_t b = 0; b < a; b++) {
			uint32_t weight = sim->weights[a] < sim->weights[b] ? sim->weights[a] : sim->weights[b];
			uint64_t bound = sched_fair_bound(sim->sched, prompt_max, new_max, weight);
			check_pair(sim, a, b, queued[a] && queued[b], (double)bound);
		}
}

static void check_state(struct sim *sim)
{
	const char *what = sched_check(sim->sched);
	if (!what && sim->cache_check)
		what = sim->cache_check(sim->cache.ctx);
	if (what)
		broken(sim, what);
	check_shares(sim);
}

bool sim_step(struct sim *sim)
{
	if (sim->torture && sim_below(sim, 4) == 0)
		mem_fail_at(1 + (long)sim_below(sim, 6));
	submit(sim);
	cancel(sim);
	draft(sim);
	if (sim->disk)
		(void)sim->disk(sim->now_us);
	const struct sched_plan *p = sched_plan(sim->sched, sim->now_us);
	sim->plan_us = sim->now_us;
	check_plan(sim, p);
	uint64_t busy_us = 0, us = p->n_tokens ? step_time(sim, p, &busy_us) : 0;
	sim->now_us += (int64_t)us;
	if (us > sim->step_us_max)
		sim->step_us_max = us;
	sim->tokens_prefill += p->n_prefill;
	for (uint32_t i = 0; i < p->n_items; i++) {
		struct sim_req *q = p->items[i].user;
		q->computed += p->items[i].prefill ? p->items[i].n_tokens : 0;
		if (sim->compute && !sim->compute(&p->items[i]))
			broken(sim, "an item has no page for its tokens");
		sample(sim, &p->items[i]);
		if (sim->eager && sim_below(sim, 200) == 0)
			sched_cancel(sim->sched, q->handle);
	}
	uint32_t n_tokens = p->n_tokens;
	int64_t wake_us = p->wake_us;
	sched_commit(sim->sched, sim->now_us, us, busy_us);
	if (sim->torture)
		mem_fail_at(0);
	collect(sim);
	check_prompt_ends(sim);
	if (sim->check_all)
		check_state(sim);
	if (n_tokens == 0 && sim->n_ended < sim->n_reqs)
		wait_for_arrival(sim, wake_us);
	return sim->n_ended < sim->n_reqs && !sim->broken;
}

void sim_run(struct sim *sim)
{
	int64_t bound = sim_bound_us(sim);
	while (sim_step(sim))
		if (sim->n_submitted == sim->n_reqs && sim->now_us > bound) {
			broken(sim, "a request has not ended within the bound");
			return;
		}
	check_state(sim);
}

int64_t sim_bound_us(const struct sim *sim)
{
	double us = 0;
	for (uint32_t i = 0; i < sim->n_reqs; i++) {
		const struct sim_req *q = &sim->reqs[i];
		double tokens = (double)q->r.n_sequences * (q->r.n_ids + q->r.max_new) * (sim->config.preempt_max + 1);
		const struct sim_model *m = &sim->model;
		double each = m->step_us + fmax(m->decode_us, m->prefill_us) + m->depth_us * 16;
		us += tokens * each * (1 + m->noise) + each;
		us += (double)sim->disk_us * q->r.n_sequences * (sim->config.preempt_max + 1);
	}
	return (sim->n_reqs ? sim->reqs[sim->n_reqs - 1].arrival_us : 0) + (int64_t)us + 1000;
}
