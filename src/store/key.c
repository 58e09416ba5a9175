/* key.c: XXH3-128 of the xxhash library, compiled in. */
#include "store/key.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static struct store_key from_xxh(XXH128_hash_t h)
{
	return (struct store_key){{h.low64, h.high64}};
}

struct store_key key_of_bytes(const void *bytes, size_t n)
{
	return from_xxh(XXH3_128bits(bytes, n));
}

/* before, scope and the ids lie one behind the other: what is hashed. */
_Static_assert(offsetof(struct key_chain, ids) == 2 * sizeof(struct store_key), "a link has no holes");

static struct store_key link(const struct key_chain *c, const uint8_t secret[KEY_SECRET_BYTES])
{
	return from_xxh(XXH3_128bits_withSecret(c, offsetof(struct key_chain, ids) + c->n * sizeof *c->ids, secret,
						KEY_SECRET_BYTES));
}

void key_chain_start(struct key_chain *c, struct store_key fingerprint, struct store_key scope)
{
	*c = (struct key_chain){.before = fingerprint, .scope = scope};
}

void key_chain_add(struct key_chain *c, const uint8_t secret[KEY_SECRET_BYTES], const uint32_t *ids, uint32_t n)
{
	while (n > 0) {
		uint32_t part = n < KEY_BLOCK - c->n ? n : KEY_BLOCK - c->n;
		memcpy(c->ids + c->n, ids, part * sizeof *ids);
		c->n += part;
		ids += part;
		n -= part;
		if (c->n == KEY_BLOCK) {
			c->before = link(c, secret);
			c->n = 0;
			c->linked = true;
		}
	}
}

struct store_key key_chain_end(const struct key_chain *c, const uint8_t secret[KEY_SECRET_BYTES])
{
	return c->n > 0 || !c->linked ? link(c, secret) : c->before;
}

struct store_key key_of_text(const uint8_t secret[KEY_SECRET_BYTES], struct store_key fingerprint,
			     struct store_key scope, const uint32_t *ids, uint32_t n)
{
	struct key_chain c;
	key_chain_start(&c, fingerprint, scope);
	key_chain_add(&c, secret, ids, n);
	return key_chain_end(&c, secret);
}
