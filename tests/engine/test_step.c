/* test_step.c: steps that the caller plans have the bits of feeds, whatever their mix; what cannot be is refused and
 * leaves everything as it was, also where each allocation fails once; feeds, generations and loading can be
 * interrupted. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/library.h"
#include "support/seed.h"

#define ITEM .size = sizeof(struct kvik_step_item)

enum { SESSIONS = 5, TEXT = 90, CHUNK = 32, CONTEXT = 128 };

static const char *const models[] = {"tests/model/data/llama-gqa.gguf", "tests/model/data/qwen2-windows.gguf"};

static uint32_t rng_state;

static uint32_t below(uint32_t n)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return (rng_state >> 8) % n;
}

static struct kvik_cache *new_cache(struct kvik_model *m)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	p.context = CONTEXT;
	p.sessions = 2 * SESSIONS;
	p.chunk = CHUNK;
	return must_cache(m, &p);
}

static struct kvik_session *new_session(struct kvik_cache *c, bool isolated)
{
	struct kvik_share share = kvik_share_default();
	share.isolated = isolated;
	return must_session(c, &share);
}

/* Logits [n][vocab] of a text, fed to a session of its own. */
static float *oracle(struct kvik_cache *c, const uint32_t *ids, size_t n, uint32_t n_vocab)
{
	struct kvik_session *s = new_session(c, true);
	float *rows = malloc(n * n_vocab * sizeof *rows);
	assert_non_null(rows);
	assert_int_equal(kvik_session_feed(s, ids, n, rows, NULL), 0);
	kvik_session_free(s);
	return rows;
}

struct text {
	struct kvik_session *s;
	uint32_t ids[TEXT];
	float *rows; /* [TEXT][n_vocab] */
};

/* A step of some of the texts, in any order, pieces of any length, rows of some tokens. */
static void any_step(struct kvik_cache *c, struct text *t, uint32_t n_vocab, float *logits)
{
	struct kvik_step_item items[SESSIONS];
	uint32_t order[SESSIONS], n = 0, room = CHUNK;
	for (uint32_t i = 0; i < SESSIONS; i++)
		order[i] = (i + rng_state) % SESSIONS;
	for (uint32_t i = 0; i < SESSIONS && room > 0; i++) {
		struct text *x = &t[order[i]];
		uint32_t at = (uint32_t)kvik_session_tokens(x->s), left = TEXT - at;
		uint32_t most = left < room ? left : room;
		if (most == 0 || below(3) == 0)
			continue;
		uint32_t take = below(2) ? 1 : 1 + below(most);
		items[n++] = (struct kvik_step_item){ITEM, .session = x->s, .ids = x->ids + at, .n = take,
						     .rows = below(take + 1)};
		room -= take;
		order[n - 1] = order[i];
	}
	uint32_t at[SESSIONS];
	for (uint32_t i = 0; i < n; i++)
		at[i] = (uint32_t)kvik_session_tokens(items[i].session);
	assert_int_equal(kvik_cache_step(c, items, n, logits, NULL), 0);
	for (uint32_t i = 0; i < n; i++) {
		const struct text *x = &t[order[i]];
		uint32_t rows = items[i].rows, end = at[i] + items[i].n;
		const float *want = x->rows + (size_t)(end - rows) * n_vocab, *own = kvik_session_logits(x->s);
		assert_int_equal(kvik_session_tokens(x->s), end);
		assert_memory_equal(kvik_session_ids(x->s), x->ids, end * sizeof *x->ids);
		assert_memory_equal(logits, want, rows * n_vocab * sizeof *want);
		if (rows)
			assert_memory_equal(own, want + (size_t)(rows - 1) * n_vocab, n_vocab * sizeof *want);
		else
			assert_null(own);
		logits += (size_t)rows * n_vocab;
	}
}

