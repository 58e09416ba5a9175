/* test_quality.c: which activations quality is measured with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "bench/quality.h"

static void f32_where_memory_allows(void **state)
{
	const uint64_t g = 1 << 30;
	(void)state;
	assert_int_equal(quality_choose(KVIK_ACT_AUTO, g, 7 * g, 20 * g), QUALITY_COPY);
	assert_int_equal(quality_choose(KVIK_ACT_AUTO, g, 7 * g, 8 * g), QUALITY_NO_MEMORY);
	assert_int_equal(quality_choose(KVIK_ACT_AUTO, g, 7 * g, 0), QUALITY_NO_MEMORY);
	assert_int_equal(quality_choose(KVIK_ACT_INT8, g, 7 * g, 20 * g), QUALITY_WANTED);
	assert_int_equal(quality_choose(KVIK_ACT_AUTO, g, g, 0), QUALITY_SAME); /* it rounds nothing anyway */
	assert_int_equal(quality_choose(KVIK_ACT_F32, g, g, 0), QUALITY_SAME);
	assert_int_equal(quality_choose(KVIK_ACT_INT8, g, g, 0), QUALITY_SAME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(f32_where_memory_allows)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
