/* kv_convert.h: pages from one layout of dtypes to another.  Any thread. */
#ifndef KVIK_KERNELS_KV_CONVERT_H
#define KVIK_KERNELS_KV_CONVERT_H

#include "kernels/kernels.h"

/* Floats of room that a conversion needs. */
size_t kv_convert_floats(const struct kv_layout *l);

/* Writes the first `tokens` tokens of page src as they are stored in another layout: of the same layers, heads and
 * dims, in other dtypes. dst gets the bits that kv_write gives for the values that src holds. Cannot fail. */
void kv_convert(const struct kernels *kern, const struct kv_layout *from, const uint8_t *src,
		const struct kv_layout *to, uint8_t *dst, uint32_t tokens, float *room);

#endif
