/* test_sp.c: SentencePiece models of every kind against the ids and texts that the library gave (make_sentencepiece.py);
 * the files beside a model; models cut short and damaged; failing memory. */
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

#include "base/buf.h"
#include "token/vocab.h"

#define FOLDER "tests/token/sentencepiece"

static int digit(char c)
{
	const char *all = "0123456789abcdef", *at = memchr(all, c, 16);
	assert_non_null(at);
	return (int)(at - all);
}

static void unhex(const char *hex, struct buf *out)
{
	out->n = 0;
	for (; *hex; hex += 2)
		assert_true(buf_add(out, &(char){(char)(digit(hex[0]) * 16 + digit(hex[1]))}, 1));
}

static void unbase64(const char *text, struct buf *out)
{
	static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits = 0;
	unsigned held = 0;
	out->n = 0;
	for (; *text && *text != '='; text++) {
		bits = bits << 6 | (uint32_t)(strchr(all, *text) - all);
		held += 6;
		if (held >= 8) {
			held -= 8;
			assert_true(buf_add(out, &(char){(char)(bits >> held)}, 1));
		}
	}
}

static int from_model(struct vocab **v, const struct buf *model, const char *config, struct kvik_err *err)
{
	struct vocab_files f = {.name = "folder", .sentencepiece = {model->data, model->n}};
	if (config)
		f.tokenizer_config = (struct vocab_str){config, strlen(config)};
	return vocab_from_files(v, &f, err);
}

static struct vocab *load(const struct buf *model, const char *config)
{
	struct kvik_err err;
	struct vocab *v;
	if (from_model(&v, model, config, &err))
		fail_msg("%s", err.text);
	return v;
}

typedef void file_fn(const json_t *file, const struct buf *model, const char *name);

static void each_file(file_fn *fn)
{
	size_t n = 0;
	DIR *dir = opendir(FOLDER);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		struct buf model = {0};
		char path[512];
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, FOLDER "/%s", e->d_name);
		json_t *file = json_load_file(path, JSON_ALLOW_NUL, NULL);
		assert_non_null(file);
		unbase64(json_string_value(json_object_get(file, "model")), &model);
		fn(file, &model, e->d_name);
		buf_release(&model);
		json_decref(file);
		n++;
	}
	closedir(dir);
	assert_true(n >= 11);
}

static void check_ids(const struct vocab *v, const char *text, size_t bytes, unsigned flags, const json_t *want,
		      const char *name)
{
	struct kvik_err err;
	uint32_t *ids;
	size_t n;
	assert_int_equal(vocab_encode(v, text, bytes, flags, &ids, &n, &err), 0);
	for (size_t i = 0; i < n || i < json_array_size(want); i++)
		if (i >= n || i >= json_array_size(want) || json_integer_value(json_array_get(want, i)) != ids[i])
			fail_msg("%s: '%.*s': id %zu of %zu is %d, of %zu should be %d", name, (int)bytes, text, i, n,
				 i < n ? (int)ids[i] : -1, json_array_size(want),
				 (int)json_integer_value(json_array_get(want, i)));
	mem_free(ids);
}

static void check_case(const struct vocab *v, const json_t *c, const char *name)
{
	struct buf text = {0};
	unhex(json_string_value(json_array_get(c, 0)), &text);
	check_ids(v, text.data ? text.data : "", text.n, 0, json_array_get(c, 1), name);
	buf_release(&text);
	const json_t *list = json_array_get(c, 1), *want = json_array_get(c, 2);
	if (!json_is_string(want))
		return;
	uint32_t ids[1024];
	size_t n = json_array_size(list), bytes;
	struct kvik_err err;
	char *decoded;
	assert_true(n <= sizeof ids / sizeof *ids);
	for (size_t i = 0; i < n; i++)
		ids[i] = (uint32_t)json_integer_value(json_array_get(list, i));
	assert_int_equal(vocab_decode(v, ids, n, 0, &decoded, &bytes, &err), 0);
	if (bytes != json_string_length(want) || memcmp(decoded, json_string_value(want), bytes) != 0)
		fail_msg("%s: decoded '%s', not '%s'", name, decoded, json_string_value(want));
	mem_free(decoded);
}

static void check_file(const json_t *file, const struct buf *model, const char *name)
{
	struct vocab *v = load(model, NULL);
	size_t i;
	json_t *c;
	json_array_foreach(json_object_get(file, "cases"), i, c)
	{
		check_case(v, c, name);
	}
	assert_true(i >= 80);
	vocab_free(v);
}

static void ids_and_texts_are_the_librarys(void **state)
{
	(void)state;
	each_file(check_file);
}

static void read_model(const char *name, struct buf *model)
{
	char path[256];
	snprintf(path, sizeof path, FOLDER "/%s.json", name);
	json_t *file = json_load_file(path, JSON_ALLOW_NUL, NULL);
	assert_non_null(file);
	unbase64(json_string_value(json_object_get(file, "model")), model);
	json_decref(file);
}

