/* test_cache.c: the cache as an embedder has it: sessions that share prefixes, scopes, pins, priorities and lives,
 * eviction instead of FULL, figures, and streams without end. That whatever is taken from the cache has the bits of
 * computing it is compared throughout, with an isolated session. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "support/library.h"

#define SHARE .size = sizeof(struct kvik_share)

enum { CONTEXT = 512, TEXT = 200 };

static struct kvik_model *load_full(void)
{
	return must_load("tests/model/data/llama-gqa.gguf", 1);
}

/* sessions: of CONTEXT tokens, for which there is room. */
static struct kvik_cache *new_cache(struct kvik_model *m, uint32_t sessions)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	p.context = CONTEXT;
	p.sessions = sessions;
	p.chunk = 64;
	return must_cache(m, &p);
}

/* What the last feed took from the cache. */
static uint32_t found(const struct kvik_session *s)
{
	return kvik_session_get_prefix(s).found_tokens;
}

static struct kvik_prefix explain(const struct kvik_cache *c, const struct kvik_share *share, const uint32_t *ids,
				  size_t n)
{
	struct kvik_prefix prefix = {.size = sizeof prefix};
	struct kvik_err err;
	if (kvik_cache_explain(c, share, ids, n, &prefix, &err))
		fail_msg("%s", err.text);
	return prefix;
}

/* A text of its own for each number; the first `shared` tokens are those of text 0. */
static void write_text(uint32_t *ids, uint32_t n, uint32_t number, uint32_t shared)
{
	for (uint32_t i = 0; i < n; i++)
		ids[i] = (i * i + (i < shared ? 0 : 7 * number + i * number)) % 90;
}

static int feed(struct kvik_session *s, const uint32_t *ids, uint32_t n)
{
	struct kvik_err err;
	return kvik_session_feed(s, ids, n, NULL, &err);
}

/* Feeds the rest of the text to s and compares with a session that computes all of it. */
static void feed_and_compare(struct kvik_cache *c, struct kvik_session *s, const uint32_t *ids, uint32_t n,
			     uint32_t n_vocab)
{
	struct kvik_share alone = {SHARE, .isolated = true};
	struct kvik_session *oracle = must_session(c, &alone);
	size_t at = kvik_session_tokens(s);
	assert_int_equal(feed(s, ids + at, n - (uint32_t)at), 0);
	assert_int_equal(feed(oracle, ids, n), 0);
	assert_int_equal(found(oracle), 0);
	assert_memory_equal(kvik_session_logits(s), kvik_session_logits(oracle), n_vocab * sizeof(float));
	kvik_session_free(oracle);
}

/* A session that has been fed this text and is gone. */
static void leave_behind(struct kvik_cache *c, const struct kvik_share *p, const uint32_t *ids, uint32_t n)
{
	struct kvik_session *s = must_session(c, p);
	assert_int_equal(feed(s, ids, n), 0);
	kvik_session_free(s);
}

/* ---- Sharing ----------------------------------------------------------------------------------------------------- */

