/* set.h: a set of 64-bit hashes. Zeroed = empty. Owner: one thread. */
#ifndef KVIK_BASE_SET_H
#define KVIK_BASE_SET_H

#include <stdbool.h>
#include <stdint.h>

struct set {
	uint64_t *at; /* [cap], a power of two; owned; 0 is free, so that 0 and 1 count as one value */
	uint32_t n, cap;
};

enum set_added { SET_NEW, SET_THERE, SET_NO_MEMORY };
enum set_added set_add(struct set *s, uint64_t hash);
void set_release(struct set *s);

#endif
