/* test_session.c: promise P1 through the public header: one hash of all logits whatever the cache did, and what
 * sessions and generations answer at their edges. The models are tiny ones of random weights (tests/model/data). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "support/library.h"

#define SHARE .size = sizeof(struct kvik_share)

static const char *const models[] = {"tests/model/data/llama-gqa.gguf", "tests/model/data/mistral-window.gguf",
				     "tests/model/data/llama-q8_0.gguf"};
enum { MODELS = sizeof models / sizeof *models, STEPS = 40 };

static const uint32_t prompt[] = {5, 9, 2, 7, 7, 1, 30, 4, 11, 3, 8, 6, 6, 21, 2, 13, 17, 1, 40, 12, 9};
enum { PROMPT = sizeof prompt / sizeof *prompt };

static struct kvik_cache_params cache_params(void)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	p.context = 256;
	return p;
}

struct hashing {
	uint64_t hash;
	uint32_t n_vocab, tokens;
	uint32_t ids[STEPS];
};

static bool hash_row(void *user, const struct kvik_token *t)
{
	struct hashing *h = user;
	if (!t->logits)
		return true;
	h->hash = hash_chain(h->hash, t->logits, h->n_vocab * sizeof *t->logits);
	h->ids[h->tokens++] = t->id;
	return true;
}

static struct kvik_session *open_session(struct kvik_cache **c, struct kvik_model *m, const struct kvik_cache_params *p)
{
	*c = must_cache(m, p);
	return must_session(*c, NULL);
}

/* Greedy generation of STEPS tokens; all rows hashed. */
static struct hashing generate(struct kvik_session *s, struct kvik_model *m, const uint32_t *ids, size_t n)
{
	struct kvik_generate_params g = kvik_generate_params_default();
	struct hashing h = {.n_vocab = kvik_model_get_info(m).vocab_size};
	struct kvik_generation result = {.size = sizeof result};
	struct kvik_err err;
	g.max_tokens = STEPS;
	g.ignore_end = true;
	if (kvik_generate(s, ids, n, &g, hash_row, &h, &result, &err))
		fail_msg("%s", err.text);
	assert_int_equal(result.finish, KVIK_FINISH_LENGTH);
	assert_int_equal(result.new_tokens, STEPS);
	return h;
}

static struct hashing run(struct kvik_model *m, const struct kvik_cache_params *p)
{
	struct kvik_cache *c;
	struct kvik_session *s = open_session(&c, m, p);
	struct hashing h = generate(s, m, prompt, PROMPT);
	kvik_session_free(s);
	kvik_cache_free(c);
	return h;
}

static void one_hash_whatever_the_cache_did(void **state)
{
	static const uint32_t chunks[] = {1, 7, 64, 512};
	(void)state;
	for (int i = 0; i < MODELS; i++)
		for (int d = 0; d < KVIK_DTYPE_COUNT; d++) {
			uint64_t first = 0;
			for (uint32_t threads = 1; threads <= 2; threads++) {
				struct kvik_model *m = must_load(models[i], threads);
				for (size_t k = 0; k < 2 * sizeof chunks / sizeof *chunks; k++) {
					struct kvik_cache_params p = cache_params();
					p.k_dtype = p.v_dtype = (enum kvik_dtype)d;
					p.chunk = chunks[k / 2];
					p.no_kv_cache = k % 2;
					struct hashing h = run(m, &p);
					if (first == 0)
						first = h.hash;
					assert_int_equal(h.hash, first);
				}
				kvik_model_free(m);
			}
		}
}

static void a_fork_goes_on_as_if_alone(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(models[0], 1);
	struct kvik_cache_params p = cache_params();
	p.sessions = 3;
	struct kvik_cache *c;
	struct kvik_session *s = open_session(&c, m, &p), *f;
	struct hashing alone = generate(s, m, prompt, PROMPT);
	for (size_t at = 0; at < PROMPT; at++) {
		assert_int_equal(kvik_session_fork(&f, s, at, NULL), 0);
		assert_null(kvik_session_logits(f));
		struct hashing h = generate(f, m, prompt + at, PROMPT - at);
		assert_int_equal(h.hash, alone.hash);
		kvik_session_free(f);
	}
	assert_int_equal(kvik_session_truncate(s, PROMPT / 2, NULL), 0);
	struct hashing again = generate(s, m, prompt + PROMPT / 2, PROMPT - PROMPT / 2);
	assert_int_equal(again.hash, alone.hash);
	assert_int_equal(kvik_session_fork(&f, s, 1000, NULL), KVIK_ERR_ARG);
	kvik_session_free(s);
	kvik_cache_free(c);
	kvik_model_free(m);
}

