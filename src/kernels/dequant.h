/* dequant.h: rows of weights as files store them, to floats and back. Plain C, the same on every CPU. Any thread. */
#ifndef KVIK_KERNELS_DEQUANT_H
#define KVIK_KERNELS_DEQUANT_H

#include "base/wtype.h"

/* Stored blocks -> f32, bit for bit like the gguf Python package; n a multiple of the type's block. */
void dequant_row(enum wtype type, const uint8_t *src, uint64_t n, float *out);
/* f32 -> stored blocks, round to nearest as llama.cpp's reference quantiser; to is Q8_0, Q4_0, F16 or BF16. */
void quant_row(enum wtype to, const float *src, uint64_t n, uint8_t *out);

#endif
