/* test_same_bits.c: promise P1 for a forward pass. The bits of a position's logits are one and the same for every
 * chunk, number of threads, CPU level, company in the batch and history of the cache (forked, cut back, or computed
 * anew at each step); per KV dtype, window and form of the weights. The oracle is one pass over the whole sequence,
 * alone, on one thread. The seed is printed; KVIK_SEED repeats a run, KVIK_ROUNDS lengthens it. */
#include "../kernels/check.h"
#include "golden.h"

enum { TOKENS = 300, ACTORS = 6, STEPS = 40 };

static const struct runner_params models[] = {
	{.path = DATA "llama-gqa"},
	{.path = DATA "llama-odd.gguf"},
	{.path = DATA "mistral-window"},
	{.path = DATA "qwen2-windows"},
	{.path = DATA "qwen3"},
	{.path = DATA "gemma2"},
	{.path = DATA "gemma4"},
	{.path = DATA "gemma4-moe"},
	{.path = DATA "gptoss-mxfp4", .int8 = true},
	{.path = DATA "qwen3_5"},
	{.path = DATA "qwen3_5moe.gguf"},
	{.path = DATA "qwen3next"},
	{.path = DATA "lfm2-bias"},
	{.path = DATA "granitehybrid"},
	{.path = DATA "qwen3moe-mixed"},
	{.path = DATA "deepseek2.gguf"},
	{.path = DATA "deepseek3"},
	{.path = DATA "granite"},
	{.path = DATA "glm4"},
	{.path = DATA "qwen3moe-q8_0.gguf", .int8 = true},
	{.path = DATA "llama-q8_0.gguf", .int8 = true},
	{.path = DATA "llama-mqa-bias", .int8 = true, .quantized = true, .quantize = WTYPE_Q4_0},
};

static const struct kvik_layers ends[] = {{0, 0}, {-1, -1}};

static const struct kvplan_params caches[] = {
	{.k = KV_F32, .v = KV_F32},
	{.k = KV_F16, .v = KV_F16},
	{.k = KV_BF16, .v = KV_BF16},
	{.k = KV_INT8, .v = KV_INT8},
	{.k = KV_INT8, .v = KV_F16, .window = 37},
	{.k = KV_INT4, .v = KV_FP8},
	{.k = KV_FP8, .v = KV_INT4, .window = 37},
	{.k = KV_F16, .v = KV_F32, .window = 100, .sinks = 5},
	{.k = KV_F32, .v = KV_BF16, .window = 1},
	{.k = KV_INT4, .v = KV_INT8, .exempt = ends, .n_exempt = 2, .exempt_k = KV_F16, .exempt_v = KV_FP8},
};

static const char *const levels[] = {"scalar", "avx2", "avx512"};

enum { MODELS = sizeof models / sizeof *models, CACHES = sizeof caches / sizeof *caches, LEVELS = 3 };

/* A latent row is stored once, in one dtype. */
static struct kvplan_params cache_for(const struct runner_params *p, uint32_t c)
{
	struct kvplan_params kv = caches[c];
	if (strstr(p->path, "deepseek")) {
		kv.v = kv.k;
		kv.exempt_v = kv.exempt_k;
	}
	return kv;
}

static bool level_runs(const char *level)
{
	const struct kernels *k;
	return kernels_select(&k, level, NULL) == 0;
}

static void random_ids(uint32_t *ids, uint32_t n, uint32_t n_vocab)
{
	for (uint32_t i = 0; i < n; i++)
		ids[i] = random_below(n_vocab);
}

/* The oracle's logits, [n][n_vocab]; freed by the caller. */
static float *alone(struct runner *one, const uint32_t *ids, uint32_t n)
{
	float *logits = malloc((size_t)n * one->n_vocab * sizeof *logits);
	struct kv_seq *seq = runner_seq(one);
	runner_prefill(one, seq, ids, n, n, logits);
	kv_seq_free(one->kv, seq);
	return logits;
}

static void same_rows(const float *got, const float *want, uint32_t first, uint32_t rows, uint32_t n_vocab,
		      const struct runner_params *p, const char *what)
{
	for (uint32_t i = 0; i < rows; i++)
		if (memcmp(got + (size_t)i * n_vocab, want + (size_t)i * n_vocab, n_vocab * sizeof *got) != 0)
			fail_msg("%s, %s, %u threads, K %s V %s, window %u, sinks %u: %s changes the bits of position "
				 "%u",
				 p->path, p->level ? p->level : "best level", p->threads, kv_dtype_name(p->kv.k),
				 kv_dtype_name(p->kv.v), p->kv.window, p->kv.sinks, what, first + i);
}

/* ---- Chunks, threads, levels ------------------------------------------------------------------------------------- */

