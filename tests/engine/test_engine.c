/* test_engine.c: many requests at once give each the bits it gets alone, whatever the cache, the batch and memory did;
 * every request ends with one END event; nothing is left behind. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <kvik.h>

#include "base/hash.h"
#include "sample/sample.h"

enum { REQUESTS = 48, NEW = 24, PROMPT_MAX = 90, CHOICES_MAX = 3 };

static const char *const models[] = {"tests/model/data/llama-gqa.gguf", "tests/model/data/mistral-window.gguf"};

/* What one request was and what came of it. */
struct client {
	uint32_t ids[PROMPT_MAX];
	size_t n;
	uint32_t choices;
	uint64_t hash[CHOICES_MAX];
	uint32_t tokens[CHOICES_MAX], choice_ends, ends;
	uint32_t n_vocab;
	struct kvik_usage usage;
	int code;
	float *embedding; /* [dim] */
	uint32_t dim;
	pthread_mutex_t *lock;
	pthread_cond_t *done;
	uint32_t *left;
};

static uint32_t rng_state;

static uint32_t rng(uint32_t below)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return (rng_state >> 8) % below;
}

static void on_event(void *user, const struct kvik_event *e)
{
	struct client *c = user;
	if (e->kind == KVIK_EVENT_TOKEN && e->token->logits) {
		c->hash[e->choice] = hash_chain(c->hash[e->choice], e->token->logits, c->n_vocab * sizeof(float));
		c->tokens[e->choice]++;
	}
	c->choice_ends += e->kind == KVIK_EVENT_CHOICE;
	if (e->kind != KVIK_EVENT_END)
		return;
	c->usage = *e->usage;
	c->code = e->error ? e->error->code : 0;
	if (e->embedding)
		memcpy(c->embedding, e->embedding, c->dim * sizeof *c->embedding);
	pthread_mutex_lock(c->lock);
	c->ends++;
	--*c->left;
	pthread_cond_signal(c->done);
	pthread_mutex_unlock(c->lock);
}

static bool hash_token(void *user, const struct kvik_token *t)
{
	struct client *c = user;
	if (t->logits) {
		c->hash[0] = hash_chain(c->hash[0], t->logits, c->n_vocab * sizeof(float));
		c->tokens[0]++;
	}
	return true;
}

static struct kvik_generate_params params(uint64_t seed)
{
	struct kvik_generate_params g = kvik_generate_params_default();
	g.max_tokens = NEW;
	g.ignore_end = true;
	g.sampling.temperature = 0.8f;
	g.sampling.seed = seed;
	return g;
}

static struct kvik_model *load(const char *path)
{
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_model *m;
	struct kvik_err err;
	p.threads = 2;
	if (kvik_model_load(&m, path, &p, &err))
		fail_msg("%s", err.text);
	return m;
}

/* The same request in a session of its own. */
static uint64_t alone(struct kvik_model *m, const struct kvik_cache_params *p, const struct client *like,
		      uint32_t choice)
{
	struct kvik_cache_params own = *p;
	struct kvik_cache *cache;
	struct kvik_session *s = NULL;
	struct kvik_generation result;
	struct kvik_err err;
	struct client c = {.n_vocab = like->n_vocab};
	struct kvik_generate_params g = params(like->n + choice);
	own.kv_memory = 0;
	own.chunk = 7;
	if (kvik_cache_new(&cache, m, &own, &err) || kvik_session_new(&s, cache, NULL, &err) ||
	    kvik_generate(s, like->ids, like->n, &g, hash_token, &c, &result, &err))
		fail_msg("%s", err.text);
	kvik_session_free(s);
	kvik_cache_free(cache);
	return c.hash[0];
}

/* Prompts that begin with one of a few texts, and go on by themselves. */
static void make_prompt(struct client *c, uint32_t n_vocab)
{
	uint32_t family = rng(3), shared = rng(60);
	c->n = shared + 1 + rng(PROMPT_MAX - shared - 1);
	for (size_t i = 0; i < c->n; i++)
		c->ids[i] = i < shared ? (uint32_t)(i * 7 + family * 31 + 3) % n_vocab : rng(n_vocab);
	c->choices = rng(6) == 0 ? CHOICES_MAX : 1;
	c->n_vocab = n_vocab;
}

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t done;
	uint32_t left;
};

