/* trie.h: the tokens of a vocabulary by their bytes, as a tree in one array: a node, then its subtree, then its next sibling.
 * What a token can do inside of a JSON string is known beforehand (flags, free_mask), for most of a JSON text lies there.
 * Read-only once made; any thread. */
#ifndef KVIK_CONSTRAIN_TRIE_H
#define KVIK_CONSTRAIN_TRIE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define TRIE_NO_TOKEN UINT32_MAX

/* A special token is no text: it stands in the tree, and in what a matcher is fed, as TRIE_SPECIAL, which no UTF-8 has, and three
 * bytes of its number. */
enum { TRIE_DEPTH_MAX = 255, TRIE_LENGTHS = 32, TRIE_SPECIAL = 0xFF, TRIE_CODE = 4, TRIE_CODES = 1 << 24 };

enum trie_flags {
	TRIE_INSIDE = 1,  /* from between two characters of a string the way to here stays in the string */
	TRIE_CLOSES = 2,  /* its last byte closes the string */
	TRIE_BETWEEN = 4, /* inside, and not within an escape */
	TRIE_TWINS = 8    /* trie.same has more tokens */
};

struct trie_node {
	uint32_t skip;  /* the node behind the subtree */
	uint32_t token; /* that ends here, or TRIE_NO_TOKEN; others with the same bytes: trie.same */
	uint8_t byte, depth, flags;
	uint8_t characters; /* of a string, begun on the way; up to 255 */
};

struct trie_special {
	char *name; /* [n], owned */
	uint32_t n, id;
};

struct trie {
	struct trie_special *specials; /* [n_specials] */
	uint32_t n_specials;
	struct trie_node *nodes; /* [n] */
	uint32_t n;
	uint32_t n_tokens, words; /* of the vocabulary; 32-bit words of a mask */
	uint32_t *same;           /* [n_tokens]: the next token with the same bytes, or TRIE_NO_TOKEN */
	uint32_t *closes;         /* [n_closes]: nodes with TRIE_CLOSES */
	uint32_t n_closes;
	uint32_t *longs; /* [n_long]: nodes of tokens that stay in a string and have TRIE_LENGTHS characters or more */
	uint32_t n_long;
	/* [TRIE_LENGTHS + 1][words]: tokens that stay in a string and have at most so many characters; the last: any number. */
	uint32_t *free_masks;
};

struct trie_token {
	const uint8_t *bytes; /* [n]; borrowed while the trie is made */
	uint32_t n, id;       /* n 0: never part of a text */
	bool special;         /* then the bytes are its name */
};

/* tokens[n_tokens]: sorted here, and those that no text can have get n 0. n_vocab: size of masks. NOMEM. */
int trie_new(struct trie **out, struct trie_token *tokens, uint32_t n_tokens, uint32_t n_vocab,
	     struct kvik_err *err) MUST_CHECK;
void trie_free(struct trie *t);

void trie_code(uint32_t id, uint8_t code[TRIE_CODE]);
/* The bytes of a token, or its code; returns how many, 0: no text has it. */
uint32_t trie_bytes(const struct trie *t, uint32_t id, uint8_t bytes[TRIE_DEPTH_MAX]);
/* The special token of this name, or another with these bytes; TRIE_NO_TOKEN: there is none. */
uint32_t trie_find(const struct trie *t, const char *bytes, size_t n);

#endif