static void all_logits_are_those_of_single_steps(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(models[1], 1);
	uint32_t n_vocab = kvik_model_get_info(m).vocab_size;
	for (int no_cache = 0; no_cache < 2; no_cache++) {
		struct kvik_cache_params p = cache_params();
		struct kvik_cache *c, *c2;
		p.chunk = 4;
		p.no_kv_cache = no_cache;
		struct kvik_session *s = open_session(&c, m, &p), *one = open_session(&c2, m, &p);
		float *rows = calloc(PROMPT * n_vocab, sizeof *rows);
		assert_int_equal(kvik_session_feed(s, prompt, PROMPT, rows, NULL), 0);
		for (size_t i = 0; i < PROMPT; i++) {
			assert_int_equal(kvik_session_feed(one, prompt + i, 1, NULL, NULL), 0);
			assert_memory_equal(kvik_session_logits(one), rows + i * n_vocab, n_vocab * sizeof *rows);
		}
		assert_memory_equal(kvik_session_logits(s), kvik_session_logits(one), n_vocab * sizeof *rows);
		free(rows);
		kvik_session_free(s);
		kvik_session_free(one);
		kvik_cache_free(c);
		kvik_cache_free(c2);
	}
	kvik_model_free(m);
}

static void edges_answer_with_an_error(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(models[0], 1);
	struct kvik_cache_params p = cache_params();
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_sampling greedy = kvik_sampling_default();
	struct kvik_generation result = {.size = sizeof result};
	struct kvik_cache *c;
	struct kvik_err err;
	uint32_t bad[] = {1, kvik_model_get_info(m).vocab_size}, id;
	p.context = 16;
	struct kvik_session *s = open_session(&c, m, &p);
	assert_int_equal(kvik_session_sample(s, &greedy, &id, &err), KVIK_ERR_ARG);
	assert_int_equal(kvik_generate(s, NULL, 0, &g, NULL, NULL, &result, &err), KVIK_ERR_ARG);
	assert_int_equal(kvik_session_feed(s, bad, 2, NULL, &err), KVIK_ERR_ARG);
	assert_int_equal(kvik_session_tokens(s), 0);
	assert_int_equal(kvik_session_feed(s, prompt, PROMPT, NULL, &err), KVIK_ERR_LIMIT);
	assert_non_null(strstr(err.text, "--ctx"));
	assert_int_equal(kvik_session_feed(s, prompt, 8, NULL, &err), 0);
	assert_int_equal(kvik_generate(s, NULL, 0, &g, NULL, NULL, &result, &err), 0);
	assert_int_equal(result.finish, KVIK_FINISH_LENGTH); /* the context is full */
	assert_int_equal(kvik_session_tokens(s), 16);
	struct kvik_sampling draw = kvik_sampling_default();
	draw.top_p = 2;
	g.sampling = &draw;
	assert_int_equal(kvik_generate(s, NULL, 0, &g, NULL, NULL, &result, &err), KVIK_ERR_ARG);
	kvik_session_free(s);
	kvik_cache_free(c);
	p.sinks = 4; /* no window: sinks would do nothing */
	assert_int_equal(kvik_cache_new(&c, m, &p, &err), KVIK_ERR_ARG);
	p.sinks = 0;
	p.kv_memory = 100;
	assert_int_equal(kvik_cache_new(&c, m, &p, &err), KVIK_ERR_LIMIT);
	kvik_model_free(m);
	assert_int_equal(kvik_model_load(&m, "tests/no-such-model.gguf", NULL, &err), KVIK_ERR_IO);
	assert_non_null(strstr(err.text, "no-such-model.gguf"));
}

