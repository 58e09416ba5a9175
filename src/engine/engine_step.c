/* engine_step.c: the owner thread: drain the queue, plan, compute, sample, emit, commit. What callers are told goes
 * into a ring (events.h); another thread tells them.
 *
 * Invariants:
 *  1. A request is in exactly one place: incoming (under lock), live (known to the scheduler), or the consumer's.
 *  2. Its END event is put once, when it is in no list any more; nothing touches it here after that.
 *  3. No lock is held while events are put or anything is computed.
 *  4. From plan to commit nothing is allocated but by text that grows (emit.h). */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/list.h"
#include "base/os.h"
#include "engine/disk.h"
#include "engine/engine_prompt.h"
#include "engine/errand.h"
#include "engine/retain.h"

static int64_t now_us(void)
{
	return (int64_t)(os_clock_ns() / 1000);
}

/* For how long this thread has had a CPU; 0 where that cannot be told. */
static uint64_t cpu_ns(void)
{
	struct timespec t;
	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct spent clocks(void)
{
	return (struct spent){os_clock_ns(), cpu_ns()};
}

static void add_since(struct spent *sum, struct spent since, struct spent now)
{
	sum->ns += now.ns - since.ns;
	sum->cpu_ns += now.cpu_ns - since.cpu_ns;
}

/* ---- The queue --------------------------------------------------------------------------------------------------- */

/* The most of `room` new tokens behind n that the KV cache could hold if the request were alone; at least 1, so that of
 * a prompt that does not fit the scheduler says why. */
static uint32_t fitting(const struct kvik_engine *e, uint32_t n, uint32_t room)
{
	uint64_t have = kv_capacity(e->cache->kv);
	uint32_t low = room < 1 ? room : 1, high = room;
	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;
		if (kv_cost(e->cache->kv, 0, n + middle, e->cache->params.chunk) <= have)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* How many tokens may come; 0: the prompt leaves no room. */
static uint32_t new_tokens_max(const struct kvik_engine *e, const struct request *r)
{
	uint64_t context = e->cache->params.context, n = r->params.n_ids;
	uint64_t room = n < context ? context - n : 0, asked = r->generate.max_tokens;
	return asked && asked < room ? (uint32_t)asked : fitting(e, (uint32_t)n, (uint32_t)room);
}

/* Every token of the prompt must pass through the model. */
static bool is_cold(const struct request *r)
{
	return r->params.pooling != KVIK_POOLING_NONE || r->params.prompt_logprobs > 0;
}

_Static_assert((int)KVIK_MARKS_MAX == (int)SCHED_MARKS_MAX && (int)SCHED_MARKS_MAX == (int)KV_MARKS_MAX,
	       "as many places of a prompt as the rooms below keep");

static int to_scheduler(struct kvik_engine *e, struct request *r, uint64_t *retry_ms, struct kvik_err *err)
{
	struct kvik_request_params *p = &r->params;
	struct sched_req *planned = NULL;
	int64_t now = now_us(), retry_us = 0;
	bool text = p->pooling == KVIK_POOLING_NONE;
	struct sched_request q = {.user = r,
				  .ids = p->ids,
				  .n_ids = (uint32_t)p->n_ids,
				  .marks = p->marks,
				  .n_marks = (uint32_t)p->n_marks,
				  .max_new = text ? new_tokens_max(e, r) : 0,
				  .n_sequences = text ? p->choices : 1,
				  .tenant = p->tenant,
				  .priority = p->priority,
				  .share = text && !r->isolated ? &r->share : NULL,
				  .cold = is_cold(r),
				  .start_by_us = p->queue_ms_max ? now + (int64_t)p->queue_ms_max * 1000 : SCHED_NEVER,
				  .deadline_us = p->total_ms_max ? now + (int64_t)p->total_ms_max * 1000 : SCHED_NEVER};
	if (text && q.max_new == 0)
		return err_set(
			err, KVIK_ERR_LIMIT,
			"the prompt of %zu tokens exceeds the available context size of %u tokens, answer included: "
			"shorten it or raise --ctx",
			p->n_ids, e->cache->params.context);
	for (uint32_t i = 0; i < r->n_choices; i++)
		r->choices[i].emit.params.max_tokens = q.max_new;
	int rc = sched_submit(e->sched, &planned, &q, now, &retry_us, err);
	*retry_ms = (uint64_t)retry_us / 1000;
	r->planned = planned;
	return rc;
}

static int cancelled_error(const struct request *r, struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_CANCELLED, "%s",
		       r->drained ? "the server is shutting down: the answer ends here" : "cancelled by the caller");
}

static void take_incoming(struct kvik_engine *e, struct request *list)
{
	while (list) {
		struct request *r = list;
		struct kvik_err err = {0};
		uint64_t retry_ms = 0;
		list = r->next;
		int rc = r->cancelled ? cancelled_error(r, &err) : to_scheduler(e, r, &retry_ms, &err);
		pthread_mutex_lock(&e->lock);
		if (!rc)
			LIST_PUSH(e->live, r);
		else if (rc == KVIK_ERR_FULL)
			e->stats.refused++;
		pthread_mutex_unlock(&e->lock);
		if (rc)
			request_end(r, &err, retry_ms);
	}
}

static void pass_cancels(struct kvik_engine *e)
{
	for (struct request *r = e->live; r; r = r->next)
		if (r->cancelled && !r->cancel_passed) {
			r->cancel_passed = true;
			sched_cancel(e->sched, r->planned);
		}
}

static struct kvik_prefix prefix_of(const struct sched_req_info *info)
{
	const struct sched_match *m = &info->found;
	struct kvik_prefix p = cache_prefix(m->tokens, m->matched, (enum kv_why)m->why, m->other, 0);
	p.joined_tokens = info->cached > m->tokens ? info->cached - m->tokens : 0;
	return p;
}

static void take_ended(struct kvik_engine *e)
{
	for (struct sched_req *q; (q = sched_next_ended(e->sched)); sched_req_free(q)) {
		struct sched_req_info info = sched_req_info(q);
		struct request *r = info.user;
		struct kvik_err err = {0};
		if (r->failure.code)
			err = r->failure;
		else if (info.end == SCHED_CANCELLED)
			(void)cancelled_error(r, &err);
		else if (info.end == SCHED_EXPIRED)
			err_set(&err, KVIK_ERR_CANCELLED, "the request took longer than it was allowed to");
		else if (info.end == SCHED_FAILED)
			err_set(&err, info.code, "the KV cache could not hold the request: %s",
				kvik_code_text(info.code));
		else
			retain_prompt(e, r);
		r->usage.cached_tokens = info.cached;
		r->usage.preemptions = info.preemptions;
		if (!is_cold(r) && !r->isolated)
			r->prefix = prefix_of(&info);
		r->usage.queue_ms = info.queue_us > 0 ? (double)info.queue_us / 1e3 : 0;
		pthread_mutex_lock(&e->lock);
		LIST_REMOVE(e->live, r);
		pthread_mutex_unlock(&e->lock);
		request_end(r, err.code ? &err : NULL, 0);
	}
}

/* ---- Drafts ------------------------------------------------------------------------------------------------------ */

/* What may come next in one answer, into ids[max]; returns how many. */
static uint32_t guess(const struct kvik_engine *e, const struct request *r, uint32_t choice, uint32_t *ids,
		      uint32_t max)
{
	const struct kvik_processor *p = &r->processor;
	size_t n = p->forced ? p->forced(p->user, choice, ids, max) : 0;
	if (n == 0 && e->params.draft) {
		uint32_t n_ids;
		const uint32_t *known = sched_req_ids(r->planned, choice, &n_ids);
		n = e->params.draft(e->params.draft_user, known, n_ids, ids, max);
	}
	return n < max ? (uint32_t)n : max;
}

static void draft(struct kvik_engine *e)
{
	enum { MOST = 16 }; /* of one answer in a step */
	uint32_t ids[MOST], n_vocab = cache_vocab_size(e->cache);
	if (e->params.drafts == 0)
		return;
	for (const struct request *r = e->live; r; r = r->next)
		for (uint32_t c = 0; c < r->n_choices && !r->cancelled; c++) {
			uint32_t room = sched_draft_room(r->planned, c), n = 0;
			if (room > 0)
				n = guess(e, r, c, ids, room < MOST ? room : MOST);
			for (uint32_t i = 0; i < n; i++)
				n = ids[i] < n_vocab ? n : i; /* up to the first that is no token */
			sched_draft(r->planned, c, ids, n);
		}
}

/* ---- A step ------------------------------------------------------------------------------------------------------ */

/* What is measured as the model's and the sampler's time; all else is overhead of the owner. */
static void computed(struct kvik_engine *e, struct spent since)
{
	add_since(&e->computing, since, clocks());
}

/* Rows that an item wants: its last one to sample from; every one for what is said about the prompt itself. */
static void compute(struct kvik_engine *e, const struct sched_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_items; i++) {
		const struct sched_item *it = &plan->items[i];
		e->items[i] = (struct step_item){.seq = it->kv,
						 .ids = it->ids + it->position,
						 .n = it->n_tokens,
						 .n_logits = it->n_rows,
						 .n_hidden = engine_prompt_rows(it)};
	}
	struct spent start = clocks();
	cache_forward(e->cache, e->items, plan->n_items, e->logits, e->hidden);
	computed(e, start);
}

