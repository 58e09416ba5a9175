/* test_engine.c: many requests at once give each the bits it gets alone, whatever the cache, the batch and memory did;
 * every request ends with one END event; nothing is left behind. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "sample/sample.h"
#include "support/library.h"

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

static void hash_row(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *logits, size_t n_vocab)
{
	struct client *c = user;
	(void)ids;
	(void)n;
	c->hash[choice] = hash_chain(c->hash[choice], logits, n_vocab * sizeof(float));
	c->tokens[choice]++;
}

static void on_event(void *user, const struct kvik_event *e)
{
	struct client *c = user;
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

/* draw: room for how. */
static struct kvik_generate_params params(uint64_t seed, struct kvik_sampling *draw)
{
	struct kvik_generate_params g = kvik_generate_params_default();
	*draw = kvik_sampling_default();
	draw->temperature = 0.8f;
	draw->seed = seed;
	g.sampling = draw;
	g.max_tokens = NEW;
	g.ignore_end = true;
	return g;
}

/* The same request in a session of its own. */
static uint64_t alone(struct kvik_model *m, const struct kvik_cache_params *p, const struct client *like,
		      uint32_t choice)
{
	struct kvik_cache_params own = *p;
	struct kvik_cache *cache;
	struct kvik_session *s = NULL;
	struct kvik_generation result = {.size = sizeof result};
	struct kvik_err err;
	struct client c = {.n_vocab = like->n_vocab};
	struct kvik_sampling draw;
	struct kvik_generate_params g = params(like->n + choice, &draw);
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
	struct kvik_sampling draw;
	struct kvik_generate_params g = params(c->n, &draw);
	struct kvik_processor hasher = {.size = sizeof hasher, .user = c, .process = hash_row};
	g.processor = &hasher;
	p.ids = c->ids;
	p.n_ids = c->n;
	p.generate = &g;
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
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_model *m = must_load(path, 2);
	struct kvik_engine *e;
	struct kvik_err err;
	uint64_t joined = 0;
	rng_state = seed;
	memset(clients, 0, sizeof clients);
	p.cache = &cache;
	cache.context = 128;
	cache.k_dtype = cache.v_dtype = dtype;
	cache.kv_memory = memory;
	cache.sessions = 32;
	cache.chunk = 48;
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
			assert_int_equal(c->hash[k], alone(m, &cache, c, k));
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
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_model *m = must_load(models[0], 2);
	struct kvik_engine *e;
	uint64_t ids[REQUESTS];
	(void)state;
	rng_state = 11;
	memset(clients, 0, sizeof clients);
	p.cache = &cache;
	cache.context = 128;
	cache.sessions = 8;
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
	struct kvik_model *m = must_load(models[0], 2);
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_model_info info = kvik_model_get_info(m);
	struct kvik_engine *e;
	uint64_t id;
	(void)state;
	rng_state = 5;
	memset(clients, 0, sizeof clients);
	p.cache = &cache;
	cache.context = 128;
	cache.chunk = 20;
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
	struct kvik_model *m = must_load(models[0], 2);
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct client c = {.n = 5, .choices = 1, .n_vocab = kvik_model_get_info(m).vocab_size};
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 1};
	struct kvik_engine *e;
	uint64_t id;
	p.cache = &cache;
	cache.context = 4096;
	cache.kv_memory = 96 << 10;
	p.sequences = 4;
	c.lock = &w.lock;
	c.done = &w.done;
	c.left = &w.left;
	assert_int_equal(kvik_engine_new(&e, m, &p, NULL), 0);
	struct kvik_request_params q = kvik_request_params_default();
	struct kvik_sampling draw;
	struct kvik_generate_params g = params(1, &draw);
	struct kvik_processor hasher = {.size = sizeof hasher, .user = &c, .process = hash_row};
	g.max_tokens = 0;
	g.processor = &hasher;
	q.generate = &g;
	q.ids = c.ids;
	q.n_ids = c.n;
	q.on_event = on_event;
	q.user = &c;
	assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), 0);
	wait_all(&w);
	assert_int_equal(c.code, 0);
	assert_int_equal(c.choice_ends, 1);
	assert_true(c.tokens[0] > 10 && c.tokens[0] < 4000);
	assert_true(kvik_engine_get_stats(e).kv_bytes_peak <= cache.kv_memory);
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
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_model *m = must_load(models[0], 2);
	struct kvik_engine *e;
	uint64_t id;
	p.cache = &cache;
	cache.context = 128;
	cache.kv_memory = 200 << 10;
	cache.chunk = 23;
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
		struct kvik_sampling draw;
		struct kvik_generate_params g = params(7, &draw);
		q.generate = &g;
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
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_model *m = must_load(models[0], 2);
	struct kvik_engine *e;
	struct client c = {.n = PROMPT_MAX, .choices = 1};
	p.cache = &cache;
	cache.context = 64;
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
	struct kvik_sampling draw;
	struct kvik_generate_params g = params(1, &draw);
	q.generate = &g;
	draw.top_p = -1;
	assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), KVIK_ERR_ARG);
	kvik_engine_free(e);
	cache.no_kv_cache = true;
	assert_int_equal(kvik_engine_new(&e, m, &p, NULL), KVIK_ERR_ARG);
	kvik_model_free(m);
}

