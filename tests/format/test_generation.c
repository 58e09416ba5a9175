/* test_generation.c: how a model's files want it sampled: every field by each of its names, ranges, what kvik does not
 * do; the list of warnings. */
#include "make.h"

#include <jansson.h>

#include "base/mem.h"
#include "format/generation.h"

static void json(const char *text, struct generation *g, struct warnings *w)
{
	struct kvik_err err;
	char *t = quoted(text);
	json_t *root = json_loads(t, 0, NULL);
	if (generation_of_json(g, root, "generation_config.json", w, &err))
		fail_msg("%s", err.text);
	json_decref(root);
	free(t);
}

static void json_is_read(void **state)
{
	(void)state;
	struct generation g = {0};
	struct warnings w = {0};
	json("{'temperature':0.7,'top_k':20,'top_p':0.8,'min_p':0.05,'repetition_penalty':1.05,'do_sample':true,"
	     "'suppress_tokens':[3,-1,7],'num_beams':1,'typical_p':1.0,'min_length':0,'bad_words_ids':null}",
	     &g, &w);
	assert_int_equal(g.given, 63);
	assert_true(g.temperature == 0.7f && g.top_k == 20 && g.top_p == 0.8f);
	assert_true(g.min_p == 0.05f && g.repeat_penalty == 1.05f && g.penalty_last_n == 0);
	assert_int_equal(g.n_suppressed, 2);
	assert_true(g.suppressed[0] == 3 && g.suppressed[1] == 7);
	assert_null(warn_at(&w, 0));
	generation_release(&g);
	json("{'top_k':-1,'temperature':null}", &g, &w);
	assert_true(g.given == GENERATION_TOP_K && g.top_k == 0);
	generation_release(&g);
	json("{'do_sample':false,'temperature':0.6}", &g, &w); /* greedy is what its makers want */
	assert_true(g.given == GENERATION_TEMPERATURE && g.temperature == 0);
	generation_release(&g);
	json("{}", &g, &w);
	assert_int_equal(g.given, 0);
	warnings_release(&w);
}

static void what_is_not_done_is_told(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"{'temperature':-1}", "'temperature' is -1, outside of 0..100"},
		{"{'top_p':0}", "'top_p' is 0"},
		{"{'forced_bos_token_id':0}", "'forced_bos_token_id' is set"},
		{"{'begin_suppress_tokens':[1]}", "'begin_suppress_tokens' is set"},
		{"{'num_beams':4}", "'num_beams' is set"},
		{"{'no_repeat_ngram_size':3}", "'no_repeat_ngram_size' is set"},
		{"{'typical_p':0.9}", "'typical_p' is set"},
		{"{'stop_strings':['x']}", "'stop_strings' is set"},
		{"{'watermarking_config':{'a':1}}", "'watermarking_config' is set"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct generation g = {0};
		struct warnings w = {0};
		json(cases[i][0], &g, &w);
		if (w.n != 1 || !strstr(w.texts[0], cases[i][1]))
			fail_msg("%s: %zu warnings, '%s'", cases[i][0], w.n, w.n ? w.texts[0] : "");
		assert_int_equal(g.given, 0);
		generation_release(&g);
		warnings_release(&w);
	}
}

static void wrong_json_is_refused(void **state)
{
	(void)state;
	static const char *const cases[][2] = {{"{'temperature':'hot'}", "'temperature' is not a number"},
					       {"{'do_sample':1}", "'do_sample' is not true or false"},
					       {"{'suppress_tokens':5}", "'suppress_tokens' is not a list"},
					       {"{'suppress_tokens':['a']}", "'suppress_tokens' is not a list"}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct generation g = {0};
		struct kvik_err err;
		char *t = quoted(cases[i][0]);
		json_t *root = json_loads(t, 0, NULL);
		assert_int_equal(generation_of_json(&g, root, "g.json", NULL, &err), KVIK_ERR_FORMAT);
		json_decref(root);
		if (!strstr(err.text, cases[i][1]))
			fail_msg("%s: %s", cases[i][0], err.text);
		generation_release(&g);
		free(t);
	}
}

static void of_gguf(const struct buf *b, struct generation *g, struct warnings *w, int want, const char *says)
{
	struct kvik_err err = {.text = ""};
	struct gguf *file;
	assert_int_equal(gguf_open(&file, b->data, b->n, "m.gguf", &err), 0);
	int rc = generation_of_gguf(g, file, "m.gguf", w, &err);
	if (rc != want || !strstr(err.text, says))
		fail_msg("%d: %s", rc, err.text);
	gguf_free(file);
}