static void steps_have_the_bits_of_feeds(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof models / sizeof *models; k++) {
		struct kvik_model *m = must_load(models[k], 2);
		struct kvik_cache *c = new_cache(m);
		uint32_t n_vocab = kvik_model_get_info(m).vocab_size;
		float *logits = malloc((size_t)CHUNK * n_vocab * sizeof *logits);
		struct text t[SESSIONS];
		assert_non_null(logits);
		for (uint32_t i = 0; i < SESSIONS; i++) {
			t[i].s = new_session(c, i % 2);
			for (uint32_t n = 0; n < TEXT; n++)
				t[i].ids[n] = n < 20 * i ? (n * 7 + 1) % n_vocab : below(n_vocab);
			t[i].rows = oracle(c, t[i].ids, TEXT, n_vocab);
		}
		for (uint32_t i = 0; i < SESSIONS;) {
			any_step(c, t, n_vocab, logits);
			for (i = 0; i < SESSIONS && kvik_session_tokens(t[i].s) == TEXT; i++)
				;
		}
		for (uint32_t i = 0; i < SESSIONS; i++) {
			kvik_session_free(t[i].s);
			free(t[i].rows);
		}
		free(logits);
		kvik_cache_free(c);
		kvik_model_free(m);
	}
}

/* What others have computed is taken, to the token, and a step goes on from there. */
static void what_is_known_is_taken(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(models[0], 2);
	struct kvik_cache *c = new_cache(m);
	uint32_t ids[TEXT], n_vocab = kvik_model_get_info(m).vocab_size;
	size_t taken;
	for (uint32_t i = 0; i < TEXT; i++)
		ids[i] = below(n_vocab);
	float *rows = oracle(c, ids, TEXT, n_vocab), *got = malloc(CHUNK * n_vocab * sizeof *got);
	struct kvik_session *first = new_session(c, false), *s = new_session(c, false), *alone = new_session(c, true);
	assert_int_equal(kvik_session_take(s, ids, TEXT - 1, &taken, NULL), 0);
	assert_int_equal(taken, 0);
	assert_int_equal(kvik_session_get_prefix(s).miss, KVIK_MISS_NEW);
	assert_int_equal(kvik_session_feed(first, ids, 60, NULL, NULL), 0);
	assert_int_equal(kvik_session_take(s, ids, TEXT - 1, &taken, NULL), 0);
	assert_int_equal(taken, 60);
	assert_int_equal(kvik_session_get_prefix(s).found_tokens, 60);
	struct kvik_step_item rest = {ITEM, .session = s, .ids = ids + 60, .n = TEXT - 60, .rows = 1};
	assert_int_equal(kvik_cache_step(c, &rest, 1, got, NULL), 0);
	assert_memory_equal(got, rows + (size_t)(TEXT - 1) * n_vocab, n_vocab * sizeof *got);
	assert_int_equal(kvik_session_take(alone, ids, TEXT, &taken, NULL), 0);
	assert_int_equal(taken, 0);
	assert_int_equal(kvik_session_get_prefix(alone).miss, KVIK_MISS_COLD);
	ids[3] = n_vocab;
	assert_int_equal(kvik_session_take(alone, ids, 4, &taken, NULL), KVIK_ERR_ARG);
	assert_int_equal(kvik_session_tokens(alone), 0);
	kvik_session_free(first);
	kvik_session_free(s);
	kvik_session_free(alone);
	free(rows);
	free(got);
	kvik_cache_free(c);
	kvik_model_free(m);
}

