/* test_tmpl.c: templates against what Python's jinja2 made of them (micro.json, and published.json where the templates
 * are at hand), the limits, and every allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "base/mem.h"
#include "tmpl/tmpl.h"

#define HERE "tests/tmpl/"
#define PUBLISHED "../shared/templates/"

static json_t *load(const char *path)
{
	json_error_t error;
	json_t *j = json_load_file(path, JSON_ALLOW_NUL, &error);
	if (!j)
		fail_msg("%s: %s", path, error.text);
	return j;
}

/* The text (freed with mem_free), or NULL and err. */
static char *render(const char *text, size_t bytes, const json_t *context, int64_t now,
		    const struct tmpl_limits *limits, size_t *n, struct kvik_err *err)
{
	struct tmpl *t = NULL;
	char *out = NULL;
	*n = 0;
	if (!tmpl_parse(&t, text, bytes, NULL, err)) {
		int rc = tmpl_render(t, context, now, limits, &out, n, err);
		assert_true((rc == 0) == (out != NULL));
	}
	tmpl_free(t);
	return out;
}

static void equals_jinja2(void **state)
{
	(void)state;
	json_t *all = load(HERE "micro.json"), *cases = json_object_get(all, "cases");
	const json_t *context = json_object_get(all, "context");
	int64_t now = json_integer_value(json_object_get(all, "now"));
	for (size_t i = 0; i < json_array_size(cases); i++) {
		const json_t *text = json_array_get(json_array_get(cases, i), 0);
		const json_t *want = json_array_get(json_array_get(cases, i), 1);
		struct kvik_err err = {0};
		size_t n;
		char *got = render(json_string_value(text), json_string_length(text), context, now, NULL, &n, &err);
		bool same = json_is_null(want) ? !got
					       : got && n == json_string_length(want) &&
							 memcmp(got, json_string_value(want), n) == 0;
		if (!same)
			fail_msg("%s\nwanted: %s\ngot:    %s", json_string_value(text),
				 json_is_null(want) ? "(an error)" : json_string_value(want), got ? got : err.text);
		if (!got)
			assert_true(strncmp(err.text, "template line ", 14) == 0);
		mem_free(got);
	}
	json_decref(all);
}

/* ---- Published templates ----------------------------------------------------------------------------------------- */

static void fnv1a(const char *s, size_t n, char hash[17])
{
	uint64_t h = 0xCBF29CE484222325u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)s[i]) * 0x100000001B3u;
	snprintf(hash, 17, "%016llx", (unsigned long long)h);
}

static void check_published(const json_t *entry, const json_t *contexts, int64_t now)
{
	const char *name = json_string_value(json_array_get(entry, 0));
	const json_t *hashes = json_array_get(entry, 2);
	char path[256], hash[17];
	struct file_map map;
	struct kvik_err err;
	snprintf(path, sizeof path, PUBLISHED "%s", name);
	if (file_map(&map, path, &err)) {
		print_message("%s is not there: left out\n", path);
		return;
	}
	fnv1a((const char *)map.data, map.size, hash);
	if (strcmp(hash, json_string_value(json_array_get(entry, 1))) != 0)
		fail_msg("%s has changed; run tests/tmpl/make_golden.py", path);
	for (size_t i = 0; i < json_array_size(contexts); i++) {
		const json_t *context = json_array_get(json_array_get(contexts, i), 1);
		const json_t *want = json_array_get(hashes, i);
		size_t n;
		char *got = render((const char *)map.data, map.size, context, now, NULL, &n, &err);
		fnv1a(got ? got : "", n, hash);
		if (json_is_null(want) ? got != NULL : !got || strcmp(hash, json_string_value(want)) != 0)
			fail_msg("%s with '%s': %s", name,
				 json_string_value(json_array_get(json_array_get(contexts, i), 0)),
				 got ? got : err.text);
		mem_free(got);
	}
	file_unmap(&map);
}

static void published_templates(void **state)
{
	(void)state;
	json_t *all = load(HERE "published.json"), *contexts = load(HERE "contexts.json");
	const json_t *templates = json_object_get(all, "templates");
	FILE *any = fopen(PUBLISHED "Qwen-Qwen3-0.6B.jinja", "r");
	if (!any) {
		print_message("no published templates in " PUBLISHED ": skipped\n");
		json_decref(all);
		json_decref(contexts);
		skip();
	}
	fclose(any);
	for (size_t i = 0; i < json_array_size(templates); i++)
		check_published(json_array_get(templates, i), contexts,
				json_integer_value(json_object_get(all, "now")));
	json_decref(all);
	json_decref(contexts);
}

/* ---- Limits ------------------------------------------------------------------------------------------------------ */

static int code_of(const char *text, const struct tmpl_limits *limits)
{
	struct kvik_err err = {0};
	size_t n;
	json_t *context = json_pack("{s:[i,i,i]}", "l", 1, 2, 3);
	char *out = render(text, strlen(text), context, 0, limits, &n, &err);
	json_decref(context);
	int code = out ? 0 : err.code;
	if (code == KVIK_ERR_LIMIT)
		assert_true(strncmp(err.text, "template line ", 14) == 0);
	mem_free(out);
	return code;
}

