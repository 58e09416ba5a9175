/* test_snapshot.c: a session saved and restored is the session: of models with full attention, windows, sinks, latent
 * attention and states, at the end and inside of a block, whole or a prefix; what follows has the bits that it would have had.
 * Whatever is done to the bytes, they are refused, or they are the same.
 *
 * KVIK_STEPS=n: so many damaged snapshots (default 200), evenly spread; 0: every bit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <kvik.h>

#include "support/must.h"

enum { CONTEXT = 512, TEXT = 300, MORE = 40, VOCAB_MAX = 4096 };

static uint32_t n_vocab, text[TEXT + MORE];

static struct kvik_model *load_model(const char *name)
{
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_model *m;
	char path[128];
	p.threads = 1;
	snprintf(path, sizeof path, "tests/model/data/%s.gguf", name);
	MUST(kvik_model_load(&m, path, &p, &err));
	n_vocab = kvik_model_get_info(m).vocab_size;
	assert_true(n_vocab <= VOCAB_MAX);
	for (uint32_t i = 0; i < TEXT + MORE; i++)
		text[i] = (i * 31 + i * i % 17) % (n_vocab - 4) + 3;
	return m;
}

static struct kvik_cache_params params(void)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	p.context = CONTEXT;
	p.sessions = 4;
	p.chunk = 64;
	return p;
}

static struct kvik_cache *open_cache(struct kvik_model *m, const struct kvik_cache_params *p)
{
	struct kvik_cache *c;
	MUST(kvik_cache_new(&c, m, p, &err));
	return c;
}

static struct kvik_session *feed(struct kvik_cache *c, const struct kvik_share *share, uint32_t n)
{
	struct kvik_session *s;
	MUST(kvik_session_new(&s, c, share, &err));
	if (n > 0)
		MUST(kvik_session_feed(s, text, n, NULL, &err));
	return s;
}

/* ---- Bytes ------------------------------------------------------------------------------------------------------- */

struct bytes {
	uint8_t *at; /* owned */
	size_t n, read, cap;
	size_t fails_at; /* 0: never */
};

static bool put(void *user, const void *from, size_t n)
{
	struct bytes *b = user;
	if (b->fails_at && b->n + n > b->fails_at)
		return false;
	while (b->n + n > b->cap) {
		b->cap = b->cap ? 2 * b->cap : 1 << 16;
		b->at = realloc(b->at, b->cap);
		assert_non_null(b->at);
	}
	memcpy(b->at + b->n, from, n);
	b->n += n;
	return true;
}

static bool get(void *user, void *to, size_t n)
{
	struct bytes *b = user;
	if (b->n - b->read < n)
		return false;
	memcpy(to, b->at + b->read, n);
	b->read += n;
	return true;
}

static struct bytes save(const struct kvik_session *s, size_t n)
{
	struct bytes b = {0};
	MUST(kvik_session_save(s, n, put, &b, &err));
	return b;
}

static struct kvik_session *restore(struct kvik_cache *c, const struct kvik_share *share, struct bytes *b)
{
	struct kvik_session *s;
	b->read = 0;
	MUST(kvik_session_restore(&s, c, share, get, b, &err));
	assert_int_equal(b->read, b->n); /* and not a byte more */
	return s;
}

