/* router.c: see router.h. Sums go from the likeliest expert to the least likely, as the reference adds them. Logits
 * that are not numbers choose anything, but each expert once. */
#include "backend/cpu/router.h"

#include <math.h>
#include <string.h>

/* logits -> probabilities, in place. */
static void softmax(float *x, uint32_t n)
{
	float max = x[0], sum = 0;
	for (uint32_t i = 1; i < n; i++)
		max = x[i] > max ? x[i] : max;
	for (uint32_t i = 0; i < n; i++) {
		x[i] = (float)exp((double)(x[i] - max));
		sum += x[i];
	}
	for (uint32_t i = 0; i < n; i++)
		x[i] /= sum;
}

float router_sigmoid(float logit)
{
	return (float)(1 / (1 + exp(-(double)logit)));
}

static void score(const struct routing *r, float *scores, uint32_t n)
{
	if (r->score == ROUTER_SOFTMAX)
		softmax(scores, n);
	for (uint32_t e = 0; r->score == ROUTER_SIGMOID && e < n; e++)
		scores[e] = router_sigmoid(scores[e]);
}

/* ---- Choosing ---------------------------------------------------------------------------------------------------- */

/* The indices of the `most` largest of p[n] into c, the largest first; of equals the lower index. */
static void largest(const float *p, uint32_t n, struct expert_choice *c, uint32_t most)
{
	uint32_t have = 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = have;
		while (at > 0 && p[i] > p[c[at - 1].expert])
			at--;
		if (at == most)
			continue;
		have += have < most;
		memmove(c + at + 1, c + at, (have - 1 - at) * sizeof *c);
		c[at].expert = i;
	}
}

/* How good a group is: the sum of its `top` (1 or 2) largest. */
static float group_worth(const float *p, uint32_t n, uint32_t top)
{
	float first = -INFINITY, second = -INFINITY;
	for (uint32_t i = 0; i < n; i++) {
		if (p[i] > first) {
			second = first;
			first = p[i];
		} else if (p[i] > second) {
			second = p[i];
		}
	}
	return top == 1 ? first : first + second;
}

/* Experts outside of the best groups can no longer be picked. worth: [groups] room. */
static void mask_groups(const struct routing *r, uint32_t n, float *picks, float *worth)
{
	uint32_t in_group = n / r->groups;
	for (uint32_t g = 0; g < r->groups; g++)
		worth[g] = group_worth(picks + g * in_group, in_group, r->group_top);
	for (uint32_t g = 0; g < r->groups; g++) {
		uint32_t better = 0;
		for (uint32_t o = 0; o < r->groups; o++)
			better += worth[o] > worth[g] || (worth[o] == worth[g] && o < g);
		for (uint32_t i = 0; better >= r->groups_used && i < in_group; i++)
			picks[g * in_group + i] = -INFINITY;
	}
}

/* ---- Weights ----------------------------------------------------------------------------------------------------- */

static void softmax_chosen(struct expert_choice *c, uint32_t n)
{
	float sum = 0, max = c[0].weight;
	for (uint32_t i = 0; i < n; i++) {
		c[i].weight = (float)exp((double)(c[i].weight - max));
		sum += c[i].weight;
	}
	for (uint32_t i = 0; i < n; i++)
		c[i].weight /= sum;
}

static void normalize(struct expert_choice *c, uint32_t n)
{
	float sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += c[i].weight;
	sum += 1e-20f; /* of sigmoids that are all 0 */
	for (uint32_t i = 0; i < n; i++)
		c[i].weight /= sum;
}

static void sort_by_expert(struct expert_choice *c, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		struct expert_choice x = c[i];
		uint32_t at = i;
		for (; at > 0 && x.expert < c[at - 1].expert; at--)
			c[at] = c[at - 1];
		c[at] = x;
	}
}

void router_choose(const struct routing *r, uint32_t n, uint32_t used, float *scores, const float *correction,
		   float *picks, struct expert_choice *c)
{
	score(r, scores, n);
	for (uint32_t e = 0; e < n; e++)
		picks[e] = correction ? scores[e] + correction[e] : scores[e];
	if (r->groups)
		mask_groups(r, n, picks, picks + n);
	largest(picks, n, c, used);
	for (uint32_t i = 0; i < used; i++)
		c[i].weight = scores[c[i].expert];
	if (r->score == ROUTER_SOFTMAX_CHOSEN)
		softmax_chosen(c, used);
	if (r->normalize)
		normalize(c, used);
	for (uint32_t i = 0; i < used && r->scale != 0; i++)
		c[i].weight *= r->scale;
	sort_by_expert(c, used);
}
