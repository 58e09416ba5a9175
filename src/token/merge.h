/* merge.h: the engine of pair merging, for byte-pair encoding by ranks and for SentencePiece's by scores: adjacent
 * symbols are joined, the best pair first and the leftmost among equals, until none is left. O(n log n). */
#ifndef KVIK_TOKEN_MERGE_H
#define KVIK_TOKEN_MERGE_H

#include "base/err.h"

struct symbol {
	size_t start, bytes; /* of the text */
	int64_t id;          /* token, or -1 for text that is none */
	uint32_t prev, next; /* links while merging; SYMBOL_NONE at the ends */
};

#define SYMBOL_NONE UINT32_MAX

/* Can a and b be joined? Then the priority (lower first) and the id of what they become. */
typedef bool merge_pair_fn(const void *ctx, const struct symbol *a, const struct symbol *b, double *priority,
			   int64_t *id);

/* Buffers kept from one call to the next; zeroed at first, released by the owner. */
struct merger {
	struct symbol *symbols;
	size_t n, cap;
	struct merge_candidate *heap;
	size_t n_heap, cap_heap;
};

/* Appends a symbol to m->symbols; false: no memory. */
bool merger_add(struct merger *m, size_t start, size_t bytes, int64_t id);
/* Merges m->symbols in place: afterwards m->symbols[0..n) are the result. False: no memory. */
bool merger_run(struct merger *m, merge_pair_fn *pair, const void *ctx);
void merger_release(struct merger *m);

#endif
