/* test_layers.c: lists of exempt layers, read and written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "cli/layers.h"

static void lists_are_read(void **state)
{
	static const struct {
		const char *text;
		uint32_t n;
		struct kvik_layers last;
	} good[] = {
		{"0", 1, {0, 0}},         {"7", 1, {7, 7}},        {"3-5", 1, {3, 5}},
		{"first:2", 1, {0, 1}},   {"last:3", 1, {-3, -1}}, {"0,3-5,first:2,last:2", 4, {-2, -1}},
		{"1,2,3,4,5", 5, {5, 5}},
	};
	static const char *const bad[] = {"",
					  ",",
					  "0,",
					  "a",
					  "5-3",
					  "first:0",
					  "last:0",
					  "first:",
					  "1--2",
					  "-1",
					  "1 ,2",
					  "1-",
					  "first:1-2x",
					  "99999999999999999999",
					  "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16"};
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_err err;
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(parse_exempt(good[i].text, &p, &err), 0);
		assert_int_equal(p.n_exempt, good[i].n);
		assert_int_equal(p.exempt[p.n_exempt - 1].first, good[i].last.first);
		assert_int_equal(p.exempt[p.n_exempt - 1].last, good[i].last.last);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(parse_exempt(bad[i], &p, &err), KVIK_ERR_ARG);
		assert_non_null(strstr(err.text, "--kv-exempt"));
	}
}

static void dtypes_are_told(void **state)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	char text[DTYPES_TEXT_BYTES];
	(void)state;
	p.v_dtype = KVIK_INT8;
	assert_string_equal(dtypes_text(&p, text), "f16/int8");
	assert_int_equal(parse_exempt("first:2,5,7-9,last:4", &p, NULL), 0);
	assert_string_equal(dtypes_text(&p, text), "f16/int8 (f16/f16 in layers 0-1,5,7-9,last:4)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lists_are_read), cmocka_unit_test(dtypes_are_told)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
