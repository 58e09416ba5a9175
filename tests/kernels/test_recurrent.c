/* test_recurrent.c: the kernels of recurrent layers: every level against the scalar one by bits, the scalar one against
 * double arithmetic, buffers that end at a guard page, and tokens cut anywhere. The seed is printed; KVIK_SEED repeats
 * a run. */
#include <math.h>

#include "check.h"

static const struct kernels *scalar, *fast[2];
static size_t n_fast;

static int select_levels(void **state)
{
	static const char *const names[] = {"avx2", "avx512"};
	(void)state;
	assert_int_equal(kernels_select(&scalar, "scalar", NULL), 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (kernels_select(&fast[n_fast], names[i], NULL) == 0)
			n_fast++;
	return 0;
}

static void fill(float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = random_f32();
}

/* A copy of g in memory of its own. */
static struct guard copy(const struct guard *g, size_t bytes)
{
	struct guard c = guard_new(bytes);
	memcpy(c.p, g->p, bytes);
	return c;
}

static void close_to(double got, double want, double size)
{
	if (!(fabs(got - want) <= 2e-6 * size + 1e-30))
		fail_msg("%.9g instead of %.9g", got, want);
}

/* ---- Rows -------------------------------------------------------------------------------------------------------- */

static void rows(void **state)
{
	static const uint32_t sizes[] = {1, 15, 16, 17, 64, 128, 130, 256};
	(void)state;
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		uint32_t n = sizes[k];
		size_t bytes = n * sizeof(float);
		struct guard x = guard_new(bytes), gate = guard_new(bytes);
		fill(x.p, n);
		fill(gate.p, n);
		struct guard normed = copy(&x, bytes), gated = copy(&x, bytes);
		scalar->l2_norm(normed.p, 1e-6f, 0.25f, n);
		scalar->sigmoid_mul(gated.p, gate.p, n);
		const float *in = x.p, *g = gate.p;
		double squares = 0;
		for (uint32_t i = 0; i < n; i++)
			squares += (double)in[i] * (double)in[i];
		for (uint32_t i = 0; i < n; i++) {
			double norm = 0.25 * (double)in[i] / sqrt(squares + 1e-6);
			close_to((double)((float *)normed.p)[i], norm, fabs(norm));
			double s = (double)in[i] / (1 + exp(-(double)g[i]));
			close_to((double)((float *)gated.p)[i], s, fabs(s));
		}
		for (size_t l = 0; l < n_fast; l++) {
			struct guard a = copy(&x, bytes), b = copy(&x, bytes);
			fast[l]->l2_norm(a.p, 1e-6f, 0.25f, n);
			fast[l]->sigmoid_mul(b.p, gate.p, n);
			assert_same_bits(normed.p, a.p, bytes, "l2_norm", fast[l]->name);
			assert_same_bits(gated.p, b.p, bytes, "sigmoid_mul", fast[l]->name);
			guard_free(&a);
			guard_free(&b);
		}
		guard_free(&x);
		guard_free(&gate);
		guard_free(&normed);
		guard_free(&gated);
	}
}

/* ---- Convolution ------------------------------------------------------------------------------------------------- */

struct conv_case {
	uint32_t taps, channels, tokens;
	bool biased, silu;
	struct guard weight, bias, state, x;
	size_t state_bytes, x_bytes;
};

static struct conv_case conv_new(uint32_t taps, uint32_t channels, uint32_t tokens, bool biased, bool silu)
{
	struct conv_case c = {.taps = taps,
			      .channels = channels,
			      .tokens = tokens,
			      .biased = biased,
			      .silu = silu,
			      .state_bytes = (size_t)(taps - 1) * channels * sizeof(float),
			      .x_bytes = (size_t)tokens * channels * sizeof(float)};
	c.weight = guard_new((size_t)taps * channels * sizeof(float));
	c.state = guard_new(c.state_bytes);
	c.x = guard_new(c.x_bytes);
	c.bias = guard_new(channels * sizeof(float));
	fill(c.weight.p, (size_t)taps * channels);
	fill(c.bias.p, channels);
	fill(c.state.p, (size_t)(taps - 1) * channels);
	fill(c.x.p, (size_t)tokens * channels);
	return c;
}