/* What is outside an enum is an error, wherever the header takes one. */
static void enums_are_checked(void **state)
{
	(void)state;
	static const int outside[] = {-1, 99};
	struct kvik_model *m = must_load(models[0], 1), *none;
	struct kvik_file *f;
	struct kvik_cache *c;
	struct kvik_plan plan = {.size = sizeof plan};
	struct kvik_err err;
	assert_int_equal(kvik_file_open(&f, NULL, &err), 0);
	for (size_t i = 0; i < 2; i++) {
		struct kvik_model_params act = kvik_model_params_default(), quantize = act;
		struct kvik_cache_params cache[6];
		act.act = (enum kvik_act)outside[i];
		quantize.quantize = (enum kvik_quantize)outside[i];
		assert_int_equal(kvik_model_load(&none, NULL, &act, &err), KVIK_ERR_ARG);
		assert_int_equal(kvik_model_load(&none, NULL, &quantize, &err), KVIK_ERR_ARG);
		assert_int_equal(kvik_plan_make(f, &act, NULL, &plan, &err), KVIK_ERR_ARG);
		assert_int_equal(kvik_plan_make(f, &quantize, NULL, &plan, &err), KVIK_ERR_ARG);
		for (size_t k = 0; k < 6; k++) {
			cache[k] = kvik_cache_params_default();
			enum kvik_dtype *all[] = {&cache[k].k_dtype,        &cache[k].v_dtype,
						  &cache[k].exempt_k_dtype, &cache[k].exempt_v_dtype,
						  &cache[k].floor_k_dtype,  &cache[k].floor_v_dtype};
			*all[k] = (enum kvik_dtype)outside[i];
			assert_int_equal(kvik_cache_new(&c, m, &cache[k], &err), KVIK_ERR_ARG);
			assert_int_equal(kvik_plan_make(f, NULL, &cache[k], &plan, &err), KVIK_ERR_ARG);
		}
		assert_string_equal(kvik_dtype_name((enum kvik_dtype)outside[i]), "?");
		assert_string_equal(kvik_finish_name((enum kvik_finish)outside[i]), "?");
		assert_string_equal(kvik_miss_name((enum kvik_miss)outside[i]), "?");
	}
	kvik_file_close(f);
	kvik_model_free(m);
	uint32_t *ids;
	char *text;
	size_t n;
	assert_int_equal(kvik_model_load(&m, NULL, NULL, &err), 0);
	assert_int_equal(kvik_tokenize(kvik_model_vocab(m), "x", 1, 64, &ids, &n, &err), KVIK_ERR_ARG);
	assert_int_equal(kvik_detokenize(kvik_model_vocab(m), NULL, 0, 2, &text, &n, &err), KVIK_ERR_ARG);
	kvik_model_free(m);
}

static void a_ceiling_ends_a_text_but_is_no_error(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(models[0], 1);
	struct kvik_cache_params p = cache_params();
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_generation result = {.size = sizeof result};
	struct kvik_cache *c;
	struct kvik_err err;
	p.context = 4096;
	p.kv_memory = 64 << 10;
	struct kvik_session *s = open_session(&c, m, &p);
	g.ignore_end = true;
	if (kvik_generate(s, prompt, PROMPT, &g, NULL, NULL, &result, &err))
		fail_msg("%s", err.text);
	assert_int_equal(result.finish, KVIK_FINISH_LENGTH);
	struct kvik_cache_stats st = kvik_cache_get_stats(c);
	assert_true(st.bytes_peak <= p.kv_memory && st.bytes_used <= p.kv_memory);
	assert_int_equal(kvik_session_tokens(s), PROMPT + result.new_tokens - 1);
	kvik_session_free(s);
	kvik_cache_free(c);
	kvik_model_free(m);
}

/* ---- Text, with a real model ------------------------------------------------------------------------------------- */

static const char stories[] = "../shared/models/stories260K/stories260K.gguf";

struct text {
	char text[4096];
	size_t n;
	uint32_t tokens, cancel_at, last_id;
};

