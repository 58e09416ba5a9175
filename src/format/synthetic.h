/* synthetic.h: random numbers as weights of every type: mean 0, standard deviation about 0.02, as trained models start
 * from. The same seed gives the same bytes on every machine. Any thread. */
#ifndef KVIK_FORMAT_SYNTHETIC_H
#define KVIK_FORMAT_SYNTHETIC_H

#include "base/wtype.h"

/* elems: a multiple of the type's block; out: room for them, 8-byte aligned. F32, F16 and BF16 come from the same
 * numbers (BF16 cut to its bits). */
void synthetic_fill(enum wtype type, uint8_t *out, uint64_t elems, uint64_t seed);
/* [n] weights of a norm: such numbers around 1. */
void synthetic_fill_norm(float *out, uint64_t n, uint64_t seed);

#endif
