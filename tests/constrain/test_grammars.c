/* test_grammars.c: context-free grammars: texts that Lark has judged (grammars.jsonl, see make_grammars.py), masks against tokens taken
 * one by one, special tokens, structural tags, hostile grammars, and each allocation failing once. */
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
#include "torture.h"

/* A small vocabulary: bytes, some words, and two special tokens. */
enum { WORDS = 256, SPECIAL_THINK = 300, SPECIAL_END = 70000, VOCABULARY = 70001, TOKENS = 270 };

static uint8_t bytes[256];
static struct trie_token tokens[TOKENS];

static struct trie *make_trie(void)
{
	static const char *const words[] = {"ab", "(a",    "))", "a+",   "\"a\"", "<t",
					    "</", "tool>", "é",  "日本", "12",    " "};
	struct trie *t;
	uint32_t n = 0;
	for (; n < 256; n++) {
		bytes[n] = (uint8_t)n;
		tokens[n] = (struct trie_token){bytes + n, 1, n, false};
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++, n++)
		tokens[n] = (struct trie_token){(const uint8_t *)words[i], (uint32_t)strlen(words[i]), n, false};
	tokens[n++] = (struct trie_token){(const uint8_t *)"<|think|>", 9, SPECIAL_THINK, true};
	tokens[n++] = (struct trie_token){(const uint8_t *)"<|end|>", 7, SPECIAL_END, true};
	assert_int_equal(n, TOKENS);
	assert_int_equal(trie_new(&t, tokens, n, VOCABULARY, NULL), 0);
	return t;
}