/* ---- Speculation ------------------------------------------------------------------------------------------------- */

enum { SPEC_REQUESTS = 16, SPEC_CHOICES = 3, SPEC_IDS = PROMPT_MAX + NEW };

/* All that is seen of a request. */
struct spec {
	struct client client;
	uint32_t ids[SPEC_CHOICES][SPEC_IDS], n_ids[SPEC_CHOICES]; /* prompt and answer */
	uint64_t text[SPEC_CHOICES];                               /* hash of what the events said */
	bool forces;              /* its processor says what comes, not the engine's source */
	const struct spec *plain; /* the same request without drafts */
};

enum guesses { GUESS_RIGHT, GUESS_WRONG, GUESS_RANDOM, GUESS_PARTLY, GUESSES };

struct guesser {
	enum guesses kind;
	const struct spec *plain; /* [SPEC_REQUESTS] */
	uint32_t random, n_vocab;
};

static void spec_accept(void *user, uint32_t choice, uint32_t id)
{
	struct spec *s = user;
	s->ids[choice][s->n_ids[choice]++] = id;
}

static void spec_process(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *logits, size_t n_vocab)
{
	struct spec *s = user;
	assert_int_equal(n, s->n_ids[choice]); /* each position once, and in order */
	assert_memory_equal(ids, s->ids[choice], n * sizeof *ids);
	hash_row(&s->client, choice, ids, n, logits, n_vocab);
}

/* What plain answers of the request went on with, if one of them began like this. */
static size_t continuation(const struct spec *plain, const uint32_t *ids, size_t n, uint32_t *out, size_t max)
{
	for (uint32_t c = 0; c < plain->client.choices; c++)
		if (n < plain->n_ids[c] && memcmp(plain->ids[c], ids, n * sizeof *ids) == 0) {
			size_t left = plain->n_ids[c] - n, k = left < max ? left : max;
			memcpy(out, plain->ids[c] + n, k * sizeof *out);
			return k;
		}
	return 0;
}

static size_t spec_forced(void *user, uint32_t choice, uint32_t *ids, size_t max)
{
	const struct spec *s = user;
	return s->forces ? continuation(s->plain, s->ids[choice], s->n_ids[choice], ids, max) : 0;
}

static size_t spec_guess(void *user, const uint32_t *ids, size_t n, uint32_t *out, size_t max)
{
	struct guesser *g = user;
	size_t k = 0;
	for (int i = 0; i < SPEC_REQUESTS && k == 0; i++)
		k = continuation(&g->plain[i], ids, n, out, max);
	for (size_t i = 0; i < k; i++) {
		g->random = g->random * 1664525u + 1013904223u;
		if (g->kind == GUESS_WRONG)
			out[i] = (out[i] + 1) % g->n_vocab;
		else if (g->kind == GUESS_RANDOM || (g->kind == GUESS_PARTLY && (g->random >> 8) % 3 == 0))
			out[i] = (g->random >> 8) % (2 * g->n_vocab); /* no token at all, some of them */
	}
	return k;
}

