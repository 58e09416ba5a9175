/* hash.c: XXH3 of the xxhash library, compiled in (the header carries its code). */
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_bytes(const void *bytes, size_t n)
{
	return XXH3_64bits(bytes, n);
}

uint64_t hash_chain(uint64_t before, const void *bytes, size_t n)
{
	uint64_t both[2] = {before, hash_bytes(bytes, n)};
	return hash_bytes(both, sizeof both);
}

struct hash128 hash128_bytes(const void *bytes, size_t n)
{
	XXH128_hash_t h = XXH3_128bits(bytes, n);
	return (struct hash128){{h.low64, h.high64}};
}

struct hash128 hash128_chain(struct hash128 before, const void *bytes, size_t n)
{
	struct hash128 both[2] = {before, hash128_bytes(bytes, n)};
	return hash128_bytes(both, sizeof both);
}
