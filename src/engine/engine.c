/* engine.c: an engine's life, and the queue between its callers and its owner thread (engine_step.c). */
#include "engine/engine_prompt.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/os.h"
#include "engine/disk.h"
#include "engine/retain.h"
#include "engine/sized.h"
#include "sample/sample.h"

int kvik_engine_params_init(struct kvik_engine_params *p)
{
	const struct kvik_engine_params own = {.sequences = 64,
					       .itl_factor = 2,
					       .itl_ms = 60,
					       .tenants = 64,
					       .queue_requests = 1024,
					       .queue_tokens = 16u << 20};
	return SIZED_WRITE(kvik_engine_params, p, &own, NULL);
}

static int new_buffers(struct kvik_engine *e, struct kvik_err *err)
{
	const struct hparams *h = model_hparams(e->model->model);
	uint32_t threads = device_threads(e->model->device), n = e->params.sequences;
	e->items = mem_zalloc(n, sizeof *e->items);
	e->slots = mem_zalloc(n, sizeof *e->slots);
	e->rooms = mem_zalloc(threads, sizeof *e->rooms);
	e->logits = mem_zalloc((size_t)n + e->params.drafts, h->n_vocab * sizeof *e->logits);
	e->hidden = mem_zalloc(e->params.cache->chunk, h->dim * sizeof *e->hidden);
	int rc = engine_prompt_new(&e->prompt, h->n_vocab, err);
	if (rc)
		return rc;
	bool ok = e->items && e->slots && e->rooms && e->logits && e->hidden;
	for (uint32_t t = 0; t < threads && ok; t++) {
		e->rooms[t].row = mem_zalloc(h->n_vocab, sizeof *e->rooms[t].row);
		e->rooms[t].sample_scratch = mem_alloc(sample_scratch_bytes(h->n_vocab));
		ok = e->rooms[t].row && e->rooms[t].sample_scratch;
	}
	return ok ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for an engine of %u sequences", n);
}

static void disk_has_news(void *engine)
{
	struct kvik_engine *e = engine;
	pthread_mutex_lock(&e->lock);
	e->news = true;
	pthread_cond_signal(&e->wake);
	pthread_mutex_unlock(&e->lock);
}

