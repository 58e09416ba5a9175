/* sample.c: penalties, filters and the draw.
 *
 * Candidates are kept as (probability, id) pairs in the caller's scratch, and ordered only as far as somebody looks:
 * the most probable come in bands of weights, a heap gives a band's one by one. A draw walks down from the best until
 * it has passed its share of the whole, which is a few tokens of a hundred thousand.
 *
 * Thread: any; the only state is the caller's scratch. */
#include "sample/sample.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
struct candidate {
	double weight; /* exp((logit - max) / temperature): not normalised */
	uint32_t id;
};

double sample_uniform(uint64_t seed, uint64_t counter)
{
	uint64_t x = hash_mix(hash_mix(seed + HASH_STEP) + (counter + 1) * HASH_STEP);
	return (double)(x >> 11) * 0x1p-53;
}

int sample_check(const struct kvik_sampling *p, uint32_t n_vocab, struct kvik_err *err)
{
	if (!(p->temperature >= 0 && p->temperature <= 100))
		return err_set(err, KVIK_ERR_ARG, "temperature must be 0..100, not %g", (double)p->temperature);
	if (!(p->top_p > 0 && p->top_p <= 1))
		return err_set(err, KVIK_ERR_ARG, "top_p must be above 0 and at most 1, not %g", (double)p->top_p);
	if (!(p->min_p >= 0 && p->min_p <= 1))
		return err_set(err, KVIK_ERR_ARG, "min_p must be 0..1, not %g", (double)p->min_p);
	if (!(p->repeat_penalty > 0 && p->repeat_penalty <= 100))
		return err_set(err, KVIK_ERR_ARG, "repeat_penalty must be above 0 and at most 100, not %g",
			       (double)p->repeat_penalty);
	if (!(fabsf(p->presence_penalty) <= 100) || !(fabsf(p->frequency_penalty) <= 100))
		return err_set(err, KVIK_ERR_ARG, "presence_penalty and frequency_penalty must be -100..100");
	for (size_t i = 0; i < p->n_bias; i++) {
		if (p->bias[i].id >= n_vocab)
			return err_set(err, KVIK_ERR_ARG, "logit_bias names token %u, but the vocabulary has %u",
				       p->bias[i].id, n_vocab);
		if (isnan(p->bias[i].bias))
			return err_set(err, KVIK_ERR_ARG, "logit_bias of token %u is not a number", p->bias[i].id);
	}
	return 0;
}

size_t sample_scratch_bytes(uint32_t n_vocab)
{
	return (size_t)n_vocab * sizeof(struct candidate);
}

/* counts: [n_vocab] how often a token was seen, in the scratch. */
static void apply_penalties(const struct kvik_sampling *p, float *logits, uint32_t n_vocab, const uint32_t *history,
			    size_t n, uint32_t *counts)
{
	if (p->repeat_penalty == 1 && p->presence_penalty == 0 && p->frequency_penalty == 0)
		return;
	size_t from = p->penalty_last_n && n > p->penalty_last_n ? n - p->penalty_last_n : 0;
	memset(counts, 0, n_vocab * sizeof *counts);
	for (size_t i = from; i < n; i++)
		if (history[i] < n_vocab)
			counts[history[i]]++;
	for (size_t i = from; i < n; i++) {
		uint32_t id = history[i];
		if (id >= n_vocab || counts[id] == 0)
			continue;
		float *l = &logits[id];
		*l = *l > 0 ? *l / p->repeat_penalty : *l * p->repeat_penalty;
		*l -= p->presence_penalty + p->frequency_penalty * (float)counts[id];
		counts[id] = 0; /* each seen token once */
	}
}

static uint32_t argmax(const float *logits, uint32_t n)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < n; i++)
		if (logits[i] > logits[best] || (isnan(logits[best]) && !isnan(logits[i])))
			best = i;
	return best;
}

static bool before(struct candidate a, struct candidate b)
{
	return a.weight > b.weight || (a.weight == b.weight && a.id < b.id);
}

static void sift_down(struct candidate *heap, size_t n, size_t i)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= n)
			return;
		if (child + 1 < n && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], heap[i]))
			return;
		struct candidate t = heap[i];
		heap[i] = heap[child];
		heap[child] = t;
		i = child;
	}
}

/* Moves the best of heap[0..n) to heap[n-1]. */
static void pop(struct candidate *heap, size_t n)
{
	struct candidate best = heap[0];
	heap[0] = heap[n - 1];
	heap[n - 1] = best;
	sift_down(heap, n - 1, 0);
}

/* c: [ below the band, any order | heap of the band | sorted, the best last ]
 *      0                           band              end                   n   */
struct order {
	struct candidate *c;
	size_t n, band, end;
};

#define BAND 64 /* a band's weights are within this factor */