static void on_spec_event(void *user, const struct kvik_event *e)
{
	struct spec *s = user;
	const struct kvik_token *t = e->token;
	if (e->kind == KVIK_EVENT_TOKEN) {
		uint64_t h = hash_chain(s->text[e->choice], t->text, t->text_bytes);
		h = hash_chain(h, &t->id, sizeof t->id);
		h = hash_chain(h, t->top, t->n_top * sizeof *t->top);
		s->text[e->choice] = t->n_top ? hash_chain(h, &t->logprob, sizeof t->logprob) : h;
	}
	if (e->kind == KVIK_EVENT_CHOICE)
		s->text[e->choice] = hash_chain(s->text[e->choice], &e->finish, sizeof e->finish) + (e->stop != NULL);
	on_event(&s->client, e);
}

static void spec_submit(struct kvik_engine *e, struct spec *s, uint32_t i, struct waiting *w)
{
	static const char *const stop[] = {" a", "zz", "the"};
	struct kvik_request_params q = kvik_request_params_default();
	struct kvik_sampling draw;
	struct kvik_generate_params g = params(i, &draw);
	struct kvik_processor p = {
		.size = sizeof p, .user = s, .process = spec_process, .accept = spec_accept, .forced = spec_forced};
	uint64_t id;
	draw.temperature = i % 4 == 0 ? 0 : 0.8f;
	draw.repeat_penalty = i % 5 == 0 ? 1.3f : 1;
	g.n_logprobs = i % 3 == 0 ? 4 : 0;
	g.ignore_end = i % 2 == 0;
	g.stop = stop;
	g.n_stop = i % 4 == 1 ? 3 : 0;
	g.processor = &p;
	q.ids = s->client.ids;
	q.n_ids = s->client.n;
	q.choices = s->client.choices;
	q.generate = &g;
	q.on_event = on_spec_event;
	q.user = s;
	s->client.lock = &w->lock;
	s->client.done = &w->done;
	s->client.left = &w->left;
	for (uint32_t c = 0; c < s->client.choices; c++) {
		memcpy(s->ids[c], s->client.ids, s->client.n * sizeof(uint32_t));
		s->n_ids[c] = (uint32_t)s->client.n;
	}
	assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), 0);
}

/* memory 0: the default. */
static struct kvik_engine_stats run_spec(struct kvik_model *m, struct spec *all, uint32_t drafts, struct guesser *g,
					 uint64_t memory)
{
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, SPEC_REQUESTS};
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_engine *e;
	struct kvik_err err;
	p.cache = &cache;
	cache.context = SPEC_IDS;
	cache.sessions = SPEC_REQUESTS;
	cache.kv_memory = memory;
	p.sequences = 8;
	p.drafts = drafts;
	p.draft = g ? spec_guess : NULL;
	p.draft_user = g;
	if (kvik_engine_new(&e, m, &p, &err))
		fail_msg("%s", err.text);
	for (uint32_t i = 0; i < SPEC_REQUESTS; i++)
		spec_submit(e, &all[i], i, &w);
	wait_all(&w);
	struct kvik_engine_stats stats = kvik_engine_get_stats(e);
	kvik_engine_free(e);
	return stats;
}

static void begin_spec(struct spec *all, const struct spec *plain, bool forces)
{
	for (int i = 0; i < SPEC_REQUESTS; i++) {
		all[i] = (struct spec){.forces = forces, .plain = &plain[i]};
		memcpy(all[i].client.ids, plain[i].client.ids, sizeof plain[i].client.ids);
		all[i].client.n = plain[i].client.n;
		all[i].client.choices = plain[i].client.choices;
	}
}

static void check_spec(const struct spec *all, const struct spec *plain)
{
	for (int i = 0; i < SPEC_REQUESTS; i++)
		for (uint32_t c = 0; c < plain[i].client.choices; c++) {
			assert_int_equal(all[i].client.code, 0);
			assert_int_equal(all[i].n_ids[c], plain[i].n_ids[c]);
			assert_memory_equal(all[i].ids[c], plain[i].ids[c], plain[i].n_ids[c] * sizeof(uint32_t));
			assert_true(all[i].client.hash[c] == plain[i].client.hash[c]);
			assert_true(all[i].text[c] == plain[i].text[c]);
			assert_int_equal(all[i].client.usage.new_tokens, plain[i].client.usage.new_tokens);
		}
}

/* Right, wrong and random drafts, forced tokens, several answers, stop strings, log-probabilities, penalties, seeds,
 * preemption: the rows of logits that were sampled, the tokens and the text are those of an engine without drafts. */
