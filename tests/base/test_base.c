/* test_base.c: error texts, allocation failure injection, file mappings, weight types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/wtype.h"

static void err_text_is_cut_at_a_character(void **state)
{
	(void)state;
	char name[600];
	memset(name, 'x', sizeof name);
	memcpy(name + 509, "\xe4\xbd\xa0", 3); /* crosses the end of the 511 bytes that fit */
	name[599] = '\0';
	struct kvik_err err;
	assert_int_equal(err_set(&err, KVIK_ERR_FORMAT, "%s", name), KVIK_ERR_FORMAT);
	assert_int_equal(strlen(err.text), 509);
	assert_int_equal(err.text[508], 'x');
	memcpy(name + 508, "\xe4\xbd\xa0", 3); /* ends with them */
	(void)err_set(&err, KVIK_ERR_FORMAT, "%s", name);
	assert_int_equal(strlen(err.text), 511);
}

static void err_text_is_one_line_of_utf8(void **state)
{
	(void)state;
	struct kvik_err err;
	(void)err_set(&err, KVIK_ERR_FORMAT, "%s", "a\nb\x1b[1m \xe4\xbd\xa0 \xff \xc0\x80 \xed\xa0\x80 \xe4\xbd");
	assert_string_equal(err.text, "a?b?[1m \xe4\xbd\xa0 ? ?? ??? ");
	(void)err_set(&err, KVIK_ERR_FORMAT, "%s", "\xe4\xbd.\xf4\x90\x80\x80 \xf0\x9f\x98\x80");
	err_prefix(&err, "\t");
	assert_string_equal(err.text, "?: ??.???? \xf0\x9f\x98\x80");
}

static void err_prefix_adds_context(void **state)
{
	(void)state;
	struct kvik_err err;
	(void)err_set(&err, KVIK_ERR_IO, "gone");
	err_prefix(&err, "file %d", 7);
	assert_string_equal(err.text, "file 7: gone");
	assert_string_equal(kvik_code_text(err.code), "input/output error");
}

static void one_allocation_fails(void **state)
{
	(void)state;
	mem_fail_at(2);
	void *a = mem_alloc(8), *b = mem_alloc(8), *c = mem_alloc(8);
	assert_non_null(a);
	assert_null(b);
	assert_non_null(c);
	mem_fail_at(0);
	mem_free(a);
	mem_free(c);
	assert_null(mem_realloc(NULL, SIZE_MAX / 2, 4));
}

static void a_file_is_mapped_whole(void **state)
{
	(void)state;
	char path[] = "/tmp/kvik-test-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	struct file_map m;
	struct kvik_err err;
	assert_int_equal(file_map(&m, path, &err), 0);
	assert_int_equal(m.size, 5);
	assert_memory_equal(m.data, "hello", 5);
	file_unmap(&m);
	unlink(path);
	assert_int_equal(file_map(&m, path, &err), KVIK_ERR_IO);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(file_map(&m, "/tmp", &err), KVIK_ERR_IO);
	assert_non_null(strstr(err.text, "a folder"));
	assert_int_equal(file_map(&m, "/dev/zero", &err), KVIK_ERR_IO);
	assert_non_null(strstr(err.text, "a device"));
	assert_int_equal(mkfifo(path, 0600), 0); /* nobody writes into it: opening must not wait */
	assert_int_equal(file_map(&m, path, &err), KVIK_ERR_IO);
	assert_non_null(strstr(err.text, "a pipe"));
	unlink(path);
}

static void weight_types_are_those_of_gguf(void **state)
{
	(void)state;
	assert_int_equal(wtype_from_ggml(2), WTYPE_Q4_0);
	assert_int_equal(wtype_from_ggml(4), -1);
	assert_int_equal(wtype_from_ggml(UINT32_MAX), -1);
	assert_string_equal(wtype_name(WTYPE_MXFP4), "MXFP4");
	assert_int_equal(wtype_block_bytes(WTYPE_Q6_K), 210);
	assert_int_equal(wtype_block_elems(WTYPE_Q6_K), 256);
}

static const char *guess(const char *name)
{
	static const char *const known[] = {"temperature", "top_p", "top_k", "stop", "n"};
	struct nearest g = nearest_begin(name, strlen(name));
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		nearest_try(&g, known[i]);
	return g.best;
}

static void a_slip_of_the_pen_has_a_nearest_name(void **state)
{
	(void)state;
	assert_string_equal(guess("temprature"), "temperature");
	assert_string_equal(guess("tmeperature"), "temperature"); /* exchanged letters are one slip */
	assert_string_equal(guess("topk"), "top_k");
	assert_string_equal(guess("stops"), "stop");
	assert_null(guess("wobble"));
	assert_null(guess("a_name_that_is_longer_than_any_that_anybody_would_give"));
	assert_null(guess(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_text_is_cut_at_a_character),
		cmocka_unit_test(err_text_is_one_line_of_utf8),
		cmocka_unit_test(err_prefix_adds_context),
		cmocka_unit_test(one_allocation_fails),
		cmocka_unit_test(a_slip_of_the_pen_has_a_nearest_name),
		cmocka_unit_test(a_file_is_mapped_whole),
		cmocka_unit_test(weight_types_are_those_of_gguf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
