/* test_origin.c: who wrote each character of a rendered text. What variables say must be marked as data whatever a
 * template does with it, and what the template says must not be where it can be traced. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "tmpl/tmpl.h"

#define PUBLISHED "../shared/templates/"

static bool trusts(const char *key, const char *text)
{
	return strcmp(key, "role") == 0 && strcmp(text, "user") == 0;
}

static struct tmpl_text render(const char *text, size_t bytes, const json_t *variables, struct kvik_err *err)
{
	struct tmpl *t = NULL;
	struct tmpl_text out = {0};
	json_t *own = json_pack("{s:s, s:s}", "bos", "<s>", "hidden", "<h>");
	const struct tmpl_input in = {.variables = variables, .own = own, .trusts = trusts, .now = 1753956000};
	*err = (struct kvik_err){0};
	if (!tmpl_parse(&t, text, bytes, NULL, err) && tmpl_render_text(t, &in, &out, err))
		tmpl_text_release(&out);
	tmpl_free(t);
	json_decref(own);
	return out;
}

/* Data in braces. */
static char *marked(const struct tmpl_text *t)
{
	struct buf b = {0};
	size_t at = 0;
	for (size_t i = 0; i < t->n_data; i++) {
		assert_true(t->data[i].from < t->data[i].to && t->data[i].to <= t->bytes);
		assert_true(i == 0 || t->data[i].from > t->data[i - 1].to);
		assert_true(buf_add(&b, t->text + at, t->data[i].from - at) && buf_add(&b, "{", 1));
		assert_true(buf_add(&b, t->text + t->data[i].from, t->data[i].to - t->data[i].from));
		assert_true(buf_add(&b, "}", 1));
		at = t->data[i].to;
	}
	assert_true(buf_add(&b, t->text + at, t->bytes - at) && buf_add(&b, "", 1));
	return b.data;
}