static void wait_all(struct waiting *w)
{
	pthread_mutex_lock(&w->lock);
	while (w->left > 0)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static uint64_t submit(struct kvik_engine *e, struct client *c, struct waiting *w)
{
	struct kvik_request_params p = kvik_request_params_default();
	struct kvik_err err;
	uint64_t id;
	p.ids = c->ids;
	p.n_ids = c->n;
	p.generate = params(c->n);
	p.choices = c->choices;
	p.tenant = rng(3);
	p.on_event = on_event;
	p.user = c;
	c->lock = &w->lock;
	c->done = &w->done;
	c->left = &w->left;
	if (kvik_engine_submit(e, &p, &id, &err))
		fail_msg("%s", err.text);
	return id;
}

/* memory: of the cache; small ones preempt and evict. */
static void run(const char *path, enum kvik_dtype dtype, uint64_t memory, uint32_t seed)
{
	static struct client clients[REQUESTS];
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, REQUESTS};
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_model *m = load(path);
	struct kvik_engine *e;
	struct kvik_err err;
	uint64_t joined = 0;
	rng_state = seed;
	memset(clients, 0, sizeof clients);
	p.cache.context = 128;
	p.cache.k_dtype = p.cache.v_dtype = dtype;
	p.cache.kv_memory = memory;
	p.cache.sessions = 32;
	p.cache.chunk = 48;
	p.sequences = 16;
	if (kvik_engine_new(&e, m, &p, &err))
		fail_msg("%s", err.text);
	for (int i = 0; i < REQUESTS; i++) {
		make_prompt(&clients[i], kvik_model_get_info(m).vocab_size);
		submit(e, &clients[i], &w);
	}
	wait_all(&w);
	w.left = 1; /* an engine that has been idle goes on */
	struct client last = clients[0];
	submit(e, &last, &w);
	wait_all(&w);
	kvik_engine_drain(e, 1000);
	struct kvik_engine_stats s = kvik_engine_get_stats(e);
	assert_int_equal(s.running + s.waiting, 0);
	assert_int_equal(s.finished, REQUESTS + 1);
	assert_true(s.kv_bytes_peak <= s.kv_bytes_ceiling);
	kvik_engine_free(e);
	for (int i = 0; i < REQUESTS; i++) {
		struct client *c = &clients[i];
		assert_int_equal(c->code, 0);
		assert_int_equal(c->ends, 1);
		assert_int_equal(c->choice_ends, c->choices);
		joined += c->usage.cached_tokens;
		for (uint32_t k = 0; k < c->choices; k++) {
			assert_int_equal(c->tokens[k], NEW);
			assert_int_equal(c->hash[k], alone(m, &p.cache, c, k));
		}
	}
	assert_true(joined > 0); /* the prefix tree took part */
	if (memory)
		assert_true(s.preemptions + s.prefix_tokens_evicted > 0);
	kvik_model_free(m);
}

static void together_as_alone(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		for (int d = 0; d < KVIK_DTYPE_COUNT; d += 3)
			run(models[i], (enum kvik_dtype)d, 0, 1 + (uint32_t)d);
}

static void together_as_alone_when_memory_is_short(void **state)
{
	(void)state;
	run(models[0], KVIK_F16, 200 << 10, 7);
	run(models[1], KVIK_F16, 300 << 10, 8);
}

static void cancelled_requests_end_once(void **state)
{
	static struct client clients[REQUESTS];
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, REQUESTS};
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_model *m = load(models[0]);
	struct kvik_engine *e;
	uint64_t ids[REQUESTS];
	(void)state;
	rng_state = 11;
	memset(clients, 0, sizeof clients);
	p.cache.context = 128;
	p.cache.sessions = 8;
	p.sequences = 8;
	assert_int_equal(kvik_engine_new(&e, m, &p, NULL), 0);
	for (int i = 0; i < REQUESTS; i++) {
		make_prompt(&clients[i], kvik_model_get_info(m).vocab_size);
		ids[i] = submit(e, &clients[i], &w);
		if (rng(2))
			kvik_engine_cancel(e, ids[rng((uint32_t)i + 1)]);
	}
	kvik_engine_drain(e, 5);
	wait_all(&w);
	struct kvik_request_params late = kvik_request_params_default();
	struct kvik_err err;
	late.ids = clients[0].ids;
	late.n_ids = 1;
	late.on_event = on_event;
	assert_int_equal(kvik_engine_submit(e, &late, ids, &err), KVIK_ERR_CANCELLED);
	kvik_engine_free(e);
	for (int i = 0; i < REQUESTS; i++) {
		assert_int_equal(clients[i].ends, 1);
		assert_true(clients[i].code == 0 || clients[i].code == KVIK_ERR_CANCELLED);
	}
	kvik_model_free(m);
}

