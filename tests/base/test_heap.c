/* test_heap.c: the heap against a plain array: random pushes and removals from anywhere. KVIK_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/heap.h"
#include "support/seed.h"

enum { ELEMENTS = 100 };

struct element {
	struct heap_link link;
	uint32_t key;
	bool in;
};

static uint64_t state_of_random;

static uint32_t below(uint32_t n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state_of_random >> 33) % n;
}

static bool before(const struct heap_link *a, const struct heap_link *b)
{
	return HEAP_ELEMENT(a, struct element, link)->key < HEAP_ELEMENT(b, struct element, link)->key;
}

static void check(const struct heap *h, const struct element *e)
{
	uint32_t n = 0, smallest = UINT32_MAX;
	for (int i = 0; i < ELEMENTS; i++) {
		n += e[i].in;
		assert_int_equal(heap_has(h, &e[i].link), e[i].in);
		if (e[i].in && e[i].key < smallest)
			smallest = e[i].key;
	}
	assert_true(heap_ok(h, n));
	assert_false(heap_ok(h, n + 1));
	assert_int_equal(h->top == NULL, n == 0);
	if (n > 0)
		assert_int_equal(HEAP_ELEMENT(h->top, struct element, link)->key, smallest);
}

static void test_random(void **state)
{
	(void)state;
	struct element e[ELEMENTS] = {0};
	struct heap h = {.before = before};
	for (int i = 0; i < 20000; i++) {
		struct element *x = &e[below(ELEMENTS)];
		bool grow = (i / 500) % 2; /* to and fro between few and many */
		if (x->in && below(grow ? 4 : 1) == 0) {
			heap_remove(&h, &x->link);
			x->in = false;
		} else if (!x->in && below(grow ? 1 : 4) == 0) {
			x->key = below(50);
			heap_push(&h, &x->link);
			x->in = true;
		}
		check(&h, e);
	}
}

/* Taken from the top they come in order. */
static void test_sorts(void **state)
{
	(void)state;
	struct element e[ELEMENTS] = {0};
	struct heap h = {.before = before};
	for (int i = 0; i < ELEMENTS; i++) {
		e[i].key = below(1000);
		heap_push(&h, &e[i].link);
	}
	for (uint32_t last = 0, n = ELEMENTS; n > 0; n--) {
		struct element *x = HEAP_ELEMENT(h.top, struct element, link);
		assert_true(x->key >= last && heap_ok(&h, n));
		last = x->key;
		heap_remove(&h, &x->link);
	}
	assert_null(h.top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_sorts)};
	state_of_random = seed_of_run();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