static void what_one_computed_another_takes(void **state)
{
	static const char *const models[] = {"tests/model/data/llama-gqa.gguf", "tests/model/data/mistral-window.gguf",
					     "tests/model/data/qwen2-windows.gguf"};
	uint32_t ids[TEXT], other[TEXT];
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct kvik_model *m = must_load(models[i], 1);
		struct kvik_cache *c = new_cache(m, 8);
		uint32_t n_vocab = kvik_model_get_info(m).vocab_size;
		write_text(ids, TEXT, 0, 0);
		struct kvik_session *a = must_session(c, NULL), *b = must_session(c, NULL), *d = must_session(c, NULL);
		feed_and_compare(c, a, ids, 100, n_vocab);
		assert_int_equal(found(a), 0);
		feed_and_compare(c, b, ids, 100, n_vocab);
		assert_int_equal(found(b), 99); /* the last one's logits are wanted */
		feed_and_compare(c, a, ids, 150, n_vocab);
		feed_and_compare(c, b, ids, TEXT, n_vocab); /* goes on where a has been meanwhile */
		assert_int_equal(found(b), 50);
		assert_int_equal(feed(b, ids, 0), 0);
		assert_int_equal(found(b), 0);
		write_text(other, TEXT, 3, 121);
		feed_and_compare(c, d, other, TEXT, n_vocab);
		assert_int_equal(found(d), 121);
		struct kvik_cache_stats s = kvik_cache_get_stats(c);
		assert_int_equal(s.queries, 3);
		assert_int_equal(s.tokens_queried, 99 + 99 + 199);
		assert_int_equal(s.tokens_hit, 99 + 121);
		assert_int_equal(s.tokens_joined, 50);
		assert_true(s.pages_copied > 0 && s.pages_merged == 0);
		float *rows = malloc(64 * n_vocab * sizeof *rows);
		struct kvik_session *all =
			must_session(c, NULL); /* every row is wanted: all is computed, one copy stays */
		assert_int_equal(kvik_session_feed(all, ids, 64, rows, NULL), 0);
		assert_int_equal(found(all), 0);
		assert_int_equal(kvik_cache_get_stats(c).pages_used, s.pages_used);
		assert_true(kvik_cache_get_stats(c).pages_merged >= 64 / 16);
		kvik_session_free(all);
		free(rows);
		kvik_session_free(a);
		kvik_session_free(b);
		kvik_session_free(d);
		assert_int_equal(kvik_cache_get_stats(c).sessions, 0);
		assert_true(kvik_cache_get_stats(c).bytes_cached > 0);
		kvik_cache_drop(c);
		assert_int_equal(kvik_cache_get_stats(c).pages_used, 0);
		kvik_cache_free(c);
		kvik_model_free(m);
	}
}

static void scopes_do_not_meet(void **state)
{
	struct kvik_share mine = {SHARE, .scope = 1234567}, yours = {SHARE, .scope = 7654321};
	struct kvik_share both = {SHARE, .scope = 7654321, .read_public = true}, alone = {SHARE, .isolated = true};
	struct kvik_model *m = load_full();
	struct kvik_cache *c = new_cache(m, 8);
	uint32_t ids[TEXT];
	(void)state;
	write_text(ids, TEXT, 0, 0);
	leave_behind(c, &mine, ids, 80);
	assert_int_equal(explain(c, &mine, ids, TEXT).found_tokens, 80);
	assert_int_equal(explain(c, &yours, ids, TEXT).found_tokens, 0);
	assert_int_equal(explain(c, NULL, ids, TEXT).found_tokens, 0);
	leave_behind(c, &alone, ids, 80);
	assert_int_equal(explain(c, NULL, ids, TEXT).found_tokens, 0);
	assert_int_equal(explain(c, &alone, ids, 80).found_tokens, 0);
	leave_behind(c, NULL, ids, 60);
	assert_int_equal(explain(c, &yours, ids, TEXT).found_tokens, 0);
	assert_int_equal(explain(c, &both, ids, TEXT).found_tokens, 60);
	struct kvik_session *s = must_session(c, &both);
	assert_int_equal(feed(s, ids, TEXT), 0);
	assert_int_equal(found(s), 60);
	kvik_session_free(s);
	assert_int_equal(explain(c, NULL, ids, TEXT).found_tokens, 60); /* its own tokens stayed its own */
	kvik_cache_free(c);
	kvik_model_free(m);
}

static void a_miss_has_a_reason(void **state)
{
	struct kvik_model *m = load_full();
	struct kvik_cache *c = new_cache(m, 8);
	uint32_t ids[TEXT], other[TEXT];
	(void)state;
	write_text(ids, TEXT, 0, 0);
	write_text(other, TEXT, 5, 40);
	struct kvik_prefix k = explain(c, NULL, ids, TEXT);
	assert_true(k.found_tokens == 0 && k.other == KVIK_NO_ID);
	assert_int_equal(k.miss, KVIK_MISS_NEW);
	leave_behind(c, NULL, ids, TEXT);
	k = explain(c, NULL, other, TEXT);
	assert_true(k.found_tokens == 40 && k.matched_tokens == 40);
	assert_int_equal(k.miss, KVIK_MISS_DIFFERS);
	assert_non_null(strstr(kvik_miss_text(k.miss), "differently"));
	assert_int_equal(k.other, ids[40]);
	kvik_cache_drop(c);
	k = explain(c, NULL, ids, TEXT);
	assert_int_equal(k.found_tokens, 0);
	assert_int_equal(k.miss, KVIK_MISS_EVICTED);
	kvik_cache_free(c);
	kvik_model_free(m);
}