/* ones: also chunks of 1, which take thousands of small jobs of the pool */
static void check_chunks(const struct runner_params *p, const uint32_t *ids, const float *want, bool ones)
{
	static const uint32_t chunks[] = {1, 7, 64, 512};
	struct runner r;
	runner_open(&r, p);
	float *got = malloc((size_t)TOKENS * r.n_vocab * sizeof *got);
	for (size_t c = ones ? 0 : 1; c < sizeof chunks / sizeof *chunks; c++) {
		char what[32];
		struct kv_seq *seq = runner_seq(&r);
		snprintf(what, sizeof what, "a chunk of %u", chunks[c]);
		runner_prefill(&r, seq, ids, TOKENS, chunks[c], got);
		same_rows(got, want, 0, TOKENS, r.n_vocab, p, what);
		kv_seq_free(r.kv, seq);
	}
	free(got);
	runner_close(&r);
}

static void check_levels(uint32_t m, uint32_t c)
{
	uint32_t ids[TOKENS];
	struct runner scalar;
	struct runner_params one = models[m];
	one.kv = cache_for(&one, c);
	one.level = "scalar";
	runner_open(&scalar, &one);
	random_ids(ids, TOKENS, scalar.n_vocab);
	float *want = alone(&scalar, ids, TOKENS);
	for (uint32_t l = 0; l < LEVELS; l++) {
		struct runner_params p = models[m];
		p.kv = cache_for(&p, c);
		p.level = levels[l];
		p.threads = 1 + (m + c + l) % 3;
		if (level_runs(p.level))
			check_chunks(&p, ids, want, p.threads == 1 || c == m);
	}
	free(want);
	runner_close(&scalar);
}

/* Each model with three of the caches, so that each cache meets three models, and all levels and numbers of threads. */
static void chunks_threads_and_levels(void **state)
{
	(void)state;
	for (uint32_t m = 0; m < MODELS; m++) {
		check_levels(m, m % CACHES);
		check_levels(m, (m + 1) % CACHES);
		check_levels(m, (m + 3) % CACHES);
	}
}

/* Attention that is cut into parts (attn_plan.h): few kv heads, many positions, more threads than heads. */
static void long_texts_on_many_threads(void **state)
{
	(void)state;
	enum { LONG = 3000 };
	static const struct runner_params some[] = {{.path = DATA "llama-mqa-bias"}, {.path = DATA "qwen3"}};
	static uint32_t ids[LONG];
	for (size_t m = 0; m < sizeof some / sizeof *some; m++)
		for (uint32_t c = 0; c < 2; c++) {
			struct runner_params p = some[m];
			struct runner one, r;
			p.kv = cache_for(&p, c ? 7 : 5); /* int4 keys; a window with sinks */
			runner_open(&one, &p);
			p.threads = 5;
			runner_open(&r, &p);
			random_ids(ids, LONG, one.n_vocab);
			size_t row = one.n_vocab * sizeof(float);
			float *want = malloc(LONG * row), *got = malloc(LONG * row);
			struct kv_seq *a = runner_seq(&one), *b = runner_seq(&r);
			runner_prefill(&one, a, ids, LONG, RUNNER_TOKENS_MAX, want);
			runner_prefill(&r, b, ids, LONG - 20, RUNNER_TOKENS_MAX, got);
			runner_prefill(&r, b, ids + LONG - 20, 20, 1, got + (size_t)(LONG - 20) * one.n_vocab);
			same_rows(got, want, 0, LONG, one.n_vocab, &p, "cutting attention");
			kv_seq_free(one.kv, a);
			kv_seq_free(r.kv, b);
			free(want);
			free(got);
			runner_close(&one);
			runner_close(&r);
		}
}

/* ---- Without a cache --------------------------------------------------------------------------------------------- */

/* At each step all tokens are computed anew and only the last row counts. */
static void recomputed_at_every_step(void **state)
{
	uint32_t ids[TOKENS];
	(void)state;
	for (uint32_t c = 0; c < CACHES; c++) {
		struct runner_params p = models[c % MODELS];
		struct runner r;
		p.kv = cache_for(&p, c);
		p.threads = 1 + c % 2;
		runner_open(&r, &p);
		random_ids(ids, TOKENS, r.n_vocab);
		float *cached = malloc((size_t)TOKENS * r.n_vocab * sizeof *cached);
		struct kv_seq *seq = runner_seq(&r);
		runner_prefill(&r, seq, ids, TOKENS, 1, cached);
		kv_seq_free(r.kv, seq);
		for (uint32_t n = 1; n <= TOKENS; n += n < 36 || (n > 253 && n < 260) ? 1 : 13) {
			size_t last = (size_t)(n - 1) * r.n_vocab;
			float *anew = alone(&r, ids, n);
			same_rows(anew + last, cached + last, n - 1, 1, r.n_vocab, &p, "the cache");
			free(anew);
		}
		free(cached);
		runner_close(&r);
	}
}

/* ---- Mixed batches ----------------------------------------------------------------------------------------------- */

