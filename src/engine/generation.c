/* generation.c: what a model's files say about how it is sampled: defaults for those who ask, ids that are never drawn.
 * Any thread. */
#include <math.h>

#include "engine/loaded.h"
#include "engine/sized.h"
#include "format/source.h"

int kvik_model_read_sampling(const struct kvik_model *m, struct kvik_sampling *sampling, unsigned *given)
{
	const struct generation *g = source_generation(m->source);
	struct kvik_sampling p = kvik_sampling_default();
	*given = 0;
	if (g->given & GENERATION_TEMPERATURE) {
		*given |= KVIK_SAMPLING_TEMPERATURE;
		p.temperature = g->temperature;
	}
	if (g->given & GENERATION_TOP_K) {
		*given |= KVIK_SAMPLING_TOP_K;
		p.top_k = g->top_k;
	}
	if (g->given & GENERATION_TOP_P) {
		*given |= KVIK_SAMPLING_TOP_P;
		p.top_p = g->top_p;
	}
	if (g->given & GENERATION_MIN_P) {
		*given |= KVIK_SAMPLING_MIN_P;
		p.min_p = g->min_p;
	}
	if (g->given & GENERATION_REPEAT_PENALTY) {
		*given |= KVIK_SAMPLING_REPEAT_PENALTY;
		p.repeat_penalty = g->repeat_penalty;
	}
	if (g->given & GENERATION_PENALTY_LAST_N) {
		*given |= KVIK_SAMPLING_PENALTY_LAST_N;
		p.penalty_last_n = g->penalty_last_n;
	}
	return SIZED_WRITE(kvik_sampling, sampling, &p, NULL);
}

void suppress(const struct kvik_model *m, float *logits)
{
	const struct generation *g = source_generation(m->source);
	uint32_t n_vocab = model_hparams(m->model)->n_vocab;
	for (size_t i = 0; i < g->n_suppressed; i++)
		if (g->suppressed[i] < n_vocab)
			logits[g->suppressed[i]] = -INFINITY;
}