/* Channels in two calls, tokens in as many as `cut` says. */
static void conv_run(const struct kernels *k, const struct conv_case *c, void *state, void *x, uint32_t cut)
{
	for (uint32_t t = 0; t < c->tokens; t += cut) {
		struct conv call = {.weight = c->weight.p,
				    .bias = c->biased ? c->bias.p : NULL,
				    .silu = c->silu,
				    .stride = c->channels,
				    .state = state,
				    .x = (float *)x + (size_t)t * c->channels,
				    .taps = c->taps,
				    .channels = c->channels,
				    .tokens = c->tokens - t < cut ? c->tokens - t : cut};
		uint32_t half = c->channels / 2;
		k->conv(&call, 0, half);
		k->conv(&call, half, c->channels);
	}
}

static void conv_reference(const struct conv_case *c, const float *x, const float *state)
{
	const float *w = c->weight.p, *before = c->state.p, *in = c->x.p;
	for (uint32_t ch = 0; ch < c->channels; ch++)
		for (uint32_t t = 0; t < c->tokens; t++) {
			double sum = c->biased ? (double)((float *)c->bias.p)[ch] : 0, size = fabs(sum);
			for (uint32_t i = 0; i < c->taps; i++) {
				uint32_t at = t + i; /* of state and inputs, one after the other */
				const float *from = at < c->taps - 1 ? before + (size_t)at * c->channels
								     : in + (size_t)(at - c->taps + 1) * c->channels;
				double p = (double)w[(size_t)i * c->channels + ch] * (double)from[ch];
				sum += p;
				size += fabs(p);
			}
			close_to((double)x[(size_t)t * c->channels + ch], c->silu ? sum / (1 + exp(-sum)) : sum, size);
		}
	for (uint32_t i = 0; i + 1 < c->taps; i++) {
		uint32_t at = c->tokens + i;
		const float *from = at < c->taps - 1 ? before + (size_t)at * c->channels
						     : in + (size_t)(at - c->taps + 1) * c->channels;
		assert_memory_equal(state + (size_t)i * c->channels, from, c->channels * sizeof *from);
	}
}

static void convolution(void **state)
{
	static const uint32_t taps[] = {2, 3, 4, CONV_TAPS_MAX}, channels[] = {1, 16, 40, 96}, tokens[] = {1, 2, 7, 20};
	(void)state;
	for (int i = 0; i < 64; i++) {
		struct conv_case c =
			conv_new(taps[i & 3], channels[i >> 2 & 3], tokens[i >> 4], i & 1, (i ^ i >> 2) & 2);
		struct guard s = copy(&c.state, c.state_bytes), x = copy(&c.x, c.x_bytes);
		conv_run(scalar, &c, s.p, x.p, c.tokens);
		conv_reference(&c, x.p, s.p);
		for (size_t l = 0; l <= n_fast; l++) {
			const struct kernels *k = l < n_fast ? fast[l] : scalar;
			struct guard s2 = copy(&c.state, c.state_bytes), x2 = copy(&c.x, c.x_bytes);
			conv_run(k, &c, s2.p, x2.p, 1 + random_below(c.tokens));
			assert_same_bits(x.p, x2.p, c.x_bytes, "conv", k->name);
			assert_same_bits(s.p, s2.p, c.state_bytes, "conv's state", k->name);
			guard_free(&s2);
			guard_free(&x2);
		}
		guard_free(&s);
		guard_free(&x);
		guard_free(&c.weight);
		guard_free(&c.bias);
		guard_free(&c.state);
		guard_free(&c.x);
	}
}

/* ---- Delta rule -------------------------------------------------------------------------------------------------- */

/* q, k and v of a token lie behind each other; decay and beta of all heads, of which this is the second. */
enum { HEADS = 3 };

struct delta_case {
	uint32_t k_dim, v_dim, tokens;
	bool adds;
	struct guard qkv, gates, state;
	size_t state_bytes, out_bytes;
};

static struct delta_case delta_new(uint32_t k_dim, uint32_t v_dim, uint32_t tokens)
{
	struct delta_case c = {.k_dim = k_dim,
			       .v_dim = v_dim,
			       .tokens = tokens,
			       .state_bytes = delta_state_floats(k_dim, v_dim) * sizeof(float),
			       .out_bytes = (size_t)tokens * v_dim * sizeof(float)};
	size_t n = (size_t)tokens * (2 * k_dim + v_dim), g = (size_t)tokens * HEADS * 2;
	c.qkv = guard_new(n * sizeof(float));
	c.gates = guard_new(g * sizeof(float));
	c.state = guard_new(c.state_bytes);
	fill(c.qkv.p, n);
	fill(c.state.p, delta_state_floats(k_dim, v_dim));
	for (size_t i = 0; i < g; i++)
		((float *)c.gates.p)[i] = (float)random_below(1000) / 1000;
	for (uint32_t t = 0; t < tokens; t++) { /* as a model gives them: keys of length 1 */
		scalar->l2_norm((float *)c.qkv.p + t * (2 * k_dim + v_dim), 1e-6f, 1, k_dim);
		scalar->l2_norm((float *)c.qkv.p + t * (2 * k_dim + v_dim) + k_dim, 1e-6f, 1, k_dim);
	}
	return c;
}

