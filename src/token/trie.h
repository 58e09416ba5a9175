/* trie.h: strings by their beginnings: which of them begin at a place in a text?  Read-only once built; any thread. */
#ifndef KVIK_TOKEN_TRIE_H
#define KVIK_TOKEN_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The step from a node by one byte; open addressing, empty where to == 0 (the root is nobody's child). */
struct trie_edge {
	uint32_t from, to;
	int32_t value; /* of the string that ends here; -1 = none does */
	uint8_t byte;
};

/* Zeroed = empty; released with trie_release. */
struct trie {
	struct trie_edge *edges; /* [mask + 1] */
	size_t mask, n;
};

/* The first value given for a string stays. False: no memory. bytes > 0, value >= 0. */
bool trie_add(struct trie *t, const char *text, size_t bytes, int32_t value);
void trie_release(struct trie *t);

/* The root is node 0; NULL: no string goes on like this. */
const struct trie_edge *trie_step(const struct trie *t, uint32_t node, uint8_t byte);

#endif