static void sample_slot(void *ctx, uint32_t item, uint32_t thread)
{
	struct kvik_engine *e = ctx;
	struct sample_slot *s = &e->slots[item];
	s->state = emit_next(&s->r->choices[s->choice].emit, &e->rooms[thread], s->logits, s->item->ids,
			     s->item->n_ids + s->n_right, &s->token, &s->err);
}

/* Shows a sampled token. True: it is the draft whose row comes next, and the answer goes on. Else the scheduler is told
 * how far this step has come. */
static bool emit_slot(struct kvik_engine *e, struct sample_slot *s)
{
	struct request *r = s->r;
	const struct sched_item *it = s->item;
	if (s->state < 0) {
		r->failure = s->err;
		sched_accept(e->sched, it, s->i, s->n_right, 0, true);
		sched_cancel(e->sched, r->planned);
		return false;
	}
	e->sampled++;
	if (!r->cancelled)
		request_token(r, s->choice, &s->token);
	if (s->state == EMIT_GOES_ON && s->n_right < it->n_drafts && it->ids[it->n_ids + s->n_right] == s->token.id) {
		s->n_right++;
		s->logits += cache_vocab_size(e->cache);
		return true;
	}
	if (s->state != EMIT_GOES_ON && !r->cancelled)
		request_choice_end(r, s->choice, s->state == EMIT_STOP ? KVIK_FINISH_STOP : KVIK_FINISH_LENGTH);
	sched_accept(e->sched, it, s->i, s->n_right, s->token.id, s->state != EMIT_GOES_ON);
	return false;
}

