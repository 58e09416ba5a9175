/* router.h: which experts a token uses, and with what weights; pure. Any thread. */
#ifndef KVIK_BACKEND_CPU_ROUTER_H
#define KVIK_BACKEND_CPU_ROUTER_H

#include "backend/backend.h"

/* A token's use of an expert. */
struct expert_choice {
	uint32_t expert;
	uint32_t row; /* of the step's rows, which are sorted by expert */
	float weight;
};

/* The choices c[used] of a token among n experts, in ascending order. scores: [n] the router's logits, overwritten;
 * correction: [n] or NULL; picks: [n + groups] room. */
void router_choose(const struct routing *r, uint32_t n, uint32_t used, float *scores, const float *correction,
		   float *picks, struct expert_choice *c);
/* The weight of a shared expert with this logit. */
float router_sigmoid(float logit);

#endif
