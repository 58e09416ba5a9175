/* test_sample.c: filters, penalties, determinism, and the draw's distribution against the exact one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sample/sample.h"

enum { V = 6 };

static const float row[V] = {1.0f, 3.0f, 2.0f, -1.0f, 3.0f, 0.0f};

static uint32_t next(const struct kvik_sampling *p, const uint32_t *history, size_t n, uint64_t position)
{
	double scratch[2 * V];
	float logits[V];
	memcpy(logits, row, sizeof row);
	assert_true(sample_scratch_bytes(V) <= sizeof scratch);
	return sample_next(p, logits, V, history, n, position, scratch);
}

static void greedy_takes_the_lowest_of_equals(void **state)
{
	(void)state;
	struct kvik_sampling defaults = kvik_sampling_default();
	assert_int_equal(next(&defaults, NULL, 0, 0), 1);
}

static void bias_and_penalties_move_the_choice(void **state)
{
	(void)state;
	struct kvik_bias bias[] = {{3, 100.0f}};
	struct kvik_sampling p = kvik_sampling_default();
	p.bias = bias;
	p.n_bias = 1;
	assert_int_equal(next(&p, NULL, 0, 0), 3);
	const uint32_t seen[] = {1, 1, 4, 99};
	p = kvik_sampling_default();
	p.presence_penalty = 0.5f;
	assert_int_equal(next(&p, seen, 2, 0), 4);
	assert_int_equal(next(&p, seen, 4, 0), 1);
	p.frequency_penalty = 0.2f; /* token 1 was seen twice, token 4 once */
	assert_int_equal(next(&p, seen, 4, 0), 4);
	p = kvik_sampling_default();
	p.repeat_penalty = 2;
	assert_int_equal(next(&p, seen, 4, 0), 2);
	p.penalty_last_n = 1; /* only the id outside the vocabulary */
	assert_int_equal(next(&p, seen, 4, 0), 1);
}

/* Compares the frequencies of 60000 draws with the exact probabilities of the tokens in keep (a bit mask). */
static void check_distribution(const struct kvik_sampling *p, unsigned keep)
{
	enum { DRAWS = 60000 };
	int count[V] = {0};
	double total = 0;
	for (uint64_t i = 0; i < DRAWS; i++)
		count[next(p, NULL, 0, i)]++;
	for (int i = 0; i < V; i++)
		total += keep >> i & 1 ? exp((double)row[i] / p->temperature) : 0;
	for (int i = 0; i < V; i++) {
		double expect = keep >> i & 1 ? exp((double)row[i] / p->temperature) / total : 0;
		double sigma = sqrt(expect * (1 - expect) / DRAWS);
		assert_true(fabs((double)count[i] / DRAWS - expect) <= 5 * sigma);
	}
}

static void draws_follow_the_filters(void **state)
{
	(void)state;
	struct kvik_sampling p = kvik_sampling_default();
	p.temperature = 0.8f;
	p.seed = 7;
	check_distribution(&p, 0x3F);
	p.top_k = 3;
	check_distribution(&p, 1u << 1 | 1u << 4 | 1u << 2);
	p.top_k = 0;
	p.top_p = 0.5f; /* each of the two best has 0.41 */
	check_distribution(&p, 1u << 1 | 1u << 4);
	p.top_p = 0.1f;
	check_distribution(&p, 1u << 1);
	p.top_p = 1;
	p.min_p = 0.2f; /* token 2 has exp(-1/0.8) = 0.29 of the best, token 0 0.08 */
	check_distribution(&p, 1u << 1 | 1u << 4 | 1u << 2);
}

/* What a draw is by its definition: everything sorted, filtered, summed. */
static uint32_t draw_of_sorted(const struct kvik_sampling *p, const float *logits, uint32_t n, uint64_t position)
{
	enum { MOST = 4096 };
	static struct {
		double w;
		uint32_t id;
	} c[MOST], t;
	double total = 0, kept_weight = 0, sum = 0, max = -INFINITY;
	uint32_t kept = 0, limit = p->top_k && p->top_k < n ? p->top_k : n;
	for (uint32_t i = 0; i < n; i++)
		max = fmax(max, (double)logits[i]);
	for (uint32_t i = 0; i < n; i++) { /* insertion keeps equal ones by id */
		uint32_t at = i;
		t.w = exp(((double)logits[i] - max) / p->temperature);
		t.id = i;
		for (; at > 0 && c[at - 1].w < t.w; at--)
			c[at] = c[at - 1];
		c[at] = t;
	}
	for (uint32_t i = 0; i < limit; i++)
		total += c[i].w;
	while (kept < limit && (kept == 0 || (c[kept].w >= p->min_p && kept_weight < p->top_p * total)))
		kept_weight += c[kept++].w;
	for (uint32_t i = 0; i < kept; i++) {
		sum += c[i].w;
		if (sample_uniform(p->seed, position) * kept_weight < sum)
			return c[i].id;
	}
	return c[kept - 1].id;
}

