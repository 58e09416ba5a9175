/* mask.h: which tokens may come next: the tokens of a trie walked through a machine over bytes, and remembered by state.
 * Owner: one thread at a time. */
#ifndef KVIK_CONSTRAIN_MASK_H
#define KVIK_CONSTRAIN_MASK_H

#include "constrain/trie.h"

/* A machine over bytes. States are numbers, 0 is the one that nothing leads out of. */
struct machine {
	void *ctx;
	uint32_t (*step)(void *ctx, uint32_t state, uint8_t byte);
	bool (*accepts)(void *ctx, uint32_t state);
	/* Inside of a JSON string and not within an escape: how many characters may follow (the one that is begun aside)
	 * whatever they are, UINT32_MAX for any number; 0: it depends on them. May be NULL. */
	uint32_t (*free_characters)(void *ctx, uint32_t state);
	/* What it takes to go on from a state, in words kept; once too much has been spent on one mask, only tokens of one
	 * byte are looked at, and what was allowed so far. May be NULL: steps are cheap. */
	uint32_t (*cost)(void *ctx, uint32_t state);
	uint32_t start;
};

struct masks {
	struct machine m;
	const struct trie *t; /* may be NULL: then there are no masks, only steps */
	uint32_t **rows;      /* [rows_n]: of a state, what its bytes lead to; NULL: not asked for yet */
	size_t rows_n;
	uint32_t *slot_of; /* [rows_n]: 1 + the number of its mask in `kept`; 0: not kept */
	uint32_t *kept;    /* [kept_n][t->words] */
	size_t kept_n, kept_cap;
	size_t bytes;
	uint32_t *paid; /* [rows_n]: the mask for which a state's cost was counted last */
	uint32_t mask_n, spent;
};

/* A step, remembered. */
uint32_t masks_step(struct masks *ms, uint32_t state, uint8_t byte);
/* mask[t->words]: a bit for each token that may come. */
void masks_fill(struct masks *ms, uint32_t state, uint32_t *mask);
void masks_release(struct masks *ms);

#endif