static void embeddings_do_not_depend_on_the_batch(void **state)
{
	enum { N = 6 };
	static struct client clients[2 * N];
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 2 * N};
	struct kvik_model *m = load(models[0]);
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_model_info info = kvik_model_get_info(m);
	struct kvik_engine *e;
	uint64_t id;
	(void)state;
	rng_state = 5;
	memset(clients, 0, sizeof clients);
	p.cache.context = 128;
	p.cache.chunk = 20;
	p.sequences = 8;
	assert_int_equal(kvik_engine_new(&e, m, &p, NULL), 0);
	for (int i = 0; i < 2 * N; i++) {
		struct client *c = &clients[i];
		struct kvik_request_params q = kvik_request_params_default();
		if (i < N)
			make_prompt(c, info.vocab_size);
		else
			*c = (struct client){.n = clients[i - N].n};
		memcpy(c->ids, clients[i % N].ids, sizeof c->ids);
		c->dim = info.dim;
		c->embedding = calloc(info.dim, sizeof *c->embedding);
		c->lock = &w.lock;
		c->done = &w.done;
		c->left = &w.left;
		q.ids = c->ids;
		q.n_ids = c->n;
		q.pooling = i % 2 ? KVIK_POOLING_LAST : KVIK_POOLING_MEAN;
		q.on_event = on_event;
		q.user = c;
		assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), 0);
	}
	wait_all(&w);
	kvik_engine_free(e);
	for (int i = 0; i < 2 * N; i++) {
		double squares = 0;
		for (uint32_t d = 0; d < info.dim; d++)
			squares += (double)clients[i].embedding[d] * (double)clients[i].embedding[d];
		assert_true(fabs(squares - 1) < 1e-5);
		if (i >= N)
			assert_memory_equal(clients[i].embedding, clients[i - N].embedding, info.dim * sizeof(float));
	}
	for (int i = 0; i < 2 * N; i++)
		free(clients[i].embedding);
	kvik_model_free(m);
}

/* What is said about a prompt's tokens, as one number per token. */
struct said {
	struct client client; /* for its end */
	uint64_t token[PROMPT_MAX];
	uint32_t n;
};

static uint64_t hash_prompt_token(uint32_t id, float logprob, const struct kvik_logprob *top, uint32_t n_top)
{
	uint64_t hash = hash_bytes(&id, sizeof id);
	hash = hash_chain(hash, isnan(logprob) ? &(float){0} : &logprob, sizeof(float));
	for (uint32_t i = 0; i < n_top; i++)
		hash = hash_chain(hash + top[i].id, &top[i].logprob, sizeof(float));
	return hash;
}

static void on_prompt_event(void *user, const struct kvik_event *e)
{
	struct said *s = user;
	const struct kvik_token *t = e->token;
	if (e->kind != KVIK_EVENT_PROMPT) {
		assert_true(e->kind != KVIK_EVENT_TOKEN || s->n == s->client.n); /* first the prompt, then the answer */
		on_event(&s->client, e);
		return;
	}
	assert_int_equal(t->id, s->client.ids[s->n]);
	assert_int_equal(isnan(t->logprob), s->n == 0);
	s->token[s->n++] = hash_prompt_token(t->id, t->logprob, t->top, t->n_top);
}

enum { PROMPT_TOP = 4 };

static void check_prompt(struct kvik_model *m, const struct said *s)
{
	uint32_t n_vocab = s->client.n_vocab;
	float *rows = calloc(s->client.n, n_vocab * sizeof *rows);
	struct kvik_cache *cache;
	struct kvik_session *session;
	assert_non_null(rows);
	struct kvik_cache_params p = kvik_cache_params_default();
	p.context = 128;
	assert_int_equal(kvik_cache_new(&cache, m, &p, NULL), 0);
	assert_int_equal(kvik_session_new(&session, cache, NULL, NULL), 0);
	assert_int_equal(kvik_session_feed(session, s->client.ids, s->client.n, rows, NULL), 0);
	assert_int_equal(s->n, s->client.n);
	for (uint32_t i = 1; i < s->n; i++) {
		struct kvik_logprob top[PROMPT_TOP];
		float own;
		uint32_t rank;
		uint32_t id = s->client.ids[i];
		uint32_t n =
			sample_logprobs(rows + (size_t)(i - 1) * n_vocab, n_vocab, PROMPT_TOP, top, id, &own, &rank);
		assert_true(s->token[i] == hash_prompt_token(id, own, top, n));
	}
	kvik_session_free(session);
	kvik_cache_free(cache);
	free(rows);
}