static void speculation_changes_nothing(void **state)
{
	static struct spec plain[SPEC_REQUESTS], all[SPEC_REQUESTS];
	static const uint32_t drafts[] = {1, 5, 64};
	(void)state;
	struct kvik_model *m = must_load(NULL, 2);
	uint32_t n_vocab = kvik_model_get_info(m).vocab_size;
	uint64_t stalls = 0;
	for (int i = 0; i < SPEC_REQUESTS; i++) {
		make_prompt(&plain[i].client, n_vocab);
		plain[i].client.choices = i % 3 == 0 ? SPEC_CHOICES : 1;
	}
	uint64_t steps = run_spec(m, plain, 0, NULL, 0).steps;
	for (int kind = 0; kind <= GUESSES; kind++)
		for (size_t d = 0; d < sizeof drafts / sizeof *drafts; d++) {
			struct guesser g = {
				.kind = (enum guesses)kind, .plain = plain, .random = 1, .n_vocab = n_vocab};
			begin_spec(all, plain, kind == GUESSES);
			struct kvik_engine_stats s =
				run_spec(m, all, drafts[d], kind == GUESSES ? NULL : &g, d == 1 ? 320 << 10 : 0);
			check_spec(all, plain);
			stalls += s.preemptions;
			assert_true(s.drafts_computed > 0 && s.drafts_right <= s.drafts_computed);
			assert_true(kind != GUESS_WRONG || s.drafts_right == 0);
			assert_true((kind != GUESS_RIGHT && kind != GUESSES) || s.drafts_right * 2 > s.drafts_computed);
			if (d == 2)
				printf("drafts of kind %d: %llu, right %llu; %llu steps instead of %llu\n", kind,
				       (unsigned long long)s.drafts_computed, (unsigned long long)s.drafts_right,
				       (unsigned long long)s.steps, (unsigned long long)steps);
			assert_true(d != 2 || (kind != GUESS_RIGHT && kind != GUESSES) || s.steps * 3 < steps * 2);
		}
	printf("%llu preemptions\n", (unsigned long long)stalls);
	assert_true(stalls > 0);
	kvik_model_free(m);
}

/* ---- Slow callers ------------------------------------------------------------------------------------------------ */

struct gate {
	struct client client;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool shut;
	uint32_t n_told; /* tokens */
};

static void on_event_at_gate(void *user, const struct kvik_event *e)
{
	struct gate *g = user;
	pthread_mutex_lock(&g->lock);
	while (g->shut)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
	g->n_told += e->kind == KVIK_EVENT_TOKEN && e->token->id != KVIK_NO_ID;
	on_event(&g->client, e);
}

/* What a call back does, or does not, is not the steps' business. */
static void a_call_back_that_waits_stalls_no_step(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(NULL, 2);
	struct kvik_engine *e;
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 2};
	struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .shut = true};
	struct client other = {0};
	assert_int_equal(kvik_engine_new(&e, m, NULL, NULL), 0);
	make_prompt(&gate.client, kvik_model_get_info(m).vocab_size);
	make_prompt(&other, kvik_model_get_info(m).vocab_size);
	gate.client.choices = other.choices = 1;
	gate.client.lock = &w.lock;
	gate.client.done = &w.done;
	gate.client.left = &w.left;
	struct kvik_request_params q = kvik_request_params_default();
	uint64_t id;
	q.ids = gate.client.ids;
	q.n_ids = gate.client.n;
	struct kvik_sampling draw;
	struct kvik_generate_params g = params(1, &draw);
	q.generate = &g;
	q.on_event = on_event_at_gate;
	q.user = &gate;
	assert_int_equal(kvik_engine_submit(e, &q, &id, NULL), 0);
	submit(e, &other, &w);
	while (kvik_engine_get_stats(e).finished < 2) /* both are computed to the end */
		usleep(1000);
	assert_int_equal(gate.n_told + gate.client.ends + other.ends, 0);
	pthread_mutex_lock(&gate.lock);
	gate.shut = false;
	pthread_cond_signal(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
	wait_all(&w);
	assert_int_equal(gate.n_told, NEW);
	assert_int_equal(other.tokens[0], NEW);
	kvik_engine_free(e);
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
		cmocka_unit_test(speculation_changes_nothing),
		cmocka_unit_test(a_call_back_that_waits_stalls_no_step),
		cmocka_unit_test(what_can_not_be_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
