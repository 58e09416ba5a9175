/* delta_layout.h: what a gated delta net (arXiv 2412.06464) is, and where its state lies. q, k and v of one projection
 * pass a short causal convolution; then each value head has a state of [k_dim][v_dim], which the delta rule updates token
 * by token. The state of a layer is one run of floats: first the inputs that the convolution still sees, [taps -
 * 1][channels], the oldest first; then, from a multiple of 64 bytes on, value head after value head, [tiles of 16 value
 * dims][k_dim][16], so that a few tiles stay in the first cache from token to token. */
#ifndef KVIK_KERNELS_DELTA_LAYOUT_H
#define KVIK_KERNELS_DELTA_LAYOUT_H

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

/* Of one value head. */
static inline size_t delta_state_floats(uint32_t k_dim, uint32_t v_dim)
{
	return ((size_t)v_dim + 15) / 16 * 16 * k_dim;
}

/* Before the first head's. */
static inline size_t delta_conv_floats(const struct delta_spec *d)
{
	return ((size_t)(d->taps - 1) * delta_channels(d) + 15) / 16 * 16;
}

/* Of a layer; a multiple of 64. */
static inline size_t delta_state_bytes(const struct delta_spec *d)
{
	return (delta_conv_floats(d) + d->v_heads * delta_state_floats(d->k_dim, d->v_dim)) * sizeof(float);
}

#endif