static void delta_run(const struct kernels *k, const struct delta_case *c, void *state, void *out, uint32_t cut)
{
	size_t stride = 2 * c->k_dim + c->v_dim;
	for (uint32_t t = 0; t < c->tokens; t += cut) {
		const float *q = (const float *)c->qkv.p + t * stride;
		const float *gates = (const float *)c->gates.p + (size_t)t * HEADS * 2 + 1;
		k->delta(&(struct delta){.q = q,
					 .k = q + c->k_dim,
					 .v = q + 2 * c->k_dim,
					 .decay = gates,
					 .beta = gates + HEADS,
					 .out = (float *)out + (size_t)t * c->v_dim,
					 .stride = stride,
					 .gate_stride = (size_t)HEADS * 2,
					 .out_stride = c->v_dim,
					 .state = state,
					 .tokens = c->tokens - t < cut ? c->tokens - t : cut,
					 .k_dim = c->k_dim,
					 .v_dim = c->v_dim,
					 .adds = c->adds,
					 .skip = 0.75f});
	}
}

/* One value dim at a time. */
static void delta_reference(const struct delta_case *c, const float *state, const float *out)
{
	size_t stride = 2 * c->k_dim + c->v_dim;
	double *s = malloc(c->k_dim * sizeof *s);
	for (uint32_t d = 0; d < c->v_dim; d++) {
		size_t at = (size_t)(d / 16) * c->k_dim * 16 + d % 16;
		for (uint32_t i = 0; i < c->k_dim; i++)
			s[i] = (double)((const float *)c->state.p)[at + i * 16];
		for (uint32_t t = 0; t < c->tokens; t++) {
			const float *q = (const float *)c->qkv.p + t * stride, *k = q + c->k_dim, *v = k + c->k_dim;
			const float *gates = (const float *)c->gates.p + (size_t)t * HEADS * 2 + 1;
			double mem = 0, o = 0;
			for (uint32_t i = 0; i < c->k_dim; i++)
				mem += (s[i] *= (double)gates[0]) * (double)k[i];
			mem = c->adds ? 0 : mem;
			for (uint32_t i = 0; i < c->k_dim; i++) {
				s[i] += (double)k[i] * ((double)v[d] - mem) * (double)gates[HEADS];
				o += s[i] * (double)q[i];
			}
			o += c->adds ? 0.75 * (double)v[d] : 0;
			close_to((double)out[(size_t)t * c->v_dim + d], o, 3000);
		}
		for (uint32_t i = 0; i < c->k_dim; i++)
			close_to((double)state[at + i * 16], s[i], 3000);
	}
	free(s);
}

static void delta_rule(void **state)
{
	static const uint32_t k_dims[] = {1, 8, 24, 128}, v_dims[] = {1, 16, 72, 128}, tokens[] = {1, 2, 9, 30};
	(void)state;
	for (int i = 0; i < 128; i++) {
		struct delta_case c = delta_new(k_dims[i & 3], v_dims[i >> 2 & 3], tokens[i >> 4 & 3]);
		c.adds = i >> 6;
		struct guard s = copy(&c.state, c.state_bytes), out = guard_new(c.out_bytes);
		delta_run(scalar, &c, s.p, out.p, c.tokens);
		delta_reference(&c, s.p, out.p);
		for (size_t l = 0; l <= n_fast; l++) {
			const struct kernels *k = l < n_fast ? fast[l] : scalar;
			struct guard s2 = copy(&c.state, c.state_bytes), out2 = guard_new(c.out_bytes);
			delta_run(k, &c, s2.p, out2.p, 1 + random_below(c.tokens));
			assert_same_bits(out.p, out2.p, c.out_bytes, "delta", k->name);
			assert_same_bits(s.p, s2.p, c.state_bytes, "delta's state", k->name);
			guard_free(&s2);
			guard_free(&out2);
		}
		guard_free(&s);
		guard_free(&out);
		guard_free(&c.qkv);
		guard_free(&c.gates);
		guard_free(&c.state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows),
		cmocka_unit_test(convolution),
		cmocka_unit_test(delta_rule),
	};
	random_seed();
	return cmocka_run_group_tests(tests, select_levels, NULL);
}
