/* test_vocab.c: vocabularies from descriptions, as GGUF files give them: each kind by hand, what the look-ups say, ends
 * of generation, special tokens, descriptions that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "token/detok.h"
#include "token/vocab.h"

#define MARK "\xE2\x96\x81" /* U+2581 */

struct made {
	struct vocab_desc d;
	struct vocab_str tokens[32];
	int32_t types[32];
	float scores[32];
};

/* texts: "T:text" with the GGUF type number T, each token's score one below the one before. */
static struct vocab *make(struct made *m, enum vocab_kind kind, const char *pre, const char *const *texts)
{
	struct kvik_err err;
	struct vocab *v;
	size_t n = 0;
	vocab_desc_default(&m->d, kind, pre);
	for (; texts[n]; n++) {
		m->types[n] = texts[n][0] - '0';
		m->tokens[n] = (struct vocab_str){texts[n] + 2, strlen(texts[n] + 2)};
		m->scores[n] = -(float)n;
	}
	m->d.n_tokens = n;
	m->d.tokens = m->tokens;
	m->d.types = m->types;
	m->d.scores = m->scores;
	if (vocab_new(&v, &m->d, &err))
		fail_msg("%s", err.text);
	return v;
}

/* want: ids between blanks. */
static void check(const struct vocab *v, const char *text, unsigned flags, const char *want)
{
	struct kvik_err err;
	uint32_t *ids;
	size_t n;
	assert_int_equal(vocab_encode(v, text, strlen(text), flags, &ids, &n, &err), 0);
	for (size_t i = 0; i < n; i++) {
		char *end;
		unsigned long id = strtoul(want, &end, 10);
		if (end == want || id != ids[i])
			fail_msg("'%s': id %zu is %u, not %s", text, i, ids[i], want);
		want = end;
	}
	if (*want)
		fail_msg("'%s': missing%s", text, want);
	mem_free(ids);
}

static void check_text(const struct vocab *v, const uint32_t *ids, size_t n, unsigned flags, const char *want)
{
	struct kvik_err err;
	char *text;
	size_t bytes;
	assert_int_equal(vocab_decode(v, ids, n, flags, &text, &bytes, &err), 0);
	assert_string_equal(text, want);
	assert_int_equal(bytes, strlen(want));
	mem_free(text);
}

/* A vocabulary without byte tokens: what it does not know is unk. */
static void spm_without_bytes(void **state)
{
	static const char *const texts[] = {"2:<unk>", "3:<s>", "3:</s>", "1:" MARK "a", "1:ab",
					    "1:" MARK, "1:a",   "1:b",    "4:<x>",       NULL};
	static const uint32_t ids[] = {1, 3, 7, 0, 5, 6};
	struct made m;
	struct vocab *v = make(&m, VOCAB_SPM, NULL, texts);
	(void)state;
	check(v, "ab a", 0, "3 7 3");
	check(v,
	      "\xC3\xA9\xFF"
	      "a\n",
	      0, "5 0 0 6 0");
	check(v, "", VOCAB_ADD_SPECIAL, "1");
	check(v, "a<x>b</s>", 0, "3 8 5 7 0 0 0 0");
	check(v, "a<x>b</s>", VOCAB_PARSE_SPECIAL, "3 8 5 7 2");
	check_text(v, ids, 6, 0, "ab a");
	check_text(v, ids, 6, DETOK_KEEP_SPECIAL, "<s> ab<unk> a");
	check_text(v, ids + 1, 2, DETOK_CONTINUE, " ab");
	assert_int_equal(vocab_find(v, "ab", 2), 4);
	assert_int_equal(vocab_find(v, "abc", 3), -1);
	assert_true(vocab_is_end(v, 2) && !vocab_is_end(v, 3) && !vocab_is_end(v, 1000));
	assert_true(vocab_is_control(v, 1) && !vocab_is_control(v, 8) && !vocab_is_control(v, 1000));
	assert_null(vocab_text(v, 9).text);
	vocab_free(v);
}