static void traced(void **state)
{
	static const char *const cases[][2] = {
		{"<{{ a }}>", "<{DATA}>"},
		{"{{ '<' + a + '>' }}", "<{DATA}>"},
		{"{{ '<' ~ a ~ a ~ '>' }}", "<{DATADATA}>"},
		{"{{ bos }}{{ hidden }}", "<s>{shown}"}, /* a variable hides the own one, and is data */
		{"{% for m in list %}<|{{ m.role }}|>{% endfor %}", "<|user|><|{evil}|>"},
		{"{{ list[0].text }}", "{user}"},
		{"{{ ('<' + a + '>')[1:3] }}|{{ ('<' + a + '>')[::-1] }}", "{DA}|>{ATAD}<"},
		{"{{ ('<' + a + '>') | lower | upper | title | capitalize }}", "<{data}>"},
		{"{{ ('<' + u + '>') | upper }}", "<{\xC3\x9C}>"},
		{"{{ ('  <' + a + ' ') | trim }}|{{ (' ' + a + '>').strip() }}", "<{DATA}|{DATA}>"},
		{"{{ ('x' + a) | replace('x', '<s>') }}", "<s>{DATA}"},
		{"{{ ('x' + a).replace('T', 't') }}", "x{DA}t{A}"},
		{"{{ 'axb'.replace('x', a) }}", "a{DATA}b"},
		{"{{ 'ab'.replace('', a) }}", "{DATA}a{DATA}b{DATA}"},
		{"{{ ('<' + a + '>').split('T') | join('+') }}", "<{DA}+{A}>"},
		{"{{ ['<', a, '>'] | join }}|{{ a.join(['<', '>']) }}", "<{DATA}>|<{DATA}>"},
		{"{{ ('<' + a + '>').partition('A')[2] }}", "{TA}>"},
		{"{{ {'k': a, a: '<s>'} | tojson }}", "{\"k\": \"{DATA}\", \"{DATA}\": \"<s>\"}"},
		{"{{ quoted | tojson }}", "\"{\\\"\\n}\""},
		{"{{ [a, '<', none, 3] }}", "['{DATA}', '<', None, 3]"},
		{"{{ '<%s|%d>' % (a, 3) }}|{{ '{}<'.format(a) }}", "<{DATA}|3>|{DATA}<"},
		{"{{ a % () }}", "{DATA}"},
		{"{{ '%s' | format(a) }}{{ '%.2s>' % a }}", "{DATADA}>"},
		{"{% set x %}<{{ a }}>{% endset %}{{ x }}", "<{DATA}>"},
		{"{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(a) + m('s') }}", "<{DATA}><s>"},
		{"{% filter upper %}<{{ u }}>{% endfilter %}", "<{\xC3\x9C}>"},
		{"{% set ns = namespace(t='<') %}{% for i in range(3) %}{% set ns.t = ns.t + a + '>' %}{% endfor %}{{ "
		 "ns.t }}",
		 "<{DATA}>{DATA}>{DATA}>"},
		{"{{ ('<' + a) * 2 }}", "<{DATA}<{DATA}"},
		{"{{ ('<' + a) | e }}", "&lt;{DATA}"},
		{"{{ '<' ~ (a | length) ~ '>' }}", "<4>"},
		{"{% for k in list[0] %}{{ k }},{% endfor %}", "{role},{text},"},
		{"{{ ('<' + a) | list | last }}{{ ('<' + a) | first }}{{ ('<' + a) | reverse }}", "{A}<{ATAD}<"},
		{"{{ 'a\\tb'.expandtabs(4) }}{{ a.ljust(6) }}|", "a   b{DATA  }|"},
		{"{{ ('<' + a).removeprefix('<') }}{{ (a + '>').removesuffix('A>') }}", "{DATADAT}"},
		{"{{ ('<\\n' + a) | indent(1, true) }}", "{ }<\n{ DATA}"},
		{"{{ a ~ '<' if a is defined else 'x' }}{{ nothing | default('<s>') }}", "{DATA}<<s>"},
	};
	(void)state;
	json_t *variables =
		json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:s}, {s:s}]}", "a", "DATA", "u", "\xC3\xBC", "quoted", "\"\n",
			  "hidden", "shown", "list", "role", "user", "text", "user", "role", "evil");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct kvik_err err;
		struct tmpl_text t = render(cases[i][0], strlen(cases[i][0]), variables, &err);
		if (!t.text)
			fail_msg("%s: %s", cases[i][0], err.text);
		char *got = marked(&t);
		if (strcmp(got, cases[i][1]) != 0)
			fail_msg("%s\nwanted: %s\ngot:    %s", cases[i][0], cases[i][1], got);
		mem_free(got);
		tmpl_text_release(&t);
	}
	json_decref(variables);
}

/* Where rounds of the outermost loops begin, as "|". */
static void borders(void **state)
{
	static const char *const cases[][2] = {
		{"{{ 'S' }}{% for m in list %}<{{ m.role or m.text }}>{% endfor %}end", "S|<user>|<user>|end"},
		{"{% for m in list %}<{% for n in list %}.{% endfor %}>{% endfor %}",
		 "<..>|<..>|"}, /* not the inner ones */
		{"{% for m in list[::-1] %}{% set x = m %}{% endfor %}a{% for m in list %}{% endfor %}b", "a|b"},
		{"a{% set x %}{% for m in list %}b{% endfor %}{% endset %}{{ x }}", "abb"}, /* has no place yet */
		{"{% for i in range(9) %}{{ i }}{% endfor %}", "012345|6|7|8|"},            /* the last ones */
		{"a{% for i in [] %}b{% else %}c{% endfor %}d", "a|cd"},
	};
	(void)state;
	json_t *variables = json_pack("{s:[{s:s}, {s:s}]}", "list", "role", "user", "text", "user");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct kvik_err err;
		struct buf b = {0};
		struct tmpl_text t = render(cases[i][0], strlen(cases[i][0]), variables, &err);
		size_t next = 0;
		if (!t.text)
			fail_msg("%s: %s", cases[i][0], err.text);
		for (size_t at = 0; at <= t.bytes; at++) {
			if (next < t.n_borders && t.borders[next] == at) {
				assert_true(buf_add(&b, "|", 1));
				next++;
			}
			assert_true(buf_add(&b, t.text + at, 1)); /* the NUL too */
		}
		assert_int_equal(next, t.n_borders);
		if (strcmp(b.data, cases[i][1]) != 0)
			fail_msg("%s\nwanted: %s\ngot:    %s", cases[i][0], cases[i][1], b.data);
		buf_release(&b);
		tmpl_text_release(&t);
	}
	json_decref(variables);
}

