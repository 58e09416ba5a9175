/* test_hashes.c: the logits of many models in many caches are, to the bit, those of hashes.txt, on every CPU level of
 * this machine and from every compiler. Where test_same_bits compares paths with each other, this compares today with
 * the day the table was made: a change that moves all paths alike is seen here.
 *
 * A row of the table is "MODEL ACTIVATIONS TOKENS CACHE HASH". The hash chains all logits of TOKENS random ids, fed in
 * chunks of 64 but for the last two, which are fed alone.
 *
 *     build/test_hashes            compares
 *     build/test_hashes --best     compares on the best level alone
 *     build/test_hashes --update   writes the table anew; a row that is there changes only with a new NUMERICS_ID
 *
 * From the top of the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <kvik.h>

#include "base/hash.h"
#include "kernels/kernels.h"

#define TABLE "tests/engine/hashes.txt"
#define DATA "tests/model/data/"

enum { ALONE = 2, CHUNK = 64, TOKENS_MAX = 270, ROWS_MAX = 1024, KEY_MAX = 128 };

/* ---- What is hashed ---------------------------------------------------------------------------------------------- */

struct cache {
	enum kvik_dtype k, v;
	uint32_t window, sinks;
	bool first_exempt; /* the first layer with keys and values is stored in f16/fp8 */
};

/* The caches that a model meets: the first so many of the basic ones, or all of them and every pair of dtypes. */
enum list { F16 = 1, FEW = 5, BASIC = 12, PAIRS, SAME /* one dtype for keys and values */ };

static const struct cache basic[] = {
	{.k = KVIK_F16, .v = KVIK_F16},
	{.k = KVIK_INT8, .v = KVIK_INT8},
	{.k = KVIK_INT8, .v = KVIK_INT4, .first_exempt = true},
	{.k = KVIK_INT4, .v = KVIK_F32},
	{.k = KVIK_FP8, .v = KVIK_BF16, .window = 7, .sinks = 2},
	{.k = KVIK_F32, .v = KVIK_F32},
	{.k = KVIK_BF16, .v = KVIK_BF16},
	{.k = KVIK_FP8, .v = KVIK_FP8},
	{.k = KVIK_INT4, .v = KVIK_INT4},
	{.k = KVIK_INT8, .v = KVIK_F16, .window = 37},
	{.k = KVIK_F16, .v = KVIK_F32, .window = 100, .sinks = 5},
	{.k = KVIK_F32, .v = KVIK_F32, .window = 1},
};