static void everything_ends(void **state)
{
	(void)state;
	static const char *const endless[] = {
		"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
		"{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
		"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
		"{% macro f() %}{% if true %}{% for x in l %}{{ f() + 'x' }}{% endfor %}{% endif %}{% endmacro %}{{ "
		"f() }}",
		"{% macro f(a) %}{% if caller %}{% call f(1) %}x{% endcall %}{% endif %}{% endmacro %}{% call f() "
		"%}x{% "
		"endcall %}",
		"{% set ns = namespace(s='x') %}{% for a in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"{% set ns = namespace(s='x') %}{% for a in range(99) %}{% set ns.s = ns.s ~ ns.s ~ 1 %}{% endfor %}",
		"{% set ns = namespace(s=[1]) %}{% for a in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
		"{% set ns = namespace(s=[1]) %}{% for a in range(9999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s "
		"}}",
		"{% set ns = namespace(s=[1]) %}{% for a in range(9999) %}{% set ns.s = [ns.s] %}{% endfor %}{{ "
		"ns.s|tojson }}",
		"{% set ns = namespace(a=1,b=1) %}{% for a in range(9999) %}{% set ns.a = (ns.a,) %}{% set ns.b = "
		"(ns.b,) %}"
		"{% endfor %}{{ ns.a == ns.b }}",
		"{% set ns = namespace(a=1,b=2) %}{% for a in range(9999) %}{% set ns.a = (ns.a,) %}{% set ns.b = "
		"(ns.b,) %}"
		"{% endfor %}{{ ns.a < ns.b }}",
		"{% set ns = namespace(a=1) %}{% for a in range(9999) %}{% set ns.a = (ns.a,) %}{% endfor %}{{ {ns.a: "
		"1} }}",
		"{% set ns = namespace(a=l) %}{% for a in range(9999) %}{% set ns.a = ns.a|map('string') %}{% endfor %}"
		"{{ ns.a|list }}",
		"{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
		"{% for x in l recursive %}{{ loop(l) }}{% endfor %}",
		"{{ 'x' * 99999999999 }}",
		"{{ [0] * 99999999999 }}",
		"{{ 'x'|center(99999999999) }}",
		"{{ '%99999999d' % 1 }}",
		"{{ '{:99999999}'.format(1) }}",
		"{{ ('a' * 100000).replace('', 'b' * 100000) }}",
		"{{ l|batch(99999999999, 'x')|list }}",
		"{{ l|slice(99999999999)|list }}",
		"{% set s = 'a' * 9999999 %}{% for i in range(9999) %}{{ 'b' in s }}{% endfor %}",
		"{% set s = 'a' * 9999999 %}{% for i in range(9999) %}{{ s == s ~ '' }}{% endfor %}",
		"{% set s = 'a' * 9999999 %}{% for i in range(9999) %}{{ s.rfind('ab' * 999) }}{% endfor %}",
		"{% set s = 'é' * 9999999 %}{% for i in range(99999) %}{% set t = s[i] %}{% endfor %}",
	};
	static const struct tmpl_limits limits = {.steps = 4000000, .memory = (size_t)64 << 20};
	for (size_t i = 0; i < sizeof endless / sizeof *endless; i++)
		if (code_of(endless[i], &limits) != KVIK_ERR_LIMIT)
			fail_msg("%s ends with %d", endless[i], code_of(endless[i], &limits));
}

static void limits_can_be_set(void **state)
{
	(void)state;
	const char *text = "{% for a in range(1000) %}{{ a }}{% endfor %}";
	assert_int_equal(code_of(text, NULL), 0);
	assert_int_equal(code_of(text, &(struct tmpl_limits){.steps = 1000}), KVIK_ERR_LIMIT);
	assert_int_equal(code_of(text, &(struct tmpl_limits){.memory = 10000}), KVIK_ERR_LIMIT);
	assert_int_equal(code_of(text, &(struct tmpl_limits){.output = 1000}), KVIK_ERR_LIMIT);
	assert_int_equal(code_of(text, &(struct tmpl_limits){.levels = 2}), KVIK_ERR_LIMIT);
}

/* Text built by appending costs what it is long, not the square of that. */
static void appending_is_linear(void **state)
{
	(void)state;
	const char *text =
		"{% set ns = namespace(s='') %}{% for a in range(100000) %}{% set ns.s = ns.s + 'some words ' %}"
		"{% endfor %}{{ ns.s|length }}";
	assert_int_equal(code_of(text, &(struct tmpl_limits){.memory = (size_t)64 << 20}), 0);
}

