/* test_masks.c: masks against a naive twin, which takes each token by itself through the machine; and each allocation failing
 * once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "constrain/constrain.h"
#include "support/seed.h"
#include "torture.h"

enum { TOKENS = 1500 };

static uint64_t state;
static const char *under; /* the constraint at hand, for messages */

static uint32_t below(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % n;
}

/* Tokens as a vocabulary has them: bytes, words, pieces of JSON, parts of characters, doubles. */
static uint32_t make_tokens(struct trie_token *tokens, char *text)
{
	static const char *const parts[] = {
		"a",   "ab",  "b",    "foo",  "\"",    "\\",   "\\u", "00e9", "n",        " ",  ":",
		",",   "{",   "}",    "[",    "]",     "1",    "0",   ".5",   "e-7",      "-",  "true",
		"nu",  "ll",  "\xC3", "\xA9", "\xE6",  "\xA5", "日",  "本",   "\xF0\x9F", "\n", "x y",
		"\":", "\",", "\": ", "{\"",  "false", "é",    "ü",   "z",    "~",        "id", "99"};
	uint32_t n = 0;
	for (; n < 256; n++) {
		text[n] = (char)n;
		tokens[n] = (struct trie_token){(const uint8_t *)text + n, 1, n, false};
	}
	for (char *at = text + 256; n < TOKENS; n++) {
		char *from = at;
		for (uint32_t k = 1 + below(4); k > 0; k--)
			at = stpcpy(at, parts[below(sizeof parts / sizeof *parts)]);
		tokens[n] = (struct trie_token){(const uint8_t *)from, (uint32_t)(at - from), n, false};
		at++;
	}
	return n;
}

static void check_mask(struct matcher *m, const struct trie_token *tokens, const uint32_t *mask, uint32_t words)
{
	for (uint32_t i = 0; i < TOKENS; i++) {
		struct matcher probe;
		uint32_t id = tokens[i].id;
		if (tokens[i].n == 0) /* can stand in no text */
			continue;
		matcher_init(&probe, m->c);
		size_t before = matcher_feed(&probe, m->text.data, m->text.n);
		bool fits = before == m->text.n &&
			    matcher_feed(&probe, (const char *)tokens[i].bytes, tokens[i].n) == tokens[i].n;
		bool bit = id / 32 < words && (mask[id / 32] >> id % 32 & 1);
		if (fits != bit)
			print_error("after [%.*s] token [%.*s] is %s by its mask, under %s\n", (int)m->text.n,
				    m->text.data, (int)tokens[i].n, (const char *)tokens[i].bytes,
				    bit ? "allowed" : "forbidden", under);
		assert_int_equal(fits, bit);
		matcher_release(&probe);
	}
}

/* Walks a random text that the masks allow. */
static void walk(struct constrain *c, const struct trie_token *tokens, const struct trie *t, unsigned steps)
{
	struct matcher m;
	uint32_t *mask = calloc(t->words, sizeof *mask);
	matcher_init(&m, c);
	for (unsigned s = 0; s < steps && matcher_mask(&m, mask); s++) {
		if (s % 3 == 0)
			check_mask(&m, tokens, mask, t->words);
		uint32_t i = below(TOKENS);
		while (tokens[i].n == 0 || !(mask[tokens[i].id / 32] >> tokens[i].id % 32 & 1))
			i = (i + 1) % TOKENS;
		assert_int_equal(matcher_feed(&m, (const char *)tokens[i].bytes, tokens[i].n), tokens[i].n);
	}
	matcher_release(&m);
	free(mask);
}

static json_t *case_row(char **line, size_t *cap, FILE *f)
{
	ssize_t n = getline(line, cap, f);
	return n > 0 ? json_loadb(*line, (size_t)n, 0, NULL) : NULL;
}

static void test_twin(void **unused)
{
	struct trie_token *tokens = calloc(TOKENS, sizeof *tokens);
	char *text = calloc(TOKENS, 64), *line = NULL;
	struct trie *t;
	struct kvik_err err;
	size_t cap = 0;
	json_t *row;
	unsigned n = 0, walked = 0;
	(void)unused;
	state = seed_of_run();
	assert_int_equal(trie_new(&t, tokens, make_tokens(tokens, text), TOKENS, &err), 0);
	FILE *f = fopen("tests/constrain/cases.jsonl", "r");
	assert_non_null(f);
	while ((row = case_row(&line, &cap, f))) {
		struct constrain *c;
		char *schema = json_dumps(json_object_get(row, "schema"), JSON_ENCODE_ANY);
		const char *regex = json_string_value(json_object_get(row, "regex"));
		const char *what = regex ? regex : schema;
		if (n++ % 5 == 0 && constrain_new(&c, regex ? CONSTRAIN_REGEX : CONSTRAIN_SCHEMA, what, strlen(what), t,
						  n % 2 == 0, &err) == 0) {
			under = what;
			walk(c, tokens, t, 9);
			constrain_free(c);
			walked++;
		}
		free(schema);
		json_decref(row);
	}
	assert_true(walked > 50);
	fclose(f);
	free(line);
	trie_free(t);
	free(tokens);
	free(text);
}

