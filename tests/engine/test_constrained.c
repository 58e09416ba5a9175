/* test_constrained.c: answers held to a constraint in an engine: the same tokens and log-probabilities with several answers at once,
 * with drafts, with so little memory that sequences are preempted, and alone in a session. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "support/library.h"

enum { REQUESTS = 4, CHOICES = 3, NEW = 110 };

static const char schema[] =
	"{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"temperature\",\"description\"],"
	"\"properties\":{"
	"\"temperature\":{\"type\":\"integer\",\"minimum\":-40,\"maximum\":60},\"description\":{\"enum\":[\"snow and "
	"ice\",\"sun\"]},"
	"\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":5},\"maxItems\":3}}}",
		  tags[] = "{\"format\":{\"type\":\"triggered_tags\",\"triggers\":[\"<call\"],\"at_least_one\":true,"
			   "\"stop_after_first\":true,"
			   "\"tags\":[{\"type\":\"tag\",\"begin\":\"<call:weather>\",\"content\":{\"type\":\"json_"
			   "schema\",\"json_schema\":{"
			   "\"enum\":[\"a\",{\"city\":\"x\"}]}},\"end\":\"</call:weather>\"}]}}";

struct answer {
	struct buf text;
	uint64_t hash; /* of tokens and log-probabilities */
	bool finished;
};

struct request {
	struct answer answers[CHOICES];
	pthread_mutex_t *lock;
	pthread_cond_t *done;
	uint32_t *left;
};

static void take(struct answer *a, const struct kvik_token *t)
{
	assert_true(buf_add(&a->text, t->text, t->text_bytes));
	if (t->id == KVIK_NO_ID)
		return;
	a->hash = hash_chain(a->hash, &t->id, sizeof t->id);
	a->hash = hash_chain(a->hash, &t->logprob, sizeof t->logprob);
}

static void on_event(void *user, const struct kvik_event *e)
{
	struct request *r = user;
	if (e->kind == KVIK_EVENT_TOKEN)
		take(&r->answers[e->choice], e->token);
	if (e->kind == KVIK_EVENT_CHOICE)
		r->answers[e->choice].finished = e->finish == KVIK_FINISH_STOP;
	if (e->kind != KVIK_EVENT_END)
		return;
	assert_null(e->error);
	pthread_mutex_lock(r->lock);
	--*r->left;
	pthread_cond_signal(r->done);
	pthread_mutex_unlock(r->lock);
}

static void prompt_of(const struct kvik_model *m, uint32_t i, uint32_t **ids, size_t *n)
{
	char text[80];
	snprintf(text, sizeof text, "The weather of day %u, as JSON, please:", i);
	MUST(kvik_tokenize(kvik_model_vocab(m), text, strlen(text), KVIK_ADD_SPECIAL, ids, n, &err));
}

