/* test_models.c: every architecture and hyperparameter against HF Transformers (data/, made by make_models.py): logits
 * of every position in f32 and the greedy continuation, from the Hugging Face folder and from GGUF. */
#include "golden.h"

static const char *const names[] = {"llama-mha",
				    "llama-gqa",
				    "llama-mqa-bias",
				    "llama-linear",
				    "llama-llama3",
				    "llama-yarn",
				    "llama-odd",
				    "llama-q8_0",
				    "llama-partial",
				    "mistral-window",
				    "mistral-v4",
				    "qwen2",
				    "qwen2-windows",
				    "qwen2-windows-v4",
				    "qwen3",
				    "qwen3-bias-yarn",
				    "qwen3moe",
				    "qwen3moe-mixed",
				    "qwen3moe-q8_0",
				    "mixtral",
				    "gemma",
				    "gemma2",
				    "gemma3",
				    "gemma3-vision",
				    "gptoss",
				    "gptoss-mxfp4",
				    "gemma4",
				    "gemma4-kv",
				    "gemma4-moe",
				    "qwen3_5",
				    "qwen3_5-vision",
				    "qwen3_5moe",
				    "qwen3next",
				    "lfm2",
				    "lfm2-bias",
				    "granitehybrid",
				    "granitehybrid-dense",
				    "deepseek2",
				    "deepseek3",
				    "granite",
				    "smollm3",
				    "seed_oss",
				    "ernie4_5",
				    "glm4"};

static void compare(const struct runner_params *p, const struct golden *g, double bound, bool greedy)
{
	struct runner r;
	runner_open(&r, p);
	assert_int_equal(r.n_vocab, g->n_vocab);
	struct kv_seq *seq = runner_seq(&r);
	float *logits = calloc((size_t)g->n_ids * g->n_vocab, sizeof *logits);
	runner_prefill(&r, seq, g->ids, g->n_ids, g->n_ids, logits);
	double worst = worst_row(logits, g->logits, g->n_ids, g->n_vocab);
	if (!(worst <= bound))
		fail_msg("%s: relative error %g of a row, above %g", p->path, worst, bound);
	uint32_t id = argmax(logits + (size_t)(g->n_ids - 1) * g->n_vocab, g->n_vocab);
	for (uint32_t i = 0; greedy && i < g->n_greedy; i++) {
		if (id != g->greedy[i])
			fail_msg("%s: token %u of the continuation is %u, not %u", p->path, i, id, g->greedy[i]);
		runner_prefill(&r, seq, &id, 1, 1, logits);
		id = argmax(logits, g->n_vocab);
	}
	free(logits);
	runner_close(&r);
}

static void agrees_with_the_reference(void **state)
{
	char folder[256], file[256];
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct golden g;
		golden_read(&g, names[i]);
		snprintf(folder, sizeof folder, DATA "%s", names[i]);
		snprintf(file, sizeof file, DATA "%s.gguf", names[i]);
		if (access(folder, R_OK) == 0)
			compare(&(struct runner_params){.path = folder}, &g, 1e-4, true);
		if (access(file, R_OK) == 0 || access(folder, R_OK) != 0)
			compare(&(struct runner_params){.path = file}, &g, 1e-4, true);
		golden_release(&g);
	}
}

/* Q8_0 weights and int8 activations: against the reference with its activations rounded in the same way. */
static void int8_agrees_too(void **state)
{
	(void)state;
	struct golden g;
	golden_read(&g, "llama-q8_0-int8");
	compare(&(struct runner_params){.path = DATA "llama-q8_0.gguf", .int8 = true}, &g, 1e-4, true);
	golden_release(&g);
}

/* What storing K and V in fewer bits costs the logits. These models' attention is sharper than a trained one's. */
static void kv_dtypes_come_close(void **state)
{
	static const double bounds[KV_DTYPE_COUNT] = {
		[KV_F32] = 1e-4, [KV_F16] = 0.01, [KV_BF16] = 0.1, [KV_INT8] = 0.15, [KV_FP8] = 0.6, [KV_INT4] = 0.7};
	static const char *const some[] = {"llama-gqa", "mistral-window", "qwen2", "qwen3"};
	(void)state;
	for (size_t i = 0; i < sizeof some / sizeof *some; i++)
		for (int d = 0; d < KV_DTYPE_COUNT; d++) {
			char path[256];
			struct golden g;
			struct runner_params p = {.path = path, .kv = {.k = (enum kv_dtype)d, .v = (enum kv_dtype)d}};
			golden_read(&g, some[i]);
			snprintf(path, sizeof path, DATA "%s", some[i]);
			compare(&p, &g, bounds[d], false);
			golden_release(&g);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_reference),
		cmocka_unit_test(int8_agrees_too),
		cmocka_unit_test(kv_dtypes_come_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
