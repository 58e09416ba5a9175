/* test_stop.c: stop strings found across any cut of the text, against a search over the whole text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/stop.h"

struct shown {
	char text[256];
	size_t bytes;
};

static void show(void *user, const char *text, size_t bytes)
{
	struct shown *shown = user;
	assert_true(shown->bytes + bytes < sizeof shown->text);
	memcpy(shown->text + shown->bytes, text, bytes);
	shown->bytes += bytes;
	shown->text[shown->bytes] = '\0';
}

/* Feeds text in pieces of `piece` bytes; returns whether a stop string was hit. */
static bool run(const char *const *stops, size_t n, const char *text, size_t piece, struct shown *shown)
{
	struct stop s;
	size_t size = strlen(text);
	bool hit = false;
	*shown = (struct shown){0};
	assert_int_equal(stop_init(&s, stops, NULL, n, NULL), 0);
	for (size_t at = 0; at < size && !hit; at += piece)
		hit = stop_feed(&s, text + at, size - at < piece ? size - at : piece, show, shown);
	if (!hit)
		stop_flush(&s, show, shown);
	return hit;
}

/* The naive twin: of all occurrences the one that ends first, of those the longest. */
static size_t first_stop(const char *const *stops, size_t n, const char *text, bool *hit)
{
	size_t best_end = SIZE_MAX, best_start = strlen(text);
	*hit = false;
	for (size_t i = 0; i < n; i++) {
		const char *at = strstr(text, stops[i]);
		if (!at)
			continue;
		size_t start = (size_t)(at - text), end = start + strlen(stops[i]);
		if (end < best_end || (end == best_end && start < best_start)) {
			best_end = end;
			best_start = start;
		}
		*hit = true;
	}
	return best_start;
}

static void equals_the_naive_search(void **state)
{
	(void)state;
	unsigned seed = 1;
	for (int round = 0; round < 20000; round++) {
		char text[40], a[5], b[5], c[5];
		char *const words[] = {a, b, c};
		const char *const stops[] = {a, b, c};
		for (int w = 0; w < 3; w++) {
			int n = 1 + rand_r(&seed) % 4;
			for (int i = 0; i < n; i++)
				words[w][i] = (char)('a' + rand_r(&seed) % 3);
			words[w][n] = '\0';
		}
		int n = rand_r(&seed) % 39;
		for (int i = 0; i < n; i++)
			text[i] = (char)('a' + rand_r(&seed) % 4);
		text[n] = '\0';
		struct shown shown;
		bool expect;
		size_t n_stops = (size_t)rand_r(&seed) % 4;
		size_t bytes = first_stop(stops, n_stops, text, &expect);
		assert_int_equal(run(stops, n_stops, text, 1 + (size_t)rand_r(&seed) % 7, &shown), expect);
		assert_int_equal(shown.bytes, bytes);
		assert_memory_equal(shown.text, text, bytes);
	}
}

static void only_possible_beginnings_wait(void **state)
{
	(void)state;
	const char *const stops[] = {"###"};
	struct stop s;
	struct shown shown = {0};
	assert_int_equal(stop_init(&s, stops, NULL, 1, NULL), 0);
	assert_false(stop_feed(&s, "a##", 3, show, &shown));
	assert_string_equal(shown.text, "a");
	assert_false(stop_feed(&s, "b", 1, show, &shown));
	assert_string_equal(shown.text, "a##b");
	assert_true(stop_feed(&s, "####", 4, show, &shown));
	assert_true(stop_feed(&s, "more", 4, show, &shown));
	assert_string_equal(shown.text, "a##b");
}

static void limits_are_named(void **state)
{
	(void)state;
	struct stop s;
	struct kvik_err err;
	char big[STOP_BYTES_MAX + 2];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	const char *strings[STOP_STRINGS_MAX + 1] = {big};
	assert_int_equal(stop_init(&s, strings, NULL, 1, &err), KVIK_ERR_ARG);
	strings[0] = "";
	assert_int_equal(stop_init(&s, strings, NULL, 1, &err), KVIK_ERR_ARG);
	assert_int_equal(stop_init(&s, strings, NULL, STOP_STRINGS_MAX + 1, &err), KVIK_ERR_ARG);
	assert_non_null(strstr(err.text, "16"));
}

/* NULs in the text and in a stop string are bytes like others, and with `show` the string that ends it is shown. */
static void bytes_have_a_length(void **state)
{
	(void)state;
	const char *const stops[] = {"b\0c"};
	const size_t bytes[] = {3};
	for (int show_it = 0; show_it < 2; show_it++) {
		struct stop s;
		struct shown shown = {0};
		assert_int_equal(stop_init(&s, stops, bytes, 1, NULL), 0);
		s.show = show_it;
		assert_false(stop_feed(&s, "a\0b\0b", 5, show, &shown));
		assert_true(stop_feed(&s, "\0cd", 3, show, &shown));
		assert_int_equal(s.hit_bytes, 3);
		assert_int_equal(shown.bytes, show_it ? 7 : 4);
		assert_memory_equal(shown.text, "a\0b\0b\0c", shown.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_naive_search),
		cmocka_unit_test(only_possible_beginnings_wait),
		cmocka_unit_test(limits_are_named),
		cmocka_unit_test(bytes_have_a_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
