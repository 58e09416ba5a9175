/* test_cases.c: texts that other people's programs have judged: cases.jsonl (see make_cases.py), JSON Schema's own test suite
 * and MaskBench's schemas. A text that is not valid is never let through; of those that are, the ones that kvik refuses to
 * enforce aside, every one is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <unistd.h>
#include <jansson.h>

#include "constrain/constrain.h"

struct tally {
	unsigned schemas, refused, texts, wrongly_accepted, wrongly_rejected;
};

static void judge(struct constrain *c, const char *text, size_t n, bool valid, const char *what, struct tally *t)
{
	struct matcher m;
	matcher_init(&m, c);
	size_t taken = matcher_feed(&m, text, n);
	bool accepted = taken == n && matcher_accepts(&m);
	t->texts++;
	if (accepted && !valid) {
		t->wrongly_accepted++;
		print_error("wrongly accepted by %.300s: %.300s\n", what, text);
	} else if (!accepted && valid) {
		t->wrongly_rejected++;
		print_error("wrongly rejected at %zu by %.300s: %.300s\n", taken, what, text);
	}
	matcher_release(&m);
}

/* schema: as JSON. tests: [[text, valid], ...] or [{"data": value, "valid": valid}, ...]. */
static void judge_schema(const json_t *schema, const json_t *tests, struct tally *t)
{
	char *text = json_dumps(schema, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
	struct constrain *c;
	struct kvik_err err;
	size_t i;
	json_t *test;
	assert_non_null(text);
	t->schemas++;
	int rc = constrain_new(&c, CONSTRAIN_SCHEMA, text, strlen(text), NULL, false, &err);
	if (rc) {
		t->refused += rc == KVIK_ERR_UNSUPPORTED || rc == KVIK_ERR_LIMIT || rc == KVIK_ERR_FORMAT;
		if (rc == KVIK_ERR_ARG) /* nothing can be valid */
			json_array_foreach((json_t *)tests, i, test) assert_false(json_is_true(
				json_is_array(test) ? json_array_get(test, 1) : json_object_get(test, "valid")));
		free(text);
		return;
	}
	json_array_foreach((json_t *)tests, i, test)
	{
		if (json_is_array(test)) {
			const json_t *s = json_array_get(test, 0);
			judge(c, json_string_value(s), json_string_length(s), json_is_true(json_array_get(test, 1)),
			      text, t);
			continue;
		}
		char *data = json_dumps(json_object_get(test, "data"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
		judge(c, data, strlen(data), json_is_true(json_object_get(test, "valid")), text, t);
		free(data);
	}
	constrain_free(c);
	free(text);
}

static void judge_regex(const json_t *row, struct tally *t)
{
	const json_t *regex = json_object_get(row, "regex");
	struct constrain *c;
	struct kvik_err err;
	size_t i;
	json_t *test;
	assert_int_equal(constrain_new(&c, CONSTRAIN_REGEX, json_string_value(regex), json_string_length(regex), NULL,
				       false, &err),
			 0);
	json_array_foreach(json_object_get(row, "tests"), i, test)
	{
		const json_t *s = json_array_get(test, 0);
		judge(c, json_string_value(s), json_string_length(s), json_is_true(json_array_get(test, 1)),
		      json_string_value(regex), t);
	}
	constrain_free(c);
}

static void show(const char *what, const struct tally *t)
{
	printf("%s: %u schemas, %u refused; %u texts: %u wrongly accepted, %u wrongly rejected\n", what, t->schemas,
	       t->refused, t->texts, t->wrongly_accepted, t->wrongly_rejected);
}

static void test_committed(void **state)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	struct tally t = {0};
	FILE *f = fopen("tests/constrain/cases.jsonl", "r");
	(void)state;
	assert_non_null(f);
	while ((n = getline(&line, &cap, f)) > 0) {
		json_t *row = json_loadb(line, (size_t)n, 0, NULL);
		assert_non_null(row);
		if (json_object_get(row, "schema"))
			judge_schema(json_object_get(row, "schema"), json_object_get(row, "tests"), &t);
		else
			judge_regex(row, &t);
		json_decref(row);
	}
	free(line);
	fclose(f);
	show("cases.jsonl", &t);
	assert_true(t.texts > 3000);
	assert_int_equal(t.refused, 0);
	assert_int_equal(t.wrongly_accepted, 0);
	assert_int_equal(t.wrongly_rejected, 0);
}

static void test_suite(void **state)
{
	static const char folder[] = "../shared/jsonschema/suite-2020-12";
	struct tally t = {0};
	struct dirent *e;
	DIR *d = opendir(folder);
	(void)state;
	if (!d) {
		print_message("%s is not there\n", folder);
		skip();
	}
	while ((e = readdir(d))) {
		char path[600];
		size_t i;
		json_t *group;
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		json_t *file = strstr(e->d_name, ".json") ? json_load_file(path, JSON_ALLOW_NUL, NULL) : NULL;
		json_array_foreach(file, i, group)
			judge_schema(json_object_get(group, "schema"), json_object_get(group, "tests"), &t);
		json_decref(file);
	}
	closedir(d);
	show("suite-2020-12", &t);
	assert_int_equal(t.wrongly_accepted, 0);
}

static void test_maskbench(void **state)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	struct tally t = {0};
	(void)state;
	if (access("../shared/jsonschema/maskbench-dev.jsonl.xz", R_OK) != 0) {
		print_message("../shared/jsonschema is not there\n");
		skip();
	}
	FILE *f = popen("xz -dc ../shared/jsonschema/maskbench-dev.jsonl.xz", "r");
	assert_non_null(f);
	for (unsigned row = 0; (n = getline(&line, &cap, f)) > 0; row++) {
		json_t *j = json_loadb(line, (size_t)n, 0, NULL);
		if (j && (row % 8 == 0 || getenv("KVIK_TEST_LONG")))
			judge_schema(json_object_get(j, "schema"), json_object_get(j, "tests"), &t);
		json_decref(j);
	}
	free(line);
	pclose(f);
	show("MaskBench", &t);
	assert_int_equal(t.wrongly_accepted, 0);
	assert_true(t.wrongly_rejected == 0 && t.refused * 50 < t.schemas);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_committed),
		cmocka_unit_test(test_suite),
		cmocka_unit_test(test_maskbench),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