/* Bytes of a character come one by one; those that can become none are replaced. */
static void spm_bytes(void **state)
{
	static const char *const texts[] = {"2:<unk>",  "3:<s>",    "3:</s>",  "6:<0xE4>",
					    "6:<0xBD>", "6:<0xA0>", "1:" MARK, NULL};
	static const uint32_t whole[] = {6, 3, 4, 5}, broken[] = {3, 4, 6, 5, 3};
	struct made m;
	struct vocab *v = make(&m, VOCAB_SPM, NULL, texts);
	(void)state;
	check(v, "\xE4\xBD\xA0", 0, "6 3 4 5");
	check_text(v, whole, 4, 0, "\xE4\xBD\xA0");
	check_text(v, broken, 5, 0, "\xEF\xBF\xBD \xEF\xBF\xBD\xEF\xBF\xBD");
	vocab_free(v);
}

static void unigram(void **state)
{
	static const char *const texts[] = {"3:<pad>", "3:</s>", "2:<unk>", "1:" MARK "ab",
					    "1:" MARK, "1:a",    "1:b",     NULL};
	struct made m;
	struct vocab *v = make(&m, VOCAB_UNIGRAM, NULL, texts);
	(void)state;
	check(v, "ab b", VOCAB_ADD_SPECIAL, "3 4 6 1");
	check(v, "xyza", 0, "4 2 5");
	vocab_free(v);
}

static void wordpiece(void **state)
{
	static const char *const texts[] = {"3:[PAD]",      "2:[UNK]", "3:[CLS]",     "3:[SEP]",
					    "1:" MARK "un", "1:able",  "1:" MARK ".", NULL};
	struct made m;
	struct vocab *v;
	(void)state;
	vocab_free(make(&m, VOCAB_WPM, NULL, texts));
	m.d.cls = 2;
	m.d.sep = 3;
	m.d.unk = 1;
	struct kvik_err err;
	assert_int_equal(vocab_new(&v, &m.d, &err), 0);
	check(v,
	      "Un\xC3\xA1"
	      "ble. Xx",
	      VOCAB_ADD_SPECIAL, "2 4 5 6 1 3");
	vocab_free(v);
}

/* Data in stretches of a text: control tokens that touch them are text, user-defined ones are tokens everywhere. */
static void data_is_no_control(void **state)
{
	static const char *const spm[] = {"2:<unk>", "3:<s>", "1:<", "1:s", "1:>", "1:s>", "4:<t>", NULL};
	static const struct {
		struct span data[2];
		size_t n;
		const char *want;
	} cases[] = {
		{{{0}}, 0, "1 1 6"},
		{{{0, 9}}, 1, "2 5 2 5 6"},
		{{{0, 3}}, 1, "2 5 1 6"},
		{{{3, 4}}, 1, "1 2 5 6"},
		{{{2, 4}}, 1, "2 5 2 5 6"},
		{{{6, 9}}, 1, "1 1 6"},
		{{{0, 1}, {5, 6}}, 2, "2 5 2 5 6"},
	};
	struct made m;
	struct kvik_err err;
	(void)state;
	struct vocab *v = make(&m, VOCAB_SPM, NULL, spm);
	m.d.add_space_prefix = m.d.add_bos = false;
	vocab_free(v);
	assert_int_equal(vocab_new(&v, &m.d, &err), 0);
	check(v, "<s>", 0, "2 5"); /* merges never come to a control token */
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint32_t *ids;
		size_t n;
		char got[64] = "";
		assert_int_equal(vocab_encode_data(v, "<s><s><t>", 9, VOCAB_PARSE_SPECIAL, cases[i].data, cases[i].n,
						   &ids, &n, &err),
				 0);
		for (size_t k = 0; k < n; k++)
			snprintf(got + strlen(got), sizeof got - strlen(got), "%s%u", k ? " " : "", ids[k]);
		assert_string_equal(got, cases[i].want);
		mem_free(ids);
	}
	vocab_free(v);
}