/* All that an embedder does, with a failing allocation: the first error ends it, and all is given back. */
static int scenario(struct kvik_model *m, struct kvik_err *err)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_share mine = {SHARE, .scope = 7, .read_public = true};
	struct kvik_session *a = NULL, *b = NULL, *f = NULL;
	struct kvik_cache *c = NULL;
	struct kvik_pin *pin = NULL;
	uint32_t ids[TEXT];
	write_text(ids, TEXT, 0, 0);
	p.context = CONTEXT;
	p.chunk = 64;
	p.sessions = 2;
	int rc = kvik_cache_new(&c, m, &p, err);
	if (!rc)
		rc = kvik_session_new(&a, c, NULL, err);
	if (!rc)
		rc = kvik_session_feed(a, ids, TEXT, NULL, err);
	if (!rc)
		rc = kvik_session_pin(&pin, a, 100, 0, err);
	if (!rc)
		rc = kvik_session_fork(&f, a, 55, err);
	if (!rc)
		rc = kvik_session_feed(f, ids, 30, NULL, err);
	if (!rc)
		rc = kvik_session_truncate(a, 77, err);
	if (!rc)
		rc = kvik_session_new(&b, c, &mine, err);
	if (!rc)
		rc = kvik_session_feed(b, ids, 150, NULL, err);
	if (c)
		assert_true(kvik_cache_get_stats(c).bytes_peak <= kvik_cache_get_stats(c).bytes_ceiling);
	kvik_session_free(f);
	kvik_session_free(b);
	kvik_session_free(a);
	kvik_pin_free(pin);
	if (c) {
		kvik_cache_drop(c);
		assert_int_equal(kvik_cache_get_stats(c).pages_used, 0);
	}
	kvik_cache_free(c);
	return rc;
}

static void any_allocation_may_fail(void **state)
{
	struct kvik_model *m = load_full();
	struct kvik_err err;
	int failures = 0, last = 0;
	(void)state;
	for (int n = 1; n <= 200; n++) {
		mem_fail_at(n);
		err.code = 0;
		int rc = scenario(m, &err);
		mem_fail_at(0);
		assert_true(rc == 0 || (rc == KVIK_ERR_NOMEM && err.code == rc && err.text[0]));
		failures += rc != 0;
		last = rc ? n : last;
	}
	assert_true(failures > 20 && last < 200); /* it has less than 200 allocations */
	kvik_model_free(m);
}

/* ---- What stays and what goes ------------------------------------------------------------------------------------ */

/* Texts that nobody wants, more than the cache holds; none is refused. */
static void crowd(struct kvik_cache *c, const struct kvik_share *p)
{
	uint32_t ids[TEXT];
	for (uint32_t i = 1; i < 20; i++) {
		write_text(ids, TEXT, 100 + i, 0);
		leave_behind(c, p, ids, TEXT);
	}
}