static bool add_text(void *user, const struct kvik_token *t)
{
	struct text *x = user;
	memcpy(x->text + x->n, t->text, t->text_bytes);
	x->n += t->text_bytes;
	x->tokens += t->id != KVIK_NO_ID;
	x->last_id = t->id != KVIK_NO_ID ? t->id : x->last_id;
	if (t->n_top > 0)
		assert_true(fabsf(t->top[0].logprob - t->logprob) < 1e-6f); /* greedy picks the most probable one */
	return x->tokens != x->cancel_at;
}

static struct text story(struct kvik_model *m, const struct kvik_generate_params *g, enum kvik_finish expected)
{
	struct kvik_cache *c;
	struct text x = {.n = 0};
	struct kvik_cache_params p = cache_params();
	struct kvik_session *s = open_session(&c, m, &p);
	struct kvik_generation result = {.size = sizeof result};
	struct kvik_err err;
	uint32_t bos = kvik_vocab_bos(kvik_model_vocab(m));
	x.cancel_at = expected == KVIK_FINISH_CANCELLED ? 5 : 0;
	if (kvik_generate(s, &bos, 1, g, add_text, &x, &result, &err))
		fail_msg("%s", err.text);
	assert_int_equal(result.finish, expected);
	assert_int_equal(result.new_tokens, x.tokens);
	kvik_session_free(s);
	kvik_cache_free(c);
	return x;
}

static void text_stops_where_it_should(void **state)
{
	(void)state;
	if (access(stories, R_OK) != 0) {
		print_message("skipped: %s is not here\n", stories);
		skip();
	}
	struct kvik_model *m = must_load(stories, 2);
	struct kvik_generate_params g = kvik_generate_params_default();
	g.max_tokens = 40;
	g.n_logprobs = 3;
	struct text all = story(m, &g, KVIK_FINISH_LENGTH);
	assert_memory_equal(all.text, "Once upon a time, there was", 27);
	const char *stops[] = {"nowhere to be found", "there was a"};
	g.stop = stops;
	g.n_stop = 2;
	struct text cut = story(m, &g, KVIK_FINISH_STOP);
	assert_int_equal(cut.n, strlen("Once upon a time, "));
	g.n_stop = 1;
	struct text held = story(m, &g, KVIK_FINISH_LENGTH);
	assert_int_equal(held.n, all.n);
	assert_memory_equal(held.text, all.text, all.n);
	story(m, &g, KVIK_FINISH_CANCELLED);
	struct kvik_sampling draw = kvik_sampling_default();
	draw.temperature = 1;
	draw.seed = 7;
	g.sampling = &draw;
	g.n_logprobs = 0;
	struct text a = story(m, &g, KVIK_FINISH_LENGTH), b = story(m, &g, KVIK_FINISH_LENGTH);
	assert_int_equal(a.n, b.n);
	assert_memory_equal(a.text, b.text, a.n);
	draw.seed = 8;
	b = story(m, &g, KVIK_FINISH_LENGTH);
	assert_true(a.n != b.n || memcmp(a.text, b.text, a.n) != 0);
	kvik_model_free(m);
}

/* What the built-in model answers to a greeting. */
static struct text greet(struct kvik_model *m, const struct kvik_generate_params *g, enum kvik_finish expected)
{
	static const char prompt_text[] = "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n";
	struct kvik_cache *c;
	struct text x = {.n = 0};
	struct kvik_cache_params p = cache_params();
	struct kvik_generation result = {.size = sizeof result};
	struct kvik_err err;
	uint32_t *ids;
	size_t n;
	p.context = 256;
	struct kvik_session *s = open_session(&c, m, &p);
	assert_int_equal(kvik_tokenize(kvik_model_vocab(m), prompt_text, strlen(prompt_text), KVIK_PARSE_SPECIAL, &ids,
				       &n, NULL),
			 0);
	if (kvik_generate(s, ids, n, g, add_text, &x, &result, &err))
		fail_msg("%s", err.text);
	assert_int_equal(result.finish, expected);
	kvik_free(ids);
	kvik_session_free(s);
	kvik_cache_free(c);
	return x;
}

