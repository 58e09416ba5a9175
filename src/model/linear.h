/* linear.h: products of one activation matrix with one to three weight matrices, in one job of the pool. */
#ifndef KVIK_MODEL_LINEAR_H
#define KVIK_MODEL_LINEAR_H

#include "model/step.h"

struct linear_out {
	const struct mat *m;
	const float *bias; /* [rows] or NULL */
	float *out;        /* [tokens][rows] */
};

/* out_i = x m_i^T + bias_i; x: [tokens][cols]; all matrices have the same columns. */
void linear(const struct step *s, const float *x, uint32_t tokens, const struct linear_out *outs, uint32_t n);

#endif