static void what_can_not_be_is_refused(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(models[0], 2);
	struct kvik_cache *c = new_cache(m), *other = new_cache(m);
	struct kvik_session *a = new_session(c, false), *b = new_session(c, false),
			    *foreign = new_session(other, false);
	uint32_t ids[CONTEXT + CHUNK] = {1, 2, 3}, bad = 1u << 30, n_vocab = kvik_model_get_info(m).vocab_size;
	float *logits = malloc(CHUNK * n_vocab * sizeof *logits);
	const struct kvik_step_item good = {ITEM, .session = b, .ids = ids, .n = 2, .rows = 1};
	const struct kvik_step_item wrong[] = {
		{.session = a, .ids = ids, .n = 1},
		{.size = 8, .session = a, .ids = ids, .n = 1},
		{ITEM, .session = NULL, .ids = ids, .n = 1},
		{ITEM, .session = foreign, .ids = ids, .n = 1},
		{ITEM, .session = b, .ids = ids, .n = 1},
		{ITEM, .session = a, .ids = ids, .n = 0},
		{ITEM, .session = a, .ids = ids, .n = 2, .rows = 3},
		{ITEM, .session = a, .ids = &bad, .n = 1},
		{ITEM, .session = a, .ids = ids, .n = CHUNK - 1},
	};
	struct kvik_err err;
	assert_int_equal(kvik_session_feed(a, ids, 3, NULL, NULL), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		const struct kvik_step_item both[] = {good, wrong[i]};
		assert_int_equal(kvik_cache_step(c, both, 2, logits, &err), KVIK_ERR_ARG);
		assert_int_equal(kvik_session_tokens(a), 3);
		assert_int_equal(kvik_session_tokens(b), 0);
	}
	assert_int_equal(kvik_cache_step(c, &good, 1, NULL, &err), KVIK_ERR_ARG);
	assert_int_equal(kvik_cache_step(c, NULL, 0, NULL, &err), 0);
	/* Past the context: the one that fits is not computed either. */
	assert_int_equal(kvik_session_fill(a, ids, CONTEXT - 4, NULL), 0);
	const struct kvik_step_item past[] = {good, {ITEM, .session = a, .ids = ids, .n = 2}};
	assert_int_equal(kvik_cache_step(c, past, 2, logits, &err), KVIK_ERR_LIMIT);
	assert_int_equal(kvik_session_tokens(b), 0);
	assert_int_equal(kvik_cache_step(c, past, 1, logits, &err), 0);
	assert_int_equal(kvik_session_tokens(b), 2);
	kvik_session_free(a);
	kvik_session_free(b);
	kvik_session_free(foreign);
	kvik_cache_free(c);
	kvik_cache_free(other);
	struct kvik_cache_params p = kvik_cache_params_default();
	p.no_kv_cache = true;
	p.context = CONTEXT;
	assert_int_equal(kvik_cache_new(&c, m, &p, NULL), 0);
	a = new_session(c, false);
	const struct kvik_step_item item = {ITEM, .session = a, .ids = ids, .n = 1};
	assert_int_equal(kvik_cache_step(c, &item, 1, NULL, &err), KVIK_ERR_ARG);
	kvik_session_free(a);
	kvik_cache_free(c);
	free(logits);
	kvik_model_free(m);
}

/* Two sessions and steps of them; the first failing allocation ends it. */
static int scenario(struct kvik_model *m, float *logits)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_cache *c;
	struct kvik_session *a = NULL, *b = NULL;
	uint32_t ids[20];
	size_t taken;
	p.context = CONTEXT;
	p.chunk = CHUNK;
	for (uint32_t i = 0; i < 20; i++)
		ids[i] = i;
	int rc = kvik_cache_new(&c, m, &p, NULL);
	if (!rc)
		rc = kvik_session_new(&a, c, NULL, NULL);
	if (!rc)
		rc = kvik_session_new(&b, c, NULL, NULL);
	struct kvik_step_item items[] = {{ITEM, .session = a, .ids = ids, .n = 20, .rows = 1},
					 {ITEM, .session = b, .ids = ids + 7, .n = 5, .rows = 5}};
	if (!rc)
		rc = kvik_cache_step(c, items, 2, logits, NULL);
	if (!rc)
		rc = kvik_session_truncate(b, 0, NULL);
	if (!rc)
		rc = kvik_session_take(b, ids, 19, &taken, NULL);
	items[1].ids = ids + 19;
	items[1].n = items[1].rows = 1;
	if (!rc)
		rc = kvik_cache_step(c, items + 1, 1, logits, NULL);
	kvik_session_free(a);
	kvik_session_free(b);
	kvik_cache_free(c);
	return rc;
}

static void each_allocation_may_fail(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(models[0], 2);
	float *logits = malloc(CHUNK * kvik_model_get_info(m).vocab_size * sizeof *logits);
	int rc;
	for (long n = 1;; n++) {
		mem_fail_at(n);
		rc = scenario(m, logits);
		mem_fail_at(0);
		if (rc == 0)
			break;
		assert_true(rc == KVIK_ERR_NOMEM || rc == KVIK_ERR_FULL);
		assert_true(n < 1000);
	}
	free(logits);
	kvik_model_free(m);
}

/* ---- Interruption ------------------------------------------------------------------------------------------------ */

struct feeder {
	struct kvik_session *s;
	uint32_t ids[4000];
	int rc;
};