static void a_pin_stays(void **state)
{
	struct kvik_model *m = load_full();
	struct kvik_cache *c = new_cache(m, 2);
	uint32_t n_vocab = kvik_model_get_info(m).vocab_size, ids[TEXT];
	struct kvik_pin *pin, *copy;
	struct kvik_err err;
	(void)state;
	write_text(ids, TEXT, 0, 0);
	struct kvik_session *s = must_session(c, NULL);
	assert_int_equal(feed(s, ids, TEXT), 0);
	assert_int_equal(kvik_session_pin(&pin, s, TEXT + 1, 0, &err), KVIK_ERR_ARG);
	assert_int_equal(kvik_session_pin(&pin, s, 0, 0, &err), KVIK_ERR_ARG);
	uint64_t used = kvik_cache_get_stats(c).pages_used;
	assert_int_equal(kvik_session_pin(&pin, s, 101, 0, &err), 0);
	assert_int_equal(kvik_session_pin(&copy, s, 50, 0, &err), 0);
	struct kvik_cache_stats st = kvik_cache_get_stats(c);
	assert_int_equal(st.pages_used, used);
	assert_true(st.pins == 2 && st.tokens_pinned == 151 && st.sessions == 1);
	kvik_session_free(s);
	kvik_pin_free(copy);
	crowd(c, NULL);
	assert_true(kvik_cache_get_stats(c).tokens_evicted > 0);
	assert_int_equal(kvik_pin_tokens(pin), 101);
	assert_int_equal(explain(c, NULL, ids, TEXT).found_tokens, 101);
	kvik_cache_drop(c);
	s = must_session(c, NULL);
	feed_and_compare(c, s, ids, TEXT, n_vocab);
	assert_int_equal(found(s), 101);
	kvik_session_free(s);
	kvik_pin_free(pin);
	crowd(c, NULL);
	assert_int_equal(explain(c, NULL, ids, TEXT).found_tokens, 0);
	s = must_session(c, &(struct kvik_share){SHARE, .isolated = true});
	assert_int_equal(feed(s, ids, 9), 0);
	assert_int_equal(kvik_session_pin(&pin, s, 9, 0, &err), KVIK_ERR_ARG);
	assert_null(pin);
	kvik_session_free(s);
	kvik_cache_free(c);
	kvik_model_free(m);
}

static void wait_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void lives_end(void **state)
{
	struct kvik_share brief = {SHARE, .scope = 5, .ttl_ms = 20};
	struct kvik_model *m = load_full();
	struct kvik_cache *c = new_cache(m, 4);
	uint32_t ids[TEXT];
	struct kvik_pin *pin;
	(void)state;
	write_text(ids, TEXT, 0, 0);
	struct kvik_session *s = must_session(c, &brief);
	assert_int_equal(feed(s, ids, TEXT), 0);
	assert_int_equal(kvik_session_pin(&pin, s, 100, 1000000, NULL), 0);
	wait_ms(30);
	kvik_session_free(s);
	wait_ms(30);
	s = must_session(c, &brief); /* any call tells the cache the time */
	assert_int_equal(explain(c, &brief, ids, TEXT).found_tokens, 100);
	assert_int_equal(kvik_cache_get_stats(c).tokens_expired, 100);
	kvik_pin_free(pin);
	assert_int_equal(feed(s, ids, TEXT), 0);
	assert_int_equal(kvik_session_pin(&pin, s, 64, 300, NULL), 0);
	assert_int_equal(kvik_pin_tokens(pin), 64);
	kvik_session_free(s);
	wait_ms(330);
	assert_int_equal(kvik_pin_tokens(pin), 0);
	kvik_cache_drop(c);
	assert_int_equal(kvik_cache_get_stats(c).pins, 0);
	assert_int_equal(explain(c, &brief, ids, TEXT).found_tokens, 0);
	kvik_pin_free(pin);
	kvik_cache_free(c);
	kvik_model_free(m);
}

static void the_dear_go_last(void **state)
{
	struct kvik_share dear = {SHARE, .priority = 3}, cheap = {SHARE};
	struct kvik_model *m = load_full();
	struct kvik_cache *c = new_cache(m, 2);
	uint32_t ids[TEXT];
	(void)state;
	write_text(ids, TEXT, 0, 0);
	leave_behind(c, &dear, ids, TEXT);
	crowd(c, &cheap);
	assert_int_equal(explain(c, NULL, ids, TEXT).found_tokens, TEXT);
	crowd(c, &dear);
	assert_true(explain(c, NULL, ids, TEXT).found_tokens < TEXT);
	kvik_cache_free(c);
	kvik_model_free(m);
}

