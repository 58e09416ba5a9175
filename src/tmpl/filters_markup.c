/* filters_markup.c: filters for HTML and URLs, and those that kvik knows but does not have: an error when used. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tmpl/eval.h"
#include "tmpl/filters.h"
#include "tmpl/unicode.h"

FILTER(escape)
{
	UNUSED;
	return escape_html(vm, self);
}

FILTER(forceescape)
{
	UNUSED;
	return escape_html(vm, value_str(value_text(vm, self)));
}

FILTER(safe)
{
	UNUSED;
	struct value v = value_to_str(vm, self);
	v.markup = 1;
	return v;
}

/* ---- URLs -------------------------------------------------------------------------------------------------------- */

static void quote(struct vm *vm, struct out *o, const struct str *s, bool query)
{
	for (size_t i = 0; i < s->n; i++) {
		unsigned char c = (unsigned char)s->s[i];
		char code[4];
		if (c < 0x80 && (isalnum(c) || (c && strchr("_.-~", c)) || (c == '/' && !query))) {
			out_part(vm, o, s, i, i + 1);
		} else if (c == ' ' && query) {
			out_text(vm, o, "+");
		} else {
			int n = snprintf(code, sizeof code, "%%%02X", c);
			o->of_bytes = str_origin(s, i);
			out_add(vm, o, code, (size_t)n);
		}
	}
}

FILTER(urlencode)
{
	UNUSED;
	struct out o = {0};
	if (self.type == V_STR || !iter_possible(self)) {
		quote(vm, &o, value_text(vm, self), false);
		return out_value(vm, &o);
	}
	struct value pairs = iter_list(vm, self), item;
	for (size_t i = 0; i < pairs.seq->n; i++) {
		item = pairs.seq->v[i];
		if (self.type == V_DICT)
			item = seq_pair(vm, item, dict_find(vm, self.dict, item)->value);
		struct value pair = iter_list(vm, item);
		if (pair.seq->n != 2)
			vm_error(vm, "urlencode needs pairs of names and values");
		if (i)
			out_text(vm, &o, "&");
		quote(vm, &o, value_text(vm, pair.seq->v[0]), true);
		out_text(vm, &o, "=");
		quote(vm, &o, value_text(vm, pair.seq->v[1]), true);
	}
	return out_value(vm, &o);
}

FILTER(xmlattr)
{
	UNUSED;
	struct out o = {0};
	bool space = arg_true(vm, arg[0], true);
	if (self.type != V_DICT)
		vm_error(vm, "xmlattr needs a dict, not %s", value_type_name(self));
	for (size_t i = 0; i < self.dict->n; i++) {
		const struct entry *e = &self.dict->e[i];
		const struct str *key = arg_text(vm, e->key, "an attribute name");
		if (e->value.type == V_NONE || e->value.type == V_UNDEFINED)
			continue;
		for (size_t k = 0; k < key->n; k++)
			if (key->s[k] && strchr(" \t\n\r\f\v/>=", key->s[k]))
				vm_error(vm, "invalid character in attribute name '%.*s'", STR_ARGS(key));
		if (o.n || space)
			out_text(vm, &o, " ");
		out_str(vm, &o, escape_html(vm, e->key).str);
		out_text(vm, &o, "=\"");
		out_str(vm, &o, escape_html(vm, e->value).str);
		out_text(vm, &o, "\"");
	}
	return out_value(vm, &o);
}

static struct value missing(struct vm *vm, const char *name) __attribute__((noreturn));
static struct value missing(struct vm *vm, const char *name)
{
	vm_fail(vm, KVIK_ERR_UNSUPPORTED, "the filter '%s' is not one that kvik has", name);
}

#define MISSING(name)               \
	FILTER(no_##name)           \
	{                           \
		UNUSED;             \
		missing(vm, #name); \
	}

MISSING(pprint)
MISSING(random)
MISSING(striptags)
MISSING(urlize)
MISSING(wordwrap)

const struct function filters_markup[] = {
	{"e", escape, "", 0, false},
	{"escape", escape, "", 0, false},
	{"forceescape", forceescape, "", 0, false},
	{"safe", safe, "", 0, false},
	{"urlencode", urlencode, "", 0, false},
	{"xmlattr", xmlattr, "autospace", 0, false},
	{"pprint", no_pprint, NULL, 0, false},
	{"random", no_random, NULL, 0, false},
	{"striptags", no_striptags, NULL, 0, false},
	{"urlize", no_urlize, NULL, 0, false},
	{"wordwrap", no_wordwrap, NULL, 0, false},
	{0},
};