static const struct model {
	const char *path; /* NULL: kvik-mini */
	enum kvik_act act;
	enum kvik_quantize quantize;
	uint32_t tokens; /* more than 256: two segments of attention */
	enum list caches;
} models[] = {
	{DATA "llama-gqa.gguf", KVIK_ACT_F32, 0, 40, PAIRS},
	{DATA "llama-gqa.gguf", KVIK_ACT_F32, 0, 270, BASIC},
	{DATA "llama-linear.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "llama-llama3.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "llama-mha.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "llama-mqa-bias.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "llama-odd.gguf", KVIK_ACT_F32, 0, 270, BASIC},
	{DATA "llama-partial.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "llama-q8_0.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "llama-q8_0.gguf", KVIK_ACT_INT8, 0, 270, BASIC},
	{DATA "llama-yarn.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "mistral-v4.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "mistral-window.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "qwen2.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "qwen2-windows.gguf", KVIK_ACT_F32, 0, 270, BASIC},
	{DATA "qwen2-windows-v4.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "qwen3.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "qwen3-bias-yarn.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "gemma.gguf", KVIK_ACT_F32, 0, 40, FEW},
	{DATA "gemma2.gguf", KVIK_ACT_F32, 0, 270, FEW},
	{DATA "gemma3.gguf", KVIK_ACT_F32, 0, 110, BASIC},
	{DATA "gptoss.gguf", KVIK_ACT_F32, 0, 270, BASIC},
	{DATA "gptoss-mxfp4", KVIK_ACT_INT8, 0, 40, FEW},
	{DATA "gemma4.gguf", KVIK_ACT_F32, 0, 270, BASIC},
	{DATA "gemma4-kv", KVIK_ACT_F32, 0, 110, FEW},
	{DATA "gemma4-moe.gguf", KVIK_ACT_F32, 0, 110, FEW},
	{DATA "qwen3_5.gguf", KVIK_ACT_F32, 0, 270, BASIC},
	{DATA "qwen3_5moe.gguf", KVIK_ACT_F32, 0, 110, FEW},
	/* quantised when loaded, from a folder as Hugging Face has it */
	{DATA "llama-mqa-bias", KVIK_ACT_INT8, KVIK_QUANTIZE_Q4_0, 110, BASIC},
	{DATA "qwen3", KVIK_ACT_INT8, KVIK_QUANTIZE_Q8_0, 110, BASIC},
	{DATA "mistral-window", KVIK_ACT_F32, KVIK_QUANTIZE_Q4_0, 40, F16},
	{DATA "mixtral.gguf", KVIK_ACT_F32, 0, 110, FEW},
	{DATA "qwen3moe.gguf", KVIK_ACT_F32, 0, 110, FEW},
	{DATA "qwen3moe-mixed", KVIK_ACT_F32, 0, 110, FEW},
	{DATA "qwen3moe-q8_0.gguf", KVIK_ACT_INT8, 0, 110, FEW},
	{DATA "deepseek2.gguf", KVIK_ACT_F32, 0, 270, SAME},
	{DATA "deepseek3", KVIK_ACT_F32, 0, 110, SAME},
	{DATA "granite", KVIK_ACT_F32, 0, 60, FEW},
	{DATA "smollm3", KVIK_ACT_F32, 0, 60, FEW},
	{DATA "glm4.gguf", KVIK_ACT_F32, 0, 60, FEW},
	{NULL, KVIK_ACT_F32, 0, 11, FEW},
	{NULL, KVIK_ACT_INT8, 0, 20, FEW},
	/* every type of stored weights */
	{"synthetic:tiny:f32", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:f16", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:bf16", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q4_0", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q4_0", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:q4_1", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q4_1", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:q5_0", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q5_0", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:q5_1", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q5_1", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:q8_0", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q8_0", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:q2_k", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q2_k", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:q3_k", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q3_k", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:q4_k", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q4_k", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:q5_k", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q5_k", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:q6_k", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:q6_k", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:iq4_nl", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:iq4_nl", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:iq4_xs", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:iq4_xs", KVIK_ACT_INT8, 0, 11, F16},
	{"synthetic:tiny:mxfp4", KVIK_ACT_F32, 0, 11, F16},
	{"synthetic:tiny:mxfp4", KVIK_ACT_INT8, 0, 11, F16},
	/* heads of 64 and 128 dims, in each architecture */
	{"synthetic:tiny-qwen2:q4_k_m", KVIK_ACT_INT8, 0, 13, FEW},
	{"synthetic:tiny-qwen3:q5_k_m", KVIK_ACT_INT8, 0, 13, FEW},
	{"synthetic:tiny-mistral:q4_0", KVIK_ACT_INT8, 0, 13, FEW},
	{"synthetic:tiny-mixed:q8_0", KVIK_ACT_INT8, 0, 66, FEW},
};

enum { MODELS = sizeof models / sizeof *models, DTYPES = KVIK_DTYPE_COUNT };
/* Of the basic ones. */
static const uint32_t same[] = {0, 1, 5, 6, 7, 8, 11};
enum { SAMES = sizeof same / sizeof *same };

_Static_assert(sizeof basic / sizeof *basic == BASIC, "the basic caches");

static uint32_t n_caches(const struct model *m)
{
	return m->caches == PAIRS ? BASIC + DTYPES * DTYPES : m->caches == SAME ? SAMES : m->caches;
}

/* Cache i of those that m meets. */
static struct cache cache_of(const struct model *m, uint32_t i)
{
	if (m->caches == SAME)
		return basic[same[i]];
	if (i < BASIC)
		return basic[i];
	return (struct cache){.k = (enum kvik_dtype)((i - BASIC) / DTYPES),
			      .v = (enum kvik_dtype)((i - BASIC) % DTYPES)};
}

/* Whether it is a pair that the basic ones have already. */
static bool listed(const struct model *m, uint32_t i)
{
	struct cache c = cache_of(m, i);
	for (uint32_t b = 0; b < BASIC && i >= BASIC; b++)
		if (basic[b].k == c.k && basic[b].v == c.v && !basic[b].window && !basic[b].first_exempt)
			return true;
	return false;
}

/* "llama-q8_0.gguf int8 270 int8/f16,window=37,sinks=0" */
static void key_of(char *key, const struct model *m, const struct cache *c)
{
	static const char *const quantized[] = {"", "+q8_0", "+q4_0"};
	const char *name = m->path ? strrchr(m->path, '/') : NULL;
	int n = snprintf(key, KEY_MAX, "%s%s %s %u %s/%s",
			 name      ? name + 1
			 : m->path ? m->path
				   : "kvik-mini",
			 quantized[m->quantize], m->act == KVIK_ACT_INT8 ? "int8" : "f32", m->tokens,
			 kvik_dtype_name(c->k), kvik_dtype_name(c->v));
	if (c->window)
		n += snprintf(key + n, (size_t)(KEY_MAX - n), ",window=%u,sinks=%u", c->window, c->sinks);
	if (c->first_exempt)
		snprintf(key + n, (size_t)(KEY_MAX - n), ",first=f16/fp8");
}

/* ---- The table --------------------------------------------------------------------------------------------------- */

struct row {
	char key[KEY_MAX];
	uint64_t hash;
};

struct table {
	char numerics[32], *preamble; /* preamble: the text before the rows, malloced */
	struct row rows[ROWS_MAX];
	uint32_t n;
};

static void table_read(struct table *t)
{
	char line[256];
	FILE *f = fopen(TABLE, "r");
	size_t text = 0;
	FILE *preamble = open_memstream(&t->preamble, &text);
	t->n = 0;
	if (!f || !preamble)
		fail_msg("%s is missing: run this from the top of the source tree", TABLE);
	while (fgets(line, sizeof line, f)) {
		unsigned long long hash = 0;
		char *space = strrchr(line, ' ');
		if (line[0] == '#' || line[0] == '\n') {
			fputs(line, preamble);
		} else if (sscanf(line, "numerics %31s", t->numerics) == 1) {
			continue;
		} else {
			assert_true(space && sscanf(space, " %16llx", &hash) == 1 && t->n < ROWS_MAX);
			*space = '\0';
			snprintf(t->rows[t->n].key, KEY_MAX, "%.*s", KEY_MAX - 1, line);
			t->rows[t->n++].hash = hash;
		}
	}
	fclose(f);
	fclose(preamble);
}

/* The row of a key; NULL: none. */
static const struct row *table_find(const struct table *t, const char *key)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (strcmp(t->rows[i].key, key) == 0)
			return &t->rows[i];
	return NULL;
}

