/* test_rope.c: every scaling rule against HF Transformers' frequencies (rope_golden.h, made by make_rope.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/rope.h"
#include "rope_golden.h"

static void check(const struct rope_params *p, const float *golden, float scale)
{
	struct rope r;
	assert_int_equal(rope_init(&r, p, NULL), 0);
	assert_true(fabsf(r.scale - scale) <= 1e-6f * scale);
	for (uint32_t i = 0; i < p->dim / 2; i++)
		assert_true(fabsf(r.inv_freq[i] - golden[i]) <= 4e-7f * golden[i]);
	rope_release(&r);
}

static void rules_agree_with_the_reference(void **state)
{
	(void)state;
	check(&(struct rope_params){.rule = ROPE_LINEAR, .dim = 64, .theta = 1e4f, .factor = 4}, golden_linear,
	      golden_linear_scale);
	check(&(struct rope_params){.rule = ROPE_LLAMA3,
				    .dim = 64,
				    .theta = 5e5f,
				    .factor = 32,
				    .context = 8192,
				    .low_freq = 1,
				    .high_freq = 4},
	      golden_llama3, golden_llama3_scale);
	struct rope_params yarn = {.rule = ROPE_YARN,
				   .dim = 64,
				   .theta = 1e4f,
				   .factor = 4,
				   .context = 2048,
				   .beta_fast = 32,
				   .beta_slow = 1};
	check(&yarn, golden_yarn, golden_yarn_scale);
	yarn.theta = 1e6f;
	yarn.factor = 8;
	yarn.context = 4096;
	yarn.keep_fractions = true;
	yarn.attn_factor = 1.25f;
	check(&yarn, golden_yarn_exact, golden_yarn_exact_scale);
}

static void a_divisor_divides(void **state)
{
	(void)state;
	const float divisor[] = {1, 2, 4, 8};
	struct rope_params p = {.dim = 8, .theta = 10000, .divisor = divisor};
	struct rope r;
	assert_int_equal(rope_init(&r, &p, NULL), 0);
	assert_true(r.inv_freq[0] == 1.0f);
	assert_true(fabsf(r.inv_freq[1] - 0.05f) < 1e-7f);
	float c[4], s[4];
	rope_angles(&r, 3, c, s);
	assert_true(fabs((double)c[0] - cos(3.0)) < 1e-7 && fabs((double)s[0] - sin(3.0)) < 1e-7);
	rope_release(&r);
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	struct rope r;
	struct kvik_err err;
	assert_int_equal(rope_init(&r, &(struct rope_params){.dim = 7, .theta = 1e4f}, &err), KVIK_ERR_FORMAT);
	assert_int_equal(rope_init(&r, &(struct rope_params){.dim = 8, .theta = NAN}, &err), KVIK_ERR_FORMAT);
	assert_int_equal(rope_init(&r, &(struct rope_params){.dim = 8, .theta = 1e4f, .rule = ROPE_LINEAR}, &err),
			 KVIK_ERR_FORMAT);
	assert_int_equal(
		rope_init(&r, &(struct rope_params){.dim = 8, .theta = 1e4f, .rule = ROPE_YARN, .factor = 2}, &err),
		KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "original context"));
	mem_fail_at(1);
	assert_int_equal(rope_init(&r, &(struct rope_params){.dim = 8, .theta = 1e4f}, &err), KVIK_ERR_NOMEM);
	mem_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_agree_with_the_reference),
		cmocka_unit_test(a_divisor_divides),
		cmocka_unit_test(nonsense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