/* Each slot samples one row; those whose draft was right go on with the next one, together. */
static void run_slots(struct kvik_engine *e, uint32_t n)
{
	while (n > 0) {
		struct spent start = clocks();
		uint32_t go_on = 0;
		device_run_once(e->model->device, n, sample_slot, e);
		computed(e, start);
		for (uint32_t i = 0; i < n; i++)
			if (emit_slot(e, &e->slots[i]))
				e->slots[go_on++] = e->slots[i];
		n = go_on;
	}
}

/* A row may be sampled for several choices, so there can be more samples than slots: they go in rounds. */
static void sample(struct kvik_engine *e, const struct sched_plan *plan)
{
	size_t n_vocab = cache_vocab_size(e->cache);
	const float *row = e->logits;
	uint32_t n = 0;
	for (uint32_t i = 0; i < plan->n_items; i++) {
		const struct sched_item *it = &plan->items[i];
		for (uint32_t k = 0; k < it->n_samples; k++) {
			e->slots[n++] = (struct sample_slot){
				.item = it, .i = k, .r = it->user, .choice = it->index + k, .logits = row};
			if (n == e->params.sequences) {
				run_slots(e, n);
				n = 0;
			}
		}
		row += it->n_rows * n_vocab;
	}
	run_slots(e, n);
}