/* ---- A hash ------------------------------------------------------------------------------------------------------ */

static void must(int rc, const struct kvik_err *err, const char *what)
{
	if (rc)
		fail_msg("%s: %s", what, err->text);
}

static struct kvik_model *load(const struct model *m, const char *level)
{
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_model *out;
	struct kvik_err err;
	p.threads = 1;
	p.act = m->act;
	p.quantize = m->quantize;
	p.cpu = level;
	must(kvik_model_load(&out, m->path, &p, &err), &err, m->path ? m->path : "kvik-mini");
	return out;
}

static struct kvik_cache *new_cache(struct kvik_model *m, const struct cache *c)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_cache *out;
	struct kvik_err err;
	p.k_dtype = c->k;
	p.v_dtype = c->v;
	p.window = c->window;
	p.sinks = c->sinks;
	if (c->first_exempt) {
		bool recurrent = strncmp(kvik_model_get_info(m).architecture, "qwen35", 6) == 0;
		p.exempt[0] = recurrent ? (struct kvik_layers){3, 3} : (struct kvik_layers){0, 0};
		p.n_exempt = 1;
		p.exempt_k_dtype = KVIK_F16;
		p.exempt_v_dtype = KVIK_FP8;
	}
	p.context = TOKENS_MAX;
	p.chunk = CHUNK;
	must(kvik_cache_new(&out, m, &p, &err), &err, "cache");
	return out;
}

/* The hash of the logits of all n tokens. */
static uint64_t hash_of(struct kvik_model *m, const struct cache *cache, uint32_t n)
{
	uint32_t n_vocab = kvik_model_get_info(m).vocab_size, ids[TOKENS_MAX];
	float *logits = malloc((size_t)n * n_vocab * sizeof *logits);
	struct kvik_cache *c = new_cache(m, cache);
	struct kvik_session *s;
	struct kvik_err err;
	assert_true(logits && n > ALONE && n <= TOKENS_MAX);
	for (uint32_t i = 0; i < n; i++)
		ids[i] = (uint32_t)(hash_mix((i + 1) * HASH_STEP) % n_vocab);
	must(kvik_session_new(&s, c, NULL, &err), &err, "session");
	must(kvik_session_feed(s, ids, n - ALONE, logits, &err), &err, "feed");
	for (uint32_t i = n - ALONE; i < n; i++)
		must(kvik_session_feed(s, ids + i, 1, logits + (size_t)i * n_vocab, &err), &err, "feed");
	uint64_t hash = hash_bytes(logits, (size_t)n * n_vocab * sizeof *logits);
	kvik_session_free(s);
	kvik_cache_free(c);
	free(logits);
	return hash;
}

