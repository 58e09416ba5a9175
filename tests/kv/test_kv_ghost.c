/* test_kv_ghost.c: the ghost list against a naive twin, a stack of keys by age. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "kv/ghost.h"
#include "support/seed.h"

static uint64_t state_of_random;

static uint32_t below(uint32_t n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state_of_random >> 33) % n;
}

enum { UNITS = 24, KEYS = 150 };

/* Keys by age, the last used first; the place of a key is its stack distance. */
struct stack {
	uint32_t keys[KEYS], n;
};

/* Moves a key to the front; returns where it was, or UINT32_MAX. */
static uint32_t stack_use(struct stack *s, uint32_t key)
{
	uint32_t at = 0;
	while (at < s->n && s->keys[at] != key)
		at++;
	uint32_t found = at < s->n ? at : UINT32_MAX;
	if (at == s->n)
		s->n++;
	memmove(s->keys + 1, s->keys, at * sizeof *s->keys);
	s->keys[0] = key;
	return found;
}

/* The rates for all four sizes are those of real LRU caches of these sizes. */
static void test_ghost_is_lru(void **state)
{
	struct ghost g;
	struct stack s = {.n = 0};
	uint32_t asked = 0, hits[KV_GHOSTS] = {0}, size[KV_GHOSTS] = {UNITS / 2, UNITS, UNITS * 2, UNITS * 4};
	(void)state;
	assert_int_equal(ghost_init(&g, UNITS, 1 << 20, NULL), 0);
	assert_int_equal(g.sample_bits, 0);
	for (int i = 0; i < 20000; i++) {
		uint32_t key = below(below(3) ? 40 : KEYS);
		bool ask = below(4) > 0;
		uint32_t distance = stack_use(&s, key);
		ghost_use(&g, key + 1, ask);
		asked += ask;
		for (int k = 0; k < KV_GHOSTS; k++)
			hits[k] += ask && distance < size[k];
	}
	for (uint32_t k = 0; k < KV_GHOSTS; k++)
		assert_true(ghost_rate(&g, k) == (double)hits[k] / asked);
	ghost_release(&g);
}

/* With an eighth of the keys followed the rates are near those of all. */
static void test_ghost_samples(void **state)
{
	enum { MANY = 4000 };
	struct ghost all, some;
	(void)state;
	assert_int_equal(ghost_init(&all, MANY, 1 << 22, NULL), 0);
	assert_int_equal(ghost_init(&some, MANY, ghost_bytes(&all) / 8, NULL), 0);
	assert_true(some.sample_bits >= 3 && ghost_bytes(&some) <= ghost_bytes(&all) / 8);
	for (int i = 0; i < 400000; i++) {
		uint32_t key = below(below(2) ? 1500 : 12000);
		ghost_use(&all, key + 1, true);
		ghost_use(&some, key + 1, true);
	}
	for (uint32_t k = 0; k < KV_GHOSTS; k++)
		assert_true(ghost_rate(&some, k) - ghost_rate(&all, k) < 0.05 &&
			    ghost_rate(&some, k) - ghost_rate(&all, k) > -0.05);
	ghost_release(&all);
	ghost_release(&some);
}

static void test_history(void **state)
{
	struct ghost g;
	(void)state;
	assert_int_equal(ghost_init(&g, 100, 1 << 16, NULL), 0);
	assert_int_equal(ghost_cause(&g, 5), KV_NEW);
	ghost_note_gone(&g, 5, KV_EVICTED, 3);
	ghost_note_gone(&g, 6, KV_EXPIRED, 3);
	assert_int_equal(ghost_return_hits(&g, 5), 4);
	assert_int_equal(ghost_return_hits(&g, 6), 0);
	assert_int_equal(ghost_cause(&g, 5), KV_EVICTED);
	assert_int_equal(ghost_cause(&g, 6), KV_EXPIRED);
	assert_int_equal(ghost_cause(&g, 7), KV_NEW);
	ghost_release(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ghost_is_lru),
		cmocka_unit_test(test_ghost_samples),
		cmocka_unit_test(test_history),
	};
	state_of_random = seed_of_run();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