static void nesting_of_the_text_is_bounded(void **state)
{
	(void)state;
	static const char *const around[][2] = {
		{"{{ ((((((((((", NULL},   {"{{ [[[[[[[[[[", NULL},      {"{% if 1 %}{% if 1 %}", NULL},
		{"{{ -----------", NULL},  {"{{ not not not not", NULL}, {"{{ {1:{1:{1:{1:", NULL},
		{"{{ a if a else ", NULL}, {"{{ f(f(f(f(", NULL},        {"{{ x[x[x[x[", NULL},
	};
	for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
		size_t n = strlen(around[i][0]), times = 100000 / n;
		char *text = malloc(n * times + 1);
		assert_non_null(text);
		for (size_t k = 0; k < times; k++)
			memcpy(text + k * n, around[i][0], n + 1);
		assert_true(code_of(text, NULL) < 0);
		free(text);
	}
	static const char *const links[] = {"{{ a", ".a", "|e",          "(1)",   "[1]",
					    "+1",   "~1", " is defined", " or 1", " if 1"};
	for (size_t i = 1; i < sizeof links / sizeof *links; i++) {
		char text[50000] = "{{ a";
		size_t at = 4, n = strlen(links[i]);
		while (at + n + 4 < sizeof text) {
			memcpy(text + at, links[i], n);
			at += n;
		}
		strcpy(text + at, " }}");
		int code = code_of(text, NULL);
		assert_true(code <= 0);
	}
}

static void errors_name_the_line(void **state)
{
	(void)state;
	struct kvik_err err;
	struct tmpl *t;
	char *out;
	size_t n;
	json_t *none = json_object();
	assert_int_equal(tmpl_parse(&t, "a\n{{ x }\n", 9, "chat.jinja", &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "chat.jinja: template line 2: "));
	assert_int_equal(tmpl_parse(&t, "\xff", 1, NULL, &err), KVIK_ERR_FORMAT);
	assert_non_null(strstr(err.text, "UTF-8"));
	const char *text = "a\nb\n{{\nx.y }}";
	assert_int_equal(tmpl_parse(&t, text, strlen(text), NULL, &err), 0);
	assert_int_equal(tmpl_render(t, none, 0, NULL, &out, &n, &err), KVIK_ERR_FORMAT);
	assert_string_equal(err.text, "template line 4: 'x' is undefined");
	assert_int_equal(tmpl_render(t, NULL, 0, NULL, &out, &n, &err), KVIK_ERR_ARG);
	assert_int_equal(tmpl_render(t, none, 0, NULL, &out, &n, NULL), KVIK_ERR_FORMAT);
	tmpl_free(t);
	text = "{{ raise_exception('Only user\nand assistant roles') }}";
	assert_int_equal(tmpl_parse(&t, text, strlen(text), NULL, &err), 0);
	assert_int_equal(tmpl_render(t, none, 0, NULL, &out, &n, &err), KVIK_ERR_FORMAT);
	assert_string_equal(err.text, "template line 1: Only user and assistant roles");
	tmpl_free(t);
	json_decref(none);
}

/* Python's integers have any size. */
static void huge_numbers_are_written_as_they_came(void **state)
{
	(void)state;
	const char *text = "{{ x|tojson }} {{ x.a }} {{ x }} {{ x.a is number }} {{ x.a is string }}";
	const char *want = "{\"a\": 18446744073709551616} 18446744073709551616 {'a': 18446744073709551616} True False";
	struct kvik_err err;
	json_t *context = json_pack("{s:{}}", "x");
	size_t n;
	json_object_set_new(json_object_get(context, "x"), "a",
			    json_string_nocheck(TMPL_NUMBER "18446744073709551616"));
	char *out = render(text, strlen(text), context, 0, NULL, &n, &err);
	assert_non_null(out);
	assert_string_equal(out, want);
	mem_free(out);
	json_decref(context);
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

static void every_allocation_may_fail(void **state)
{
	(void)state;
	const char *text = "{% macro f(x) %}{{ x|upper }}{% endmacro %}{% for a in range(300) %}{{ f('abc' ~ a) }}"
			   "{% set ns = namespace(a=[a] * 50, s='x' * 9000) %}{% endfor %}{{ l|tojson }}";
	json_t *context = json_pack("{s:[i,i,i]}", "l", 1, 2, 3);
	for (long at = 1;; at++) {
		struct kvik_err err = {0};
		size_t n;
		mem_fail_at(at);
		char *out = render(text, strlen(text), context, 0, NULL, &n, &err);
		mem_fail_at(0);
		if (out) {
			assert_true(at > 8);
			mem_free(out);
			break;
		}
		assert_int_equal(err.code, KVIK_ERR_NOMEM);
	}
	json_decref(context);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_jinja2),
		cmocka_unit_test(published_templates),
		cmocka_unit_test(everything_ends),
		cmocka_unit_test(limits_can_be_set),
		cmocka_unit_test(appending_is_linear),
		cmocka_unit_test(nesting_of_the_text_is_bounded),
		cmocka_unit_test(errors_name_the_line),
		cmocka_unit_test(huge_numbers_are_written_as_they_came),
		cmocka_unit_test(every_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
