/* test_polled.c: engines whose events are polled for: on the caller's thread alone, all of them, with a descriptor that
 * says when; and a call back of a called one that never returns. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/library.h"

enum { REQUESTS = 6, NEW = 12, PROMPT = 20 };

static int new_engine(struct kvik_engine **e, struct kvik_model *m, bool polled)
{
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = kvik_cache_params_default();
	p.cache = &cache;
	p.polled = polled;
	p.sequences = 4;
	cache.context = 128;
	cache.sessions = REQUESTS;
	return kvik_engine_new(e, m, &p, NULL);
}

struct client {
	uint32_t ids[NEW], n, ends, choice_ends;
	int code;
};

static void note(struct client *c, const struct kvik_event *e)
{
	assert_int_equal(e->size, sizeof *e);
	assert_int_equal(c->ends, 0);
	if (e->kind == KVIK_EVENT_TOKEN && e->token->id != KVIK_NO_ID && c->n < NEW)
		c->ids[c->n++] = e->token->id;
	c->choice_ends += e->kind == KVIK_EVENT_CHOICE;
	if (e->kind != KVIK_EVENT_END)
		return;
	assert_int_equal(e->usage->prompt_tokens, PROMPT);
	assert_true(e->prefix->found_tokens < PROMPT);
	c->ends++;
	c->code = e->error ? e->error->code : 0;
}

static int submit(struct kvik_engine *e, uint32_t i, kvik_event_fn *on_event, void *user, uint64_t *id)
{
	struct kvik_request_params q = kvik_request_params_default();
	struct kvik_generate_params g = kvik_generate_params_default();
	uint32_t ids[PROMPT];
	for (uint32_t k = 0; k < PROMPT; k++)
		ids[k] = (k * 7 + i) % 90;
	g.max_tokens = NEW;
	g.ignore_end = true;
	q.generate = &g;
	q.ids = ids;
	q.n_ids = PROMPT;
	q.on_event = on_event;
	q.user = user;
	return kvik_engine_submit(e, &q, id, NULL);
}

/* What a session says to the i-th prompt. */
static void expect(struct kvik_model *m, uint32_t i, const struct client *c)
{
	struct kvik_cache *cache;
	struct kvik_session *s;
	uint32_t ids[PROMPT];
	struct kvik_sampling greedy = kvik_sampling_default();
	for (uint32_t k = 0; k < PROMPT; k++)
		ids[k] = (k * 7 + i) % 90;
	assert_int_equal(kvik_cache_new(&cache, m, NULL, NULL), 0);
	assert_int_equal(kvik_session_new(&s, cache, NULL, NULL), 0);
	assert_int_equal(kvik_session_feed(s, ids, PROMPT, NULL, NULL), 0);
	assert_int_equal(c->n, NEW);
	for (uint32_t n = 0; n < NEW; n++) {
		uint32_t id;
		assert_int_equal(kvik_session_sample(s, &greedy, &id, NULL), 0);
		assert_int_equal(id, c->ids[n]);
		assert_int_equal(kvik_session_feed(s, &id, 1, NULL, NULL), 0);
	}
	kvik_session_free(s);
	kvik_cache_free(cache);
}

/* Nobody is called, and who waits for the descriptor misses nothing. */
static void a_loop_polls_for_everything(void **state)
{
	(void)state;
	struct kvik_model *m = must_load("tests/model/data/llama-gqa.gguf", 1);
	struct kvik_engine *e;
	struct client clients[REQUESTS] = {0};
	uint64_t ids[REQUESTS];
	const struct kvik_event *v;
	uint32_t open = REQUESTS;
	assert_int_equal(new_engine(&e, m, true), 0);
	assert_null(kvik_engine_poll(e));
	for (uint32_t i = 0; i < REQUESTS; i++)
		assert_int_equal(submit(e, i, NULL, &clients[i], &ids[i]), 0);
	while (open > 0) {
		struct pollfd p = {.fd = kvik_engine_fd(e), .events = POLLIN};
		assert_int_equal(poll(&p, 1, 60000), 1);
		while ((v = kvik_engine_poll(e))) {
			struct client *c = v->user;
			assert_int_equal(v->id, ids[c - clients]);
			note(c, v);
			open -= v->kind == KVIK_EVENT_END;
		}
	}
	for (uint32_t i = 0; i < REQUESTS; i++) {
		assert_true(clients[i].code == 0 && clients[i].choice_ends == 1);
		expect(m, i, &clients[i]);
	}
	kvik_engine_drain(e, 0); /* all was taken: it does not wait */
	assert_int_equal(submit(e, 0, NULL, NULL, &ids[0]), KVIK_ERR_CANCELLED);
	kvik_engine_free(e);
	kvik_model_free(m);
}

