/* test_vocab_load.c: vocabularies from files. The golden ids beside ../shared/vocab are those of the models' own
 * tokenizers, in the format of llama.cpp's test: texts parted by a marker line, one line of ids for each. */
#include "../format/make.h"

#include "base/file.h"
#include "base/mem.h"
#include "engine/vocab_load.h"

#define SHARED "../shared/vocab/ggml-vocab-"
static const char marker[] = "\n__ggml_vocab_test__\n";

static void path_of(char *to, size_t size, const char *name, const char *ending)
{
	snprintf(to, size, SHARED "%s.gguf%s", name, ending);
}

/* Compares one text with one line of ids; returns what comes after the line. */
static const char *check_text(const struct vocab *v, const char *text, size_t bytes, const char *line)
{
	struct kvik_err err;
	uint32_t *ids;
	size_t n;
	assert_int_equal(vocab_encode(v, text, bytes, 0, &ids, &n, &err), 0);
	assert_true(vocab_tokens_min(v, text, bytes) <= n);
	for (size_t i = 0; i < n; i++) {
		char *end;
		unsigned long want = strtoul(line, &end, 10);
		if (end == line || want != ids[i])
			fail_msg("text '%.*s': id %zu is %u, not %lu", (int)bytes, text, i, ids[i], want);
		line = end;
	}
	mem_free(ids);
	while (*line == ' ')
		line++;
	if (*line != '\n' && *line != '\0')
		fail_msg("text '%.*s': ids are missing after %zu: %.20s", (int)bytes, text, n, line);
	return *line ? line + 1 : line;
}

static char *read_text(const char *path)
{
	struct kvik_err err;
	struct file_map m;
	if (file_map(&m, path, &err))
		return NULL;
	char *text = mem_strndup((const char *)m.data, m.size);
	file_unmap(&m);
	return text;
}

static void check_golden(const char *name)
{
	char path[256];
	struct kvik_err err;
	struct vocab *v;
	path_of(path, sizeof path, name, ".inp");
	char *texts = read_text(path);
	path_of(path, sizeof path, name, ".out");
	char *ids = read_text(path);
	path_of(path, sizeof path, name, "");
	if (!texts || !ids || access(path, R_OK) != 0) {
		print_message("skipped: %s or its .inp/.out are absent\n", path);
		mem_free(texts);
		mem_free(ids);
		skip();
	}
	if (vocab_open(&v, path, NULL, &err))
		fail_msg("%s", err.text);
	const char *line = ids, *text = texts, *end;
	size_t n = 0;
	for (; (end = strstr(text, marker)) != NULL; text = end + strlen(marker), n++)
		line = check_text(v, text, (size_t)(end - text), line);
	assert_true(n > 40);
	assert_int_equal(*line, '\0');
	vocab_free(v);
	mem_free(texts);
	mem_free(ids);
}

static void deepseek_llm(void **state)
{
	(void)state;
	check_golden("deepseek-llm");
}

static void gpt_2(void **state)
{
	(void)state;
	check_golden("gpt-2");
}

static void llama_spm(void **state)
{
	(void)state;
	check_golden("llama-spm");
}

static void phi_3(void **state)
{
	(void)state;
	check_golden("phi-3");
}

static void llama_bpe(void **state)
{
	(void)state;
	check_golden("llama-bpe");
}

static void qwen2(void **state)
{
	(void)state;
	check_golden("qwen2");
}

/* A Hugging Face folder, its tokenizer.json alone, and what its tokenizer_config.json says. */
static void folder(void **state)
{
	static const uint32_t want[] = {1, 80, 51, 67, 81, 4};
	static const char *const paths[] = {"../shared/models/tinystories-656k",
					    "../shared/models/tinystories-656k/tokenizer.json"};
	(void)state;
	if (access(paths[1], R_OK) != 0) {
		print_message("skipped: %s is absent\n", paths[1]);
		skip();
	}
	for (size_t i = 0; i < 2; i++) {
		struct kvik_err err;
		struct vocab *v;
		uint32_t *ids;
		size_t n;
		if (vocab_open(&v, paths[i], NULL, &err))
			fail_msg("%s", err.text);
		assert_int_equal(vocab_bos(v), 1);
		assert_int_equal(vocab_eos(v), 2);
		assert_true(vocab_is_end(v, 2));
		assert_int_equal(vocab_encode(v, "Zoe !", 5, VOCAB_ADD_SPECIAL, &ids, &n, &err), 0);
		assert_int_equal(n, sizeof want / sizeof *want);
		assert_memory_equal(ids, want, sizeof want);
		mem_free(ids);
		vocab_free(v);
	}
}

/* A GGUF file with a vocabulary of three tokens and what `more` (n keys) adds to it. */
static int open_gguf(const struct buf *more, uint64_t n, bool merges, struct vocab **v, struct warnings *w,
		     struct kvik_err *err)
{
	static const char *const texts[] = {"a", "b", "ab"};
	struct folder f = folder_new();
	struct buf b;
	char path[256];
	put_head(&b, 3, 0, 3 + merges + n);
	put_key_str(&b, "tokenizer.ggml.model", "gpt2");
	put_key_str(&b, "tokenizer.ggml.pre", "qwen2");
	put_key_array(&b, "tokenizer.ggml.tokens", 8, 3);
	for (int i = 0; i < 3; i++)
		put_str(&b, texts[i]);
	if (merges) {
		put_key_array(&b, "tokenizer.ggml.merges", 8, 1);
		put_str(&b, "a b");
	}
	put(&b, more->data, more->n);
	folder_write(&f, "m.gguf", b.data, b.n);
	folder_path(&f, "m.gguf", path);
	int rc = vocab_open(v, path, w, err);
	folder_free(&f, (const char *const[]){"m.gguf", NULL});
	return rc;
}