/* The same through the steps of a tokenizer.json, with tokens that are matched before and after normalising. */
static void data_through_a_pipeline(void **state)
{
	static const char json[] =
		"{\"added_tokens\": [{\"id\": 0, \"content\": \"<s>\", \"special\": true, \"normalized\": false},"
		"{\"id\": 1, \"content\": \"<n>\", \"special\": true, \"normalized\": true}],"
		"\"normalizer\": %s, \"pre_tokenizer\": null, \"model\": {\"type\": \"BPE\", \"vocab\": {\"<\": 2, "
		"\"s\": 3, \"n\": 4, \">\": 5, \"A\": 6, \"a\": 7}, \"merges\": []}}";
	static const struct {
		const char *normalizer, *text;
		struct span data;
		const char *want;
	} cases[] = {
		{"null", "<s><n>a", {0, 0}, "0 1 7"},
		{"null", "<s><n>a", {0, 3}, "2 3 5 1 7"},
		{"null", "<s><n>a", {3, 6}, "0 2 4 5 7"},
		{"null", "<s><n>a", {6, 7}, "0 1 7"},
		{"{\"type\": \"Lowercase\"}", "<s><n>A", {0, 0}, "0 1 7"},
		{"{\"type\": \"Lowercase\"}", "<s><n>a", {6, 7}, "0 1 7"},
		{"{\"type\": \"Lowercase\"}", "<s><n>A", {6, 7}, "0 2 4 5 7"}, /* lost track: all of it is data */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct kvik_err err;
		struct vocab *v;
		uint32_t *ids;
		size_t n;
		char file[1024], got[64] = "";
		snprintf(file, sizeof file, json, cases[i].normalizer);
		if (vocab_from_files(&v, &(struct vocab_files){.name = "test", .tokenizer_json = {file, strlen(file)}},
				     &err))
			fail_msg("%s", err.text);
		assert_int_equal(vocab_encode_data(v, cases[i].text, strlen(cases[i].text), VOCAB_PARSE_SPECIAL,
						   &cases[i].data, cases[i].data.to > 0, &ids, &n, &err),
				 0);
		for (size_t k = 0; k < n; k++)
			snprintf(got + strlen(got), sizeof got - strlen(got), "%s%u", k ? " " : "", ids[k]);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("case %zu: %s, not %s", i, got, cases[i].want);
		mem_free(ids);
		vocab_free(v);
	}
}

static void ends(void **state)
{
	static const char *const chat[] = {"3:<|im_end|>", "3:<|endoftext|>", "1:a", NULL};
	static const char *const harmony[] = {"3:<|end|>", "3:<|return|>", "3:<|call|>", "1:a", NULL};
	struct made m;
	struct vocab *v = make(&m, VOCAB_BPE, "qwen2", chat);
	(void)state;
	assert_true(vocab_is_end(v, 0) && vocab_is_end(v, 1) && !vocab_is_end(v, 2));
	assert_int_equal(vocab_eot(v), 0);
	vocab_free(v);
	v = make(&m, VOCAB_BPE, "gpt-4o", harmony);
	assert_true(!vocab_is_end(v, 0) && vocab_is_end(v, 1) && vocab_is_end(v, 2));
	vocab_free(v);
}

