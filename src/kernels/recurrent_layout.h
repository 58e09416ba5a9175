/* recurrent_layout.h: what layers are that carry a state from token to token, and where it lies. The state of a layer is
 * one run of floats: first the inputs that its short causal convolution still sees, [taps - 1][channels], the oldest
 * first; then, from a multiple of 64 bytes on, where there are heads, head after head, [tiles of 16 value dims][k_dim][16],
 * so that a few tiles stay in the first cache from token to token.
 *
 *   gated delta net (arXiv 2412.06464)   q, k and v of one projection pass the convolution; the delta rule updates
 *   state space model (arXiv 2405.21060, Mamba-2)   as does x (the values), B (keys), C (queries); the state decays and adds
 *   short convolution (LFM2)             nothing else */
#ifndef KVIK_KERNELS_RECURRENT_LAYOUT_H
#define KVIK_KERNELS_RECURRENT_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONV_TAPS_MAX 16

struct delta_spec {
	uint32_t k_heads, v_heads; /* each key head serves v_heads / k_heads value heads */
	uint32_t k_dim, v_dim;     /* of a head */
	uint32_t taps;             /* of the convolution, 2..CONV_TAPS_MAX: the token's own and those before */
	bool interleaved;          /* value head i has key head i mod k_heads; else neighbours share one */
};

/* Of the convolution: q, k and v of all heads, in this order. */
static inline uint32_t delta_channels(const struct delta_spec *d)
{
	return 2 * d->k_heads * d->k_dim + d->v_heads * d->v_dim;
}

/* The inputs that a convolution still sees. */
static inline size_t conv_state_floats(uint32_t taps, uint32_t channels)
{
	return ((size_t)(taps - 1) * channels + 15) / 16 * 16;
}

/* Of one head. */
static inline size_t delta_state_floats(uint32_t k_dim, uint32_t v_dim)
{
	return ((size_t)v_dim + 15) / 16 * 16 * k_dim;
}

/* Of a layer; a multiple of 64. */
static inline size_t delta_state_bytes(const struct delta_spec *d)
{
	return (conv_state_floats(d->taps, delta_channels(d)) + d->v_heads * delta_state_floats(d->k_dim, d->v_dim)) *
	       sizeof(float);
}

/* Each group of heads has a key and a query (B and C) of its own. */
struct ssm_spec {
	uint32_t heads, head_dim;
	uint32_t groups, state_dim;
	uint32_t taps; /* of the convolution */
};

static inline uint32_t ssm_inner(const struct ssm_spec *m)
{
	return m->heads * m->head_dim;
}

/* Of the convolution: x of all heads, B of all groups, C of all groups. */
static inline uint32_t ssm_channels(const struct ssm_spec *m)
{
	return ssm_inner(m) + 2 * m->groups * m->state_dim;
}

static inline size_t ssm_state_bytes(const struct ssm_spec *m)
{
	return (conv_state_floats(m->taps, ssm_channels(m)) +
		m->heads * delta_state_floats(m->state_dim, m->head_dim)) *
	       sizeof(float);
}

struct short_conv_spec {
	uint32_t dim, taps;
};

static inline size_t short_conv_state_bytes(const struct short_conv_spec *c)
{
	return conv_state_floats(c->taps, c->dim) * sizeof(float);
}

#endif