static void full_only_when_all_is_held(void **state)
{
	enum { MOST = 64 };
	struct kvik_model *m = load_full();
	struct kvik_cache *c = new_cache(m, 2);
	uint32_t ids[TEXT], n_vocab = kvik_model_get_info(m).vocab_size, n = 0;
	struct kvik_session *s[MOST];
	int rc = 0;
	(void)state;
	while (!rc && n < MOST) {
		write_text(ids, TEXT, n, 0);
		s[n] = must_session(c, NULL);
		rc = feed(s[n++], ids, TEXT);
	}
	assert_int_equal(rc, KVIK_ERR_FULL);
	assert_true(n >= 2 * CONTEXT / TEXT);
	size_t held = kvik_session_tokens(s[n - 1]);
	assert_true(held < TEXT && kvik_session_logits(s[n - 1]) == NULL);
	kvik_session_free(s[0]); /* now something can be evicted, and what was fed is still there */
	write_text(ids, TEXT, n - 1, 0);
	assert_int_equal(feed(s[n - 1], ids + held, TEXT - (uint32_t)held), 0);
	kvik_session_free(s[1]);
	kvik_session_free(s[2]);
	feed_and_compare(c, s[n - 1], ids, TEXT, n_vocab);
	for (uint32_t i = 3; i < n; i++)
		kvik_session_free(s[i]);
	struct kvik_cache_stats st = kvik_cache_get_stats(c);
	assert_true(st.bytes_peak <= st.bytes_ceiling);
	kvik_cache_free(c);
	kvik_model_free(m);
}

/* The default of kv_memory is what so many sessions of full length need, whatever else is in the books. */
static void the_default_ceiling_holds_its_sessions(void **state)
{
	static const char *const models[] = {"tests/model/data/llama-gqa.gguf", "tests/model/data/qwen2-windows.gguf",
					     "synthetic:tiny-mixed:q4_0"};
	uint32_t ids[CONTEXT];
	(void)state;
	for (int i = 0; i < 3; i++)
		for (uint32_t sessions = 1; sessions <= 9; sessions += 4) {
			struct kvik_model *m = must_load(models[i], 1);
			struct kvik_cache *c = new_cache(m, sessions);
			struct kvik_session *s[9];
			for (uint32_t k = 0; k < sessions; k++) {
				write_text(ids, CONTEXT, k + 1, 0);
				s[k] = must_session(c, NULL);
				assert_int_equal(feed(s[k], ids, CONTEXT), 0);
			}
			for (uint32_t k = 0; k < sessions; k++)
				kvik_session_free(s[k]);
			kvik_cache_free(c);
			kvik_model_free(m);
		}
}

static void a_stream_has_no_end(void **state)
{
	enum { TOKENS = 60000, PIECE = 1000 };
	struct kvik_model *m = load_full();
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_cache *c;
	uint32_t ids[PIECE];
	(void)state;
	p.context = 1 << 20;
	p.window = 40;
	p.sinks = 4;
	p.chunk = 250;
	p.kv_memory = 256 << 10;
	assert_int_equal(kvik_cache_new(&c, m, &p, NULL), 0);
	struct kvik_session *s = must_session(c, NULL);
	for (uint32_t at = 0; at < TOKENS; at += PIECE) {
		write_text(ids, PIECE, at / PIECE + 1, 0);
		assert_int_equal(feed(s, ids, PIECE), 0);
	}
	struct kvik_cache_stats st = kvik_cache_get_stats(c);
	assert_true(st.bytes_peak <= p.kv_memory);
	kvik_session_free(s);
	kvik_cache_free(c);
	kvik_model_free(m);
}

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void a_thousand_forks_cost_a_page_each(void **state)
{
	enum { FORKS = 1000, LONG = 8187 };
	static struct kvik_session *forks[FORKS];
	static uint32_t ids[LONG];
	struct kvik_model *m = load_full();
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_cache *c;
	(void)state;
	p.context = 8192;
	p.kv_memory = 200 << 20;
	assert_int_equal(kvik_cache_new(&c, m, &p, NULL), 0);
	write_text(ids, LONG, 1, 0);
	struct kvik_session *s = must_session(c, NULL);
	assert_int_equal(feed(s, ids, LONG), 0);
	uint64_t pages = kvik_cache_get_stats(c).pages_used;
	double start = now_ms();
	for (int i = 0; i < FORKS; i++)
		assert_int_equal(kvik_session_fork(&forks[i], s, LONG, NULL), 0);
	double each = (now_ms() - start) / FORKS;
	printf("a fork of %d tokens takes %.1f us\n", LONG, 1e3 * each);
	assert_true(each < 1);
	assert_int_equal(kvik_cache_get_stats(c).pages_used, pages);
	for (uint32_t i = 0; i < FORKS; i++) {
		uint32_t id = i % 90;
		assert_int_equal(feed(forks[i], &id, 1), 0);
	}
	assert_true(kvik_cache_get_stats(c).pages_used <= pages + FORKS);
	for (int i = 0; i < FORKS; i++)
		kvik_session_free(forks[i]);
	kvik_session_free(s);
	kvik_cache_free(c);
	kvik_model_free(m);
}

