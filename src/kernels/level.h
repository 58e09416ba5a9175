/* level.h: the table of each CPU level; the functions are the statics of the level's own .c file. */
#ifndef KVIK_KERNELS_LEVEL_H
#define KVIK_KERNELS_LEVEL_H

#include "kernels/kernels.h"

extern const struct kernels kernels_scalar, kernels_avx2, kernels_avx512;

#define LEVEL_TABLE(level_name)                                                                                     \
	{                                                                                                           \
		.name = level_name, .mat_mul = mat_mul, .act_quantize = act_quantize, .rms_norm = rms_norm,         \
		.add = add, .silu_mul = silu_mul, .gelu_mul = gelu_mul, .clamped_mul = clamped_mul,                 \
		.soft_cap = soft_cap, .rope = rope, .kv_write = kv_write, .attention = attention,                   \
		.attention_parts = attention_parts, .attention_merge = attention_merge,                             \
		.attention_finish = attention_finish, .l2_norm = l2_norm, .sigmoid_mul = sigmoid_mul, .conv = conv, \
		.delta = delta                                                                                      \
	}

#endif
