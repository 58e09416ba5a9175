/* test_synthetic.c: random models: every type's values are finite, centred and of the promised size; every shape that
 * is small enough loads as a model; the seed decides; errors name what there is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "format/source.h"
#include "format/synthetic.h"
#include "kernels/dequant.h"
#include "model/model.h"
#include "model/synthetic.h"

static void every_type_is_centred_and_of_one_size(void **state)
{
	(void)state;
	enum { N = 64 * 256 };
	static uint8_t blocks[N * 4];
	static float values[N];
	for (int t = 0; t < WTYPE_COUNT; t++) {
		double sum = 0, squares = 0;
		synthetic_fill((enum wtype)t, blocks, N, 7);
		dequant_row((enum wtype)t, blocks, N, values);
		for (int i = 0; i < N; i++) {
			sum += (double)values[i];
			squares += (double)values[i] * (double)values[i];
		}
		double mean = sum / N, deviation = sqrt(squares / N - mean * mean);
		if (!(fabs(mean) < 0.003 && deviation > 0.016 && deviation < 0.025))
			fail_msg("%s: mean %g, deviation %g", wtype_name((enum wtype)t), mean, deviation);
	}
}

static void floats_are_the_same_numbers_in_every_type(void **state)
{
	(void)state;
	enum { N = 1001 };
	static uint8_t f32[N * 4], f16[N * 2], bf16[N * 2];
	static float a[N], b[N], c[N];
	synthetic_fill(WTYPE_F32, f32, N, 3);
	synthetic_fill(WTYPE_F16, f16, N, 3);
	synthetic_fill(WTYPE_BF16, bf16, N, 3);
	dequant_row(WTYPE_F32, f32, N, a);
	dequant_row(WTYPE_F16, f16, N, b);
	dequant_row(WTYPE_BF16, bf16, N, c);
	assert_memory_equal(a, b, sizeof a);
	for (int i = 0; i < N; i++)
		assert_true(fabsf(a[i] - c[i]) <= fabsf(a[i]) / 128);
}

static struct source *open_spec(const char *spec, uint64_t seed)
{
	struct source *s;
	struct kvik_err err;
	if (synthetic_open(&s, spec, seed, &err) != 0)
		fail_msg("%s", err.text);
	return s;
}

static void the_seed_decides(void **state)
{
	(void)state;
	struct source *a = open_spec("tiny:q4_k_m", 1), *b = open_spec("tiny:q4_k_m", 1),
		      *c = open_spec("tiny:q4_k_m", 2);
	for (size_t i = 0; i < source_count(a); i++) {
		const struct source_tensor *x = source_at(a, i), *y = source_at(b, i), *z = source_at(c, i);
		assert_string_equal(x->name, y->name);
		assert_int_equal(x->bytes, y->bytes);
		source_need(a, x);
		source_need(b, y);
		source_need(c, z);
		assert_memory_equal(x->data, y->data, x->bytes);
		assert_memory_not_equal(x->data, z->data, x->bytes);
		source_drop(a, x);
		source_need(a, x);
		assert_memory_equal(x->data, y->data, x->bytes);
	}
	source_free(a);
	source_free(b);
	source_free(c);
}

static void q4_k_m_is_a_mix(void **state)
{
	(void)state;
	struct source *s = open_spec("tiny:q4_k_m", 1);
	assert_int_equal(source_find(s, "output.weight")->type, WTYPE_Q6_K);
	assert_int_equal(source_find(s, "token_embd.weight")->type, WTYPE_Q4_K);
	assert_int_equal(source_find(s, "blk.0.ffn_up.weight")->type, WTYPE_Q4_K);
	assert_int_equal(source_find(s, "blk.0.attn_v.weight")->type, WTYPE_Q4_K);
	assert_int_equal(source_find(s, "blk.2.ffn_down.weight")->type, WTYPE_Q6_K);
	assert_int_equal(source_find(s, "blk.3.attn_v.weight")->type, WTYPE_Q6_K);
	source_free(s);
}

static void load(const char *spec)
{
	struct source *s = open_spec(spec, 1);
	struct model *m;
	struct kvik_err err;
	struct model_params p = {.int8 = true, .quantize = -1};
	assert_int_equal(device_new(&p.device, &backend_cpu, NULL, 1, &err), 0);
	if (model_load(&m, s, &p, &err) != 0)
		fail_msg("%s: %s", spec, err.text);
	model_free(m);
	device_free(p.device);
	source_free(s);
}

static void models_load(void **state)
{
	(void)state;
	static const char *const shapes[] = {"tiny", "tiny-qwen2", "tiny-qwen3", "tiny-mistral", "tiny-mixed"};
	char spec[64];
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		load(shapes[i]);
		for (int t = 0; t < WTYPE_COUNT; t++) {
			snprintf(spec, sizeof spec, "%s:%s", shapes[i], wtype_name((enum wtype)t));
			load(spec);
		}
	}
	load("tiny:q4_K_m");
	load("tiny:Q5_K_M");
}

static void families_load(void **state)
{
	(void)state;
	static const char *const shapes[] = {"tiny-moe", "tiny-mla", "tiny-delta"};
	static const char *const types[] = {"f32", "q4_0", "q4_k_m", "mxfp4"};
	char spec[64];
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
			snprintf(spec, sizeof spec, "%s:%s", shapes[i], types[t]);
			load(spec);
		}
}

static void layers_can_be_cut(void **state)
{
	(void)state;
	struct source *s = open_spec("qwen3-30b-a3b@3:q4_0", 1);
	struct hparams h;
	assert_int_equal(arch_hparams(s, &h, NULL), 0);
	assert_int_equal(h.n_layers, 3);
	assert_int_equal(h.layers[2].experts.n, 128);
	assert_non_null(source_find(s, "blk.2.ffn_down_exps.weight"));
	assert_null(source_find(s, "blk.3.attn_q.weight"));
	source_free(s);
}

/* What is described is what is bound, and plans of any size cost nothing. */
static void all_shapes_measure(void **state)
{
	static const char *const shapes[] = {"llama3.2-1b:q4_0",  "gemma3-4b:q4_0",     "gemma4-e4b:q4_k_m",
					     "gpt-oss-20b:mxfp4", "qwen3-30b-a3b:q4_0", "deepseek-v2-lite:q4_k_m",
					     "qwen3.5-4b:q4_0",   "lfm2-1.2b:q4_0",     "granite4-h-tiny:q4_0"};
	static const uint32_t layers[] = {16, 34, 42, 24, 48, 27, 32, 16, 40};
	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		struct source *s = open_spec(shapes[i], 1);
		struct hparams h;
		struct model_params p = {.int8 = true, .quantize = -1};
		struct kvik_err err;
		uint64_t bytes;
		assert_int_equal(arch_hparams(s, &h, &err), 0);
		assert_int_equal(h.n_layers, layers[i]);
		if (model_measure(&bytes, &backend_cpu, s, &h, &p, &err) != 0)
			fail_msg("%s: %s", shapes[i], err.text);
		source_free(s);
	}
}

