/* key.h: names of texts and models. Pure functions; any thread.
 *
 * A text is named by a chain: the key of its first 128 tokens from fingerprint and scope, the key of the next 128 from
 * that one, ..., and what is left over at the end by one more link. So equal texts have equal keys, however they were
 * cut into records, and a long one is found from its start, block by block.
 *
 * The hash is XXH3-128 under a secret of the server (secret.h): fast, and nobody without the secret can make two texts
 * with one key. Even so a key alone decides nothing: ids are compared. */
#ifndef KVIK_STORE_KEY_H
#define KVIK_STORE_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

enum { KEY_BLOCK = 128, KEY_SECRET_BYTES = 192 };

struct store_key key_of_bytes(const void *bytes, size_t n); /* without a secret: sums */
struct store_key key_of_text(const uint8_t secret[KEY_SECRET_BYTES], struct store_key fingerprint,
			     struct store_key scope, const uint32_t *ids, uint32_t n);

/* The same, ids coming bit by bit. */
struct key_chain {
	struct store_key before, scope;
	uint32_t ids[KEY_BLOCK]; /* [n], since the last link */
	uint32_t n;
	bool linked; /* one at least */
};
void key_chain_start(struct key_chain *c, struct store_key fingerprint, struct store_key scope);
void key_chain_add(struct key_chain *c, const uint8_t secret[KEY_SECRET_BYTES], const uint32_t *ids, uint32_t n);
struct store_key key_chain_end(const struct key_chain *c, const uint8_t secret[KEY_SECRET_BYTES]);

static inline bool key_equal(struct store_key a, struct store_key b)
{
	return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

#endif