static int new_sched(struct kvik_engine *e, struct kvik_err *err)
{
	struct sched_config c = sched_defaults;
	c.step_tokens_max = e->cache->params.chunk;
	c.step_seqs_max = e->params.sequences;
	c.seq_tokens_max = e->cache->params.context;
	c.step_drafts_max = e->params.drafts;
	c.itl_factor = (double)e->params.itl_factor;
	c.itl_us = (double)e->params.itl_ms * 1000;
	c.tenants_max = e->params.tenants;
	c.waiting_max = e->params.queue_requests;
	c.waiting_tokens_max = e->params.queue_tokens;
	e->adapter = (struct sched_kv){.kv = e->cache->kv, .step_tokens_max = c.step_tokens_max};
	if (e->cache->disk) {
		e->adapter.store = e->cache->disk;
		e->adapter.find = disk_find;
		e->adapter.loads = disk_pays;
	}
	struct sched_cache cache = sched_kv_cache(&e->adapter);
	return sched_new(&e->sched, &c, &cache, err);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

/* The consumer's; of a polled engine that is being freed: nobody is told. */
static void deliver(void *engine, const void *record)
{
	const struct kvik_engine *e = engine;
	struct request_event v;
	struct request *ended;
	if (request_event(&v, record, &ended) && !e->params.polled)
		v.call(v.event.user, &v.event);
	request_free(ended);
}

static void all_delivered(void *engine)
{
	struct kvik_engine *e = engine;
	pthread_mutex_lock(&e->lock);
	pthread_cond_broadcast(&e->quiet);
	pthread_mutex_unlock(&e->lock);
}

/* A call back kept everybody waiting. */
static void stuck(void *engine, uint64_t id)
{
	kvik_engine_cancel(engine, id);
}

const struct kvik_event *kvik_engine_poll(struct kvik_engine *e)
{
	const void *record;
	if (!e->params.polled)
		return NULL;
	request_free(e->ended);
	e->ended = NULL;
	while ((record = events_poll(e->events)))
		if (request_event(&e->polled, record, &e->ended))
			return &e->polled.event;
	return NULL;
}

int kvik_engine_fd(const struct kvik_engine *e)
{
	return events_fd(e->events);
}

static int new_events(struct kvik_engine *e, struct kvik_err *err)
{
	enum { STEPS = 16, TYPICAL = 512, LEAST = 16 * EVENTS_RECORD_MAX }; /* so many steps of typical records */
	size_t bytes = (size_t)e->params.sequences * STEPS * TYPICAL;
	struct events_config c = {.bytes = bytes > LEAST ? bytes : LEAST,
				  .polled = e->params.polled,
				  .ctx = e,
				  .deliver = deliver,
				  .idle = all_delivered,
				  .stuck = stuck};
	return events_new(&e->events, &c, err);
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static int check(const struct kvik_engine_params *p, const struct kvik_cache_params *cache, struct kvik_err *err)
{
	if (p->sequences < 1 || p->sequences > 4096)
		return err_set(err, KVIK_ERR_ARG, "an engine computes 1..4096 sequences together, not %u",
			       p->sequences);
	if (cache->chunk <= p->sequences)
		return err_set(err, KVIK_ERR_ARG, "a step of %u tokens is too small for %u sequences: raise --chunk",
			       cache->chunk, p->sequences);
	if (p->drafts > cache->chunk)
		return err_set(err, KVIK_ERR_ARG, "%u drafts do not fit into a step of %u tokens: raise --chunk",
			       p->drafts, cache->chunk);
	if (p->draft && p->drafts == 0)
		return err_set(err, KVIK_ERR_ARG, "a source of drafts is given, and none may be computed: set drafts");
	if (cache->no_kv_cache)
		return err_set(err, KVIK_ERR_ARG, "an engine serves from its cache: no_kv_cache is only for sessions");
	return 0;
}

/* A cond that waits by the monotonic clock, as os_clock_ns tells it. */
static void init_locks(struct kvik_engine *e)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->wake, &attr);
	pthread_cond_init(&e->quiet, &attr);
	pthread_condattr_destroy(&attr);
}

int kvik_engine_new(struct kvik_engine **out, struct kvik_model *m, const struct kvik_engine_params *params,
		    struct kvik_err *err)
{
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = kvik_cache_params_default();
	*out = NULL;
	int rc = SIZED_READ(kvik_engine_params, &p, params, err);
	if (!rc)
		rc = SIZED_READ(kvik_cache_params, &cache, p.cache, err);
	if (!rc)
		rc = check(&p, &cache, err);
	if (rc)
		return rc;
	struct kvik_engine *e = mem_zalloc(1, sizeof *e);
	if (!e)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for an engine");
	e->model = m;
	e->params = p;
	e->incoming_end = &e->incoming;
	e->next_id = 1;
	init_locks(e);
	rc = kvik_cache_new(&e->cache, m, &cache, err);
	if (!rc) {
		e->params.cache = &e->cache->params;
		rc = new_buffers(e, err);
	}
	if (!rc)
		rc = new_sched(e, err);
	if (!rc)
		rc = new_events(e, err);
	if (!rc && e->cache->disk)
		rc = disk_watch(e->cache->disk, disk_has_news, e, err);
	if (!rc)
		engine_publish(e);
	if (!rc && os_thread_new(&e->thread, engine_run, e) != 0)
		rc = err_set(err, KVIK_ERR_NOMEM, "no thread for the engine");
	e->started = !rc;
	if (rc)
		kvik_engine_free(e);
	else
		*out = e;
	return rc;
}

