/* check.h: what the kernel checks share: seeded random numbers, memory that ends at a guard page, and the levels this
 * CPU can run. The seed is printed; KVIK_SEED repeats a run. */
#ifndef KVIK_TESTS_KERNELS_CHECK_H
#define KVIK_TESTS_KERNELS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "kernels/kernels.h"
#include "support/seed.h"

static uint64_t random_state;

static inline void random_seed(void)
{
	random_state = seed_of_run();
}

static inline uint32_t random_u32(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) << 1 ^ (uint32_t)(random_state >> 20);
}

static inline uint32_t random_below(uint32_t n)
{
	return random_u32() % n;
}

/* -1 .. 1, now and then zero or large */
static inline float random_f32(void)
{
	uint32_t kind = random_below(64);
	float x = (float)(int32_t)random_u32() * 0x1p-31f;
	return kind == 0 ? 0 : kind == 1 ? x * 1000 : x;
}

/* bytes that end where reading further faults; freed with guard_free */
struct guard {
	uint8_t *map;
	size_t map_bytes;
	void *p;
};

static inline struct guard guard_new(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
	struct guard g = {.map_bytes = whole + page};
	g.map = mmap(NULL, g.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(g.map != MAP_FAILED);
	assert_int_equal(mprotect(g.map + whole, page, PROT_NONE), 0);
	g.p = g.map + (whole - bytes);
	return g;
}

static inline void guard_free(struct guard *g)
{
	munmap(g->map, g->map_bytes);
}

/* The vector levels that run here; returns how many. */
static inline size_t fast_levels(const struct kernels *out[2])
{
	static const char *const names[] = {"avx2", "avx512"};
	size_t n = 0;
	for (size_t i = 0; i < 2; i++)
		if (kernels_select(&out[n], names[i], NULL) == 0)
			n++;
	return n;
}

static inline const struct kernels *scalar_level(void)
{
	const struct kernels *k = NULL;
	assert_int_equal(kernels_select(&k, "scalar", NULL), 0);
	return k;
}

static inline void assert_same_bits(const void *a, const void *b, size_t bytes, const char *what, const char *level)
{
	if (memcmp(a, b, bytes) != 0)
		fail_msg("%s: level %s differs from the scalar kernel", what, level);
}

#endif
