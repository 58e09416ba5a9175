/* rope.h: rotary position embedding: the frequencies of each scaling rule, and the angles of a position.
 *
 * Source: RoFormer (arXiv 2104.09864); YaRN (arXiv 2309.00071); the "llama3" rule as Meta published it with Llama 3.1.
 * The rotation itself is a kernel; it takes the cos and sin rows made here. */
#ifndef KVIK_MODEL_ROPE_H
#define KVIK_MODEL_ROPE_H

#include "base/err.h"

enum rope_rule { ROPE_PLAIN, ROPE_LINEAR, ROPE_LLAMA3, ROPE_YARN };

struct rope_params {
	enum rope_rule rule;
	uint32_t dim;         /* rotated dims of a head; even */
	float theta;          /* base of the frequencies */
	uint32_t still;       /* of the pairs, the last so many do not turn */
	float factor;         /* LINEAR, LLAMA3, YARN: how many times the original context */
	float context;        /* LLAMA3, YARN: the original context in tokens */
	float low_freq;       /* LLAMA3: low_freq_factor */
	float high_freq;      /* LLAMA3: high_freq_factor */
	float beta_fast;      /* YARN: rotations over the original context above which nothing is interpolated (32) */
	float beta_slow;      /* YARN: and below which everything is (1) */
	float attn_factor;    /* YARN: scales cos and sin; 0 = 1 + 0.1 ln(factor) */
	bool keep_fractions;  /* YARN: do not round the ramp's ends to whole dims ("truncate": false) */
	const float *divisor; /* [dim / 2] or NULL: divides each frequency (GGUF rope_freqs.weight) */
};

/* FORMAT: a parameter out of range. */
int rope_check(const struct rope_params *p, struct kvik_err *err) MUST_CHECK;

struct rope {
	uint32_t dim;
	float scale;     /* of cos and sin */
	float *inv_freq; /* [dim / 2], owned */
};

/* rope must be released with rope_release, also after an error. */
int rope_init(struct rope *r, const struct rope_params *p, struct kvik_err *err) MUST_CHECK;
void rope_release(struct rope *r);

/* cos, sin: [dim / 2] for one absolute position. Any thread. */
void rope_angles(const struct rope *r, uint32_t position, float *cos_out, float *sin_out);

#endif