static void experts_have_the_type_alone(void **state)
{
	(void)state;
	struct source *s = open_spec("gpt-oss-20b:mxfp4", 1);
	assert_int_equal(source_find(s, "blk.3.ffn_up_exps.weight")->type, WTYPE_MXFP4);
	assert_int_equal(source_find(s, "blk.3.ffn_up_exps.bias")->type, WTYPE_F32);
	assert_int_equal(source_find(s, "blk.3.ffn_gate_inp.weight")->type, WTYPE_F32);
	assert_int_equal(source_find(s, "blk.3.attn_q.weight")->type, WTYPE_Q8_0);
	assert_int_equal(source_find(s, "blk.3.ffn_up_exps.weight")->dims[2], 32);
	source_free(s);
}

static void windows_alternate(void **state)
{
	(void)state;
	struct source *s = open_spec("tiny-mixed:q8_0", 1);
	struct hparams h;
	assert_int_equal(arch_hparams(s, &h, NULL), 0);
	for (uint32_t l = 0; l < h.n_layers; l++)
		assert_int_equal(h.layers[l].attention.window, l % 3 == 2 ? 0 : 64);
	assert_null(source_gguf(s));
	assert_null(source_dir(s));
	assert_string_equal(source_name(s), "tiny-mixed:q8_0");
	source_free(s);
}

static void errors_name_what_there_is(void **state)
{
	(void)state;
	static const char *const wrong[] = {"", ":", "llama", "tiny:", "tiny:q9_0", "tiny:q4_0:", "tin:q4_0"};
	struct source *s;
	struct kvik_err err;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(synthetic_open(&s, wrong[i], 1, &err), KVIK_ERR_ARG);
		assert_null(s);
		assert_non_null(strstr(err.text, strncmp(wrong[i], "tiny:", 5) ? "gemma-like" : "MXFP4"));
	}
	static const char *const cut[] = {"tiny@0:q4_0", "tiny@5:q4_0", "tiny@:q4_0", "tiny@x:q4_0", "tiny@2x"};
	for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
		assert_int_equal(synthetic_open(&s, cut[i], 1, &err), KVIK_ERR_ARG);
		assert_non_null(strstr(err.text, "1 to 4"));
	}
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	for (long i = 1;; i++) {
		struct source *s;
		mem_fail_at(i);
		int rc = synthetic_open(&s, "tiny:q8_0", 1, NULL);
		mem_fail_at(0);
		source_free(s);
		if (rc == 0)
			break;
		assert_int_equal(rc, KVIK_ERR_NOMEM);
		assert_in_range(i, 1, 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_centred_and_of_one_size),
		cmocka_unit_test(floats_are_the_same_numbers_in_every_type),
		cmocka_unit_test(the_seed_decides),
		cmocka_unit_test(q4_k_m_is_a_mix),
		cmocka_unit_test(models_load),
		cmocka_unit_test(all_shapes_measure),
		cmocka_unit_test(experts_have_the_type_alone),
		cmocka_unit_test(families_load),
		cmocka_unit_test(layers_can_be_cut),
		cmocka_unit_test(windows_alternate),
		cmocka_unit_test(errors_name_what_there_is),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
