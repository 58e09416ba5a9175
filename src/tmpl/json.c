/* json.c: json.dumps as Python writes it, and jansson trees to values. */
#include "tmpl/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tmpl/number.h"
#include "tmpl/sort.h"
#include "tmpl/tmpl.h"
#include "tmpl/unicode.h"

struct writer {
	struct vm *vm;
	struct out out;
	const struct json_style *style;
	unsigned depth;
};

static void write_value(struct writer *w, struct value v);

static void text(struct writer *w, const char *s)
{
	out_text(w->vm, &w->out, s);
}

/* Escapes are written as what they stand for is. */
static void write_unit(struct writer *w, unsigned unit)
{
	char escape[8];
	int n = snprintf(escape, sizeof escape, "\\u%04x", unit & 0xFFFF);
	out_add(w->vm, &w->out, escape, (size_t)n);
}

static void write_escape(struct writer *w, uint32_t c)
{
	static const char plain[] = "\"\\\n\r\t\f\b", letter[] = "\"\\nrtfb";
	const char *at = c && c < 0x80 ? strchr(plain, (int)c) : NULL;
	if (at) {
		char escape[2] = {'\\', letter[at - plain]};
		out_add(w->vm, &w->out, escape, 2);
	} else if (c >= 0x10000) {
		write_unit(w, 0xD800 + ((c - 0x10000) >> 10));
		write_unit(w, 0xDC00 + ((c - 0x10000) & 0x3FF));
	} else {
		write_unit(w, c);
	}
}

static void write_str(struct writer *w, const struct str *s)
{
	size_t from = 0;
	unsigned bytes;
	text(w, "\"");
	for (size_t i = 0; i < s->n; i += bytes) {
		uint32_t c = utf8_get(s->s + i, &bytes);
		bool escape = c < 0x20 || c == '"' || c == '\\' || (w->style->ascii && c > 0x7E);
		if (!escape)
			continue;
		out_part(w->vm, &w->out, s, from, i);
		w->out.of_bytes = str_origin(s, i);
		write_escape(w, c);
		from = i + bytes;
	}
	out_part(w->vm, &w->out, s, from, s->n);
	text(w, "\"");
}

static void write_float(struct writer *w, double f)
{
	char repr[FLOAT_REPR_MAX];
	float_repr(f, repr);
	text(w, isnan(f) ? "NaN" : isinf(f) ? (f < 0 ? "-Infinity" : "Infinity") : repr);
}

static void new_line(struct writer *w)
{
	if (!w->style->indent)
		return;
	text(w, "\n");
	for (unsigned i = 0; i < w->depth; i++)
		out_str(w->vm, &w->out, w->style->indent);
}

static void write_list(struct writer *w, const struct seq *s)
{
	text(w, "[");
	w->depth++;
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			out_str(w->vm, &w->out, w->style->item);
		new_line(w);
		write_value(w, s->v[i]);
	}
	w->depth--;
	if (s->n)
		new_line(w);
	text(w, "]");
}

static void write_key(struct writer *w, struct value key)
{
	switch (key.type) {
	case V_STR: write_str(w, key.str); break;
	case V_NONE:
	case V_BOOL:
	case V_INT:
	case V_FLOAT:
		text(w, "\"");
		write_value(w, key);
		text(w, "\"");
		break;
	default: vm_error(w->vm, "keys must be str, int, float, bool or None, not %s", value_type_name(key));
	}
}

static void write_dict(struct writer *w, struct value v)
{
	struct value sorted = w->style->sort_keys ? sorted_items(w->vm, v.dict) : (struct value){0};
	const struct dict *d = v.dict;
	text(w, "{");
	w->depth++;
	for (size_t i = 0; i < d->n; i++) {
		if (i)
			out_str(w->vm, &w->out, w->style->item);
		new_line(w);
		const struct value *pair = value_given(sorted) ? sorted.seq->v[i].seq->v : NULL;
		write_key(w, pair ? pair[0] : d->e[i].key);
		out_str(w->vm, &w->out, w->style->key);
		write_value(w, pair ? pair[1] : d->e[i].value);
	}
	w->depth--;
	if (d->n)
		new_line(w);
	text(w, "}");
}

