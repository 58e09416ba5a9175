/* repr.c: str() and repr() of values. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tmpl/call.h"
#include "tmpl/number.h"
#include "tmpl/unicode.h"

static void repr_into(struct vm *vm, struct out *o, struct value v);

/* Escapes are written as what they stand for is. */
static void repr_char(struct vm *vm, struct out *o, uint32_t c, char quote)
{
	char escape[12];
	if (c == (uint32_t)quote || c == '\\')
		snprintf(escape, sizeof escape, "\\%c", (char)c);
	else if (c == '\n' || c == '\r' || c == '\t')
		snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
	else if (uc_printable(c))
		return out_char(vm, o, c);
	else
		snprintf(escape, sizeof escape, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
	out_add(vm, o, escape, strlen(escape));
}

/* In single quotes, unless there are such inside and no double ones. */
static void repr_str(struct vm *vm, struct out *o, const struct str *s)
{
	const char *quote = memchr(s->s, '\'', s->n) && !memchr(s->s, '"', s->n) ? "\"" : "'";
	unsigned bytes;
	out_text(vm, o, quote);
	for (size_t i = 0; i < s->n; i += bytes) {
		o->of_bytes = str_origin(s, i);
		repr_char(vm, o, utf8_get(s->s + i, &bytes), *quote);
	}
	out_text(vm, o, quote);
}

static void repr_seq(struct vm *vm, struct out *o, const struct seq *s, const char *open, const char *close)
{
	out_text(vm, o, open);
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			out_text(vm, o, ", ");
		repr_into(vm, o, s->v[i]);
	}
	out_text(vm, o, close);
}

static void repr_dict(struct vm *vm, struct out *o, const struct dict *d)
{
	out_text(vm, o, "{");
	for (size_t i = 0; i < d->n; i++) {
		if (i)
			out_text(vm, o, ", ");
		repr_into(vm, o, d->e[i].key);
		out_text(vm, o, ": ");
		repr_into(vm, o, d->e[i].value);
	}
	out_text(vm, o, "}");
}

static void repr_range(struct vm *vm, struct out *o, const struct range *r)
{
	char text[80];
	if (r->step == 1)
		snprintf(text, sizeof text, "range(%" PRId64 ", %" PRId64 ")", r->start, r->stop);
	else
		snprintf(text, sizeof text, "range(%" PRId64 ", %" PRId64 ", %" PRId64 ")", r->start, r->stop, r->step);
	out_text(vm, o, text);
}

/* What Python tells by address ("<generator object at 0x7f...>") is told without. */
static void repr_other(struct vm *vm, struct out *o, struct value v)
{
	out_text(vm, o, "<");
	out_text(vm, o, value_type_name(v));
	out_text(vm, o, ">");
}

static void repr_into(struct vm *vm, struct out *o, struct value v)
{
	char text[FLOAT_REPR_MAX];
	vm_enter(vm);
	switch (v.type) {
	case V_UNDEFINED: out_text(vm, o, "Undefined"); break;
	case V_NONE: out_text(vm, o, "None"); break;
	case V_BOOL: out_text(vm, o, v.b ? "True" : "False"); break;
	case V_INT:
		snprintf(text, sizeof text, "%" PRId64, v.i);
		out_text(vm, o, text);
		break;
	case V_FLOAT:
		float_repr(v.f, text);
		out_text(vm, o, text);
		break;
	case V_STR:
		if (v.markup)
			out_text(vm, o, "Markup(");
		if (v.number)
			out_str(vm, o, v.str);
		else
			repr_str(vm, o, v.str);
		if (v.markup)
			out_text(vm, o, ")");
		break;
	case V_LIST: repr_seq(vm, o, v.seq, "[", "]"); break;
	case V_TUPLE: repr_seq(vm, o, v.seq, "(", v.seq->n == 1 ? ",)" : ")"); break;
	case V_DICT: repr_dict(vm, o, v.dict); break;
	case V_VIEW:
		out_text(vm, o, v.seq->view);
		repr_seq(vm, o, v.seq, "([", "])");
		break;
	case V_NAMESPACE:
		out_text(vm, o, "<Namespace ");
		repr_dict(vm, o, v.dict);
		out_text(vm, o, ">");
		break;
	case V_RANGE: repr_range(vm, o, v.range); break;
	case V_MACRO:
		out_text(vm, o, "<Macro ");
		repr_into(vm, o, macro_name(v.macro));
		out_text(vm, o, ">");
		break;
	default: repr_other(vm, o, v);
	}
	vm_leave(vm);
}

const struct str *value_repr(struct vm *vm, struct value v)
{
	struct out o = {0};
	repr_into(vm, &o, v);
	return out_value(vm, &o).str;
}

const struct str *value_text(struct vm *vm, struct value v)
{
	static const struct str empty = {.s = ""};
	if (v.type == V_STR)
		return v.str;
	if (v.type == V_UNDEFINED)
		return &empty;
	return value_repr(vm, v);
}

struct value value_to_str(struct vm *vm, struct value v)
{
	return v.type == V_STR ? v : value_str(value_text(vm, v));
}
