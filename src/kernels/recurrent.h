/* recurrent.h: kernels of layers that carry a state from token to token: a short causal convolution and the gated delta
 * rule, or what a state space model does instead. Tokens are taken one after another, so the order of additions of a token does not depend on how a prefill was
 * cut. Included after a vec_*.h, once per level. */
#ifndef KVIK_KERNELS_RECURRENT_H
#define KVIK_KERNELS_RECURRENT_H

#include "kernels/elementwise.h"

#define RECURRENT_INLINE static inline __attribute__((always_inline))

static void l2_norm(float *x, float eps, float scale, uint32_t n)
{
	float inverse = 1 / sqrtf(sum_squares(x, n) + eps);
	for (uint32_t i = 0; i < n; i++)
		x[i] = x[i] * inverse * scale;
}

static inline vf sigmoid_mul_lanes(vf x, vf g)
{
	return vf_div(x, vf_add(vf_set1(1), vf_exp(vf_sub(vf_set1(0), g))));
}

static void sigmoid_mul(float *x, const float *gate, uint32_t n)
{
	uint32_t whole = n / 16 * 16, rest = n - whole;
	for (uint32_t i = 0; i < whole; i += 16)
		vf_store(x + i, sigmoid_mul_lanes(vf_load(x + i), vf_load(gate + i)));
	vf last = sigmoid_mul_lanes(vf_load_part(x + whole, rest), vf_load_part(gate + whole, rest));
	vf_store_part(x + whole, last, rest);
}

RECURRENT_INLINE vf load_lanes(const float *p, const uint32_t n)
{
	return n == 16 ? vf_load(p) : vf_load_part(p, n);
}

RECURRENT_INLINE void store_lanes(float *p, vf x, const uint32_t n)
{
	if (n == 16)
		vf_store(p, x);
	else
		vf_store_part(p, x, n);
}

/* Lanes channel..channel + n - 1. seen: the inputs before the token at hand, the oldest first. */
RECURRENT_INLINE void conv_lanes(const struct conv *c, uint32_t channel, const uint32_t n)
{
	vf seen[CONV_TAPS_MAX];
	uint32_t before = c->taps - 1;
	for (uint32_t i = 0; i < before; i++)
		seen[i] = load_lanes(c->state + (size_t)i * c->channels + channel, n);
	vf bias = c->bias ? load_lanes(c->bias + channel, n) : vf_set1(0);
	for (uint32_t t = 0; t < c->tokens; t++) {
		float *x = c->x + t * c->stride + channel;
		vf sum = bias;
		seen[before] = load_lanes(x, n);
		for (uint32_t i = 0; i <= before; i++)
			sum = vf_fma(load_lanes(c->weight + (size_t)i * c->channels + channel, n), seen[i], sum);
		store_lanes(x, c->silu ? silu_mul_lanes(sum, vf_set1(1)) : sum, n);
		for (uint32_t i = 0; i < before; i++)
			seen[i] = seen[i + 1];
	}
	for (uint32_t i = 0; i < before; i++)
		store_lanes(c->state + (size_t)i * c->channels + channel, seen[i], n);
}

static void conv(const struct conv *c, uint32_t first, uint32_t end)
{
	uint32_t channel = first;
	for (; channel + 16 <= end; channel += 16)
		conv_lanes(c, channel, 16);
	if (channel < end)
		conv_lanes(c, channel, end - channel);
}

/* Tiles of 16 value dims that are taken together: as many chains of additions as keep the arithmetic busy, and few
 * enough that their state stays in the first cache from token to token. */
enum { DELTA_TILES = 4 };

/* Dims of a tile that exist. */
RECURRENT_INLINE uint32_t delta_lanes(const struct delta *d, uint32_t tile)
{
	uint32_t left = d->v_dim - tile * 16;
	return left < 16 ? left : 16;
}

/* What the state answers to k, with the decay still to come. */
RECURRENT_INLINE void delta_recall(const struct delta *d, const float *state, const float *k, vf *mem,
				   const uint32_t tiles)
{
	size_t tile = (size_t)d->k_dim * 16;
	for (uint32_t j = 0; j < tiles; j++)
		mem[j] = vf_set1(0);
	for (uint32_t i = 0; i < d->k_dim; i++) {
		vf key = vf_set1(k[i]);
		for (uint32_t j = 0; j < tiles; j++)
			mem[j] = vf_fma(vf_load(state + j * tile + i * 16), key, mem[j]);
	}
}

/* state = decay state + k x change; out = the answer of the new state to q. */
RECURRENT_INLINE void delta_update(const struct delta *d, float *state, uint32_t t, const vf *change, vf *out,
				   const uint32_t tiles)
{
	const float *q = d->q + t * d->stride, *k = d->k + t * d->stride;
	size_t tile = (size_t)d->k_dim * 16;
	vf decay = vf_set1(d->decay[t * d->gate_stride]);
	for (uint32_t j = 0; j < tiles; j++)
		out[j] = vf_set1(0);
	for (uint32_t i = 0; i < d->k_dim; i++) {
		vf key = vf_set1(k[i]), query = vf_set1(q[i]);
		for (uint32_t j = 0; j < tiles; j++) {
			float *at = state + j * tile + i * 16;
			vf s = vf_fma(key, change[j], vf_mul(decay, vf_load(at)));
			vf_store(at, s);
			out[j] = vf_fma(s, query, out[j]);
		}
	}
}

RECURRENT_INLINE void delta_tiles(const struct delta *d, uint32_t first, const uint32_t tiles, const bool adds)
{
	float *state = d->state + (size_t)first * d->k_dim * 16;
	for (uint32_t t = 0; t < d->tokens; t++) {
		const float *v = d->v + t * d->stride + first * 16;
		float *o = d->out + t * d->out_stride + first * 16;
		vf mem[DELTA_TILES], out[DELTA_TILES];
		vf decay = vf_set1(d->decay[t * d->gate_stride]), beta = vf_set1(d->beta[t * d->gate_stride]);
		if (!adds)
			delta_recall(d, state, d->k + t * d->stride, mem, tiles);
		for (uint32_t j = 0; j < tiles; j++) {
			vf value = vf_load_part(v + j * 16, delta_lanes(d, first + j));
			mem[j] = vf_mul(beta, adds ? value : vf_sub(value, vf_mul(decay, mem[j])));
		}
		delta_update(d, state, t, mem, out, tiles);
		for (uint32_t j = 0; j < tiles; j++) {
			uint32_t lanes = delta_lanes(d, first + j);
			if (adds)
				out[j] = vf_fma(vf_set1(d->skip), vf_load_part(v + j * 16, lanes), out[j]);
			vf_store_part(o + j * 16, out[j], lanes);
		}
	}
}

RECURRENT_INLINE void delta_all(const struct delta *d, const bool adds)
{
	uint32_t tiles = (d->v_dim + 15) / 16, i = 0;
	for (; i + DELTA_TILES <= tiles; i += DELTA_TILES)
		delta_tiles(d, i, DELTA_TILES, adds);
	for (; i < tiles; i++)
		delta_tiles(d, i, 1, adds);
}

static void delta(const struct delta *d)
{
	if (d->adds)
		delta_all(d, true);
	else
		delta_all(d, false);
}

#endif