static void answers_end_by_what_was_asked(void **state)
{
	(void)state;
	struct kvik_model *m = must_load(NULL, 2);
	struct kvik_generate_params g = kvik_generate_params_default();
	struct text whole = greet(m, &g, KVIK_FINISH_STOP);
	assert_true(whole.tokens > 3 && whole.tokens < 60);
	/* not before min_tokens, and the same up to there */
	g.max_tokens = g.min_tokens = whole.tokens + 4;
	struct text longer = greet(m, &g, KVIK_FINISH_LENGTH);
	assert_int_equal(longer.tokens, whole.tokens + 4);
	assert_true(longer.n > whole.n);
	assert_memory_equal(longer.text, whole.text, whole.n);
	/* by a stop string, which is looked for only behind min_tokens */
	const char *const first = &whole.text[0];
	const size_t one = 1;
	g = kvik_generate_params_default();
	g.stop = &first;
	g.stop_bytes = &one;
	g.n_stop = 1;
	assert_int_equal(greet(m, &g, KVIK_FINISH_STOP).n, 0);
	g.show_stop = true;
	assert_int_equal(greet(m, &g, KVIK_FINISH_STOP).n, 1);
	g.min_tokens = whole.tokens - 1;
	assert_true(greet(m, &g, KVIK_FINISH_STOP).n >= whole.n);
	/* by a token, which is no text, whatever ignore_end says */
	g = kvik_generate_params_default();
	g.stop_ids = &whole.last_id;
	g.n_stop_ids = 1;
	g.ignore_end = true;
	struct text by_id = greet(m, &g, KVIK_FINISH_STOP);
	assert_int_equal(by_id.n, whole.n);
	g.keep_special = g.show_stop = true;
	by_id = greet(m, &g, KVIK_FINISH_STOP);
	assert_memory_equal(by_id.text + whole.n, "<|im_end|>", 10);
	kvik_model_free(m);
}

/* Filled tokens take the memory of fed ones, windows included, and a session goes on after them. */
static void filled_tokens_take_their_memory(void **state)
{
	struct kvik_cache_stats stats[2];
	uint32_t ids[200];
	struct kvik_err err;
	(void)state;
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		ids[i] = prompt[i % PROMPT];
	for (int m = 0; m < MODELS; m++) {
		struct kvik_model *model = must_load(models[m], 1);
		for (int filled = 0; filled < 2; filled++) {
			struct kvik_cache_params p = cache_params();
			struct kvik_cache *c;
			struct kvik_share alone = {SHARE, .isolated = true};
			struct kvik_session *s;
			p.chunk = 16;
			assert_int_equal(kvik_cache_new(&c, model, &p, &err), 0);
			assert_int_equal(kvik_session_new(&s, c, &alone, &err), 0);
			assert_int_equal(kvik_session_feed(s, ids, 21, NULL, &err), 0);
			assert_int_equal(filled ? kvik_session_fill(s, ids, 150, &err)
						: kvik_session_feed(s, ids, 150, NULL, &err),
					 0);
			assert_int_equal(kvik_session_tokens(s), 171);
			assert_true(!filled || !kvik_session_logits(s));
			stats[filled] = kvik_cache_get_stats(c);
			assert_int_equal(kvik_session_feed(s, ids, 1, NULL, &err), 0);
			assert_true(isfinite(kvik_session_logits(s)[0]));
			assert_int_equal(kvik_session_fill(s, ids, 200, &err), KVIK_ERR_LIMIT);
			kvik_session_free(s);
			kvik_cache_free(c);
		}
		assert_memory_equal(&stats[0], &stats[1], sizeof stats[0]);
		kvik_model_free(model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_hash_whatever_the_cache_did),
		cmocka_unit_test(a_fork_goes_on_as_if_alone),
		cmocka_unit_test(all_logits_are_those_of_single_steps),
		cmocka_unit_test(edges_answer_with_an_error),
		cmocka_unit_test(a_ceiling_ends_a_text_but_is_no_error),
		cmocka_unit_test(text_stops_where_it_should),
		cmocka_unit_test(filled_tokens_take_their_memory),
		cmocka_unit_test(answers_end_by_what_was_asked),
		cmocka_unit_test(enums_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