/* With nothing left in the band: the next one. */
static void next_band(struct order *o)
{
	double most = 0;
	for (size_t i = 0; i < o->end; i++)
		most = o->c[i].weight > most ? o->c[i].weight : most;
	o->band = o->end;
	for (size_t i = 0; i < o->band;) {
		if (o->c[i].weight < most / BAND) {
			i++;
			continue;
		}
		struct candidate t = o->c[i];
		o->c[i] = o->c[--o->band];
		o->c[o->band] = t;
	}
	for (size_t i = (o->end - o->band) / 2; i-- > 0;)
		sift_down(o->c + o->band, o->end - o->band, i);
}

/* The i-th best, i < n. */
static struct candidate ranked(struct order *o, size_t i)
{
	while (o->n - o->end <= i) {
		if (o->end == o->band)
			next_band(o);
		pop(o->c + o->band, o->end - o->band);
		o->end--;
	}
	return o->c[o->n - 1 - i];
}

/* How many of the best pass top-k and top-p (min-p is for the draw to see), and the weight of all that pass. */
static size_t keep_best(const struct kvik_sampling *p, struct order *o, double *weight)
{
	size_t limit = p->top_k && p->top_k < o->n ? p->top_k : o->n, kept = 0;
	double total = 0, floor = p->min_p; /* of the best weight, which is exp(0) = 1 */
	*weight = 0;
	if (limit == o->n) {
		for (size_t i = 0; i < o->n; i++) {
			total += o->c[i].weight;
			*weight += o->c[i].weight >= floor ? o->c[i].weight : 0;
		}
		if (p->top_p >= 1)
			return o->n; /* without ordering them */
	} else {                     /* top-p counts within the top k */
		for (size_t i = 0; i < limit; i++)
			total += ranked(o, i).weight;
	}
	for (*weight = 0; kept < limit; kept++) {
		double w = ranked(o, kept).weight;
		if (kept > 0 && (w < floor || *weight >= p->top_p * total))
			break;
		*weight += w;
	}
	return kept;
}

static uint32_t draw(const struct kvik_sampling *p, struct candidate *c, size_t n, double uniform)
{
	struct order o = {.c = c, .n = n, .band = n, .end = n};
	double weight, sum = 0, floor = p->min_p;
	size_t kept = keep_best(p, &o, &weight);
	uint32_t id = ranked(&o, 0).id;
	for (size_t i = 0; i < kept; i++) {
		struct candidate best = ranked(&o, i);
		if (i > 0 && best.weight < floor)
			break;
		id = best.id;
		sum += best.weight;
		if (uniform * weight < sum)
			break;
	}
	return id;
}

uint32_t sample_next(const struct kvik_sampling *p, float *logits, uint32_t n_vocab, const uint32_t *history,
		     size_t n_history, uint64_t position, void *scratch)
{
	for (size_t i = 0; i < p->n_bias; i++)
		logits[p->bias[i].id] += p->bias[i].bias;
	apply_penalties(p, logits, n_vocab, history, n_history, scratch);
	uint32_t best = argmax(logits, n_vocab);
	if (p->temperature == 0 || p->top_k == 1 || !isfinite(logits[best]))
		return best;
	struct candidate *c = scratch;
	size_t n = 0;
	double max = logits[best];
	for (uint32_t i = 0; i < n_vocab; i++) {
		double w = exp(((double)logits[i] - max) / p->temperature);
		if (w > 0) /* false for NaN too */
			c[n++] = (struct candidate){w, i};
	}
	return draw(p, c, n, sample_uniform(p->seed, position));
}

static double log_sum_exp(const float *logits, uint32_t n)
{
	double max = logits[argmax(logits, n)], sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += exp((double)logits[i] - max);
	return max + log(sum);
}

uint32_t sample_logprobs(const float *logits, uint32_t n_vocab, uint32_t k, struct kvik_logprob *out, uint32_t chosen,
			 float *chosen_logprob, uint32_t *rank)
{
	double norm = log_sum_exp(logits, n_vocab);
	uint32_t n = 0;
	*rank = 1;
	for (uint32_t i = 0; i < n_vocab; i++)
		*rank += logits[i] > logits[chosen];
	for (uint32_t i = 0; i < n_vocab && k > 0; i++) {
		struct kvik_logprob lp = {i, (float)((double)logits[i] - norm)};
		if (n == k && !(lp.logprob > out[n - 1].logprob))
			continue;
		uint32_t at = n < k ? n++ : n - 1;
		while (at > 0 && lp.logprob > out[at - 1].logprob) {
			out[at] = out[at - 1];
			at--;
		}
		out[at] = lp;
	}
	*chosen_logprob = (float)((double)logits[chosen] - norm);
	return n;
}
