/* test_weigh.c: the memory that JSON is said to take is never less than what jansson allocates for it, and not far
 * more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/weigh.h"
#include "base/buf.h"

static size_t allocated, most;

static void *count_alloc(size_t n)
{
	void *p = malloc(n);
	assert_non_null(p);
	allocated += malloc_usable_size(p) + 8;
	most = allocated > most ? allocated : most;
	return p;
}

static void count_free(void *p)
{
	allocated -= p ? malloc_usable_size(p) + 8 : 0;
	free(p);
}

static void repeat(struct buf *b, const char *first, const char *each, size_t n, const char *last)
{
	assert_true(buf_add_text(b, first, strlen(first)));
	for (size_t i = 0; i < n; i++)
		assert_true(buf_add_text(b, each, strlen(each)));
	assert_true(buf_add_text(b, last, strlen(last)));
}

static void never_less(void **state)
{
	(void)state;
	static const struct {
		const char *first, *each, *last;
		uint64_t factor; /* said / taken, at most */
	} cases[] = {
		{"[", "{},", "{}]", 3},
		{"[", "[],", "[]]", 3},
		{"[", "[[1,2,3,4,5,6,7,8,9]],", "0]", 3},
		{"[", "1,", "1]", 3},
		{"[", "1.5e3 , ", "true]", 3},
		{"[", "true,null,", "false]", 12},
		{"[", "\"\",", "\"\"]", 3},
		{"[", "\"a\\\"\\\\[{,:\\u00e9\",", "\"\"]", 3},
		{"[", "{\"a\":1,\"b\":{\"c\":[]}},", "1]", 3},
		{"[", "{\"a key that is long enough\":\"and a value that is so too, or longer\"},", "1]", 3},
		{"[", "{\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9},", "1]", 3},
		{"", "[", "", 12}, /* cut off: no value */
	};
	json_set_alloc_funcs(count_alloc, count_free);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t n = 1; n < 70000; n = n * 5 / 2 + 1) {
			struct buf text = {0};
			struct weigh whole = {0}, pieces = {0};
			repeat(&text, cases[i].first, cases[i].each, n, cases[i].last);
			weigh_feed(&whole, text.data, text.n);
			for (size_t at = 0; at < text.n; at++)
				weigh_feed(&pieces, text.data + at, 1);
			assert_true(whole.bytes == pieces.bytes);
			most = allocated = 0;
			json_t *v = json_loadb(text.data, text.n, 0, NULL);
			assert_int_equal(v != NULL, i + 1 < sizeof cases / sizeof *cases);
			assert_true(whole.bytes + 512 >= most);
			if (v) {
				assert_true(weigh_json(v) + 512 >= allocated);
				assert_true(weigh_json(v) <= whole.bytes);
			}
			if (v && n > 1000)
				assert_true(whole.bytes <= cases[i].factor * allocated);
			json_decref(v);
			assert_int_equal(allocated, 0);
			buf_release(&text);
		}
}

/* Keys of one object: its table grows. */
static void many_keys(void **state)
{
	(void)state;
	json_set_alloc_funcs(count_alloc, count_free);
	for (int n = 1; n < 5000; n = n * 2 + 1) {
		struct weigh w = {0};
		struct buf text = {0};
		char key[32];
		assert_true(buf_add_text(&text, "{", 1));
		for (int i = 0; i < n; i++)
			assert_true(buf_add_text(
				&text, key, (size_t)snprintf(key, sizeof key, "%s\"k%d\":%d", i ? "," : "", i, i)));
		assert_true(buf_add_text(&text, "}", 1));
		weigh_feed(&w, text.data, text.n);
		most = allocated = 0;
		json_t *v = json_loadb(text.data, text.n, 0, NULL);
		assert_non_null(v);
		assert_true(w.bytes + 512 >= most);
		json_decref(v);
		buf_release(&text);
	}
}

/* Of one long text the parser holds its source too, which grows by doubling. */
static void long_text(void **state)
{
	(void)state;
	struct buf text = {0};
	struct weigh w = {0};
	repeat(&text, "[\"", "0123456789", 100000, "\"]");
	weigh_feed(&w, text.data, text.n);
	json_set_alloc_funcs(count_alloc, count_free);
	most = allocated = 0;
	json_t *v = json_loadb(text.data, text.n, 0, NULL);
	assert_non_null(v);
	/* malloc may round a large block up to whole pages. */
	assert_true(w.bytes + 8192 >= allocated && w.bytes < allocated + 8192);
	assert_true(most < 4 * text.n);
	json_decref(v);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_less),
		cmocka_unit_test(many_keys),
		cmocka_unit_test(long_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