static struct constrain *compile(enum constrain_kind kind, const char *text, const struct trie *t)
{
	struct constrain *c;
	struct kvik_err err;
	if (constrain_new(&c, kind, text, strlen(text), t, false, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	return c;
}

static bool takes(struct constrain *c, const char *text, size_t n)
{
	struct matcher m;
	matcher_init(&m, c);
	bool ok = matcher_feed(&m, text, n) == n && matcher_accepts(&m);
	matcher_release(&m);
	return ok;
}

/* ---- Texts ------------------------------------------------------------------------------------------------------- */

/* What a mask says of each token, along a text, is what feeding it says. */
static void check_masks(struct constrain *c, const struct trie *t, const char *text, size_t n)
{
	static uint32_t mask[VOCABULARY / 32 + 1];
	struct matcher m;
	matcher_init(&m, c);
	for (size_t at = 0; at < n; at++) {
		matcher_mask(&m, mask);
		for (uint32_t i = 0; i < TOKENS; i++) {
			uint8_t code[TRIE_DEPTH_MAX];
			uint32_t length = trie_bytes(t, tokens[i].id, code);
			struct matcher probe;
			matcher_init(&probe, c);
			bool fits = matcher_feed(&probe, text, at) == at &&
				    matcher_feed(&probe, (const char *)code, length) == length && length > 0;
			assert_int_equal(fits, mask[tokens[i].id / 32] >> tokens[i].id % 32 & 1);
			matcher_release(&probe);
		}
		if (matcher_feed(&m, text + at, 1) != 1)
			break;
	}
	matcher_release(&m);
}

static void judge(const char *grammar, const json_t *tests, const struct trie *t, bool masks)
{
	struct constrain *c = compile(CONSTRAIN_GRAMMAR, grammar, t);
	size_t i;
	json_t *test;
	json_array_foreach((json_t *)tests, i, test)
	{
		const json_t *s = json_array_get(test, 0);
		const char *text = json_string_value(s);
		bool valid = json_is_true(json_array_get(test, 1));
		if (takes(c, text, json_string_length(s)) != valid)
			fail_msg("%s: '%s' is wrongly %s", grammar, text, valid ? "refused" : "taken");
		if (masks && i < 2)
			check_masks(c, t, text, json_string_length(s));
	}
	constrain_free(c);
}

static void refuse(const char *grammar, const char *says)
{
	struct constrain *c;
	struct kvik_err err;
	if (constrain_new(&c, CONSTRAIN_GRAMMAR, grammar, strlen(grammar), NULL, false, &err) == 0)
		fail_msg("taken: %s", grammar);
	if (!strstr(err.text, says))
		fail_msg("%s: the error is '%s' and not '%s'", grammar, err.text, says);
	assert_null(c);
}

static void test_texts(void **state)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	unsigned rows = 0, refused = 0;
	struct trie *t = make_trie();
	FILE *f = fopen("tests/constrain/grammars.jsonl", "r");
	(void)state;
	assert_non_null(f);
	while ((n = getline(&line, &cap, f)) > 0) {
		json_t *row = json_loadb(line, (size_t)n, 0, NULL);
		const char *grammar = json_string_value(json_object_get(row, "grammar")),
			   *lark = json_string_value(json_object_get(row, "lark")),
			   *none = json_string_value(json_object_get(row, "refused"));
		if (none) {
			refuse(none, json_string_value(json_object_get(row, "says")));
			refused++;
		}
		if (grammar)
			judge(grammar, json_object_get(row, "tests"), t, rows++ % 8 == 0);
		if (lark)
			judge(lark, json_object_get(row, "tests"), t, rows % 16 == 0);
		json_decref(row);
	}
	assert_true(rows > 100 && refused > 10);
	free(line);
	fclose(f);
	trie_free(t);
}

/* ---- Special tokens ---------------------------------------------------------------------------------------------- */

#define THINK "\xFF\x00\x01\x2C"
#define END "\xFF\x01\x11\x70"

static void test_tokens(void **state)
{
	static const struct {
		const char *grammar, *text;
		size_t n;
		bool valid;
	} rows[] = {
		{"root ::= <|think|> [a-z]+ <|end|>", THINK "ab" END, 10, true},
		{"root ::= <|think|> [a-z]+ <|end|>", "<|think|>ab<|end|>", 18, false},
		{"root ::= <[300]> !<[70000]>* <[70000]> \"b\"", THINK "aé" THINK "\n" END "b", 17, true},
		{"root ::= <[300]> (!<[70000]>)+ <[70000]> \"b\"", THINK "aé" THINK "\n" END "b", 17, true},
		{"root ::= <[300]> (!<[70000]>)+ <[70000]> \"b\"", THINK END "b", 9, false},
		{"root ::= <[300]> !<[70000]>* <[70000]> \"b\"", THINK "a" END END "b", 14, false},
		{"root ::= !<[97]>*", "bcd" THINK, 7, true},
		{"root ::= !<[97]>*", "bca", 3, false},
		{"root ::= \"b\" <[97]>", "ba", 2, true},
		{"root ::= .*", "ab", 2, true},
		{"root ::= .*", "ab" END, 6, false},
	};
	struct trie *t = make_trie();
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct constrain *c = compile(CONSTRAIN_GRAMMAR, rows[i].grammar, t);
		if (takes(c, rows[i].text, rows[i].n) != rows[i].valid)
			fail_msg("%s: row %zu", rows[i].grammar, i);
		check_masks(c, t, rows[i].text, rows[i].n);
		constrain_free(c);
	}
	trie_free(t);
}

/* ---- Structural tags --------------------------------------------------------------------------------------------- */

#define WEATHER "{\"type\":\"object\",\"properties\":{\"city\":{\"enum\":[\"a\",\"b\"]}},\"required\":[\"city\"]}"
#define TAG(name)                                                                                                     \
	"{\"type\":\"tag\",\"begin\":\"<t=" name ">\",\"content\":{\"type\":\"json_schema\",\"json_schema\":" WEATHER \
	"},\"end\":\"</t>\"}"
#define TRIGGERED(more)                                                                                               \
	"{\"type\":\"structural_tag\",\"format\":{\"type\":\"triggered_tags\",\"triggers\":[\"<t=\"],\"tags\":[" TAG( \
		"f") "," TAG("g") "]" more "}}"
