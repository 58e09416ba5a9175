/* test_ids_npy.c: lists of ids, good and bad, and the bytes of a .npy header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/ids.h"
#include "cli/npy.h"

static void lists_are_parsed(void **state)
{
	(void)state;
	uint32_t *ids;
	size_t n;
	assert_int_equal(ids_parse("1,2, 4294967295 ,", &ids, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_true(ids[0] == 1 && ids[1] == 2 && ids[2] == UINT32_MAX);
	mem_free(ids);
	char path[] = "/tmp/kvik-ids-XXXXXX", arg[64];
	int fd = mkstemp(path);
	assert_int_equal(write(fd, "7\n8 9\n", 6), 6);
	close(fd);
	snprintf(arg, sizeof arg, "@%s", path);
	assert_int_equal(ids_parse(arg, &ids, &n, NULL), 0);
	assert_int_equal(n, 3);
	assert_int_equal(ids[2], 9);
	mem_free(ids);
	unlink(path);
	assert_int_equal(ids_parse(arg, &ids, &n, NULL), KVIK_ERR_IO);
}

static void bad_lists_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"", ",", "x", "1;2", "-1", "1x", "4294967296", "99999999999999999999999"};
	struct kvik_err err;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		uint32_t *ids;
		size_t n;
		assert_int_equal(ids_parse(bad[i], &ids, &n, &err), KVIK_ERR_ARG);
		assert_null(ids);
		assert_non_null(strstr(err.text, "write numbers"));
	}
}

static void the_header_is_numpys(void **state)
{
	(void)state;
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	assert_int_equal(npy_write_header(f, 40, 128, NULL), 0);
	fclose(f);
	assert_int_equal(n, 128);
	static const char want[] =
		"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (40, 128), }";
	assert_memory_equal(text, want, sizeof want - 1);
	assert_int_equal(text[127], '\n');
	assert_null(memchr(text + 10, '\0', 118));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_parsed),
		cmocka_unit_test(bad_lists_are_refused),
		cmocka_unit_test(the_header_is_numpys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
