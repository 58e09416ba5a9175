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
