/* test_paths.c: promise P1 on every path that a token can take through the cache. The oracle is the same request alone,
 * in a cache of its own, in small chunks; what is compared is the hash of every row of logits that a token was sampled
 * from. The counters prove that each path was taken: cold, a warm hit, a hit that ends inside a page, joining a request
 * that is still computing, answers forked from one prompt, forks and rollback of sessions, eviction and computing
 * again, preemption, and batches of 1, 2, 7 and 32; for every KV dtype, with models whose layers see everything, a
 * window, or some this and some that. */
#include "paths.h"

static const struct {
	const char *path;
	enum kvik_act act;
	int every; /* so many-th of the dtypes */
} models[] = {
	{"tests/model/data/llama-gqa.gguf", KVIK_ACT_F32, 1},      /* all layers see everything */
	{"tests/model/data/llama-odd.gguf", KVIK_ACT_F32, 1},      /* heads of 20 dims: int4 does not rotate */
	{"tests/model/data/mistral-window.gguf", KVIK_ACT_F32, 1}, /* a window of 8 in every layer */
	{"tests/model/data/qwen2-windows.gguf", KVIK_ACT_F32, 1},  /* one full layer, two with windows */
	{"tests/model/data/gemma4.gguf", KVIK_ACT_F32, 1},         /* layers that share what others have stored */
	{"tests/model/data/gptoss-mxfp4", KVIK_ACT_INT8, 4},       /* sinks, and experts */
	{"tests/model/data/gemma4-moe", KVIK_ACT_F32, 4},          /* experts beside a dense feed-forward; v is k */
	{"synthetic:tiny-mixed:q4_0", KVIK_ACT_INT8, 1},           /* 2 of 6 layers full, else a window of 64 */
};
enum { MODELS = sizeof models / sizeof *models };

/* exempt: the first layer is stored in f16. */
static const struct {
	enum kvik_dtype k, v;
	uint32_t exempt;
} dtypes[] = {
	{KVIK_F32, KVIK_F32, 0},   {KVIK_F16, KVIK_F16, 0},  {KVIK_BF16, KVIK_BF16, 0},
	{KVIK_INT8, KVIK_INT8, 0}, {KVIK_FP8, KVIK_FP8, 0},  {KVIK_INT4, KVIK_INT4, 0},
	{KVIK_INT8, KVIK_F16, 0},  {KVIK_FP8, KVIK_INT4, 0}, {KVIK_INT4, KVIK_INT4, 1},
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

/* ---- Paths ------------------------------------------------------------------------------------------------------- */

/* Cold, warm, inside a page, of another scope, while another computes, and several answers. */
static void through_the_tree(struct world *w)
{
	struct desk d;
	open_desk(&d, w, 16, 8, 48);
	struct job cold = new_job(w, 45), warm = cold;
	struct kvik_engine_stats s = run(&d, &cold);
	same(w, &cold, "an engine");
	assert_int_equal(cold.usage.cached_tokens, 0);
	assert_int_equal(s.prefix_tokens_hit, 0);

	s = run(&d, &warm);
	same(w, &warm, "a warm hit");
	assert_int_equal(warm.usage.cached_tokens, 44); /* the last token's logits are needed */
	assert_int_equal(s.prefix_tokens_hit, 44);

	struct job branch = new_branch(w, &cold, 37, 60);
	uint64_t copied = s.kv_pages_copied;
	s = run(&d, &branch);
	same(w, &branch, "a hit inside a page");
	assert_int_equal(branch.usage.cached_tokens, 37);
	assert_int_equal(s.prefix_tokens_hit, 44 + 37);
	assert_true(s.kv_pages_copied > copied);

	struct job stranger = cold, reader = cold;
	stranger.scope = 1234;
	reader.scope = 4321;
	reader.read_public = true;
	reset(&stranger);
	reset(&reader);
	run(&d, &stranger);
	same(w, &stranger, "another scope");
	assert_int_equal(stranger.usage.cached_tokens, 0);
	s = run(&d, &reader);
	same(w, &reader, "a prefix of the public scope");
	assert_int_equal(reader.usage.cached_tokens, 44);

	struct job joint[2] = {new_job(w, 200)};
	joint[1] = new_branch(w, &joint[0], 187, 210);
	uint64_t computed = s.prompt_tokens_computed;
	s = run_together(&d, joint, 2);
	same(w, &joint[0], "being joined");
	same(w, &joint[1], "joining a running request");
	assert_int_equal(joint[1].usage.cached_tokens, 187);
	assert_true(s.prefix_tokens_joined >= 187 - 48); /* all but what was there when it came */
	assert_int_equal(s.prompt_tokens_computed - computed, 1 + 200 + 210 - 187);

	struct job answers = new_job(w, 41);
	answers.choices = CHOICES;
	copied = s.kv_pages_copied;
	s = run(&d, &answers);
	same(w, &answers, "a fork");
	assert_true(s.kv_pages_copied >= copied + CHOICES - 1);
	kvik_engine_free(d.e);
}

static void in_batches(struct world *w)
{
	static const uint32_t sizes[] = {1, 2, 7, BATCH_MAX};
	static struct job jobs[BATCH_MAX];
	struct desk d;
	open_desk(&d, w, BATCH_MAX + 1, BATCH_MAX + 1, 1024);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		uint64_t steps = kvik_engine_get_stats(d.e).steps;
		for (uint32_t k = 0; k < sizes[i]; k++)
			jobs[k] = new_job(w, 5 + below(w, 25));
		struct kvik_engine_stats s = run_together(&d, jobs, sizes[i]);
		for (uint32_t k = 0; k < sizes[i]; k++) {
			char path[32];
			snprintf(path, sizeof path, "a batch of %u", sizes[i]);
			same(w, &jobs[k], path);
			assert_int_equal(jobs[k].together, sizes[i]);
		}
		assert_true(s.steps - steps <= NEW + 3); /* prefill and every token in one step for all */
	}
	kvik_engine_free(d.e);
}

