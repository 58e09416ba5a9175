/* hash.h: a fast 64-bit hash of bytes (XXH3); not against an adversary who can choose them.  Any thread. */
#ifndef KVIK_BASE_HASH_H
#define KVIK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t n);
/* The hash of all that went before, and of these bytes. */
uint64_t hash_chain(uint64_t before, const void *bytes, size_t n);

/* 128 bits of it: for what is compared by its hash alone. */
struct hash128 {
	uint64_t w[2];
};
struct hash128 hash128_bytes(const void *bytes, size_t n);
/* The hash of all that went before, and of these bytes. */
struct hash128 hash128_chain(struct hash128 before, const void *bytes, size_t n);

#define HASH_STEP UINT64_C(0x9E3779B97F4A7C15)
/* SplitMix64's finaliser (Steele, Lea, Flood 2014): of x, x + HASH_STEP, ... the numbers of its stream. */
static inline uint64_t hash_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

#endif