/* A sequence with the tokens it will have and what its logits must be. */
struct actor {
	struct kv_seq *seq;
	uint32_t n, ids[TOKENS];
	float *want;
};

static void actor_end(struct runner *r, struct actor *a)
{
	if (a->seq)
		kv_seq_free(r->kv, a->seq);
	free(a->want);
	*a = (struct actor){0};
}

/* New tokens from `kept` on. */
static void actor_plan(struct actor *a, struct runner *one, uint32_t kept)
{
	a->n = kept + 1 + random_below(TOKENS - kept);
	random_ids(a->ids + kept, a->n - kept, one->n_vocab);
	free(a->want);
	a->want = alone(one, a->ids, a->n);
}

/* A fresh sequence, or one that shares the first tokens of another. */
static void actor_begin(struct runner *r, struct runner *one, struct actor *a, const struct actor *other)
{
	uint32_t kept = other->seq ? random_below(kv_seq_tokens(other->seq) + 1) : 0;
	if (kept == TOKENS)
		kept--;
	if (other->seq && kv_fork(&a->seq, r->kv, other->seq, kept, NULL) == 0) {
		memcpy(a->ids, other->ids, kept * sizeof *a->ids);
	} else {
		kept = 0;
		a->seq = runner_seq(r);
	}
	actor_plan(a, one, kept);
}

static void actor_cut_back(struct runner *r, struct runner *one, struct actor *a)
{
	uint32_t kept = random_below(kv_seq_tokens(a->seq) + 1);
	if (kept < TOKENS && kv_truncate(r->kv, a->seq, kept, NULL) == 0)
		actor_plan(a, one, kept);
}

/* Some sequences end, begin, fork or are cut back. */
static void change_cast(struct runner *r, struct runner *one, struct actor *actors)
{
	for (uint32_t i = 0; i < ACTORS; i++) {
		struct actor *a = &actors[i];
		bool done = a->seq && kv_seq_tokens(a->seq) == a->n;
		if (a->seq && (done || random_below(8) == 0)) {
			if (random_below(2))
				actor_cut_back(r, one, a);
			else
				actor_end(r, a);
		}
		const struct actor *other = &actors[random_below(ACTORS)];
		if (!a->seq && random_below(2))
			actor_begin(r, one, a, other);
	}
}

/* One step of a random subset, each with one token or a chunk. */
static void mixed_step(struct runner *r, const struct runner_params *p, struct actor *actors, float *logits)
{
	struct part parts[ACTORS];
	const struct actor *who[ACTORS];
	uint32_t n = 0;
	for (uint32_t i = 0; i < ACTORS; i++) {
		const struct actor *a = &actors[i];
		if (!a->seq || kv_seq_tokens(a->seq) == a->n || random_below(4) == 0)
			continue;
		uint32_t at = kv_seq_tokens(a->seq), left = a->n - at;
		uint32_t take = random_below(2) ? 1 : 1 + random_below(RUNNER_TOKENS_MAX / ACTORS);
		who[n] = a;
		parts[n++] = (struct part){a->seq, a->ids + at, take < left ? take : left};
	}
	if (n == 0)
		return;
	runner_step(r, parts, n, logits);
	for (uint32_t i = 0; i < n; logits += (size_t)parts[i++].n * r->n_vocab) {
		uint32_t first = kv_seq_tokens(parts[i].seq) - parts[i].n;
		same_rows(logits, who[i]->want + (size_t)first * r->n_vocab, first, parts[i].n, r->n_vocab, p,
			  "company in the batch");
	}
	runner_check(r);
}

static void in_any_company(void **state)
{
	(void)state;
	const char *more = getenv("KVIK_ROUNDS"); /* for a long run */
	uint32_t rounds = more ? (uint32_t)atoi(more) : 2 * MODELS;
	for (uint32_t round = 0; round < rounds; round++) {
		struct runner_params p = models[round % MODELS];
		struct actor actors[ACTORS] = {0};
		struct runner one, r;
		p.kv = cache_for(&p, random_below(CACHES));
		runner_open(&one, &p); /* on the best level: that levels agree is shown above */
		p.threads = 1 + random_below(3);
		p.level = levels[random_below(LEVELS)];
		if (!level_runs(p.level))
			p.level = "scalar";
		runner_open(&r, &p);
		float *logits = malloc((size_t)RUNNER_TOKENS_MAX * r.n_vocab * sizeof *logits);
		for (int step = 0; step < STEPS; step++) {
			change_cast(&r, &one, actors);
			mixed_step(&r, &p, actors, logits);
		}
		for (uint32_t i = 0; i < ACTORS; i++)
			actor_end(&r, &actors[i]);
		free(logits);
		runner_close(&r);
		runner_close(&one);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_threads_and_levels),
		cmocka_unit_test(long_texts_on_many_threads),
		cmocka_unit_test(recomputed_at_every_step),
		cmocka_unit_test(in_any_company),
	};
	random_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