/* A cache that holds one long sequence: what came before has to go, and what runs beside. */
static void when_memory_is_short(struct world *w)
{
	enum { OTHERS = 12, RIVALS = 6 };
	struct desk d;
	open_desk(&d, w, 1, 8, 48);
	struct job first = new_job(w, 100), again = first;
	run(&d, &first);
	same(w, &first, "a small cache");
	for (int i = 0; i < OTHERS; i++) {
		struct job other = new_job(w, 180);
		run(&d, &other);
	}
	struct kvik_engine_stats s = kvik_engine_get_stats(d.e);
	assert_true(s.prefix_tokens_evicted > 0);
	run(&d, &again);
	same(w, &again, "eviction");
	assert_true(again.usage.cached_tokens < 99);

	struct job rivals[RIVALS];
	for (uint32_t i = 0; i < RIVALS; i++) {
		rivals[i] = new_job(w, 40 + i);
		rivals[i].new_tokens = 90;
	}
	s = run_together(&d, rivals, RIVALS);
	for (uint32_t i = 0; i < RIVALS; i++)
		same(w, &rivals[i], "preemption");
	if (kvik_model_get_info(w->m).window == 0)
		assert_true(s.preemptions > 0);
	assert_true(s.kv_bytes_peak <= s.kv_bytes_ceiling);
	kvik_engine_free(d.e);
}

/* Sessions that fork and roll back to anywhere, then go on with the same text or with another. Windows that have moved
 * on are found in the tree. */
static void through_sessions(struct world *w)
{
	static const uint32_t places[] = {149, 100, 65, 64, 63, 40, 17, 16, 15, 1, 0};
	struct kvik_cache_params p = w->cache;
	struct kvik_cache *c;
	p.sessions = 16;
	p.chunk = 48;
	struct job j = new_job(w, 150);
	uint64_t want = alone(w, &j, 0);
	struct kvik_session *s = open_session(&c, w, &p, NULL);
	go_on_and_compare(w, s, &j, want, "a session");
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		struct job other = new_branch(w, &j, places[i], 150);
		uint64_t want_other = alone(w, &other, 0);
		fork_there(w, s, places[i], &j, want);
		fork_there(w, s, places[i], &other, want_other);
		roll_back(s, places[i]);
		go_on_and_compare(w, s, &other, want_other, "rollback");
		roll_back(s, places[i]);
		go_on_and_compare(w, s, &j, want, "rollback");
	}
	struct kvik_cache_stats st = kvik_cache_get_stats(c);
	assert_true(st.tokens_joined >= 149 && st.pages_copied > 0);
	kvik_session_free(s);
	kvik_cache_drop(c); /* evicted, and computed again */
	assert_true(kvik_cache_get_stats(c).tokens_evicted >= 150);
	assert_int_equal(kvik_session_new(&s, c, NULL, NULL), 0);
	go_on_and_compare(w, s, &j, want, "eviction");
	kvik_session_free(s);
	kvik_cache_free(c);
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

/* The hash sees what it is for: another dtype gives other bits. */
static void note_difference(struct world *w, uint64_t *seen, int n)
{
	struct job j = {.ids = {3, 1, 4, 1, 5, 9, 2, 6}, .n = 8, .new_tokens = NEW, .n_vocab = w->n_vocab};
	seen[n] = alone(w, &j, 0);
	for (int i = 0; i < n; i++)
		assert_true(seen[i] != seen[n]);
}

static void each_world(void (*path)(struct world *))
{
	for (int i = 0; i < MODELS; i++) {
		struct kvik_model_params p = kvik_model_params_default();
		struct world w = {.name = models[i].path, .random = 7};
		struct kvik_err err;
		p.threads = 2;
		p.act = models[i].act;
		if (kvik_model_load(&w.m, models[i].path, &p, &err))
			fail_msg("%s", err.text);
		w.n_vocab = kvik_model_get_info(w.m).vocab_size;
		w.cache = kvik_cache_params_default();
		w.cache.context = CONTEXT;
		uint64_t seen[DTYPES];
		for (int d = 0, seen_so_far = 0; d < DTYPES; d += models[i].every) {
			w.cache.k_dtype = dtypes[d].k;
			w.cache.v_dtype = dtypes[d].v;
			w.cache.n_exempt = dtypes[d].exempt;
			note_difference(&w, seen, seen_so_far++);
			path(&w);
		}
		kvik_model_free(w.m);
	}
}

static void tree_hits_joins_and_forks(void **state)
{
	(void)state;
	each_world(through_the_tree);
}

static void batches_of_any_size(void **state)
{
	(void)state;
	each_world(in_batches);
}

static void eviction_and_preemption(void **state)
{
	(void)state;
	each_world(when_memory_is_short);
}

static void sessions_fork_and_roll_back(void **state)
{
	(void)state;
	each_world(through_sessions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_hits_joins_and_forks),
		cmocka_unit_test(batches_of_any_size),
		cmocka_unit_test(eviction_and_preemption),
		cmocka_unit_test(sessions_fork_and_roll_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
