/* test_side_files.c: the small files beside a tokenizer.json: special tokens named only in one of them, added tokens
 * that only one of them has, their flags, contradictions and what is told about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "token/vocab.h"

/* Words a to d, and two added tokens, one of them not special. */
static const char tokenizer[] = "{'added_tokens':[{'id':5,'content':'<s>','special':true,'normalized':false},"
				"{'id':6,'content':'<x>','special':false,'normalized':false}],"
				"'model':{'type':'BPE','vocab':{'a':0,'b':1,'c':2,'d':3,'<e>':4},'merges':[]}%s}";

/* JSON written with ' for "; NULL stays. */
static struct vocab_str quoted(const char *s)
{
	struct vocab_str out = {NULL, 0};
	if (!s)
		return out;
	char *t = mem_strndup(s, strlen(s));
	for (char *p = t; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return (struct vocab_str){t, strlen(t)};
}

struct given {
	const char *config, *special_map, *added, *more; /* more: fields of tokenizer.json */
};

static int load(struct vocab **v, const struct given *g, struct warnings *w, struct kvik_err *err)
{
	char json[1024];
	snprintf(json, sizeof json, tokenizer, g->more ? g->more : "");
	struct vocab_files f = {.name = "folder", .warnings = w};
	struct vocab_str *to[] = {&f.tokenizer_json, &f.tokenizer_config, &f.special_tokens_map, &f.added_tokens};
	const char *from[] = {json, g->config, g->special_map, g->added};
	for (int i = 0; i < 4; i++)
		*to[i] = quoted(from[i]);
	int rc = vocab_from_files(v, &f, err);
	for (int i = 0; i < 4; i++)
		mem_free((void *)(uintptr_t)to[i]->text);
	return rc;
}

static struct vocab *must_load(const struct given *g, struct warnings *w)
{
	struct kvik_err err;
	struct vocab *v;
	if (load(&v, g, w, &err))
		fail_msg("%s", err.text);
	return v;
}

static void encodes(const struct vocab *v, const char *text, const char *want)
{
	struct kvik_err err;
	uint32_t *ids;
	size_t n, at = 0;
	char got[128] = "";
	assert_int_equal(vocab_encode(v, text, strlen(text), VOCAB_PARSE_SPECIAL, &ids, &n, &err), 0);
	for (size_t i = 0; i < n && at < sizeof got; i++)
		at += (size_t)snprintf(got + at, sizeof got - at, "%s%u", i ? " " : "", ids[i]);
	mem_free(ids);
	assert_string_equal(got, want);
}

static void names_in_special_tokens_map_alone(void **state)
{
	struct warnings w = {0};
	(void)state;
	struct vocab *v =
		must_load(&(struct given){.config = "{}",
					  .special_map = "{'bos_token':'<s>','eos_token':{'content':'<e>',"
							 "'lstrip':true},'additional_special_tokens':['<x>']}"},
			  &w);
	assert_true(vocab_bos(v) == 5 && vocab_eos(v) == 4 && vocab_is_end(v, 4));
	assert_true(vocab_is_control(v, 4) && vocab_is_control(v, 6)); /* named ones are special */
	encodes(v, "a <e>b<x>", "0 4 1 6");
	assert_int_equal(w.n, 0);
	vocab_free(v);
}

/* Without added_tokens_decoder the older file wins, with it the newer. */
static void which_file_wins(void **state)
{
	(void)state;
	struct vocab *v =
		must_load(&(struct given){.config = "{'eos_token':'<s>'}", .special_map = "{'eos_token':'<e>'}"}, NULL);
	assert_int_equal(vocab_eos(v), 4);
	vocab_free(v);
	v = must_load(&(struct given){.config = "{'eos_token':'<s>','added_tokens_decoder':{}}",
				      .special_map = "{'eos_token':'<e>','pad_token':'<x>'}"},
		      NULL);
	assert_true(vocab_eos(v) == 5 && vocab_pad(v) == 6);
	vocab_free(v);
}

static void added_tokens_of_the_configuration(void **state)
{
	struct warnings w = {0};
	(void)state;
	struct vocab *v = must_load(
		&(struct given){.config = "{'added_tokens_decoder':{"
					  "'7':{'content':'<|turn|>','special':true},"
					  "'8':{'content':'<tool>','special':false,'rstrip':true},"
					  "'6':{'content':'<x>','special':true,'lstrip':true}},'eos_token':'<|turn|>'}",
				.added = "{'<never>':9}"},
		&w);
	assert_true(vocab_eos(v) == 7 && vocab_is_control(v, 7) && !vocab_is_control(v, 8));
	assert_true(vocab_is_control(v, 6)); /* its flags win */
	assert_int_equal(vocab_find(v, "<never>", 7), -1);
	encodes(v, "a<|turn|>b<tool>  c <x>", "0 7 1 8 2 6");
	assert_int_equal(w.n, 0);
	vocab_free(v);
}

static void added_tokens_of_their_own_file(void **state)
{
	(void)state;
	struct vocab *v = must_load(
		&(struct given){.config = "{'eos_token':'<|turn|>'}", .added = "{'<|turn|>':7,'<tool>':8}"}, NULL);
	assert_true(vocab_eos(v) == 7 && vocab_is_control(v, 7) && !vocab_is_control(v, 8));
	encodes(v, "a<|turn|><tool>", "0 7 8");
	vocab_free(v);
}

static void oddities_are_told(void **state)
{
	static const struct {
		struct given given;
		const char *says;
	} cases[] = {
		{{.config = "{'bos_token':'<nobody>'}"},
		 "'bos_token' is '<nobody>', which the vocabulary does not have"},
		{{.config = "{'added_tokens_decoder':{'9':{'content':'<s>'}}}"},
		 "'<s>' is 9 in one file and 5 in another"},
		{{.config = "{'split_special_tokens':true}"}, "'split_special_tokens' is true"},
		{{.more = ",'truncation':{'max_length':8}"}, "'truncation' is set"},
		{{.more = ",'padding':{'strategy':'BatchLongest'}"}, "'padding' is set"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct warnings w = {0};
		vocab_free(must_load(&cases[i].given, &w));
		if (w.n != 1 || !strstr(w.texts[0], cases[i].says))
			fail_msg("case %zu: %zu warnings: %s", i, w.n, w.n ? w.texts[0] : "");
		warnings_release(&w);
	}
}

static void nonsense_is_refused(void **state)
{
	static const struct {
		struct given given;
		const char *says;
	} cases[] = {
		{{.config = "{'added_tokens_decoder':{'x':{'content':'<q>'}}}"}, "an id that is no small number"},
		{{.config = "{'added_tokens_decoder':{'7':{}}}"}, "a token without an id or 'content'"},
		{{.config = "{'added_tokens_decoder':{'99999999':{'content':'<q>'}}}"},
		 "an id that is no small number"},
		{{.added = "{'<q>':-1}"}, "an id that is no small number"},
		{{.added = "[]"}, "added_tokens.json: not a JSON object"},
		{{.special_map = "{"}, "special_tokens_map.json: not a JSON object"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct kvik_err err;
		struct vocab *v;
		assert_int_equal(load(&v, &cases[i].given, NULL, &err), KVIK_ERR_FORMAT);
		if (!strstr(err.text, cases[i].says))
			fail_msg("case %zu: %s", i, err.text);
	}
}

/* vocab.json and merges.txt, of the two classes that have such folders. */
static int load_pairs(struct vocab **v, const char *class, const char *merges, struct kvik_err *err)
{
	char config[128];
	struct vocab_files f = {.name = "folder", .merges = {merges, merges ? strlen(merges) : 0}};
	snprintf(config, sizeof config, "{'tokenizer_class':'%s'}", class);
	f.vocab = quoted("{'a':0,'b':1,'ab':2,'1':3,'11':4,'\xC4\xA0':5,'\xC4\xA0\x61':6,'<|endoftext|>':7}");
	f.tokenizer_config = quoted(config);
	int rc = vocab_from_files(v, &f, err);
	mem_free((void *)(uintptr_t)f.vocab.text);
	mem_free((void *)(uintptr_t)f.tokenizer_config.text);
	return rc;
}

static void pairs_without_tokenizer_json(void **state)
{
	static const char merges[] = "#version: 0.2\na b\r\n1 1\n\xC4\xA0 a\n";
	struct kvik_err err;
	struct vocab *v;
	(void)state;
	assert_int_equal(load_pairs(&v, "GPT2Tokenizer", merges, &err), 0);
	assert_true(vocab_eos(v) == 7 && vocab_is_end(v, 7));
	encodes(v, "ab a 11", "2 6 5 4");
	vocab_free(v);
	assert_int_equal(load_pairs(&v, "Qwen2TokenizerFast", merges, &err), 0);
	encodes(v, "ab a11", "2 6 3 3"); /* every digit alone */
	vocab_free(v);
	assert_int_equal(load_pairs(&v, "CLIPTokenizer", merges, &err), KVIK_ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "CLIPTokenizer"));
	assert_int_equal(load_pairs(&v, "GPT2Tokenizer", NULL, &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "merges.txt"));
	assert_int_equal(load_pairs(&v, "GPT2Tokenizer", "ab\n", &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "no pair of tokens"));
}

static void memory_may_fail(void **state)
{
	const struct given g = {.config = "{'added_tokens_decoder':{'7':{'content':'<t>','special':true}}}",
				.special_map = "{'bos_token':'<s>','pad_token':'<nobody>'}"};
	struct kvik_err err;
	struct vocab *v = NULL;
	struct warnings w = {0};
	int rc = KVIK_ERR_NOMEM;
	(void)state;
	for (long at = 5; rc && at < 1000; at++) { /* the first four are the test's own */
		mem_fail_at(at);
		rc = load(&v, &g, &w, &err);
		mem_fail_at(0);
		warnings_release(&w);
		assert_true(rc == 0 || (rc == KVIK_ERR_NOMEM && !v));
	}
	assert_int_equal(rc, 0);
	vocab_free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_special_tokens_map_alone),
		cmocka_unit_test(which_file_wins),
		cmocka_unit_test(added_tokens_of_the_configuration),
		cmocka_unit_test(added_tokens_of_their_own_file),
		cmocka_unit_test(oddities_are_told),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(pairs_without_tokenizer_json),
		cmocka_unit_test(memory_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
