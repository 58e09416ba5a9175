/* test_set.c: a set against an array that says what should be in it. */
#include "base/set.h"

#include "base/hash.h"
#include "support/must.h"

enum { VALUES = 5000 };

static void test_add(void **state)
{
	static bool there[VALUES];
	struct set s = {0};
	uint32_t n = 0;
	(void)state;
	for (uint64_t step = 0; step < 4 * VALUES; step++) {
		uint64_t value = hash_mix(step) % VALUES;
		assert_int_equal(set_add(&s, 2 * value), there[value] ? SET_THERE : SET_NEW);
		n += !there[value];
		there[value] = true;
		assert_int_equal(s.n, n);
		assert_true(s.cap >= 2 * s.n);
	}
	assert_int_equal(set_add(&s, 2 * VALUES + 1), SET_NEW);
	assert_int_equal(set_add(&s, 2 * VALUES), SET_THERE); /* which is why hashes go in */
	set_release(&s);
	assert_int_equal(set_add(&s, 7), SET_NEW);
	set_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_add)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