static void cold(struct kvik_model *m, const struct kvik_cache_params *p, uint32_t n, float *logits)
{
	struct kvik_cache *c = open_cache(m, p);
	struct kvik_session *s = feed(c, NULL, n);
	memcpy(logits, kvik_session_logits(s), n_vocab * sizeof *logits);
	kvik_session_free(s);
	kvik_cache_free(c);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------- */

/* A text of `whole` tokens, of which the first n are saved. */
static void check(struct kvik_model *m, const struct kvik_cache_params *p, uint32_t whole, uint32_t n)
{
	static float right[VOCAB_MAX];
	struct kvik_cache *c = open_cache(m, p);
	struct kvik_session *s = feed(c, NULL, whole);
	struct bytes b = save(s, n), again;
	if (whole == n)
		memcpy(right, kvik_session_logits(s), n_vocab * sizeof *right);
	kvik_session_free(s);
	kvik_cache_free(c);
	c = open_cache(m, p);
	s = restore(c, NULL, &b);
	assert_int_equal(kvik_session_tokens(s), n);
	assert_memory_equal(kvik_session_ids(s), text, n * sizeof *text);
	assert_int_equal(kvik_session_logits(s) != NULL, whole == n);
	if (whole == n)
		assert_memory_equal(kvik_session_logits(s), right, n_vocab * sizeof *right);
	again = save(s, n);
	assert_int_equal(again.n, b.n);
	assert_memory_equal(again.at, b.at, b.n);
	free(again.at);
	/* It goes on, and others share it. */
	cold(m, p, TEXT + MORE, right);
	MUST(kvik_session_feed(s, text + n, TEXT + MORE - n, NULL, &err));
	assert_memory_equal(kvik_session_logits(s), right, n_vocab * sizeof *right);
	kvik_session_free(s);
	kvik_cache_drop(c);
	kvik_session_free(restore(c, NULL, &b));
	s = feed(c, NULL, n > 0 ? n : 1);
	uint32_t found = kvik_session_get_prefix(s).found_tokens;
	kvik_session_free(s);
	s = feed(c, NULL, TEXT + MORE);
	assert_memory_equal(kvik_session_logits(s), right, n_vocab * sizeof *right);
	/* Without a state or window there a text that ends where the snapshot does begins anew; one that is longer does not. */
	assert_true(found <= n && kvik_session_get_prefix(s).found_tokens + 64 >= n);
	kvik_session_free(s);
	kvik_cache_free(c);
	free(b.at);
}

static void test_all_kinds(void **state)
{
	static const char *const names[] = {"llama-gqa", "qwen2-windows-v4", "gemma3",     "gptoss",
					    "gemma4-kv", "qwen3_5",          "qwen3_5moe", "deepseek2"};
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct kvik_model *m = load_model(names[i]);
		struct kvik_cache_params p = params();
		print_message("%s\n", names[i]);
		check(m, &p, TEXT, TEXT);
		check(m, &p, TEXT, TEXT - 17);
		kvik_model_free(m);
	}
	struct kvik_model *m = load_model("llama-gqa");
	for (int d = 0; d < KVIK_DTYPE_COUNT; d++) {
		struct kvik_cache_params p = params();
		p.k_dtype = p.v_dtype = (enum kvik_dtype)d;
		check(m, &p, TEXT, TEXT);
		check(m, &p, 17, 5);
		p.window = 50;
		p.sinks = 4;
		check(m, &p, TEXT, TEXT);
		check(m, &p, 3, 3);
	}
	struct kvik_cache_params p = params();
	check(m, &p, 16, 16);
	check(m, &p, 16, 1);
	check(m, &p, 16, 0);
	kvik_model_free(m);
}

/* Who else has written into the last page is not in the bytes. */
static void check_alone(struct kvik_model *m, enum kvik_dtype dtype)
{
	struct kvik_cache_params p = params();
	p.k_dtype = p.v_dtype = dtype;
	struct kvik_cache *c = open_cache(m, &p);
	struct kvik_session *s = feed(c, NULL, 21);
	struct bytes alone = save(s, 20);
	MUST(kvik_session_feed(s, text + 21, 9, NULL, &err));
	struct bytes later = save(s, 20);
	assert_int_equal(alone.n, later.n);
	assert_memory_equal(alone.at, later.at, later.n);
	kvik_session_free(s);
	kvik_cache_free(c);
	free(alone.at);
	free(later.at);
}

static void test_nothing_of_others(void **state)
{
	(void)state;
	struct kvik_model *m = load_model("llama-gqa");
	for (int d = 0; d < KVIK_DTYPE_COUNT; d++)
		check_alone(m, (enum kvik_dtype)d);
	kvik_model_free(m);
	m = load_model("deepseek2");
	check_alone(m, KVIK_F16);
	kvik_model_free(m);
}

static void test_scopes_and_pins(void **state)
{
	const struct kvik_share ann = {.size = sizeof ann, .scope = 77};
	(void)state;
	struct kvik_model *m = load_model("gemma3");
	struct kvik_cache_params p = params();
	struct kvik_cache *c = open_cache(m, &p);
	struct kvik_session *s = feed(c, NULL, 100), *of_pin;
	struct kvik_pin *pin;
	MUST(kvik_session_pin(&pin, s, 90, 0, &err));
	kvik_session_free(s);
	MUST(kvik_pin_session(&of_pin, pin, &err));
	struct bytes b = save(of_pin, 90);
	kvik_session_free(of_pin);
	kvik_pin_free(pin);
	kvik_cache_drop(c);
	s = restore(c, &ann, &b);
	MUST(kvik_session_pin(&pin, s, 90, 0, &err));
	kvik_session_free(s);
	kvik_cache_drop(c); /* but for the pin */
	s = feed(c, NULL, 100);
	assert_int_equal(kvik_session_get_prefix(s).found_tokens, 0);
	kvik_session_free(s);
	s = feed(c, &ann, 100);
	assert_int_equal(kvik_session_get_prefix(s).found_tokens, 90);
	kvik_session_free(s);
	kvik_pin_free(pin);
	kvik_cache_free(c);
	kvik_model_free(m);
	free(b.at);
}

static int refused(struct kvik_cache *c, struct bytes *b)
{
	struct kvik_session *s = NULL;
	struct kvik_err err;
	b->read = 0;
	int rc = kvik_session_restore(&s, c, NULL, get, b, &err);
	assert_int_equal(rc == 0, s != NULL);
	kvik_session_free(s);
	return rc;
}