/* By the file's ids, else by the text; old files call such tokens normal. */
static void fill_in_the_middle(void **state)
{
	static const char *const qwen[] = {"3:<|endoftext|>",
					   "4:<|fim_prefix|>",
					   "4:<|fim_suffix|>",
					   "1:<|fim_middle|>",
					   "3:<|fim_pad|>",
					   "3:<|repo_name|>",
					   "3:<|file_sep|>",
					   "1:a",
					   NULL};
	static const char *const deepseek[] = {"3:<\xEF\xBD\x9C\x66im\xE2\x96\x81\x62\x65gin\xEF\xBD\x9C>",
					       "3:<\xEF\xBD\x9C\x66im\xE2\x96\x81hole\xEF\xBD\x9C>",
					       "3:<\xEF\xBD\x9C\x66im\xE2\x96\x81\x65nd\xEF\xBD\x9C>", "1:a", NULL};
	static const char *const none[] = {"1:a", NULL};
	struct made m;
	(void)state;
	struct vocab *v = make(&m, VOCAB_BPE, "qwen2", qwen);
	for (int i = 0; i < VOCAB_FIM_COUNT; i++) {
		assert_int_equal(vocab_fim(v, (enum vocab_fim)i), i + 1);
		assert_true(vocab_is_control(v, (uint32_t)i + 1));
		assert_int_equal(vocab_is_end(v, (uint32_t)i + 1), i >= VOCAB_FIM_PAD);
	}
	check(v, "<|fim_prefix|>a", VOCAB_PARSE_SPECIAL, "1 7");
	vocab_free(v);
	v = make(&m, VOCAB_BPE, "deepseek-coder", deepseek);
	for (int i = 0; i < 3; i++)
		assert_int_equal(vocab_fim(v, (enum vocab_fim)i), i);
	assert_int_equal(vocab_fim(v, VOCAB_FIM_PAD), -1);
	vocab_free(v);
	v = make(&m, VOCAB_BPE, "qwen2", none);
	assert_int_equal(vocab_fim(v, VOCAB_FIM_PREFIX), -1);
	vocab_free(v);
	m.d.fim[VOCAB_FIM_PREFIX] = 0;
	m.d.fim[VOCAB_FIM_SUFFIX] = 77;
	struct kvik_err err;
	assert_int_equal(vocab_new(&v, &m.d, &err), 0);
	assert_int_equal(vocab_fim(v, VOCAB_FIM_PREFIX), 0);
	assert_int_equal(vocab_fim(v, VOCAB_FIM_SUFFIX), -1);
	vocab_free(v);
}

/* What is to go around every text but is not there. */
static void missing_ends_are_told(void **state)
{
	static const char *const none[] = {"1:a", NULL};
	struct warnings w = {0};
	struct made m;
	struct kvik_err err;
	struct vocab *v = make(&m, VOCAB_BPE, "qwen2", none);
	(void)state;
	vocab_free(v);
	m.d.add_bos = true;
	m.d.warnings = &w;
	assert_int_equal(vocab_new(&v, &m.d, &err), 0);
	assert_non_null(strstr(warn_at(&w, 0), "wants a begin token"));
	vocab_free(v);
	warnings_release(&w);
}

static void refused(void **state)
{
	static const struct vocab_str a = {"a", 1};
	static const uint8_t map[6] = {255, 0, 0, 0, 0, 0};
	struct vocab_desc d;
	struct vocab *v;
	struct kvik_err err;
	uint32_t *ids;
	size_t n;
	(void)state;
	vocab_desc_default(&d, VOCAB_SPM, NULL);
	assert_int_equal(vocab_new(&v, &d, &err), KVIK_ERR_LIMIT);
	vocab_desc_default(&d, VOCAB_BPE, "nobody");
	d.n_tokens = 1;
	d.tokens = &a;
	assert_int_equal(vocab_new(&v, &d, &err), KVIK_ERR_UNSUPPORTED);
	assert_null(v);
	vocab_desc_default(&d, VOCAB_UNIGRAM, NULL);
	d.n_tokens = 1;
	d.tokens = &a;
	d.precompiled_charsmap = map;
	d.charsmap_bytes = sizeof map;
	assert_int_equal(vocab_new(&v, &d, &err), KVIK_ERR_FORMAT);
	assert_int_equal(vocab_kind_from_gguf("rwkv"), -1);
	vocab_desc_default(&d, VOCAB_SPM, NULL);
	d.n_tokens = 1;
	d.tokens = &a;
	assert_int_equal(vocab_new(&v, &d, &err), 0); /* no special ids at all */
	assert_int_equal(vocab_encode(v, "a b", 3, 3, &ids, &n, &err), 0);
	mem_free(ids);
	vocab_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spm_without_bytes),
		cmocka_unit_test(spm_bytes),
		cmocka_unit_test(unigram),
		cmocka_unit_test(wordpiece),
		cmocka_unit_test(ends),
		cmocka_unit_test(refused),
		cmocka_unit_test(data_is_no_control),
		cmocka_unit_test(data_through_a_pipeline),
		cmocka_unit_test(fill_in_the_middle),
		cmocka_unit_test(missing_ends_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
