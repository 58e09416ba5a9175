/* hash.h: a fast 64-bit hash of bytes (XXH3); not against an adversary who can choose them.  Any thread. */
#ifndef KVIK_BASE_HASH_H
#define KVIK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t n);

#endif