#define FORMAT(f) "{\"type\":\"structural_tag\",\"format\":" f "}"
#define CALL_F "<t=f>{\"city\": \"a\"}</t>"

static void test_tags(void **state)
{
	static const struct {
		const char *tags, *text;
		bool valid;
	} rows[] = {
		{TRIGGERED(""), "", true},
		{TRIGGERED(""), "plain é < text", true},
		{TRIGGERED(""), "so " CALL_F " and " CALL_F "!", true},
		{TRIGGERED(""), "so <t=h>", false},
		{TRIGGERED(""), "so <t=f>{\"city\": \"c\"}</t>", false},
		{TRIGGERED(""), "so <t=f>{\"city\": \"a\"}", false},
		{TRIGGERED(",\"at_least_one\":true"), "so " CALL_F, false},
		{TRIGGERED(",\"at_least_one\":true"), CALL_F " so " CALL_F, true},
		{TRIGGERED(",\"at_least_one\":true"), "", false},
		{TRIGGERED(",\"stop_after_first\":true"), "so " CALL_F, true},
		{TRIGGERED(",\"stop_after_first\":true"), CALL_F ".", false},
		{TRIGGERED(",\"at_least_one\":true,\"stop_after_first\":true"), CALL_F, true},
		{TRIGGERED(",\"excludes\":[\"bad\"]"), "not b a d", true},
		{TRIGGERED(",\"excludes\":[\"bad\"]"), "bad", false},
		{"{\"type\":\"structural_tag\",\"structures\":[{\"begin\":\"<t=f>\",\"schema\":" WEATHER
		 ",\"end\":\"</t>\"}],\"triggers\":[\"<t\"]}",
		 "so " CALL_F " then", true},
		{"{\"type\":\"structural_tag\",\"structures\":[{\"begin\":\"<t=f>\",\"schema\":" WEATHER
		 ",\"end\":\"</t>\"}],\"triggers\":[\"<t\"]}",
		 "so <tt", false},
		{FORMAT("{\"type\":\"sequence\",\"elements\":[{\"type\":\"tag\",\"begin\":\"<think>\",\"content\":{"
			"\"type\":"
			"\"any_text\"},\"end\":[\"</think>\",\"</"
			"thinking>\"]},{\"type\":\"or\",\"elements\":[{\"type\":"
			"\"const_string\",\"value\":\"yes\"},{\"type\":\"regex\",\"pattern\":\"[0-9]{2}\"},{\"type\":"
			"\"grammar\",\"grammar\":\"root ::= \\\"(\\\" root? \\\")\\\"\"}]}]}"),
		 "<think>a </thin b</think>yes", true},
		{FORMAT("{\"type\":\"sequence\",\"elements\":[{\"type\":\"tag\",\"begin\":\"<think>\",\"content\":{"
			"\"type\":"
			"\"any_text\"},\"end\":[\"</think>\",\"</"
			"thinking>\"]},{\"type\":\"or\",\"elements\":[{\"type\":"
			"\"const_string\",\"value\":\"yes\"},{\"type\":\"regex\",\"pattern\":\"[0-9]{2}\"},{\"type\":"
			"\"grammar\",\"grammar\":\"root ::= \\\"(\\\" root? \\\")\\\"\"}]}]}"),
		 "<think></thinking>((()))", true},
		{FORMAT("{\"type\":\"tags_with_separator\",\"separator\":\", \",\"tags\":[" TAG("f") "]}"),
		 CALL_F ", " CALL_F, true},
		{FORMAT("{\"type\":\"tags_with_separator\",\"separator\":\", \",\"tags\":[" TAG("f") "]}"), "", true},
		{FORMAT("{\"type\":\"tags_with_separator\",\"separator\":\", \",\"at_least_one\":true,\"tags\":[" TAG(
			 "f") "]}"),
		 "", false},
		{FORMAT("{\"type\":\"dispatch\",\"rules\":[[\"<f>\",{\"type\":\"regex\",\"pattern\":\"[0-9]+;\"}]]}"),
		 "a <f>12; b <f>3;", true},
		{FORMAT("{\"type\":\"dispatch\",\"rules\":[[\"<f>\",{\"type\":\"regex\",\"pattern\":\"[0-9]+;\"}]]}"),
		 "a <f>x", false},
		{FORMAT("{\"type\":\"any_text\",\"max_chars\":3}"), "éa日", true},
		{FORMAT("{\"type\":\"any_text\",\"max_chars\":3}"), "éa日b", false},
		{FORMAT("{\"type\":\"repeat\",\"min\":1,\"max\":2,\"content\":{\"type\":\"optional\",\"content\":{"
			"\"type\":"
			"\"const_string\",\"value\":\"x\"}}}"),
		 "xx", true},
		{FORMAT("{\"type\":\"plus\",\"content\":{\"type\":\"const_string\",\"value\":\"x\"}}"), "", false},
		/* a value has no white space around it but what the tag says */
		{FORMAT(TAG("f")), "<t=f> {\"city\": \"a\"}</t>", false},
		{FORMAT(TAG("f")), "<t=f>{\"city\" : \"a\" } </t>", false},
		{FORMAT(TAG("f")), "<t=f>{\"city\" : \"a\" }</t>", true},
		{FORMAT("{\"type\":\"tag\",\"begin\":\"\",\"content\":{\"type\":\"json_schema\",\"json_schema\":{"
			"\"type\":"
			"\"integer\"}},\"end\":\" .\"}"),
		 "12 .", true},
		{FORMAT("{\"type\":\"tag\",\"begin\":\"\",\"content\":{\"type\":\"json_schema\",\"json_schema\":{"
			"\"type\":"
			"\"integer\"}},\"end\":\".\"}"),
		 "12 .", false},
	};
	struct trie *t = make_trie();
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct constrain *c = compile(CONSTRAIN_TAGS, rows[i].tags, t);
		if (takes(c, rows[i].text, strlen(rows[i].text)) != rows[i].valid)
			fail_msg("%s: '%s' is wrongly %s", rows[i].tags, rows[i].text,
				 rows[i].valid ? "refused" : "taken");
		if (i % 4 == 2)
			check_masks(c, t, rows[i].text, strlen(rows[i].text));
		constrain_free(c);
	}
	trie_free(t);
}