/* A plan is committed also when there was nothing to do. */
static void step(struct kvik_engine *e, const struct sched_plan *plan)
{
	uint64_t start = os_clock_ns(), cpu_start = cpu_ns();
	if (plan->n_tokens == 0) {
		sched_commit(e->sched, now_us(), 0, 0);
		return;
	}
	compute(e, plan);
	engine_prompt_take(e, plan);
	sample(e, plan);
	events_flush(e->events);
	uint64_t ns = os_clock_ns() - start;
	e->step_ms = (double)ns / 1e6;
	sched_commit(e->sched, now_us(), ns / 1000, (cpu_ns() - cpu_start) / 1000);
}

/* ---- The loop ---------------------------------------------------------------------------------------------------- */

void engine_publish(struct kvik_engine *e)
{
	struct sched_stats s = sched_stats(e->sched, now_us());
	struct kv_stats kv = kv_stats(e->cache->kv);
	struct disk_stats disk = {0};
	if (e->cache->disk) {
		disk_prefill_us(e->cache->disk, s.cost.prefill_us);
		disk = disk_stats(e->cache->disk);
	}
	struct kvik_engine_stats *o = &e->stats;
	pthread_mutex_lock(&e->lock);
	*o = (struct kvik_engine_stats){.running = s.running + s.prefilling,
					.waiting = s.waiting,
					.kv_bytes_ceiling = kv.memory_bytes,
					.kv_bytes_used = kv.bytes_used,
					.kv_bytes_live = kv.bytes_used - kv.bytes_tables - kv.bytes_cached,
					.kv_bytes_cached = kv.bytes_cached,
					.kv_bytes_tables = kv.bytes_tables,
					.kv_bytes_peak = kv.bytes_peak,
					.kv_pages_copied = kv.pages_copied,
					.prefix_tokens_queried = kv.tokens_queried,
					.prefix_tokens_hit = kv.tokens_hit,
					.prefix_tokens_joined = kv.tokens_joined,
					.prefix_tokens_evicted = kv.tokens_evicted,
					.prompt_tokens_computed = s.tokens_prefill,
					.new_tokens = e->sampled,
					.tokens_recomputed = s.tokens_again,
					.drafts_computed = s.tokens_drafted,
					.drafts_right = s.tokens_accepted,
					.requests = s.submitted,
					.refused = s.refused,
					.finished = s.ended[SCHED_FINISHED],
					.cancelled = s.ended[SCHED_CANCELLED],
					.expired = s.ended[SCHED_EXPIRED],
					.failed = s.ended[SCHED_FAILED],
					.steps = s.steps,
					.queue_ms_sum = (double)s.queue_us_sum / 1e3,
					.step_ms_last = e->step_ms,
					.step_ms_sum = (double)e->busy_sum.ns / 1e6,
					.overhead_ms_sum = (double)(e->busy_sum.ns - e->computing_sum.ns) / 1e6,
					.step_cpu_ms_sum = (double)e->busy_sum.cpu_ns / 1e6,
					.overhead_cpu_ms_sum =
						(double)(e->busy_sum.cpu_ns - e->computing_sum.cpu_ns) / 1e6,
					.disk_bytes = disk.bytes,
					.disk_bytes_max = disk.bytes_max,
					.disk_records = disk.records,
					.disk_bytes_read = disk.bytes_read,
					.disk_bytes_written = disk.bytes_written,
					.disk_pages_read = disk.pages_read,
					.disk_pages_written = disk.pages_written,
					.disk_tokens_known = disk.tokens_known,
					.disk_tokens_loaded = s.tokens_loaded,
					.disk_tokens_lost = kv.tokens_lost,
					.disk_refused = disk.refused,
					.disk_evicted = disk.evicted,
					.disk_failed = disk.failed,
					.disk_faults = disk.faults,
					.disk_read_ms_sum = disk.read_ms_sum,
					.disk_write_ms_sum = disk.write_ms_sum,
					.pins = e->pins.n,
					.tokens_pinned = e->pins.tokens,
					.pins_refused = e->pins.refused};
	for (int i = 0; i < SCHED_CAUSES; i++)
		o->preemptions += s.preempted[i];
	for (uint32_t g = 0; g < e->cache->plan.n_groups; g++)
		o->kv_pages_packed += kv.group[g].pages_packed;
	for (int i = 0; i < KV_GHOSTS; i++)
		o->hit_rate_at[i] = kv.ghost[i];
	pthread_mutex_unlock(&e->lock);
}

