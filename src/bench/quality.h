/* quality.h: what a setting of the cache costs in the model's predictions, measured on a text against the exact cache:
 * perplexity, the Kullback-Leibler divergence of the two distributions of the next token, and how often the most
 * probable token is the same.
 *
 * The text is cut into pieces of `context` tokens, each read from an empty cache; predictions of a piece's second half
 * count (as in llama.cpp's perplexity, so that the figures can be compared).
 *
 * Activations that are rounded to int8 move every prediction, by a KL of 0.004 on a real model, as soon as a key or value
 * differs in its last bit: that hides what most KV dtypes cost. So quality is measured with f32 activations, on a copy
 * of the model where it has others, unless the user wants int8 or memory does not suffice. */
#ifndef KVIK_BENCH_QUALITY_H
#define KVIK_BENCH_QUALITY_H

#include <kvik.h>

#include "bench/arms.h"

struct quality {
	size_t n;                /* predictions */
	size_t agree;            /* whose most probable token is the reference's */
	double nll, nll_squares; /* sums over -log p(next token of the text) */
	double *kl;              /* [n], owned: of each prediction, from the reference, in nats; sorted at the end */
};

struct quality_text {
	const uint32_t *ids; /* [n] */
	size_t n;
	uint32_t context; /* tokens of a piece, at least 4 */
	uint32_t bos;     /* every piece begins with it, in place of its first token; KVIK_NO_ID: none */
};

/* Whose predictions are compared. */
struct quality_model {
	struct kvik_model *m;
	bool copy;      /* with f32 activations, and owned; else the given one */
	char note[256]; /* for the report; "" where there is nothing to say */
};

/* m was loaded from path with these parameters. Released with quality_model_close, also after an error. */
int quality_model_open(struct quality_model *q, struct kvik_model *m, const char *path,
		       const struct kvik_model_params *params, struct kvik_err *err) MUST_CHECK;
void quality_model_close(struct quality_model *q);

enum quality_choice { QUALITY_SAME, QUALITY_COPY, QUALITY_WANTED, QUALITY_NO_MEMORY };
/* own_bytes: of m's packed weights; f32_bytes: with f32 activations, the same when m has these; free_bytes: of memory. */
enum quality_choice quality_choose(enum kvik_act act, uint64_t own_bytes, uint64_t f32_bytes, uint64_t free_bytes);

size_t quality_pieces(const struct quality_text *t);

/* Compares arms[1..n) with arms[0], whose params must be the reference's; all are open, with a context of at least the
 * text's. out: [n], zeroed, released by the caller also after an error; out[0] tells the reference's own perplexity.
 * show: NULL, or called before each piece. */
int quality_measure(struct arm *arms, size_t n, struct kvik_model *m, const struct quality_text *text,
		    struct quality *out, void (*show)(size_t piece, size_t pieces), struct kvik_err *err) MUST_CHECK;
void quality_release(struct quality *q, size_t n);

double quality_perplexity(const struct quality *q);
double quality_perplexity_error(const struct quality *q); /* standard error */
double quality_agreement(const struct quality *q);        /* share, 0..1 */
double quality_kl_mean(const struct quality *q);
double quality_kl_at(const struct quality *q, double share); /* so many of them are at most this; 1 = the largest */

#endif
