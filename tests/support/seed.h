/* seed.h: where a random test begins. KVIK_SEED repeats one run; else KVIK_SEED_BASE (`make test` sets it, so that a
 * change is judged by the same numbers every time); else the clock, as in `make test-long`. Printed, so that a failure
 * can be repeated. */
#ifndef KVIK_TESTS_SUPPORT_SEED_H
#define KVIK_TESTS_SUPPORT_SEED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t seed_of_run(void)
{
	const char *given = getenv("KVIK_SEED"), *base = getenv("KVIK_SEED_BASE");
	uint64_t seed = given || base ? strtoull(given ? given : base, NULL, 0) : (uint64_t)time(NULL);
	printf("seed: KVIK_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

#endif