static void write_value(struct writer *w, struct value v)
{
	vm_enter(w->vm);
	switch (v.type) {
	case V_NONE: text(w, "null"); break;
	case V_BOOL: text(w, v.b ? "true" : "false"); break;
	case V_INT: out_str(w->vm, &w->out, value_text(w->vm, v)); break;
	case V_FLOAT: write_float(w, v.f); break;
	case V_STR:
		if (v.number)
			out_str(w->vm, &w->out, v.str);
		else
			write_str(w, v.str);
		break;
	case V_LIST:
	case V_TUPLE: write_list(w, v.seq); break;
	case V_DICT: write_dict(w, v); break;
	default: vm_error(w->vm, "object of type %s is not JSON serializable", value_type_name(v));
	}
	vm_leave(w->vm);
}

struct value json_text(struct vm *vm, struct value v, const struct json_style *style)
{
	struct writer w = {.vm = vm, .style = style};
	write_value(&w, v);
	return out_value(vm, &w.out);
}

/* ---- In ---------------------------------------------------------------------------------------------------------- */

static struct value any_value(struct vm *vm, const json_t *j, enum origin origin, tmpl_trusts_fn *trusts);

static struct value text_value(struct vm *vm, const json_t *j, enum origin origin)
{
	const char *s = json_string_value(j);
	size_t n = json_string_length(j);
	bool number = n > 0 && s[0] == TMPL_NUMBER[0];
	struct value v = str_borrow(vm, s + number, n - number, origin);
	v.number = number;
	return v;
}

static struct value string_value(struct vm *vm, const char *key, const json_t *j, enum origin origin,
				 tmpl_trusts_fn *trusts)
{
	const char *s = json_string_value(j);
	size_t n = json_string_length(j);
	if (trusts && strlen(s) == n && trusts(key, s))
		origin = FROM_TEMPLATE;
	return text_value(vm, j, origin);
}

static struct value object_value(struct vm *vm, const json_t *j, enum origin origin, tmpl_trusts_fn *trusts)
{
	struct value v = dict_new(vm);
	/* jansson's iterators want a pointer that is not const, and do not write through it */
	json_t *object = (json_t *)(uintptr_t)j;
	for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
		const char *key = json_object_iter_key(it);
		const json_t *member = json_object_iter_value(it);
		dict_set(vm, v.dict, str_borrow(vm, key, strlen(key), origin),
			 json_is_string(member) ? string_value(vm, key, member, origin, trusts)
						: any_value(vm, member, origin, trusts));
	}
	return v;
}

static struct value array_value(struct vm *vm, const json_t *j, enum origin origin, tmpl_trusts_fn *trusts)
{
	struct value v = seq_new(vm, V_LIST, json_array_size(j));
	for (size_t i = 0; i < json_array_size(j); i++)
		seq_add(vm, v.seq, any_value(vm, json_array_get(j, i), origin, trusts));
	return v;
}

static struct value any_value(struct vm *vm, const json_t *j, enum origin origin, tmpl_trusts_fn *trusts)
{
	struct value v = value_none();
	vm_enter(vm);
	switch (json_typeof(j)) {
	case JSON_OBJECT: v = object_value(vm, j, origin, trusts); break;
	case JSON_ARRAY: v = array_value(vm, j, origin, trusts); break;
	case JSON_STRING: v = text_value(vm, j, origin); break;
	case JSON_INTEGER: v = value_int(json_integer_value(j)); break;
	case JSON_REAL: v = value_float(json_real_value(j)); break;
	case JSON_TRUE:
	case JSON_FALSE: v = value_bool(json_is_true(j)); break;
	case JSON_NULL: break;
	}
	vm_leave(vm);
	return v;
}

struct dict *json_variables(struct vm *vm, const json_t *data, const json_t *own, tmpl_trusts_fn *trusts)
{
	struct dict *all = own ? object_value(vm, own, FROM_TEMPLATE, NULL).dict : dict_new(vm).dict;
	const struct dict *given = object_value(vm, data, FROM_DATA, trusts).dict;
	for (size_t i = 0; i < given->n; i++)
		dict_set(vm, all, given->e[i].key, given->e[i].value);
	return all;
}
