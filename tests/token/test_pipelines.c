/* test_pipelines.c: tokenizer.json files of every kind of pipeline against the ids and texts that the Hugging Face
 * tokenizers library gave (make_pipelines.py); streaming against whole decoding; files cut short; failing memory. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "token/detok.h"
#include "base/utf8.h"
#include "token/vocab.h"

#define FOLDER "tests/token/pipelines"

static int from_json(struct vocab **v, const char *json, size_t bytes, const char *name, struct kvik_err *err)
{
	return vocab_from_files(v, &(struct vocab_files){.name = name, .tokenizer_json = {json, bytes}}, err);
}

static struct vocab *load(const json_t *tokenizer, const char *name)
{
	struct kvik_err err;
	struct vocab *v;
	char *text = json_dumps(tokenizer, JSON_COMPACT);
	if (from_json(&v, text, strlen(text), name, &err))
		fail_msg("%s", err.text);
	free(text);
	return v;
}

static void check_ids(const struct vocab *v, const json_t *text, unsigned flags, const json_t *want, const char *name)
{
	struct kvik_err err;
	uint32_t *ids;
	size_t n;
	if (vocab_encode(v, json_string_value(text), json_string_length(text), flags, &ids, &n, &err))
		fail_msg("%s: %s", name, err.text);
	assert_true(vocab_tokens_min(v, json_string_value(text), json_string_length(text)) <= n);
	for (size_t i = 0; i < n || i < json_array_size(want); i++)
		if (i >= n || i >= json_array_size(want) || json_integer_value(json_array_get(want, i)) != ids[i])
			fail_msg("%s: '%s': id %zu of %zu is %d, of %zu should be %d", name, json_string_value(text), i,
				 n, i < n ? (int)ids[i] : -1, json_array_size(want),
				 (int)json_integer_value(json_array_get(want, i)));
	mem_free(ids);
}

struct collected {
	char text[8192];
	size_t n;
};

/* Each piece must be whole characters. */
static void collect(void *user, const char *text, size_t bytes)
{
	struct collected *c = user;
	assert_true(bytes > 0 && c->n + bytes <= sizeof c->text);
	for (size_t i = 0, n; i < bytes; i += n) {
		n = utf8_length((const uint8_t *)text + i, bytes - i);
		assert_true(n > 0);
	}
	memcpy(c->text + c->n, text, bytes);
	c->n += bytes;
}

static void check_text(const struct vocab *v, const json_t *list, unsigned flags, const json_t *want, const char *name)
{
	struct kvik_err err;
	struct collected c = {.n = 0};
	struct detok d;
	uint32_t ids[512];
	size_t n = json_array_size(list), bytes;
	char *text;
	assert_true(n <= sizeof ids / sizeof *ids);
	detok_init(&d, v, flags);
	for (size_t i = 0; i < n; i++) {
		ids[i] = (uint32_t)json_integer_value(json_array_get(list, i));
		assert_int_equal(detok_feed(&d, ids[i], collect, &c, &err), 0);
	}
	detok_flush(&d, collect, &c);
	assert_int_equal(vocab_decode(v, ids, n, flags, &text, &bytes, &err), 0);
	assert_int_equal(bytes, c.n);
	assert_memory_equal(text, c.text, bytes);
	if (bytes != json_string_length(want) || memcmp(text, json_string_value(want), bytes) != 0)
		fail_msg("%s: decoded '%s', not '%s'", name, text, json_string_value(want));
	mem_free(text);
}

typedef void file_fn(const json_t *file, const char *name);

/* Calls fn for each file of the folder whose name begins so. */
static void each_file(const char *begins, file_fn *fn)
{
	size_t n = 0;
	DIR *dir = opendir(FOLDER);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		char path[512];
		json_error_t why;
		if (e->d_name[0] == '.' || strncmp(e->d_name, begins, strlen(begins)) != 0)
			continue;
		snprintf(path, sizeof path, FOLDER "/%s", e->d_name);
		json_t *file = json_load_file(path, JSON_ALLOW_NUL, &why);
		if (!file)
			fail_msg("%s: %s", path, why.text);
		fn(file, e->d_name);
		json_decref(file);
		n++;
	}
	closedir(dir);
	assert_true(n > 0);
}

static void compare(const json_t *file, const char *name)
{
	struct vocab *v = load(json_object_get(file, "tokenizer"), name);
	size_t i;
	json_t *c;
	json_array_foreach(json_object_get(file, "cases"), i, c)
	{
		check_ids(v, json_array_get(c, 0), VOCAB_PARSE_SPECIAL, json_array_get(c, 1), name);
		check_ids(v, json_array_get(c, 0), VOCAB_PARSE_SPECIAL | VOCAB_ADD_SPECIAL, json_array_get(c, 2), name);
	}
	json_array_foreach(json_object_get(file, "decodes"), i, c)
	{
		check_text(v, json_array_get(c, 0), 0, json_array_get(c, 1), name);
		check_text(v, json_array_get(c, 0), DETOK_KEEP_SPECIAL, json_array_get(c, 2), name);
	}
	vocab_free(v);
}

static void golden(void **state)
{
	(void)state;
	each_file("", compare);
}