static void draws_are_those_of_the_sorted_row(void **state)
{
	enum { N = 1000 };
	static const struct kvik_sampling kinds[] = {
		{.temperature = 1, .top_p = 1},
		{.temperature = 0.3f, .top_p = 1},
		{.temperature = 5, .top_p = 1}, /* nearly flat */
		{.temperature = 1, .top_p = 0.95f},
		{.temperature = 1, .top_p = 1, .top_k = 40},
		{.temperature = 2, .top_p = 0.9f, .top_k = 200, .min_p = 0.01f},
		{.temperature = 2, .top_p = 1, .min_p = 0.05f},
	};
	static double scratch[2 * N];
	(void)state;
	assert_true(sample_scratch_bytes(N) <= sizeof scratch);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
		for (uint64_t i = 0; i < 200; i++) {
			struct kvik_sampling p = kinds[k];
			float logits[N], copy[N];
			p.repeat_penalty = 1;
			p.seed = k;
			for (uint32_t v = 0; v < N; v++) /* some are equal */
				logits[v] = (float)floor(sample_uniform(i, v) * 400) / 20 - 10;
			memcpy(copy, logits, sizeof copy);
			assert_int_equal(sample_next(&p, copy, N, NULL, 0, i, scratch),
					 draw_of_sorted(&p, logits, N, i));
		}
}

static void same_seed_same_draw(void **state)
{
	(void)state;
	assert_true(sample_uniform(1, 2) == sample_uniform(1, 2));
	assert_true(sample_uniform(1, 2) != sample_uniform(2, 1));
	assert_true(sample_uniform(0, 0) != sample_uniform(0, 1));
	double sum = 0;
	for (uint64_t i = 0; i < 10000; i++) {
		double u = sample_uniform(42, i);
		assert_true(u >= 0 && u < 1);
		sum += u;
	}
	assert_true(fabs(sum / 10000 - 0.5) < 0.015);
}

static void odd_rows_do_no_harm(void **state)
{
	(void)state;
	double scratch[2 * V];
	struct kvik_sampling p = kvik_sampling_default();
	p.temperature = 1;
	float dead[V] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
	assert_int_equal(sample_next(&p, dead, V, NULL, 0, 0, scratch), 0);
	float some[V] = {NAN, -INFINITY, 5, -INFINITY, NAN, -INFINITY};
	assert_int_equal(sample_next(&p, some, V, NULL, 0, 0, scratch), 2);
}

static void logprobs_are_log_softmax(void **state)
{
	(void)state;
	struct kvik_logprob top[3];
	float chosen;
	uint32_t rank;
	double sum = 0;
	for (int i = 0; i < V; i++)
		sum += exp((double)row[i]);
	assert_int_equal(sample_logprobs(row, V, 3, top, 3, &chosen, &rank), 3);
	assert_int_equal(top[0].id, 1);
	assert_int_equal(top[1].id, 4);
	assert_int_equal(top[2].id, 2);
	assert_true(fabs((double)chosen - (-1 - log(sum))) < 1e-6);
	int above = 0;
	for (int i = 0; i < V; i++)
		above += row[i] > row[3];
	assert_int_equal(rank, above + 1);
	assert_true(fabs((double)top[2].logprob - (2 - log(sum))) < 1e-6);
	assert_int_equal(sample_logprobs(row, V, 0, NULL, 1, &chosen, &rank), 0);
	assert_int_equal(rank, 1);
}

static void bad_parameters_are_named(void **state)
{
	(void)state;
	struct kvik_err err;
	struct kvik_sampling p = kvik_sampling_default();
	assert_int_equal(sample_check(&p, V, &err), 0);
	p.top_p = NAN;
	assert_int_equal(sample_check(&p, V, &err), KVIK_ERR_ARG);
	assert_non_null(strstr(err.text, "top_p"));
	struct kvik_bias bias = {V, 0};
	p = kvik_sampling_default();
	p.bias = &bias;
	p.n_bias = 1;
	assert_int_equal(sample_check(&p, V, &err), KVIK_ERR_ARG);
	assert_non_null(strstr(err.text, "logit_bias"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greedy_takes_the_lowest_of_equals),
		cmocka_unit_test(bias_and_penalties_move_the_choice),
		cmocka_unit_test(draws_follow_the_filters),
		cmocka_unit_test(draws_are_those_of_the_sorted_row),
		cmocka_unit_test(same_seed_same_draw),
		cmocka_unit_test(odd_rows_do_no_harm),
		cmocka_unit_test(logprobs_are_log_softmax),
		cmocka_unit_test(bad_parameters_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