/* A request that names no length gets what the memory holds, not an error. */
static void without_a_length_it_gets_what_fits(void **state)
{
	(void)state;
	struct kvik_model *m = load(models[0]);
	struct kvik_engine_params p = kvik_engine_params_default();
	struct client c = {.n = 5, .choices = 1, .n_vocab = kvik_model_get_info(m).vocab_size};
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 1};
	struct kvik_engine *e;
	uint64_t id;
	p.cache.context = 4096;
	p.cache.kv_memory = 96 << 10;
	p.sequences = 4;
	c.lock = &w.lock;
	c.done = &w.done;
	c.left = &w.left;
	assert_int_equal(kvik_engine_new(&e, m, &p, NULL), 0);
	struct kvik_request_params q = kvik_request_params_default();
	q.generate = params(1);
	q.generate.max_tokens = 0;
	q.ids = c.ids;
	q.n_ids = c.n;
	q.on_event = on_event;
	q.user = &c;
	assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), 0);
	wait_all(&w);
	assert_int_equal(c.code, 0);
	assert_int_equal(c.choice_ends, 1);
	assert_true(c.tokens[0] > 10 && c.tokens[0] < 4000);
	assert_true(kvik_engine_get_stats(e).kv_bytes_peak <= p.cache.kv_memory);
	kvik_engine_free(e);
	kvik_model_free(m);
}

/* However the steps cut it, whatever is cached, and when memory is too short for all. */
static void prompts_have_the_log_probabilities_of_a_session(void **state)
{
	(void)state;
	enum { N = 24 };
	static struct said all[N];
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, N};
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_model *m = load(models[0]);
	struct kvik_engine *e;
	uint64_t id;
	p.cache.context = 128;
	p.cache.kv_memory = 200 << 10;
	p.cache.chunk = 23;
	p.sequences = 12;
	rng_state = 5;
	memset(all, 0, sizeof all);
	assert_int_equal(kvik_engine_new(&e, m, &p, NULL), 0);
	for (int i = 0; i < N; i++) {
		struct client *c = &all[i].client;
		struct kvik_request_params q = kvik_request_params_default();
		make_prompt(c, kvik_model_get_info(m).vocab_size);
		c->lock = &w.lock;
		c->done = &w.done;
		c->left = &w.left;
		q.ids = c->ids;
		q.n_ids = c->n;
		q.generate = params(7);
		q.prompt_logprobs = PROMPT_TOP;
		q.on_event = on_prompt_event;
		q.user = &all[i];
		assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), 0);
	}
	wait_all(&w);
	struct kvik_engine_stats stats = kvik_engine_get_stats(e);
	print_message("%llu preemptions\n", (unsigned long long)stats.preemptions);
	kvik_engine_free(e);
	for (int i = 0; i < N; i++) {
		assert_int_equal(all[i].client.code, 0);
		check_prompt(m, &all[i]);
	}
	kvik_model_free(m);
}

static void what_can_not_be_is_refused(void **state)
{
	(void)state;
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 1};
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_model *m = load(models[0]);
	struct kvik_engine *e;
	struct client c = {.n = PROMPT_MAX, .choices = 1};
	p.cache.context = 64;
	assert_int_equal(kvik_engine_new(&e, m, &p, NULL), 0);
	submit(e, &c, &w); /* longer than the context */
	wait_all(&w);
	assert_int_equal(c.code, KVIK_ERR_LIMIT);
	struct kvik_request_params q = kvik_request_params_default();
	uint64_t id;
	uint32_t bad = 1u << 30;
	q.ids = &bad;
	q.n_ids = 1;
	q.on_event = on_event;
	assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), KVIK_ERR_ARG);
	bad = 1;
	q.tenant = 1000;
	assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), KVIK_ERR_ARG);
	q.tenant = 0;
	q.pooling = (enum kvik_pooling)3;
	assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), KVIK_ERR_ARG);
	q.pooling = KVIK_POOLING_NONE;
	q.generate.sampling.top_p = -1;
	assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), KVIK_ERR_ARG);
	kvik_engine_free(e);
	p.cache.no_kv_cache = true;
	assert_int_equal(kvik_engine_new(&e, m, &p, NULL), KVIK_ERR_ARG);
	kvik_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_length_it_gets_what_fits),
		cmocka_unit_test(together_as_alone),
		cmocka_unit_test(together_as_alone_when_memory_is_short),
		cmocka_unit_test(cancelled_requests_end_once),
		cmocka_unit_test(embeddings_do_not_depend_on_the_batch),
		cmocka_unit_test(prompts_have_the_log_probabilities_of_a_session),
		cmocka_unit_test(what_can_not_be_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
