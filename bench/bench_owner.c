/* bench_owner.c: what a step of an engine costs beside its forward pass and sampling: streams of the built-in model, each
 * token with its 20 most probable ones. Docs: PERFORMANCE.md.
 *
 *   bench_owner [STREAMS] [TOP] [TOKENS] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <kvik.h>

enum { PROMPT = 32, ROUNDS = 5 };

struct desk {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t open;
};

static void on_event(void *user, const struct kvik_event *e)
{
	struct desk *d = user;
	if (e->kind != KVIK_EVENT_END)
		return;
	pthread_mutex_lock(&d->lock);
	d->open--;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

static int round_of(struct kvik_engine *e, uint32_t streams, uint32_t top, uint32_t tokens, struct kvik_err *err)
{
	struct desk d = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, streams};
	struct kvik_request_params q = kvik_request_params_default();
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_engine_stats before = kvik_engine_get_stats(e);
	uint32_t ids[PROMPT];
	uint64_t id;
	int rc = 0;
	g.max_tokens = tokens;
	g.n_logprobs = top;
	g.ignore_end = true;
	q.generate = &g;
	q.ids = ids;
	q.n_ids = PROMPT;
	q.on_event = on_event;
	q.user = &d;
	for (uint32_t i = 0; i < streams && !rc; i++) {
		for (uint32_t k = 0; k < PROMPT; k++)
			ids[k] = 10 + (i * 131 + k * 17) % 900;
		rc = kvik_engine_submit(e, &q, &id, err);
	}
	pthread_mutex_lock(&d.lock);
	while (d.open > 0 && !rc)
		pthread_cond_wait(&d.changed, &d.lock);
	pthread_mutex_unlock(&d.lock);
	struct kvik_engine_stats s = kvik_engine_get_stats(e);
	double steps = (double)(s.steps - before.steps), ms = s.step_ms_sum - before.step_ms_sum;
	double own = s.overhead_ms_sum - before.overhead_ms_sum;
	double cpu = s.step_cpu_ms_sum - before.step_cpu_ms_sum,
	       own_cpu = s.overhead_cpu_ms_sum - before.overhead_cpu_ms_sum;
	printf("%u streams, top %u: %.0f steps of %.3f ms; outside forward and sampling %.4f ms = %.2f %% by the "
	       "clock, "
	       "%.4f ms = %.2f %% of the thread's processor time\n",
	       streams, top, steps, ms / steps, own / steps, 100 * own / ms, own_cpu / steps, 100 * own_cpu / cpu);
	return rc;
}

int main(int argc, char **argv)
{
	uint32_t streams = argc > 1 ? (uint32_t)atoi(argv[1]) : 64, top = argc > 2 ? (uint32_t)atoi(argv[2]) : 20;
	uint32_t tokens = argc > 3 ? (uint32_t)atoi(argv[3]) : 128;
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_model *m = NULL;
	struct kvik_engine *e = NULL;
	struct kvik_err err;
	cache.context = 512;
	cache.sessions = 2 * streams; /* room for all, with whatever is kept of those before */
	p.sequences = streams + 1;    /* a place is kept for other tenants */
	p.cache = &cache;
	int rc = kvik_model_load(&m, NULL, NULL, &err);
	if (!rc)
		rc = kvik_engine_new(&e, m, &p, &err);
	for (int i = 0; i < ROUNDS && !rc; i++)
		rc = round_of(e, streams, top, tokens, &err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	kvik_engine_free(e);
	kvik_model_free(m);
	return rc ? 1 : 0;
}