static void test_tags_refused(void **state)
{
	static const struct {
		const char *tags, *says;
	} rows[] = {
		{"[]", "no JSON object"},
		{"{\"type\":\"structural_tag\"}", "neither 'format' nor 'structures'"},
		{FORMAT("{\"type\":\"wish\"}"), "'wish' is not supported"},
		{FORMAT("{\"type\":\"const_string\"}"), "'value' of type 'const_string' must be a string"},
		{FORMAT("{\"type\":\"json_schema\",\"json_schema\":{\"type\":\"strin\"}}"), "/type"},
		{FORMAT("{\"type\":\"json_schema\",\"style\":\"glm_xml\",\"json_schema\":{}}"), "'style'"},
		{FORMAT("{\"type\":\"regex\",\"pattern\":\"(\"}"), "regular expression"},
		{FORMAT("{\"type\":\"any_text\",\"max_tokens\":5}"), "max_tokens"},
		{FORMAT("{\"type\":\"triggered_tags\",\"triggers\":[\"<x\"],\"tags\":[" TAG("f") "]}"),
		 "begins with none of the triggers"},
		{FORMAT("{\"type\":\"triggered_tags\",\"triggers\":[],\"tags\":[]}"), "triggers"},
		{FORMAT("{\"type\":\"token\",\"token\":\"<|nothing|>\"}"), "no token '<|nothing|>'"},
		{FORMAT("{\"type\":\"repeat\",\"min\":2,\"max\":1,\"content\":{\"type\":\"any_text\"}}"), "min"},
	};
	struct trie *t = make_trie();
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct constrain *c;
		struct kvik_err err;
		if (constrain_new(&c, CONSTRAIN_TAGS, rows[i].tags, strlen(rows[i].tags), t, false, &err) == 0)
			fail_msg("taken: %s", rows[i].tags);
		if (!strstr(err.text, rows[i].says))
			fail_msg("%s: the error is '%s'", rows[i].tags, err.text);
	}
	trie_free(t);
}

