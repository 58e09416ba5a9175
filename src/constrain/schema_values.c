/* schema_values.c: "enum" and "const": values that stand in the schema. Strings, numbers and words are a leaf each; an object or
 * array is described by what makes it that one. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "constrain/schema_build.h"

/* ---- Texts ------------------------------------------------------------------------------------------------------- */

struct text build_text(struct builder *b, const char *bytes, size_t n)
{
	struct schema *s = b->s;
	char **strings = b->rc ? NULL : mem_grow(s->strings, &s->strings_cap, s->n_strings, sizeof *strings);
	if (strings)
		s->strings = strings;
	char *copy = strings ? mem_strndup(bytes, n) : NULL;
	if (!copy) {
		build_nomem(b);
		return (struct text){"", 0};
	}
	strings[s->n_strings++] = copy;
	return (struct text){copy, (uint32_t)n};
}

int text_compare(const void *a, const void *b)
{
	const struct text *x = a, *y = b;
	int c = memcmp(x->bytes, y->bytes, x->n < y->n ? x->n : y->n);
	return c ? c : (x->n > y->n) - (x->n < y->n);
}

uint32_t build_texts(struct builder *b, struct text *texts, size_t n)
{
	struct schema *s = b->s;
	uint32_t first = (uint32_t)s->n_texts;
	if (n > 0)
		qsort(texts, n, sizeof *texts, text_compare);
	for (size_t i = 0; i < n && !b->rc; i++) {
		if (i > 0 && text_compare(&texts[i - 1], &texts[i]) == 0)
			continue;
		struct text *grown = mem_grow(s->texts, &s->texts_cap, s->n_texts, sizeof *grown);
		if (!grown) {
			build_nomem(b);
			break;
		}
		s->texts = grown;
		grown[s->n_texts++] = texts[i];
	}
	return first;
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

struct values {
	struct text *strings, *numbers; /* [n] each */
	size_t n_strings, n_numbers;
	unsigned words;
};

void number_text(const json_t *j, char text[NUMBER_TEXT])
{
	if (json_is_integer(j))
		snprintf(text, NUMBER_TEXT, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
	for (int digits = 15; json_is_real(j) && digits <= 17; digits++) {
		snprintf(text, NUMBER_TEXT, "%.*g", digits, json_real_value(j));
		if (strtod(text, NULL) == json_real_value(j))
			break;
	}
}

/* The ways in which programs write this number: 1 as "1", 1.0 also as "1.0", 0.00001 also as "1e-05". */
static void add_number(struct builder *b, struct values *v, const json_t *j)
{
	char text[NUMBER_TEXT];
	double d = json_real_value(j);
	number_text(j, text);
	v->numbers[v->n_numbers++] = build_text(b, text, strlen(text));
	if (json_is_integer(j))
		return;
	if (!strpbrk(text, ".e")) {
		strcat(text, ".0");
		v->numbers[v->n_numbers++] = build_text(b, text, strlen(text));
	} else if (strchr(text, 'e') && d != 0) {
		for (int decimals = 1; decimals <= 40; decimals++) {
			snprintf(text, sizeof text, "%.*f", decimals, d);
			if (strtod(text, NULL) == d)
				break;
		}
		if (strtod(text, NULL) == d)
			v->numbers[v->n_numbers++] = build_text(b, text, strlen(text));
	}
}

static uint32_t const_array(struct builder *b, const json_t *j)
{
	size_t n = json_array_size(j);
	uint32_t nodes[3], *items = mem_zalloc(n + 1, sizeof *items);
	if (!items)
		return build_nomem(b);
	for (size_t i = 0; i < n; i++)
		items[i] = build_const(b, json_array_get(j, i));
	nodes[0] = build_node(b, (struct node){.kind = NODE_TYPES, .types = TYPE_ARRAY});
	nodes[1] = build_node(b, (struct node){.kind = NODE_SIZE, .limits = {(uint32_t)n, (uint32_t)n}});
	nodes[2] = build_items(b, items, n, NODE_IS_FALSE);
	mem_free(items);
	return build_gate(b, NODE_ALL, nodes, 3);
}

static uint32_t const_object(struct builder *b, const json_t *j)
{
	uint32_t nodes[3];
	nodes[0] = build_node(b, (struct node){.kind = NODE_TYPES, .types = TYPE_OBJECT});
	nodes[1] = build_const_members(b, j);
	nodes[2] = build_required_names(b, j);
	return build_gate(b, NODE_ALL, nodes, 3);
}

static uint32_t build_many(struct builder *b, const json_t *const *list, size_t n)
{
	struct values v = {0};
	struct gathered g = {0};
	v.strings = mem_zalloc(n + 1, sizeof *v.strings);
	v.numbers = mem_zalloc(2 * n + 2, sizeof *v.numbers);
	if (!v.strings || !v.numbers)
		build_nomem(b);
	for (size_t i = 0; i < n && !b->rc; i++) {
		const json_t *j = list[i];
		switch (json_typeof(j)) {
		case JSON_STRING:
			v.strings[v.n_strings++] = build_text(b, json_string_value(j), json_string_length(j));
			break;
		case JSON_INTEGER:
		case JSON_REAL: add_number(b, &v, j); break;
		case JSON_TRUE: v.words |= WORD_TRUE; break;
		case JSON_FALSE: v.words |= WORD_FALSE; break;
		case JSON_NULL: v.words |= WORD_NULL; break;
		case JSON_ARRAY: gather(b, &g, const_array(b, j)); break;
		case JSON_OBJECT: gather(b, &g, const_object(b, j)); break;
		}
	}
	if (v.words)
		gather(b, &g, build_node(b, (struct node){.kind = NODE_WORDS, .words = v.words}));
	for (int k = 0; k < 2 && !b->rc; k++) {
		uint32_t first = build_texts(b, k ? v.numbers : v.strings, k ? v.n_numbers : v.n_strings);
		if (b->s->n_texts > first)
			gather(b, &g,
			       build_node(b, (struct node){.kind = k ? NODE_NUMBERS : NODE_TEXTS,
							   .first = first,
							   .n = (uint32_t)(b->s->n_texts - first)}));
	}
	mem_free(v.strings);
	mem_free(v.numbers);
	uint32_t node = build_gate(b, NODE_ANY, g.nodes, g.n);
	mem_free(g.nodes);
	return node;
}

uint32_t build_const(struct builder *b, const json_t *j)
{
	if (++b->depth > 200)
		return build_fail(b, KVIK_ERR_LIMIT, NULL, "a value nested too deep");
	uint32_t node = build_many(b, &j, 1);
	b->depth--;
	return node;
}

void build_values(struct builder *b, const json_t *j, struct gathered *g)
{
	const json_t *list = json_object_get(j, "enum");
	if (json_object_get(j, "const")) {
		size_t mark = build_enter(b, "const");
		gather(b, g, build_const(b, json_object_get(j, "const")));
		build_leave(b, mark);
	}
	if (!list)
		return;
	if (!json_is_array(list)) {
		build_fail(b, KVIK_ERR_FORMAT, "enum", "no list");
		return;
	}
	size_t n = json_array_size(list);
	const json_t **values = mem_zalloc(n + 1, sizeof *values);
	size_t mark = build_enter(b, "enum");
	if (!values)
		build_nomem(b);
	for (size_t i = 0; values && i < n; i++)
		values[i] = json_array_get(list, i);
	if (values)
		gather(b, g, build_many(b, values, n));
	build_leave(b, mark);
	mem_free(values);
}