static void put_key_i32(struct buf *b, const char *key, int32_t v)
{
	put_str(b, key);
	put_u32(b, 5);
	put_u32(b, (uint32_t)v);
}

static void gguf_is_read(void **state)
{
	(void)state;
	struct generation g = {0};
	struct warnings w = {0};
	struct buf b;
	put_head(&b, 3, 0, 10);
	put_key_f32(&b, "general.sampling.temp", 0.6f);
	put_key_i32(&b, "general.sampling.top_k", 20);
	put_key_f32(&b, "general.sampling.top_p", 0.95f);
	put_key_f32(&b, "general.sampling.min_p", 0);
	put_key_f32(&b, "general.sampling.penalty_repeat", 1.1f);
	put_key_i32(&b, "general.sampling.penalty_last_n", -1);
	put_key_f32(&b, "general.sampling.xtc_probability", 0.5f);
	put_key_i32(&b, "general.sampling.mirostat", 0);
	put_key_str(&b, "general.sampling.sequence", "top_k;temperature");
	put_key_array(&b, "tokenizer.ggml.suppress_tokens", 5, 2);
	put_u32(&b, 9);
	put_u32(&b, (uint32_t)-1);
	of_gguf(&b, &g, &w, 0, "");
	assert_int_equal(g.given, 63);
	assert_true(g.temperature == 0.6f && g.top_k == 20 && g.top_p == 0.95f);
	assert_true(g.min_p == 0 && g.repeat_penalty == 1.1f && g.penalty_last_n == 0);
	assert_true(g.n_suppressed == 1 && g.suppressed[0] == 9);
	assert_int_equal(w.n, 2);
	assert_non_null(strstr(w.texts[0], "'general.sampling.xtc_probability' is 0.5"));
	assert_non_null(strstr(w.texts[1], "'general.sampling.sequence' is 'top_k;temperature'"));
	generation_release(&g);
	warnings_release(&w);
	put_head(&b, 3, 0, 2);
	put_key_f32(&b, "general.sampling.penalty_repeat", 1.1f);
	put_key_i32(&b, "general.sampling.penalty_last_n", 0);
	of_gguf(&b, &g, &w, 0, "");
	assert_true(g.repeat_penalty == 1); /* llama.cpp: none of the latest tokens */
	generation_release(&g);
	put_head(&b, 3, 0, 1);
	put_key_str(&b, "general.sampling.temp", "hot");
	of_gguf(&b, &g, &w, KVIK_ERR_FORMAT, "m.gguf: GGUF key 'general.sampling.temp' is not a number");
	put_head(&b, 3, 0, 1);
	put_key_array(&b, "tokenizer.ggml.suppress_tokens", 8, 0);
	of_gguf(&b, &g, &w, KVIK_ERR_FORMAT, "'tokenizer.ggml.suppress_tokens' is not an array of ids");
}

static void warnings_are_bounded(void **state)
{
	(void)state;
	struct warnings w = {0};
	struct kvik_err err;
	assert_int_equal(warn_add(&w, &err, "a\nb \xFF!"), 0);
	assert_string_equal(warn_at(&w, 0), "a?b ?!");
	assert_int_equal(warn_add(&w, &err, "a\nb \xFF!"), 0);
	assert_int_equal(w.n, 1);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(warn_add(&w, &err, "number %d", i), 0);
	assert_int_equal(w.n, WARNINGS_MAX);
	assert_non_null(strstr(warn_at(&w, WARNINGS_MAX - 1), "more warnings"));
	assert_null(warn_at(&w, WARNINGS_MAX));
	warnings_release(&w);
	assert_int_equal(warn_add(NULL, &err, "nobody listens"), 0);
	for (long at = 1; at < 3; at++) {
		mem_fail_at(at);
		assert_int_equal(warn_add(&w, &err, "x"), KVIK_ERR_NOMEM);
		mem_fail_at(0);
		assert_int_equal(w.n, 0);
		warnings_release(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_read),          cmocka_unit_test(what_is_not_done_is_told),
		cmocka_unit_test(wrong_json_is_refused), cmocka_unit_test(gguf_is_read),
		cmocka_unit_test(warnings_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