/* Exempt layers are stored as if the whole cache were; all of them exempt is another dtype. */
static void layers_can_be_exempt(void **state)
{
	enum { N = 60 };
	struct kvik_model *m = must_load("tests/model/data/qwen2-windows.gguf", 1);
	struct kvik_cache_params p = kvik_cache_params_default();
	uint32_t ids[N], n_vocab = kvik_model_get_info(m).vocab_size;
	uint64_t bytes[4];
	float *rows[4];
	struct kvik_err err;
	(void)state;
	write_text(ids, N, 0, 0);
	p.context = CONTEXT;
	for (int i = 0; i < 4; i++) { /* f16; int4 with all, one and no layer in f16 */
		struct kvik_cache *c;
		p.k_dtype = p.v_dtype = i ? KVIK_INT4 : KVIK_F16;
		p.n_exempt = i == 1 || i == 2;
		p.exempt[0] = (struct kvik_layers){0, i == 1 ? -1 : 0};
		assert_int_equal(kvik_cache_new(&c, m, &p, &err), 0);
		struct kvik_session *s = must_session(c, NULL);
		rows[i] = malloc(N * n_vocab * sizeof *rows[i]);
		assert_int_equal(kvik_session_feed(s, ids, N, rows[i], &err), 0);
		bytes[i] = kvik_cache_get_stats(c).bytes_per_token;
		kvik_session_free(s);
		kvik_cache_free(c);
	}
	size_t all = N * n_vocab * sizeof *rows[0];
	assert_memory_equal(rows[0], rows[1], all);
	assert_true(memcmp(rows[1], rows[2], all) != 0 && memcmp(rows[2], rows[3], all) != 0);
	assert_true(bytes[0] == bytes[1] && bytes[1] > bytes[2] && bytes[2] > bytes[3]);
	for (int i = 0; i < 4; i++)
		free(rows[i]);
	struct kvik_cache *none;
	p.n_exempt = 1;
	p.exempt[0] = (struct kvik_layers){0, 3};
	assert_int_equal(kvik_cache_new(&none, m, &p, &err), KVIK_ERR_ARG); /* it has 3 layers */
	p.exempt[0] = (struct kvik_layers){0, 0};
	p.k_dtype = p.v_dtype = KVIK_F16;
	assert_int_equal(kvik_cache_new(&none, m, &p, &err), KVIK_ERR_ARG); /* nothing would be different */
	assert_non_null(strstr(err.text, "--kv-exempt-dtype"));
	kvik_model_free(m);
}

/* Any call tells the cache the time, and packs a few pages. */
static void let_it_tidy_up(struct kvik_cache *c)
{
	for (int i = 0; i < 200; i++)
		kvik_session_free(must_session(c, NULL));
}