/* Sleeps while there is nothing to do, at the latest until wake_us; takes what has come. False: the engine ends. */
static bool take(struct kvik_engine *e, bool idle, int64_t wake_us, struct request **incoming, bool *cancels)
{
	pthread_mutex_lock(&e->lock);
	int timeout = 0;
	e->idle = idle;
	if (idle)
		pthread_cond_broadcast(&e->quiet);
	while (idle && !timeout && !e->incoming && !e->errands && !e->cancels && !e->news && !e->stop) {
		struct timespec until = {.tv_sec = wake_us / 1000000, .tv_nsec = wake_us % 1000000 * 1000};
		if (wake_us == SCHED_NEVER)
			pthread_cond_wait(&e->wake, &e->lock);
		else
			timeout = pthread_cond_timedwait(&e->wake, &e->lock, &until);
	}
	e->idle = false;
	*incoming = e->incoming;
	*cancels = e->cancels;
	e->incoming = NULL;
	e->incoming_end = &e->incoming;
	e->cancels = e->news = false;
	bool go_on = !e->stop;
	pthread_mutex_unlock(&e->lock);
	return go_on;
}

/* A loop is over, which began then and computed something or not; returns when the next begins. */
static struct spent note_time(struct kvik_engine *e, struct spent begun, bool has_computed)
{
	struct spent now = clocks();
	if (has_computed) {
		add_since(&e->busy_sum, begun, now);
		add_since(&e->computing_sum, (struct spent){0}, e->computing);
	}
	e->computing = (struct spent){0};
	return now;
}

/* When to go on although nobody asks for it: by the plan, or to look after the consumer of events. */
static int64_t wake_us(const struct kvik_engine *e, const struct sched_plan *plan)
{
	uint32_t look_ms = events_watch(e->events);
	int64_t wake = plan ? plan->wake_us : SCHED_NEVER, look = now_us() + (int64_t)(look_ms ? look_ms : 1000) * 1000;
	int64_t disk = e->cache->disk ? disk_due_us(e->cache->disk) : SCHED_NEVER;
	wake = look_ms > 0 && look < wake ? look : wake;
	if (plan && plan->n_loading > 0 && look < wake)
		wake = look; /* in any case */
	return disk < wake ? disk : wake;
}

void *engine_run(void *engine)
{
	struct kvik_engine *e = engine;
	struct request *incoming;
	const struct sched_plan *plan = NULL;
	bool cancels, again = false; /* again: the disk has had news since the plan */
	struct spent begun = clocks();
	while (take(e, !again && (!plan || plan->n_tokens == 0), wake_us(e, plan), &incoming, &cancels)) {
		if (!plan || plan->n_tokens == 0)
			begun = clocks(); /* it has slept */
		take_incoming(e, incoming);
		if (incoming)
			events_flush(e->events); /* what is refused waits for no step */
		if (cancels)
			pass_cancels(e);
		cache_tick(e->cache);
		retain_tick(e);
		engine_run_errands(e);
		draft(e);
		plan = sched_plan(e->sched, now_us());
		if (e->cache->disk)
			again = disk_run(e->cache->disk); /* what it wants read is on its way while others compute */
		step(e, plan);
		engine_publish(e); /* who has seen an end finds it in the figures */
		take_ended(e);
		events_flush(e->events);
		begun = note_time(e, begun, plan->n_tokens > 0);
	}
	engine_run_errands(e);
	assert(!e->live && !incoming);
	return NULL;
}