/* ---- Comparing --------------------------------------------------------------------------------------------------- */

static bool level_runs(const char *level)
{
	const struct kernels *k;
	return kernels_select(&k, level, NULL) == 0;
}

/* Of one model on one level; the number of rows that differ. */
static uint32_t compare(const struct table *t, const struct model *m, const char *level)
{
	struct kvik_model *loaded = load(m, level);
	uint32_t wrong = 0;
	for (uint32_t i = 0; i < n_caches(m); i++) {
		struct cache c = cache_of(m, i);
		char key[KEY_MAX];
		if (listed(m, i))
			continue;
		key_of(key, m, &c);
		const struct row *row = table_find(t, key);
		uint64_t hash = hash_of(loaded, &c, m->tokens);
		if (row && row->hash == hash)
			continue;
		wrong++;
		print_error("%s, %s: %016llx, %s\n", level, key, (unsigned long long)hash,
			    row ? "not that of the table" : "which the table does not have");
	}
	kvik_model_free(loaded);
	return wrong;
}

static bool only_best;

static void logits_are_those_of_the_table(void **state)
{
	static const char *const levels[] = {"avx512", "avx2", "scalar"};
	struct table t = {0};
	uint32_t wrong = 0, compared = 0;
	(void)state;
	table_read(&t);
	assert_string_equal(t.numerics, NUMERICS_ID);
	for (uint32_t l = 0; l < sizeof levels / sizeof *levels; l++) {
		if (!level_runs(levels[l]) || (only_best && compared > 0))
			continue;
		compared++;
		for (uint32_t m = 0; m < MODELS; m++)
			wrong += compare(&t, &models[m], levels[l]);
	}
	free(t.preamble);
	if (wrong)
		fail_msg("%u hashes of logits are not as in " TABLE ", whose first lines say when one may change",
			 wrong);
}

/* No row is left of a model that is compared no more. */
static void every_row_is_compared(void **state)
{
	struct table t = {0};
	uint32_t rows = 0;
	(void)state;
	table_read(&t);
	for (uint32_t m = 0; m < MODELS; m++)
		for (uint32_t i = 0; i < n_caches(&models[m]); i++)
			rows += !listed(&models[m], i);
	free(t.preamble);
	assert_int_equal(t.n, rows);
}

/* Writes the table from the scalar level; 1: it would change a row under the same id. */
static int update(void)
{
	struct table t = {0};
	char *rows = NULL;
	size_t bytes = 0;
	int refused = 0;
	FILE *out = open_memstream(&rows, &bytes);
	table_read(&t);
	bool same_id = strcmp(t.numerics, NUMERICS_ID) == 0;
	for (uint32_t m = 0; m < MODELS; m++) {
		struct kvik_model *loaded = load(&models[m], "scalar");
		for (uint32_t i = 0; i < n_caches(&models[m]); i++) {
			struct cache c = cache_of(&models[m], i);
			char key[KEY_MAX];
			if (listed(&models[m], i))
				continue;
			key_of(key, &models[m], &c);
			const struct row *old = table_find(&t, key);
			uint64_t hash = hash_of(loaded, &c, models[m].tokens);
			if (same_id && old && old->hash != hash)
				refused = fprintf(stderr, "%s: the hash has changed; NUMERICS_ID has not\n", key) > 0;
			fprintf(out, "%s %016llx\n", key, (unsigned long long)hash);
		}
		kvik_model_free(loaded);
	}
	fclose(out);
	FILE *f = refused ? NULL : fopen(TABLE, "w");
	if (f)
		fprintf(f, "%snumerics %s\n%s", t.preamble, NUMERICS_ID, rows);
	int rc = !f || fclose(f) != 0;
	free(rows);
	free(t.preamble);
	return rc;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_compared),
		cmocka_unit_test(logits_are_those_of_the_table),
	};
	if (argc > 1 && strcmp(argv[1], "--update") == 0)
		return update();
	only_best = argc > 1 && strcmp(argv[1], "--best") == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
