/* test_keys.c: files of API keys: what is a line, what is refused and by which number, and how a key is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "http/http_keys.h"

static int load(struct http_keys *k, const char *text, size_t n, struct kvik_err *err)
{
	char path[] = "/tmp/kvik-keys-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	close(fd);
	int rc = http_keys_load(k, path, 4, err);
	unlink(path);
	return rc;
}

static void good_lines(void **state)
{
	(void)state;
	static const char text[] = "# all keys\r\n"
				   "\n"
				   "key-of-alice alice 60 # per minute\r\n"
				   "  key#of-bob\tbob\n"
				   "key-2-of-bob bob 1000000\n"
				   "key-of-carol carol";
	struct http_keys k;
	struct kvik_err err;
	assert_int_equal(load(&k, text, sizeof text - 1, &err), 0);
	assert_int_equal(k.n, 4);
	assert_string_equal(k.list[0].text, "key-of-alice");
	assert_string_equal(k.list[0].name, "alice");
	assert_int_equal(k.list[0].per_minute, 60);
	assert_string_equal(k.list[1].text, "key#of-bob");
	assert_int_equal(k.list[1].per_minute, 0);
	assert_int_equal(k.list[2].per_minute, 1000000);
	assert_string_equal(k.list[3].name, "carol");
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(k.list[i].tenant, i);
	assert_true(k.list[0].scope != 0 && k.list[0].scope != k.list[1].scope);
	http_keys_release(&k);
}

/* The line's number is in the error. */
static void bad_lines(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"onlyakey1\n", "line 1: has too few words"},
		{"good-key-1 alice\nlongenough bob 5 extra\n", "line 2: has too many words"},
		{"# c\n\nlongenough alice sixty\n", "line 3: the third word is not a rate"},
		{"longenough alice -1\n", "line 1: the third word is not a rate"},
		{"longenough alice 0\n", "line 1: the third word is not a rate"},
		{"longenough alice 1000001\n", "line 1: the third word is not a rate"},
		{"longenough alice 18446744073709551617\n", "line 1: the third word is not a rate"},
		{"longenough alice 60.5\n", "line 1: the third word is not a rate"},
		{"longenough alice +60\n", "line 1: the third word is not a rate"},
		{"longenough alice 0x3c\n", "line 1: the third word is not a rate"},
		{"short12 alice\n", "line 1: the key must be"},
		{"schl\303\274ssel-1 alice\n", "line 1: the key must be"},
		{"same-key-1 alice\nother-key bob\nsame-key-1 carol\n", "line 3: the key of line 1 (alice) again"},
		{"same-key-1 alice\nsame-key-1 alice\n", "line 2: the key of line 1 (alice) again"},
		{"# nothing else\n", "holds no key"},
		{"", "holds no key"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct http_keys k;
		struct kvik_err err;
		assert_true(load(&k, cases[i].text, strlen(cases[i].text), &err) < 0);
		if (!strstr(err.text, cases[i].says))
			fail_msg("'%s' says '%s', not '%s'", cases[i].text, err.text, cases[i].says);
		assert_int_equal(k.n, 0);
	}
	struct http_keys k;
	struct kvik_err err;
	assert_int_equal(load(&k, "nul-in-it\0x alice\n", 18, &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "line 1: holds a NUL"));
}

/* A comment is of any length, and never a key by where it is cut; a line of words is not. */
static void long_lines(void **state)
{
	(void)state;
	struct buf text = {0};
	struct http_keys k;
	struct kvik_err err;
	assert_true(buf_add_text(&text, "good-key-1 alice 60 #", 21));
	for (int i = 0; i < 5000; i++)
		assert_true(buf_add_text(&text, "c", 1));
	assert_true(buf_add_text(&text, " commentkey name\n", 17));
	assert_int_equal(load(&k, text.data, text.n, &err), 0);
	assert_int_equal(k.n, 1);
	http_keys_release(&k);
	text.data[20] = 'c';
	assert_int_equal(load(&k, text.data, text.n, &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "line 1: is longer than"));
	buf_release(&text);
}

static void found_by_either_header(void **state)
{
	(void)state;
	static const char text[] = "key-of-alice alice\nkey-of-bob bob\n";
	struct http_keys k;
	struct kvik_err err;
	assert_int_equal(load(&k, text, sizeof text - 1, &err), 0);
	assert_ptr_equal(http_keys_find(&k, "Bearer key-of-alice", NULL), &k.list[0]);
	assert_ptr_equal(http_keys_find(&k, "bearer  key-of-bob", NULL), &k.list[1]);
	assert_ptr_equal(http_keys_find(&k, NULL, "key-of-bob"), &k.list[1]);
	assert_ptr_equal(http_keys_find(&k, "Basic a2V5", "key-of-bob"), &k.list[1]);
	assert_null(http_keys_find(&k, "Bearer key-of-alic", NULL));
	assert_null(http_keys_find(&k, "Bearer key-of-alicee", NULL));
	assert_null(http_keys_find(&k, "key-of-alice", NULL));
	assert_null(http_keys_find(&k, "Bearer ", ""));
	assert_null(http_keys_find(&k, NULL, NULL));
	http_keys_release(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines),
		cmocka_unit_test(bad_lines),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(found_by_either_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