/* Nothing that was refused is ever met. */
static void test_damage(void **state)
{
	const char *given = getenv("KVIK_STEPS");
	(void)state;
	struct kvik_model *m = load_model("qwen2-windows-v4");
	struct kvik_cache_params p = params();
	struct kvik_cache *c = open_cache(m, &p);
	struct kvik_session *s = feed(c, NULL, 20);
	struct bytes b = save(s, 20);
	kvik_session_free(s);
	kvik_cache_drop(c);
	size_t bits = 8 * b.n, steps = given ? (size_t)atol(given) : 200;
	steps = steps == 0 || steps > bits ? bits : steps;
	for (size_t i = 0; i < steps; i++) {
		size_t bit = i * bits / steps;
		b.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
		int rc = refused(c, &b);
		assert_true(rc == KVIK_ERR_FORMAT);
		b.at[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t i = 0; i < steps && i < 2000; i++) {
		struct bytes cut = {.at = b.at, .n = i * b.n / steps};
		assert_int_equal(refused(c, &cut), KVIK_ERR_IO);
	}
	s = feed(c, NULL, 20);
	assert_int_equal(kvik_session_get_prefix(s).found_tokens, 0);
	kvik_session_free(s);
	assert_int_equal(refused(c, &b), 0);
	kvik_cache_free(c);
	kvik_model_free(m);
	free(b.at);
}

static void test_others_refuse(void **state)
{
	(void)state;
	struct kvik_model *m = load_model("llama-gqa"), *other = load_model("llama-mha");
	struct kvik_cache_params p = params();
	struct kvik_cache *c = open_cache(m, &p);
	struct kvik_session *s = feed(c, NULL, 200);
	struct bytes b = save(s, 200), full = {.fails_at = b.n / 2};
	assert_int_equal(kvik_session_save(s, 201, put, &full, NULL), KVIK_ERR_ARG);
	assert_int_equal(kvik_session_save(s, 200, put, &full, NULL), KVIK_ERR_IO);
	kvik_session_free(s);
	kvik_cache_free(c);
	c = open_cache(other, &p);
	assert_int_equal(refused(c, &b), KVIK_ERR_ARG);
	kvik_cache_free(c);
	p.k_dtype = KVIK_BF16;
	c = open_cache(m, &p);
	assert_int_equal(refused(c, &b), KVIK_ERR_ARG);
	kvik_cache_free(c);
	p = params();
	p.context = 50;
	c = open_cache(m, &p);
	assert_int_equal(refused(c, &b), KVIK_ERR_LIMIT);
	kvik_cache_free(c);
	p = params();
	p.sessions = 1;
	p.context = 200;
	c = open_cache(m, &p);
	for (uint32_t i = 0; i < TEXT; i++) /* another text, so that there is no room beside it */
		text[i] = (text[i] + 1) % (n_vocab - 4) + 3;
	s = feed(c, NULL, 200);
	p.kv_memory = kvik_cache_get_stats(c).bytes_used * 5 / 4;
	kvik_session_free(s);
	kvik_cache_free(c);
	c = open_cache(m, &p);
	s = feed(c, NULL, 200);
	assert_int_equal(refused(c, &b), KVIK_ERR_FULL);
	kvik_session_free(s);
	assert_int_equal(refused(c, &b), 0);
	kvik_cache_free(c);
	kvik_model_free(m);
	kvik_model_free(other);
	free(b.at);
	free(full.at);
}

static void test_files(void **state)
{
	char folder[] = "/tmp/kvik-snapshot-XXXXXX", path[64], part[80];
	struct kvik_session *s, *t;
	struct kvik_err why;
	struct stat st;
	uint64_t bytes = 0;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/session", folder);
	snprintf(part, sizeof part, "%s.part", path);
	struct kvik_model *m = load_model("qwen3_5");
	struct kvik_cache_params p = params();
	struct kvik_cache *c = open_cache(m, &p);
	s = feed(c, NULL, 100);
	MUST(kvik_session_save_file(s, 100, path, &bytes, &err));
	MUST(kvik_session_save_file(s, 100, path, NULL, &err)); /* over it */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal((uint64_t)st.st_size, bytes);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(access(part, F_OK), -1);
	MUST(kvik_session_restore_file(&t, c, NULL, path, &err));
	assert_int_equal(kvik_session_tokens(t), 100);
	kvik_session_free(t);
	assert_int_equal(truncate(path, (off_t)bytes - 1), 0);
	assert_int_equal(kvik_session_restore_file(&t, c, NULL, path, &why), KVIK_ERR_IO);
	assert_null(t);
	assert_non_null(strstr(why.text, path));
	assert_int_equal(kvik_session_save_file(s, 100, "/nowhere/at/all", NULL, NULL), KVIK_ERR_IO);
	assert_int_equal(kvik_session_restore_file(&t, c, NULL, "/nowhere/at/all", NULL), KVIK_ERR_IO);
	kvik_session_free(s);
	kvik_cache_free(c);
	kvik_model_free(m);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_kinds),       cmocka_unit_test(test_nothing_of_others),
		cmocka_unit_test(test_scopes_and_pins), cmocka_unit_test(test_damage),
		cmocka_unit_test(test_others_refuse),   cmocka_unit_test(test_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