/* A request that keeps the engine at its first token until all others are in: they begin together. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool open;
};

static void wait_at_gate(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *logits, size_t n_vocab)
{
	struct gate *g = user;
	(void)choice, (void)ids, (void)n, (void)logits, (void)n_vocab;
	pthread_mutex_lock(&g->lock);
	while (!g->open)
		pthread_cond_wait(&g->opened, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void ignore(void *user, const struct kvik_event *e)
{
	(void)user;
	(void)e;
}

static void shut(struct kvik_engine *e, struct gate *gate)
{
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_request_params q = kvik_request_params_default();
	const struct kvik_processor waits = {.size = sizeof waits, .user = gate, .process = wait_at_gate};
	const uint32_t one = 1;
	uint64_t id;
	g.max_tokens = 1;
	g.processor = &waits;
	q.ids = &one;
	q.n_ids = 1;
	q.generate = &g;
	q.on_event = ignore;
	MUST(kvik_engine_submit(e, &q, &id, &err));
}

static void open_up(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->open = true;
	pthread_cond_broadcast(&g->opened);
	pthread_mutex_unlock(&g->lock);
}

static struct kvik_engine_stats run(struct kvik_model *m, struct kvik_constraint *c, uint32_t drafts, uint64_t memory,
				    struct request requests[REQUESTS])
{
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_engine *e = NULL;
	struct kvik_constrained *held[REQUESTS];
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t done = PTHREAD_COND_INITIALIZER;
	uint32_t left = REQUESTS;
	cache.context = 512;
	cache.kv_memory = memory;
	p.cache = &cache;
	p.drafts = drafts;
	memset(requests, 0, REQUESTS * sizeof *requests);
	MUST(kvik_engine_new(&e, m, &p, &err));
	struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
	shut(e, &gate);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		struct kvik_generate_params g = kvik_generate_params_default();
		struct kvik_request_params q = kvik_request_params_default();
		struct kvik_sampling s = kvik_sampling_default();
		uint32_t *ids;
		uint64_t id;
		size_t n;
		requests[i].lock = &lock;
		requests[i].done = &done;
		requests[i].left = &left;
		prompt_of(m, i, &ids, &n);
		MUST(kvik_constrained_new(&held[i], c, CHOICES, &err));
		s.temperature = 1;
		s.seed = 100 * i;
		g.max_tokens = NEW;
		g.n_logprobs = 1;
		g.sampling = &s;
		g.processor = kvik_constrained_processor(held[i]);
		q.choices = CHOICES;
		q.ids = ids;
		q.n_ids = n;
		q.generate = &g;
		q.on_event = on_event;
		q.user = &requests[i];
		MUST(kvik_engine_submit(e, &q, &id, &err));
		kvik_free(ids);
	}
	open_up(&gate);
	pthread_mutex_lock(&lock);
	while (left > 0)
		pthread_cond_wait(&done, &lock);
	pthread_mutex_unlock(&lock);
	struct kvik_engine_stats s = kvik_engine_get_stats(e);
	kvik_engine_free(e);
	for (uint32_t i = 0; i < REQUESTS; i++)
		kvik_constrained_free(held[i]);
	return s;
}

static void release(struct request requests[REQUESTS])
{
	for (uint32_t i = 0; i < REQUESTS * CHOICES; i++)
		buf_release(&requests[i / CHOICES].answers[i % CHOICES].text);
}

static unsigned check(struct kvik_constraint *c, const struct request *all)
{
	unsigned finished = 0;
	for (uint32_t i = 0; i < REQUESTS * CHOICES; i++) {
		const struct answer *a = &all[i / CHOICES].answers[i % CHOICES];
		struct kvik_matcher *m;
		MUST(kvik_matcher_new(&m, c, &err));
		assert_int_equal(kvik_matcher_feed(m, a->text.data, a->text.n), a->text.n);
		if (a->finished && !kvik_matcher_accepts(m))
			fail_msg("not whole: %.*s", (int)a->text.n, a->text.data);
		finished += a->finished;
		kvik_matcher_free(m);
	}
	return finished;
}

static void assert_same(const struct request *a, const struct request *b)
{
	for (uint32_t i = 0; i < REQUESTS * CHOICES; i++) {
		const struct answer *x = &a[i / CHOICES].answers[i % CHOICES],
				    *y = &b[i / CHOICES].answers[i % CHOICES];
		assert_int_equal(x->text.n, y->text.n);
		assert_memory_equal(x->text.data, y->text.data, x->text.n);
		assert_true(x->hash == y->hash && x->finished == y->finished);
	}
}

static void test_engine(void **state)
{
	static const struct {
		enum kvik_constraint_kind kind;
		const char *text;
	} forms[] = {{KVIK_CONSTRAINT_SCHEMA, schema}, {KVIK_CONSTRAINT_TAGS, tags}};
	struct kvik_model *m = must_load(NULL, 2);
	(void)state;
	for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
		struct request plain[REQUESTS], other[REQUESTS];
		struct kvik_constraint *c;
		MUST(kvik_constraint_new(&c, kvik_model_vocab(m), forms[f].kind, forms[f].text, strlen(forms[f].text),
					 &err));
		run(m, c, 0, 0, plain);
		assert_true(check(c, plain) * 2 > REQUESTS * CHOICES);
		struct kvik_engine_stats s = run(m, c, 8, 0, other);
		assert_true(s.drafts_right > 0);
		assert_same(plain, other);
		release(other);
		s.preemptions = 0;
		for (int i = 0; i < 20 && s.preemptions == 0; i++) { /* nearly always at once */
			s = run(m, c, 8, 896 << 10, other);
			assert_same(plain, other);
			release(other);
		}
		assert_true(s.preemptions > 0);
		release(plain);
		kvik_constraint_free(c);
	}
	kvik_model_free(m);
}

/* ---- Log-probabilities ------------------------------------------------------------------------------------------- */

struct rows {
	struct kvik_matcher *m;
	uint32_t *mask, n_vocab;
	unsigned forbidden, tokens; /* rows whose most probable token was none that could come */
};

static bool on_token(void *user, const struct kvik_token *t)
{
	struct rows *r = user;
	double sum = 0;
	if (t->id == KVIK_NO_ID)
		return true;
	MUST(kvik_matcher_mask(r->m, r->mask, &err));
	for (uint32_t i = 0; i < r->n_vocab; i++) {
		assert_true(isfinite(t->logits[i]));
		sum += exp((double)t->logits[i] - (double)t->logits[t->top[0].id]);
	}
	assert_true(fabs((double)t->top[0].logprob + log(sum)) < 1e-4);
	assert_true(fabs((double)(t->logits[t->id] - t->logits[t->top[0].id]) -
			 (double)(t->logprob - t->top[0].logprob)) < 1e-4);
	r->forbidden += !(r->mask[t->top[0].id / 32] >> t->top[0].id % 32 & 1);
	r->tokens++;
	kvik_matcher_feed(r->m, t->text, t->text_bytes);
	return true;
}

/* They are those of the row as the model gave it. */
static void test_logprobs(void **state)
{
	struct kvik_model *m = must_load(NULL, 2);
	struct kvik_cache *cache = must_cache(m, NULL);
	struct kvik_session *s = must_session(cache, NULL);
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_constraint *c;
	struct kvik_constrained *held;
	struct rows r = {.n_vocab = kvik_model_get_info(m).vocab_size};
	uint32_t *ids;
	size_t n;
	(void)state;
	MUST(kvik_constraint_new(&c, kvik_model_vocab(m), KVIK_CONSTRAINT_SCHEMA, schema, sizeof schema - 1, &err));
	MUST(kvik_constrained_new(&held, c, 1, &err));
	MUST(kvik_matcher_new(&r.m, c, &err));
	r.mask = calloc(r.n_vocab / 32 + 1, sizeof *r.mask);
	prompt_of(m, 1, &ids, &n);
	g.max_tokens = 40;
	g.n_logprobs = 3;
	g.processor = kvik_constrained_processor(held);
	MUST(kvik_generate(s, ids, n, &g, on_token, &r, NULL, &err));
	assert_true(r.forbidden > 0 && r.tokens > 10);
	free(r.mask);
	kvik_free(ids);
	kvik_matcher_free(r.m);
	kvik_session_free(s);
	kvik_constrained_free(held);
	kvik_constraint_free(c);
	kvik_cache_free(cache);
	kvik_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_engine), cmocka_unit_test(test_logprobs)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