static void expect(const struct vocab *v, const char *text, unsigned flags, const char *want)
{
	json_error_t e;
	json_t *ids = json_loads(want, 0, &e);
	check_ids(v, text, strlen(text), flags, ids, text);
	json_decref(ids);
}

/* What stands around a text, blanks after special tokens, tokens that only the configuration has. */
static void the_files_beside_a_model(void **state)
{
	struct buf model = {0};
	(void)state;
	read_model("llama", &model);
	struct vocab *v = load(&model, NULL);
	assert_int_equal(vocab_bos(v), 1);
	assert_int_equal(vocab_eos(v), 2);
	assert_true(vocab_is_end(v, 2) && vocab_adds_bos(v) && !vocab_adds_eos(v));
	expect(v, "", VOCAB_ADD_SPECIAL, "[1]");
	int64_t blank_a = vocab_find(v, "\xE2\x96\x81\x61", 4), a = vocab_find(v, "a", 1);
	char want[64], legacy[64];
	snprintf(want, sizeof want, "[%d,2,%d]", (int)blank_a, (int)a);
	snprintf(legacy, sizeof legacy, "[%d,2,%d]", (int)blank_a, (int)blank_a);
	expect(v, "a</s>a", VOCAB_PARSE_SPECIAL, want);
	vocab_free(v);
	v = load(&model, "{\"legacy\": true, \"add_bos_token\": false, \"add_eos_token\": true}");
	expect(v, "a</s>a", VOCAB_PARSE_SPECIAL, legacy);
	expect(v, "", VOCAB_ADD_SPECIAL, "[2]");
	vocab_free(v);
	v = load(&model, "{\"added_tokens_decoder\": {\"700\": {\"content\": \"<|turn|>\", \"special\": true},"
			 "\"701\": {\"content\": \"<word>\", \"special\": false}}, \"eos_token\": \"<|turn|>\"}");
	assert_true(vocab_eos(v) == 700 && vocab_is_control(v, 700) && !vocab_is_control(v, 701));
	expect(v, "<|turn|><word>", VOCAB_PARSE_SPECIAL, "[700,701]");
	vocab_free(v);
	buf_release(&model);
}

/* Llama 3's folders had this under the same name. */
static void tiktoken_is_named(void **state)
{
	char lines[] = "IQ== 0\nIg== 1\n";
	struct buf file = {.data = lines, .n = sizeof lines - 1};
	struct kvik_err err;
	struct vocab *v;
	(void)state;
	assert_int_equal(from_model(&v, &file, NULL, &err), KVIK_ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "a tiktoken file"));
}

/* No byte of a model may lead outside of it; whatever comes of damage is usable or refused. */
static void damage_is_survived(void **state)
{
	struct buf model = {0};
	struct kvik_err err;
	struct vocab *v;
	uint32_t *ids;
	size_t n;
	(void)state;
	read_model("t5", &model);
	for (size_t cut = 0; cut < model.n; cut += cut < 200 ? 1 : 37) {
		struct buf part = {.n = cut, .data = malloc(cut ? cut : 1)};
		memcpy(part.data, model.data, cut);
		if (from_model(&v, &part, NULL, &err) == 0)
			vocab_free(v);
		else
			assert_true(err.code == KVIK_ERR_FORMAT || err.code == KVIK_ERR_LIMIT);
		free(part.data);
	}
	for (size_t at = 0; at < model.n; at += at < 400 ? 1 : 53) {
		model.data[at] ^= (char)(1 << at % 8);
		if (from_model(&v, &model, NULL, &err) == 0) {
			assert_int_equal(vocab_encode(v, "a b \xEF\xBC\xA1", 7, 0, &ids, &n, &err), 0);
			mem_free(ids);
			vocab_free(v);
		}
		model.data[at] ^= (char)(1 << at % 8);
	}
	buf_release(&model);
}

static void memory_may_fail(void **state)
{
	struct buf model = {0};
	struct kvik_err err;
	struct vocab *v = NULL;
	(void)state;
	read_model("unigram_rules", &model);
	int rc = KVIK_ERR_NOMEM;
	for (long at = 1; rc && at < 100000; at += 1 + at / 20) {
		mem_fail_at(at);
		rc = from_model(&v, &model, "{}", &err);
		mem_fail_at(0);
		assert_true(rc == 0 || (rc == KVIK_ERR_NOMEM && !v));
	}
	assert_int_equal(rc, 0);
	vocab_free(v);
	buf_release(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_and_texts_are_the_librarys),
		cmocka_unit_test(the_files_beside_a_model),
		cmocka_unit_test(tiktoken_is_named),
		cmocka_unit_test(damage_is_survived),
		cmocka_unit_test(memory_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