/* ---- Published templates ----------------------------------------------------------------------------------------- */

#define MARK "\xEE\x80\x80" /* U+E000, which no template writes */

/* A copy with the mark in every text but the names that templates look for. */
static json_t *with_marks(const json_t *j, const char *key)
{
	static const char *const names[] = {"role", "type", "id", "tool_call_id", NULL};
	const char *k;
	json_t *v, *copy;
	size_t i;
	for (i = 0; key && names[i]; i++)
		if (strcmp(key, names[i]) == 0)
			return json_deep_copy(j);
	if (json_is_string(j))
		return json_sprintf(MARK "%s" MARK, json_string_value(j));
	if (json_is_array(j)) {
		copy = json_array();
		json_array_foreach((json_t *)(uintptr_t)j, i, v) json_array_append_new(copy, with_marks(v, key));
		return copy;
	}
	copy = json_is_object(j) ? json_object() : json_deep_copy(j);
	if (json_is_object(j))
		json_object_foreach((json_t *)(uintptr_t)j, k, v) json_object_set_new(copy, k, with_marks(v, k));
	return copy;
}

static bool in_data(const struct tmpl_text *t, size_t at)
{
	for (size_t i = 0; i < t->n_data; i++)
		if (t->data[i].from <= at && at < t->data[i].to)
			return true;
	return false;
}

/* How many marks came out; each must be data. */
static size_t check_marks(const char *name, const struct file_map *map, const json_t *context)
{
	struct kvik_err err;
	size_t n = 0;
	json_t *variables = with_marks(context, NULL);
	struct tmpl_text t = render((const char *)map->data, map->size, variables, &err);
	for (const char *p = t.text; p && (p = memmem(p, t.bytes - (size_t)(p - t.text), MARK, 3)); p += 3, n++)
		for (size_t k = 0; k < 3; k++)
			if (!in_data(&t, (size_t)(p - t.text) + k))
				fail_msg("%s: text of a message passes for the template's own at byte %zu", name,
					 (size_t)(p - t.text));
	tmpl_text_release(&t);
	json_decref(variables);
	return n;
}

static void messages_stay_data(void **state)
{
	(void)state;
	json_error_t e;
	json_t *all = json_load_file("tests/tmpl/published.json", 0, &e), *contexts, *entry, *context;
	size_t i, k, marks = 0;
	contexts = json_load_file("tests/tmpl/contexts.json", JSON_ALLOW_NUL, &e);
	if (!file_exists(PUBLISHED "Qwen-Qwen3-0.6B.jinja")) {
		json_decref(all);
		json_decref(contexts);
		print_message("no published templates in " PUBLISHED ": skipped\n");
		skip();
	}
	json_array_foreach(json_object_get(all, "templates"), i, entry)
	{
		const char *name = json_string_value(json_array_get(entry, 0));
		struct file_map map;
		char path[256];
		size_t of_template = 0;
		snprintf(path, sizeof path, PUBLISHED "%s", name);
		if (file_map(&map, path, NULL))
			continue;
		json_array_foreach(contexts, k, context) of_template +=
			check_marks(name, &map, json_array_get(context, 1));
		if (of_template == 0)
			fail_msg("%s shows no text of any message", name);
		marks += of_template;
		file_unmap(&map);
	}
	print_message("%zu marks\n", marks);
	json_decref(all);
	json_decref(contexts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(traced), cmocka_unit_test(borders),
					   cmocka_unit_test(messages_stay_data)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