static void test_token_tags(void **state)
{
	static const char tags[] = FORMAT("{\"type\":\"token_triggered_tags\",\"trigger_tokens\":[\"<|think|>\"],"
					  "\"tags\":[{\"type\":\"tag\",\"begin\":{"
					  "\"type\":\"token\",\"token\":\"<|think|>\"},\"content\":{\"type\":\"any_"
					  "text\"},\"end\":{\"type\":\"token\","
					  "\"token\":70000}}]}");
	struct trie *t = make_trie();
	struct constrain *c = compile(CONSTRAIN_TAGS, tags, t);
	(void)state;
	assert_true(takes(c, "so " THINK "é" END " on", 3 + 4 + 2 + 4 + 3));
	assert_true(takes(c, "so " END, 7));
	assert_false(takes(c, "so " THINK "a", 8));
	assert_false(takes(c, THINK THINK, 8));
	check_masks(c, t, "s" THINK "a" END, 10);
	constrain_free(c);
	trie_free(t);
}

/* ---- Bounds ------------------------------------------------------------------------------------------------------ */

/* A text under a grammar with too many ways to read it is refused somewhere, in little time and room; repetition on the right and on
 * the left needs neither. */
static void test_bounds(void **state)
{
	static const struct {
		const char *grammar, *part;
		bool endless;
	} rows[] = {
		{"root ::= s\ns ::= s s | \"a\"", "a", false},
		{"root ::= \"a\" root \"a\" | \"a\" root \"b\" | \"\"", "a", false},
		{"root ::= item root | item\nitem ::= [a-z]{1,3} \",\"", "ab,", true},
		{"root ::= root item | item\nitem ::= [a-z]{1,3} \",\"", "ab,", true},
		{"root ::= ((([a-z]*)*)*)*", "az", true},
		{"root ::= (a | b)*\na ::= \"(\" root \")\"\nb ::= \"[\" root \"]\"", "([", true},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct constrain *c = compile(CONSTRAIN_GRAMMAR, rows[i].grammar, NULL);
		struct matcher m;
		size_t n = strlen(rows[i].part), parts = 0;
		matcher_init(&m, c);
		while (parts < 3000 && matcher_feed(&m, rows[i].part, n) == n)
			parts++;
		assert_int_equal(parts == 3000, rows[i].endless);
		assert_true(parts > 100);
		matcher_release(&m);
		constrain_free(c);
	}
}

static void test_torture(void **state)
{
	static const char grammar[] =
		"root ::= list \"é\"\nlist ::= \"[\" (item (\",\" item)*)? \"]\" | list \"+\" list\n"
		"item ::= list | [a-c]{1,2}",
			  text[] = "[a,[bc,[]]]+[c]é";
	(void)state;
	torture(CONSTRAIN_GRAMMAR, grammar, sizeof grammar - 1, NULL, text, sizeof text - 1);
}

static void test_torture_tags(void **state)
{
	static const char text[] = "so " CALL_F " and";
	struct trie *t = make_trie();
	(void)state;
	torture(CONSTRAIN_TAGS, TRIGGERED(""), strlen(TRIGGERED("")), t, text, sizeof text - 1);
	trie_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),        cmocka_unit_test(test_tokens),       cmocka_unit_test(test_tags),
		cmocka_unit_test(test_tags_refused), cmocka_unit_test(test_token_tags),   cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_torture),      cmocka_unit_test(test_torture_tags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
