/* test_pretok.c: text cut by the pre-tokenizer of every published name, as Oniguruma cuts it (make_pretok.py); patterns
 * whose letters mean other things in PCRE2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "token/pretok.h"
#include "token/regex.h"

struct check {
	const json_t *want;
	const char *name;
	size_t n, bytes;
};

static int on_word(void *ctx, const char *word, size_t bytes)
{
	struct check *c = ctx;
	json_int_t want = json_integer_value(json_array_get(c->want, c->n));
	if (want != (json_int_t)bytes)
		fail_msg("%s: word %zu after %zu bytes is '%.*s', should have %d bytes", c->name, c->n, c->bytes,
			 (int)bytes, word, (int)want);
	c->n++;
	c->bytes += bytes;
	return 0;
}

static void published(void **state)
{
	json_error_t why;
	json_t *file = json_load_file("tests/token/pretok_golden.json", 0, &why), *lists;
	const char *name;
	(void)state;
	assert_non_null(file);
	json_object_foreach(json_object_get(file, "names"), name, lists)
	{
		struct kvik_err err;
		struct pretok *p;
		if (pretok_new(&p, name, &err))
			fail_msg("%s: %s", name, err.text);
		for (size_t i = 0; i < json_array_size(lists); i++) {
			const json_t *text = json_array_get(json_object_get(file, "texts"), i);
			struct check c = {.want = json_array_get(lists, i), .name = name};
			assert_int_equal(
				pretok_split(p, json_string_value(text), json_string_length(text), on_word, &c, &err),
				0);
			assert_int_equal(c.n, json_array_size(c.want));
		}
		pretok_free(p);
	}
	json_decref(file);
}

/* Names that share the patterns of others. */
static const char *const others[] = {
	"llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano smaug-bpe chatglm-bpe",
	"phi-2 mpt olmo jais trillion granite-docling gigachat jina-es jina-de jina-v2-es jina-v2-de a.x-4.0 mellum",
	"exaone4 modern-bert jina-v1-en jina-v2-code roberta-bpe kormo f2llmv2 stablelm2 megrez hunyuan",
	"solar-open grok-2",
	"deepseek-r1-qwen refact smollm codeshell exaone minerva-7b mellum2 llama4 kanana2 talkie minimax-m2",
	"granite-embed-multi-97m cohere2moe poro-chat gpt3-finnish bailingmoe2 llada-moe hunyuan-dense joyai-llm hy_v4",
	"sarvam-moe granite-embed-multi-311m"};

static void all_names(void **state)
{
	struct kvik_err err;
	struct pretok *p;
	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		char *list = mem_strndup(others[i], strlen(others[i]));
		for (char *name = strtok(list, " "); name; name = strtok(NULL, " ")) {
			if (pretok_new(&p, name, &err))
				fail_msg("%s: %s", name, err.text);
			pretok_free(p);
		}
		mem_free(list);
	}
	assert_int_equal(pretok_new(&p, "gpt-2 phi-2", &err), KVIK_ERR_UNSUPPORTED);
	assert_int_equal(pretok_new(&p, "nobody", &err), KVIK_ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "nobody"));
}

struct spans {
	char text[256];
	size_t n;
};

static int on_match(void *ctx, size_t start, size_t end)
{
	struct spans *s = ctx;
	s->n += (size_t)snprintf(s->text + s->n, sizeof s->text - s->n, "%zu-%zu ", start, end);
	return 0;
}

static void dialect(void **state)
{
	static const struct {
		const char *pattern, *text, *spans;
	} cases[] = {
		{"\\s", "a\xe1\xa0\x8e b\xc2\x85", "4-5 6-8 "}, /* U+180E is no white space, U+0085 is */
		{"\\w+", "e\xcc\x81_x", "0-5 "},                /* marks belong to words */
		{"\\h+", "xyz12aF ", "3-7 "},
		{"[a-z&&[^aeiou]]+", "hello", "0-1 2-4 "},
		{"[a[bc]]+", "xabcd", "1-4 "},
		{"\\d{2}+", "12345", "0-4 "},
		{"\\p{Han}+", "a\xe3\x83\xbc\xe4\xb8\x80", "4-7 "}, /* by script, not by script extensions */
		{"\\p{^Letter}", "a1", "1-2 "},
		{"(?m:a.b)", "a\nb", "0-3 "},
		{"^b", "a\nb", "2-3 "},
		{"(?=(\\d{3})+(?!\\d))", "12345", "2-2 "},
		{"\\u0041", "xA", "1-2 "},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct kvik_err err;
		struct regex *r;
		struct regex_work w;
		struct spans s = {.n = 0};
		if (regex_new(&r, cases[i].pattern, strlen(cases[i].pattern), false, &err))
			fail_msg("%s", err.text);
		assert_int_equal(regex_work_init(&w, &err), 0);
		assert_int_equal(regex_each(r, &w, cases[i].text, strlen(cases[i].text), on_match, &s, &err), 0);
		assert_string_equal(s.text, cases[i].spans);
		regex_work_release(&w);
		regex_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(published), cmocka_unit_test(all_names),
					   cmocka_unit_test(dialect)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