/* Idle prefixes shrink, and come back nearly as they were; what is in use, or exempt, keeps its bits. */
static void idle_prefixes_sink_to_the_floor(void **state)
{
	enum { N = 160 };
	struct kvik_model *m = must_load("synthetic:tiny-mixed:q4_0", 1);
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_share alone = {SHARE, .isolated = true};
	uint32_t ids[N], n_vocab = kvik_model_get_info(m).vocab_size;
	struct kvik_cache *c;
	struct kvik_err err;
	(void)state;
	write_text(ids, N, 0, 0);
	p.context = CONTEXT;
	p.sessions = 4;
	p.floor_after_ms = 20;
	assert_int_equal(kvik_cache_new(&c, m, &p, &err), 0);
	struct kvik_session *s = must_session(c, NULL), *exact = must_session(c, &alone);
	assert_int_equal(feed(exact, ids, N), 0);
	assert_int_equal(feed(s, ids, N - 1), 0);
	wait_ms(30);
	let_it_tidy_up(c);
	assert_int_equal(feed(s, ids + N - 1, 1), 0); /* it held its pages all the time */
	assert_memory_equal(kvik_session_logits(s), kvik_session_logits(exact), n_vocab * sizeof(float));
	kvik_session_free(s);
	uint64_t before = kvik_cache_get_stats(c).bytes_used;
	wait_ms(30);
	let_it_tidy_up(c);
	struct kvik_cache_stats st = kvik_cache_get_stats(c);
	assert_true(st.pages_packed > 0 && st.bytes_used + 3000 * st.pages_packed < before);
	s = must_session(c, NULL);
	assert_int_equal(feed(s, ids, N), 0);
	assert_int_equal(found(s), N - 1);
	double error = 0, size = 0;
	for (uint32_t i = 0; i < n_vocab; i++) {
		double want = (double)kvik_session_logits(exact)[i];
		error += pow((double)kvik_session_logits(s)[i] - want, 2);
		size += pow(want, 2);
	}
	assert_true(error > 0 && sqrt(error / size) < 0.2);
	kvik_session_free(s);
	kvik_session_free(exact);
	kvik_cache_free(c);
	p.floor_k_dtype = p.floor_v_dtype = KVIK_F16;
	assert_int_equal(kvik_cache_new(&c, m, &p, &err), KVIK_ERR_ARG); /* nothing would be smaller */
	p.floor_k_dtype = p.floor_v_dtype = KVIK_INT8;
	p.n_exempt = 1;
	p.exempt[0] = (struct kvik_layers){0, -1};
	p.exempt_k_dtype = KVIK_F32;
	assert_int_equal(kvik_cache_new(&c, m, &p, &err), KVIK_ERR_ARG); /* every layer is exempt */
	kvik_model_free(m);
}

static void figures_add_up(void **state)
{
	struct kvik_model *m = load_full();
	struct kvik_cache *c = new_cache(m, 2);
	uint32_t ids[TEXT];
	(void)state;
	for (uint32_t i = 0; i < 30; i++) {
		write_text(ids, TEXT, i % 6, 30);
		leave_behind(c, NULL, ids, TEXT);
	}
	struct kvik_cache_stats s = kvik_cache_get_stats(c);
	assert_true(s.bytes_used <= s.bytes_peak && s.bytes_peak <= s.bytes_ceiling);
	assert_true(s.bytes_cached <= s.bytes_used && s.bytes_wasted < s.bytes_used);
	assert_true(s.tokens_hit > 0 && s.tokens_hit < s.tokens_queried && s.queries == 30);
	for (int i = 0; i < 4; i++)
		assert_true(s.hit_rate_at[i] >= 0 && s.hit_rate_at[i] <= 1);
	assert_true(s.hit_rate_at[3] >= s.hit_rate_at[0] && s.hit_rate_at[3] > 0.5);
	kvik_cache_free(c);
	kvik_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_computed_another_takes),
		cmocka_unit_test(scopes_do_not_meet),
		cmocka_unit_test(a_miss_has_a_reason),
		cmocka_unit_test(any_allocation_may_fail),
		cmocka_unit_test(a_pin_stays),
		cmocka_unit_test(lives_end),
		cmocka_unit_test(the_dear_go_last),
		cmocka_unit_test(full_only_when_all_is_held),
		cmocka_unit_test(the_default_ceiling_holds_its_sessions),
		cmocka_unit_test(a_stream_has_no_end),
		cmocka_unit_test(a_thousand_forks_cost_a_page_each),
		cmocka_unit_test(layers_can_be_exempt),
		cmocka_unit_test(idle_prefixes_sink_to_the_floor),
		cmocka_unit_test(figures_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