/* Any bytes are taken: what is not UTF-8 goes through as U+FFFD, and everything comes back as characters. */
static void take_any_bytes(const json_t *file, const char *name)
{
	static const char text[] = "a\xff\xc3 \xe4\xbd b\0c\xf0\x9f\x91\xed\xa0\x80 \xc0\xaf";
	struct kvik_err err;
	struct vocab *v = load(json_object_get(file, "tokenizer"), name);
	for (size_t from = 0; from < sizeof text; from++) {
		uint32_t *ids;
		size_t n, bytes;
		char *back;
		assert_int_equal(vocab_encode(v, text + from, sizeof text - from, 3, &ids, &n, &err), 0);
		assert_int_equal(vocab_decode(v, ids, n, 0, &back, &bytes, &err), 0);
		for (size_t i = 0, length; i < bytes; i += length) {
			length = utf8_length((const uint8_t *)back + i, bytes - i);
			assert_true(length > 0);
		}
		mem_free(back);
		mem_free(ids);
	}
	vocab_free(v);
}

static void any_bytes(void **state)
{
	(void)state;
	each_file("", take_any_bytes);
}

/* No beginning of the file is taken for a whole one, and none does harm. */
static void cut_short(const json_t *file, const char *name)
{
	struct kvik_err err;
	struct vocab *v;
	char *text = json_dumps(json_object_get(file, "tokenizer"), JSON_COMPACT);
	size_t bytes = strlen(text);
	for (size_t n = 0; n < bytes; n++) {
		char *copy = mem_strndup(text, n); /* so that a sanitizer sees reading beyond */
		assert_int_equal(from_json(&v, copy, n, name, &err), KVIK_ERR_FORMAT);
		assert_null(v);
		mem_free(copy);
	}
	free(text);
}

static void cut(void **state)
{
	(void)state;
	each_file("added", cut_short);
}

/* Each allocation fails in turn: an error or the right result, and nothing is lost. */
static void fail_memory(const json_t *file, const char *name)
{
	struct kvik_err err;
	char *text = json_dumps(json_object_get(file, "tokenizer"), JSON_COMPACT);
	const char *input = json_string_value(json_array_get(json_array_get(json_object_get(file, "cases"), 3), 0));
	int rc = KVIK_ERR_NOMEM;
	for (long at = 1; rc == KVIK_ERR_NOMEM; at++) {
		struct vocab *v = NULL;
		uint32_t *ids = NULL;
		size_t n = 0, bytes;
		char *back = NULL;
		mem_fail_at(at);
		rc = from_json(&v, text, strlen(text), name, &err);
		if (!rc)
			rc = vocab_encode(v, input, strlen(input), 3, &ids, &n, &err);
		if (!rc)
			rc = vocab_decode(v, ids, n, 0, &back, &bytes, &err);
		mem_fail_at(0);
		mem_free(back);
		mem_free(ids);
		vocab_free(v);
	}
	assert_int_equal(rc, 0);
	free(text);
}

static void torture(void **state)
{
	(void)state;
	each_file("added", fail_memory);
	each_file("t5", fail_memory);
	each_file("bert_cased", fail_memory);
	each_file("llama3", fail_memory);
}

/* What cannot be honoured is refused by name. */
static void refused(void **state)
{
	static const struct {
		const char *json, *names;
	} bad[] = {
		{"[]", "not a JSON object"},
		{"{}", "model"},
		{"{\"model\":{\"vocab\":{\"a\":0}}}", ""},
		{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", "merges"},
		{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "vocab"},
		{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999},\"merges\":[]}}", "vocab"},
		{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[1]}}", "merges"},
		{"{\"model\":{\"type\":\"BPE\",\"dropout\":0.1,\"vocab\":{\"a\":0},\"merges\":[]}}", "dropout"},
		{"{\"model\":{\"type\":\"Magic\",\"vocab\":{\"a\":0}}}", "Magic"},
		{"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"normalizer\":{\"type\":\"Odd\"}}", "Odd"},
		{"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"pre_tokenizer\":{\"type\":\"Odd\"}}",
		 "Odd"},
		{"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"decoder\":{\"type\":\"CTC\"}}", "CTC"},
		{"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"post_processor\":{\"type\":\"Odd\"}}",
		 "Odd"},
		{"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"pre_tokenizer\":{\"type\":\"Split\","
		 "\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"(\"}}}",
		 "regular expression"},
		{"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"pre_tokenizer\":{\"type\":\"Split\","
		 "\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"[\\\\W]\"}}}",
		 "class"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct kvik_err err = {0};
		struct vocab *v;
		int rc = from_json(&v, bad[i].json, strlen(bad[i].json), "file.json", &err);
		if (!*bad[i].names) { /* an old file that does not say its model's type */
			assert_int_equal(rc, 0);
			vocab_free(v);
			continue;
		}
		assert_true(rc == KVIK_ERR_FORMAT || rc == KVIK_ERR_UNSUPPORTED);
		assert_null(v);
		if (!strstr(err.text, bad[i].names) || !strstr(err.text, "file.json"))
			fail_msg("'%s' does not name '%s'", err.text, bad[i].names);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden),  cmocka_unit_test(any_bytes), cmocka_unit_test(cut),
		cmocka_unit_test(torture), cmocka_unit_test(refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