static void *feed(void *feeder)
{
	struct feeder *f = feeder;
	f->rc = kvik_session_feed(f->s, f->ids, 4000, NULL, NULL);
	return NULL;
}

static void a_feed_ends_when_it_is_told(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(models[0], 2);
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_cache *c;
	struct feeder f = {.ids = {1, 2, 3}};
	pthread_t thread;
	p.context = 4096;
	p.chunk = 1;
	assert_int_equal(kvik_cache_new(&c, m, &p, NULL), 0);
	f.s = new_session(c, false);
	assert_int_equal(pthread_create(&thread, NULL, feed, &f), 0);
	usleep(20000);
	kvik_session_interrupt(f.s, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(f.rc, KVIK_ERR_CANCELLED);
	size_t n = kvik_session_tokens(f.s);
	assert_true(n < 4000);
	assert_int_equal(kvik_session_feed(f.s, f.ids, 1, NULL, NULL), KVIK_ERR_CANCELLED); /* as long as it is on */
	assert_int_equal(kvik_session_tokens(f.s), n);
	struct kvik_generation g = {.size = sizeof g};
	assert_int_equal(kvik_generate(f.s, f.ids, 1, NULL, NULL, NULL, &g, NULL), 0);
	assert_int_equal(g.finish, KVIK_FINISH_CANCELLED);
	assert_int_equal(g.new_tokens, 0);
	kvik_session_interrupt(f.s, false);
	assert_int_equal(kvik_session_feed(f.s, f.ids + n, 1, NULL, NULL), 0);
	assert_int_equal(kvik_session_tokens(f.s), n + 1);
	kvik_session_free(f.s);
	kvik_cache_free(c);
	kvik_model_free(m);
}

static bool interrupt(void *session, const struct kvik_token *t)
{
	kvik_session_interrupt(session, t->id != KVIK_NO_ID);
	return true;
}

/* The token at hand is shown, and no other. */
static void a_generation_ends_when_it_is_told(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(models[0], 2);
	struct kvik_cache *c = new_cache(m);
	struct kvik_session *s = new_session(c, false);
	struct kvik_generate_params p = kvik_generate_params_default();
	struct kvik_generation g = {.size = sizeof g};
	uint32_t ids[] = {1, 2, 3};
	p.ignore_end = true;
	assert_int_equal(kvik_generate(s, ids, 3, &p, interrupt, s, &g, NULL), 0);
	assert_int_equal(g.finish, KVIK_FINISH_CANCELLED);
	assert_int_equal(g.new_tokens, 1);
	g.size = 0;
	assert_int_equal(kvik_generate(s, ids, 3, &p, NULL, NULL, &g, NULL), KVIK_ERR_ARG);
	kvik_session_free(s);
	kvik_cache_free(c);
	kvik_model_free(m);
}

struct bar {
	uint64_t calls, end_at, done;
};

static bool progress(void *user, uint64_t done, uint64_t total)
{
	struct bar *b = user;
	assert_true(done > b->done && done <= total);
	b->done = done;
	return ++b->calls != b->end_at;
}

static void loading_ends_when_it_is_told(void **state)
{
	(void)state;
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_model *m;
	struct kvik_err err = {0};
	struct bar all = {0};
	p.progress = progress;
	p.progress_user = &all;
	assert_int_equal(kvik_model_load(&m, models[0], &p, &err), 0);
	kvik_model_free(m);
	assert_true(all.calls > 3);
	for (uint64_t at = 1; at <= all.calls; at++) {
		struct bar b = {.end_at = at};
		p.progress_user = &b;
		err = (struct kvik_err){0};
		assert_int_equal(kvik_model_load(&m, models[0], &p, &err), KVIK_ERR_CANCELLED);
		assert_null(m);
		assert_int_equal(err.code, KVIK_ERR_CANCELLED);
		assert_int_equal(b.calls, at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_have_the_bits_of_feeds), cmocka_unit_test(what_is_known_is_taken),
		cmocka_unit_test(what_can_not_be_is_refused),   cmocka_unit_test(each_allocation_may_fail),
		cmocka_unit_test(a_feed_ends_when_it_is_told),  cmocka_unit_test(a_generation_ends_when_it_is_told),
		cmocka_unit_test(loading_ends_when_it_is_told),
	};
	rng_state = (uint32_t)seed_of_run();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