/* Lengths beyond which a text goes on all the same, since something else holds. */
static void test_limits(void **unused)
{
	static const char *const schemas[] = {
		"{\"anyOf\":[{\"type\":\"string\",\"maxLength\":3},{\"type\":\"string\",\"minLength\":6}]}",
		"{\"oneOf\":[{\"type\":\"string\",\"maxLength\":4},{\"type\":\"string\"}]}",
		"{\"not\":{\"type\":\"string\",\"maxLength\":2}}",
		"{\"propertyNames\":{\"anyOf\":[{\"maxLength\":2},{\"minLength\":4}]}}",
		"{\"type\":\"string\",\"maxLength\":5}",
	};
	struct trie_token *tokens = calloc(TOKENS, sizeof *tokens);
	char *text = calloc(TOKENS, 64);
	struct trie *t;
	struct kvik_err err;
	(void)unused;
	state = seed_of_run();
	assert_int_equal(trie_new(&t, tokens, make_tokens(tokens, text), TOKENS, &err), 0);
	for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) {
		struct constrain *c;
		under = schemas[i];
		assert_int_equal(constrain_new(&c, CONSTRAIN_SCHEMA, schemas[i], strlen(schemas[i]), t, false, &err),
				 0);
		for (int k = 0; k < 4; k++)
			walk(c, tokens, t, 6);
		constrain_free(c);
	}
	trie_free(t);
	free(tokens);
	free(text);
}

/* The same text in a constraint that has to start afresh again and again. */
static void test_rollback(void **unused)
{
	static const char schema[] = "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":3}}",
			  text[] = "[\"a\", \"bc\"]";
	struct constrain *c;
	struct matcher m;
	struct buf forced = {0};
	struct kvik_err err;
	(void)unused;
	assert_int_equal(constrain_new(&c, CONSTRAIN_SCHEMA, schema, sizeof schema - 1, NULL, false, &err), 0);
	matcher_init(&m, c);
	assert_int_equal(matcher_feed(&m, text, sizeof text - 1), sizeof text - 1);
	assert_true(matcher_accepts(&m));
	for (size_t back = 1; back < sizeof text - 1; back++) {
		matcher_rollback(&m, back);
		assert_false(matcher_accepts(&m));
		assert_int_equal(matcher_feed(&m, text + sizeof text - 1 - back, back), back);
		assert_true(matcher_accepts(&m));
	}
	matcher_release(&m);
	constrain_free(c);
	assert_int_equal(constrain_new(&c, CONSTRAIN_CHOICE, "[\"yes, please\", \"no\"]", 21, NULL, false, &err), 0);
	matcher_init(&m, c);
	matcher_forced(&m, &forced, 64);
	assert_int_equal(forced.n, 0);
	assert_int_equal(matcher_feed(&m, "y", 1), 1);
	matcher_forced(&m, &forced, 64);
	assert_int_equal(forced.n, 10);
	assert_memory_equal(forced.data, "es, please", 10);
	buf_release(&forced);
	matcher_release(&m);
	constrain_free(c);
}

static void test_torture(void **unused)
{
	static const char schema[] =
		"{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[1,\"x\",null,{\"k\":[1]}]},\"b\":{\"$ref\":\"#/"
		"$defs/d\"}},"
		"\"patternProperties\":{\"^c\":{\"minimum\":1.5}},\"additionalProperties\":false,\"required\":[\"a\"],"
		"\"$defs\":{\"d\":{\"anyOf\":[{\"pattern\":\"^(?!q)[a-z]+$\"},{\"items\":{\"$ref\":\"#/$defs/d\"}}]}}}",
			  text[] = "{\"b\": [\"ab\", [\"c\"]], \"cc\": 2, \"a\": {\"k\": [1]}}";
	(void)unused;
	torture(CONSTRAIN_SCHEMA, schema, sizeof schema - 1, NULL, text, sizeof text - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_twin),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_rollback),
		cmocka_unit_test(test_torture),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