static struct timespec deadline(uint64_t ms)
{
	uint64_t ns = os_clock_ns() + ms * 1000000;
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

static bool is_busy(const struct kvik_engine *e)
{
	return e->started && (e->live || e->incoming || !e->idle || !events_idle(e->events));
}

void kvik_engine_drain(struct kvik_engine *e, uint64_t grace_ms)
{
	struct timespec until = deadline(grace_ms);
	pthread_mutex_lock(&e->lock);
	e->draining = true;
	int timeout = 0;
	while (is_busy(e) && !timeout)
		timeout = pthread_cond_timedwait(&e->quiet, &e->lock, &until);
	for (struct request *r = e->live; r; r = r->next)
		r->drained = r->cancelled = e->cancels = true;
	for (struct request *r = e->incoming; r; r = r->next)
		r->drained = r->cancelled = e->cancels = true;
	pthread_cond_signal(&e->wake);
	while (is_busy(e))
		pthread_cond_wait(&e->quiet, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

void kvik_engine_free(struct kvik_engine *e)
{
	if (!e)
		return;
	if (e->started) {
		events_unpoll(e->events);
		kvik_engine_drain(e, 0);
		pthread_mutex_lock(&e->lock);
		e->stop = true;
		pthread_cond_signal(&e->wake);
		pthread_mutex_unlock(&e->lock);
		pthread_join(e->thread, NULL);
	}
	events_free(e->events);
	request_free(e->ended);
	sched_free(e->sched);
	retain_free(e);
	kvik_cache_free(e->cache);
	for (uint32_t t = 0; e->rooms && t < device_threads(e->model->device); t++) {
		mem_free(e->rooms[t].row);
		mem_free(e->rooms[t].sample_scratch);
	}
	engine_prompt_free(e->prompt);
	mem_free(e->rooms);
	mem_free(e->items);
	mem_free(e->slots);
	mem_free(e->logits);
	mem_free(e->hidden);
	pthread_cond_destroy(&e->quiet);
	pthread_cond_destroy(&e->wake);
	pthread_mutex_destroy(&e->lock);
	mem_free(e);
}

const struct kvik_model *kvik_engine_model(const struct kvik_engine *e)
{
	return e->model;
}

int kvik_engine_read_params(const struct kvik_engine *e, struct kvik_engine_params *p)
{
	return SIZED_WRITE(kvik_engine_params, p, &e->params, NULL);
}

/* ---- Callers ----------------------------------------------------------------------------------------------------- */

int kvik_engine_submit(struct kvik_engine *e, const struct kvik_request_params *params, uint64_t *id,
		       struct kvik_err *err)
{
	struct request *r;
	int rc = request_new(&r, e->model, params, e->params.polled, err);
	if (rc)
		return rc;
	if (r->params.tenant >= e->params.tenants) {
		rc = err_set(err, KVIK_ERR_ARG, "tenant %u; this engine has %u", r->params.tenant, e->params.tenants);
		request_free(r);
		return rc;
	}
	pthread_mutex_lock(&e->lock);
	if (e->draining) {
		rc = err_set(err, KVIK_ERR_CANCELLED, "the engine is shutting down and takes no more requests");
	} else {
		r->id = *id = e->next_id++;
		r->events = e->events;
		*e->incoming_end = r;
		e->incoming_end = &r->next;
		pthread_cond_signal(&e->wake);
	}
	pthread_mutex_unlock(&e->lock);
	if (rc)
		request_free(r);
	return rc;
}

static bool mark(struct request *list, uint64_t id)
{
	for (; list; list = list->next)
		if (list->id == id) {
			list->cancelled = true;
			return true;
		}
	return false;
}

void kvik_engine_cancel(struct kvik_engine *e, uint64_t id)
{
	pthread_mutex_lock(&e->lock);
	if (mark(e->live, id) || mark(e->incoming, id)) {
		e->cancels = true;
		pthread_cond_signal(&e->wake);
	}
	pthread_mutex_unlock(&e->lock);
}

int kvik_engine_read_stats(struct kvik_engine *e, struct kvik_engine_stats *to)
{
	pthread_mutex_lock(&e->lock);
	struct kvik_engine_stats s = e->stats;
	s.draining = e->draining;
	for (const struct request *r = e->incoming; r; r = r->next)
		s.waiting++;
	pthread_mutex_unlock(&e->lock);
	return SIZED_WRITE(kvik_engine_stats, to, &s, NULL);
}
