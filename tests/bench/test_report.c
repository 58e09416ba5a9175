/* test_report.c: one report, three views: the JSON parses and holds what was given, the text is aligned, the page needs
 * nothing from outside and shows every text escaped. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "bench/report.h"

static const struct report_column columns[] = {{"dtype", "KV dtype", NULL, REPORT_WORDS},
					       {"bytes", "a token", NULL, REPORT_BYTES},
					       {"rate", "decode", "tok/s", 1}};

static void fill(struct report *r)
{
	const struct report_chart bars = {
		.kind = REPORT_BARS, .title = "Bytes <of> a token", .y = "size", .y_unit = "bytes"};
	const struct report_chart lines = {
		.title = "Speed", .x = "depth", .x_unit = "tokens", .y = "decode", .y_unit = "tok/s", .x_log = true};
	report_init(r, "bench kv", "What the cache gives & takes");
	report_fact(r, "model", "%s", "\"<script>\" of 3.3 million parameters");
	REPORT_SECTION(r, "dtypes", "KV dtypes", columns, "Measured <alternately>.");
	report_words(r, "f16");
	report_number(r, 2048);
	report_number(r, 1234567.25);
	report_words(r, "int8, größer");
	report_number(r, 1088);
	report_number(r, NAN);
	report_note(r, "A note of %d words.", 4);
	report_chart(r, &bars);
	report_bar(r, "K", "f16", 2048);
	report_bar(r, "K", "int8", 1088);
	report_bar(r, "V", "int8", NAN);
	report_chart(r, &lines);
	report_point(r, "f16", 512, 10);
	report_point(r, "f16", 4096, 7);
	report_point(r, "int8", 4096, 9);
}

/* Freed by the caller. */
static char *whole_file(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");
	assert_true(text && f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) < (1 << 20) - 1);
	fclose(f);
	return text;
}

/* What report_finish writes with o, on standard output (page: false) or in the HTML file. */
static char *shown(const struct report_opts *o, bool page)
{
	char out[] = "/tmp/kvik-report-XXXXXX";
	struct report_opts opts = *o;
	struct report r;
	struct kvik_err err;
	int file = mkstemp(out), saved = dup(STDOUT_FILENO);
	char *text;
	assert_true(file >= 0 && saved >= 0);
	if (page)
		opts.html = out;
	fill(&r);
	fflush(stdout);
	int sink = page ? open("/dev/null", O_WRONLY) : file;
	assert_true(dup2(sink, STDOUT_FILENO) >= 0);
	int rc = report_check(&opts, &err);
	rc = rc ? rc : report_finish(&r, &opts, &err);
	dup2(saved, STDOUT_FILENO);
	report_release(&r);
	assert_int_equal(rc, 0);
	text = whole_file(out);
	close(saved);
	close(file);
	if (page)
		close(sink);
	unlink(out);
	return text;
}

static void json_holds_what_was_given(void **state)
{
	struct report_opts o = {.json = true};
	json_error_t where;
	(void)state;
	char *text = shown(&o, false);
	json_t *root = json_loads(text, 0, &where);
	assert_non_null(root);
	const json_t *s = json_array_get(json_object_get(root, "sections"), 0), *rows = json_object_get(s, "rows");
	assert_int_equal(json_array_size(rows), 2);
	assert_string_equal(report_text(json_array_get(rows, 0), "dtype"), "f16");
	assert_true(json_number_value(json_object_get(json_array_get(rows, 0), "rate")) == 1234567.25);
	assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "rate")));
	const json_t *charts = json_object_get(s, "charts");
	assert_int_equal(json_array_size(json_object_get(json_array_get(charts, 0), "series")), 1); /* NAN: no V */
	assert_int_equal(json_array_size(json_object_get(json_array_get(charts, 1), "series")), 2);
	json_decref(root);
	free(text);
}

static void text_is_aligned(void **state)
{
	struct report_opts o = {0};
	(void)state;
	char *text = shown(&o, false);
	assert_non_null(strstr(text, "\nKV dtype      a token       decode\n"));
	assert_non_null(strstr(text, "\n                             tok/s\n"));
	assert_non_null(strstr(text, "\nf16           2.0 KiB  1,234,567.2\n"));
	assert_non_null(strstr(text, "\nint8, größer  1.1 KiB            -\n"));
	assert_non_null(strstr(text, "\n* A note of 4 words.\n"));
	free(text);
}

static void a_page_needs_nothing_else(void **state)
{
	static const char *const outside[] = {"http:", "https:", "//", "src=", "@import", "<link", "<script", "url("};
	struct report_opts o = {0};
	(void)state;
	char *text = shown(&o, true);
	for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
		assert_null(strstr(text, outside[i]));
	assert_non_null(strstr(text, "&lt;script&gt;"));
	assert_non_null(strstr(text, "Bytes &lt;of&gt; a token"));
	assert_non_null(strstr(text, "size, KiB"));
	assert_non_null(strstr(text, ">4k</text>"));
	assert_non_null(strstr(text, "prefers-color-scheme:dark"));
	assert_null(strstr(text, "nan"));
	free(text);
}

static void errors_name_the_option(void **state)
{
	struct report_opts o = {.html = "/no/such/folder/page.html"};
	struct kvik_err err;
	(void)state;
	assert_int_equal(report_check(&o, &err), KVIK_ERR_IO);
	assert_non_null(strstr(err.text, "--html: /no/such/folder/page.html"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_holds_what_was_given), cmocka_unit_test(text_is_aligned),
		cmocka_unit_test(a_page_needs_nothing_else), cmocka_unit_test(errors_name_the_option)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
