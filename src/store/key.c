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

struct link {
	struct store_key before, scope;
	uint32_t ids[KEY_BLOCK];
};

struct store_key key_of_text(const uint8_t secret[KEY_SECRET_BYTES], struct store_key fingerprint,
			     struct store_key scope, const uint32_t *ids, uint32_t n)
{
	struct link link = {fingerprint, scope, {0}};
	uint32_t at = 0;
	do {
		uint32_t part = n - at < KEY_BLOCK ? n - at : KEY_BLOCK;
		if (part > 0)
			memcpy(link.ids, ids + at, part * sizeof *ids);
		size_t bytes = offsetof(struct link, ids) + part * sizeof *ids;
		link.before = from_xxh(XXH3_128bits_withSecret(&link, bytes, secret, KEY_SECRET_BYTES));
		at += part;
	} while (at < n);
	return link.before;
}