/* Whatever lies in the ring, and whoever still computes: freeing does not wait for a poll that never comes. */
static void it_can_be_freed_at_any_time(void **state)
{
	(void)state;
	struct kvik_model *m = must_load("tests/model/data/llama-gqa.gguf", 1);
	for (uint32_t polls = 0; polls < 40; polls += 3) {
		struct kvik_engine *e;
		uint64_t id;
		assert_int_equal(new_engine(&e, m, true), 0);
		for (uint32_t i = 0; i < REQUESTS; i++)
			assert_int_equal(submit(e, i, NULL, NULL, &id), 0);
		for (uint32_t i = 0; i < polls; i++)
			while (!kvik_engine_poll(e))
				usleep(100);
		kvik_engine_free(e);
	}
	kvik_model_free(m);
}

static void each_allocation_may_fail(void **state)
{
	(void)state;
	struct kvik_model *m = must_load("tests/model/data/llama-gqa.gguf", 1);
	for (long n = 1;; n++) {
		struct kvik_engine *e = NULL;
		mem_fail_at(n);
		int rc = new_engine(&e, m, true);
		mem_fail_at(0);
		if (rc == 0) {
			assert_true(kvik_engine_fd(e) >= 0);
			kvik_engine_free(e);
			break;
		}
		assert_int_equal(rc, KVIK_ERR_NOMEM);
		assert_null(e);
	}
	kvik_model_free(m);
}

/* ---- Called ------------------------------------------------------------------------------------------------------ */

static atomic_bool shut;

static void never_returns(void *user, const struct kvik_event *e)
{
	struct client *c = user;
	while (atomic_load(&shut))
		usleep(1000);
	note(c, e);
}

static void count_end(void *user, const struct kvik_event *e)
{
	if (e->kind == KVIK_EVENT_END)
		atomic_fetch_add((atomic_uint *)user, 1);
}

/* It loses its own request; those beside it and those after it get all they asked for meanwhile. */
static void a_call_that_never_returns_costs_only_its_request(void **state)
{
	(void)state;
	struct kvik_model *m = must_load("tests/model/data/llama-gqa.gguf", 1);
	struct kvik_engine *e;
	struct client bad = {0};
	atomic_uint ends = 0;
	uint64_t id;
	atomic_store(&shut, true);
	assert_int_equal(new_engine(&e, m, false), 0);
	assert_int_equal(kvik_engine_fd(e), -1);
	assert_null(kvik_engine_poll(e));
	assert_int_equal(submit(e, 0, never_returns, &bad, &id), 0);
	for (uint32_t i = 1; i < REQUESTS; i++)
		assert_int_equal(submit(e, i, count_end, &ends, &id), 0);
	while (atomic_load(&ends) < REQUESTS - 1)
		usleep(1000);
	assert_int_equal(submit(e, 9, count_end, &ends, &id), 0);
	while (atomic_load(&ends) < REQUESTS)
		usleep(1000);
	assert_int_equal(bad.n + bad.ends, 0);
	atomic_store(&shut, false);
	kvik_engine_free(e); /* waits for it */
	assert_int_equal(bad.ends, 1);
	assert_true(bad.code == KVIK_ERR_CANCELLED || bad.code == 0); /* 0: it had been computed to its end before */
	assert_int_equal(bad.n, 1);
	kvik_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_polls_for_everything),
		cmocka_unit_test(it_can_be_freed_at_any_time),
		cmocka_unit_test(each_allocation_may_fail),
		cmocka_unit_test(a_call_that_never_returns_costs_only_its_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