static void gguf_keys(void **state)
{
	struct kvik_err err;
	struct warnings w = {0};
	struct vocab *v;
	struct buf more = {0};
	(void)state;
	put_key_u32(&more, "tokenizer.ggml.prefix_token_id", 2);
	put_key_u32(&more, "tokenizer.ggml.fim_pre_token_id", 0);
	put_key_u32(&more, "tokenizer.ggml.suffix_token_id", 1);
	put_key_u32(&more, "tokenizer.ggml.eot_token_id", 3);
	put_key_u32(&more, "tokenizer.ggml.padding_token_id", UINT32_MAX); /* how some write that there is none */
	assert_int_equal(open_gguf(&more, 5, true, &v, &w, &err), 0);
	assert_int_equal(vocab_fim(v, VOCAB_FIM_PREFIX), 0);
	assert_int_equal(vocab_fim(v, VOCAB_FIM_SUFFIX), 1);
	assert_int_equal(vocab_fim(v, VOCAB_FIM_MIDDLE), -1);
	assert_int_equal(vocab_eot(v), -1);
	assert_int_equal(w.n, 1);
	assert_non_null(strstr(w.texts[0], "'tokenizer.ggml.eot_token_id' is 3, outside the vocabulary of 3"));
	vocab_free(v);
	warnings_release(&w);
}

/* Case and accents of a WordPiece vocabulary are kept where the file says so. */
static void bert_keeps_case(void **state)
{
	static const char *const texts[] = {"[UNK]", "\xE2\x96\x81\x61", "\xE2\x96\x81\x41"};
	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		struct folder f = folder_new();
		struct kvik_err err;
		struct vocab *v;
		struct buf b;
		char path[256];
		uint32_t *ids;
		size_t n;
		put_head(&b, 3, 0, 3 + (keep ? 1u : 0u));
		put_key_str(&b, "tokenizer.ggml.model", "bert");
		put_key_u32(&b, "tokenizer.ggml.unknown_token_id", 0);
		put_key_array(&b, "tokenizer.ggml.tokens", 8, 3);
		for (int i = 0; i < 3; i++)
			put_str(&b, texts[i]);
		if (keep) {
			put_str(&b, "tokenizer.ggml.normalizer.lowercase");
			put_u32(&b, 7);
			put(&b, &(uint8_t){0}, 1);
		}
		folder_write(&f, "m.gguf", b.data, b.n);
		folder_path(&f, "m.gguf", path);
		if (vocab_open(&v, path, NULL, &err))
			fail_msg("%s", err.text);
		assert_int_equal(vocab_encode(v, "A", 1, 0, &ids, &n, &err), 0);
		assert_true(n == 1 && ids[0] == (keep ? 2 : 1));
		mem_free(ids);
		vocab_free(v);
		folder_free(&f, (const char *const[]){"m.gguf", NULL});
	}
}

/* Without its merges every text would become single characters. */
static void gguf_without_merges(void **state)
{
	struct kvik_err err;
	struct vocab *v;
	(void)state;
	assert_int_equal(open_gguf(&(struct buf){0}, 0, false, &v, NULL, &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "GGUF key 'tokenizer.ggml.merges' is missing"));
	assert_null(v);
}

/* Tokenizers of other kinds are named, so that nobody wonders why there is no text. */
static void foreign_tokenizers_are_named(void **state)
{
	struct folder f = folder_new();
	struct kvik_err err;
	struct vocab *v;
	(void)state;
	folder_write(&f, "tekken.json", "{}", 2);
	assert_int_equal(vocab_open(&v, f.path, NULL, &err), KVIK_ERR_UNSUPPORTED);
	assert_non_null(strstr(err.text, "its tokenizer is tekken.json"));
	folder_free(&f, (const char *const[]){"tekken.json", NULL});
}

/* What is no vocabulary is refused with the path in the text. */
static void refused(void **state)
{
	static const char *const paths[] = {"tests/engine", "tests/engine/test_vocab_load.c", "tests/engine/none.gguf"};
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		struct kvik_err err;
		struct vocab *v;
		assert_int_not_equal(vocab_open(&v, paths[i], NULL, &err), 0);
		assert_null(v);
		assert_non_null(strstr(err.text, paths[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deepseek_llm),
		cmocka_unit_test(gpt_2),
		cmocka_unit_test(llama_spm),
		cmocka_unit_test(phi_3),
		cmocka_unit_test(llama_bpe),
		cmocka_unit_test(qwen2),
		cmocka_unit_test(folder),
		cmocka_unit_test(refused),
		cmocka_unit_test(gguf_keys),
		cmocka_unit_test(bert_keeps_case),
		cmocka_unit_test(gguf_without_merges),
		cmocka_unit_test(foreign_tokenizers_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
