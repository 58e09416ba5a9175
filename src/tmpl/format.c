/* format.c: "..." % values and "...".format(values), as far as templates use them: every conversion of Python for
 * texts and numbers, and fields with attributes and items. */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "tmpl/call.h"
#include "tmpl/number.h"
#include "tmpl/unicode.h"

enum { WIDTH_MAX = 1 << 20 };

static bool one_of(const char *set, char c)
{
	return c && strchr(set, c);
}

/* A decimal at s[*at], which is moved behind it; -1 = none. */
static int64_t decimal(struct vm *vm, const struct str *s, size_t *at)
{
	int64_t v = -1;
	for (; *at < s->n && isdigit((unsigned char)s->s[*at]); (*at)++) {
		v = (v < 0 ? 0 : v) * 10 + s->s[*at] - '0';
		if (v > WIDTH_MAX)
			vm_fail(vm, KVIK_ERR_LIMIT, "a width above %d in a format", WIDTH_MAX);
	}
	return v;
}

/* ---- % ----------------------------------------------------------------------------------------------------------- */

struct percent {
	const struct str *text;
	size_t at;
	struct value values;
	size_t used; /* of a tuple */
	bool named;
};

static struct value next_value(struct vm *vm, struct percent *p)
{
	if (p->values.type != V_TUPLE) {
		if (p->used++)
			vm_error(vm, "not enough arguments for format string");
		return p->values;
	}
	if (p->used >= p->values.seq->n)
		vm_error(vm, "not enough arguments for format string");
	return p->values.seq->v[p->used++];
}

static struct value named_value(struct vm *vm, struct percent *p)
{
	size_t from = ++p->at, depth = 1;
	for (; p->at < p->text->n; p->at++) {
		depth += p->text->s[p->at] == '(';
		depth -= p->text->s[p->at] == ')';
		if (depth == 0)
			break;
	}
	if (p->at == p->text->n)
		vm_error(vm, "incomplete format key");
	if (p->values.type != V_DICT)
		vm_error(vm, "format requires a mapping");
	struct value key = str_slice(vm, p->text, from, p->at++);
	struct entry *e = dict_find(vm, p->values.dict, key);
	if (!e)
		vm_error(vm, "the format names '%.*s', which is not given", STR_ARGS(key.str));
	p->named = true;
	return e->value;
}

static char peek(const struct percent *p)
{
	return p->at < p->text->n ? p->text->s[p->at] : '\0';
}

static int64_t star_or_decimal(struct vm *vm, struct percent *p)
{
	if (peek(p) != '*')
		return decimal(vm, p->text, &p->at);
	p->at++;
	int64_t v = value_index(vm, next_value(vm, p), "* of a format");
	if (v > WIDTH_MAX || v < -WIDTH_MAX)
		vm_fail(vm, KVIK_ERR_LIMIT, "a width above %d in a format", WIDTH_MAX);
	return v;
}

static void percent_flags(struct percent *p, struct spec *f)
{
	for (;; p->at++) {
		switch (peek(p)) {
		case '-': f->align = '<'; break;
		case '+': f->sign = '+'; break;
		case ' ': f->sign = f->sign ? f->sign : ' '; break;
		case '#': f->alternate = true; break;
		case '0': f->zero = true; break;
		default: return;
		}
	}
}

static void percent_number(struct vm *vm, struct out *o, struct spec *f, struct value v)
{
	if (v.type == V_UNDEFINED)
		vm_fail_undefined(vm, v);
	if (!value_is_number(v))
		vm_error(vm, "%%%c format: a number is required, not %s", f->type, value_type_name(v));
	bool whole = one_of("dxXo", f->type);
	if (whole && v.type == V_FLOAT) {
		if (f->type != 'd' || isnan(v.f) || v.f < -0x1p63 || v.f >= 0x1p63)
			vm_error(vm, "%%%c format: an integer is required, not float", f->type);
		v = value_int((int64_t)v.f);
	}
	if (f->zero && !f->align) {
		f->align = '=';
		f->fill = '0';
	}
	if (!whole)
		v = value_float(value_number(v));
	else if (f->precision > 0) /* at least so many digits */
		f->width = f->width > f->precision ? f->width : f->precision, f->fill = '0', f->align = '=';
	format_number(vm, o, f, v);
}

static void percent_one(struct vm *vm, struct out *o, struct percent *p)
{
	struct spec f = {.precision = -1};
	struct value v = {0};
	if (peek(p) == '(')
		v = named_value(vm, p);
	percent_flags(p, &f);
	f.width = star_or_decimal(vm, p);
	if (f.width < -1) {
		f.align = '<';
		f.width = -f.width;
	}
	if (peek(p) == '.') {
		p->at++;
		f.precision = star_or_decimal(vm, p);
		f.precision = f.precision < 0 ? 0 : f.precision;
	}
	while (one_of("hlL", peek(p)))
		p->at++;
	f.type = peek(p);
	p->at++;
	if (f.type == '%')
		return out_text(vm, o, "%");
	if (!f.type)
		vm_error(vm, "incomplete format");
	if (!value_given(v))
		v = next_value(vm, p);
	if (one_of("diu", f.type))
		f.type = 'd';
	if (one_of("dxXoeEfFgG", f.type))
		return percent_number(vm, o, &f, v);
	if (f.type == 'c' && v.type == V_INT)
		return format_number(vm, o, &f, v);
	if (!one_of("srac", f.type))
		vm_error(vm, "unsupported format character '%c'", f.type);
	const struct str *s = f.type == 'r' || f.type == 'a' ? value_repr(vm, v) : value_text(vm, v);
	if (f.type == 'c' && s->chars != 1)
		vm_error(vm, "%%c requires int or char");
	f.type = 's';
	f.align = f.align ? f.align : '>';
	format_text(vm, o, &f, s);
}

struct value percent_format(struct vm *vm, const struct str *text, struct value values)
{
	struct percent p = {.text = text, .values = values};
	struct out o = {0};
	while (p.at < text->n) {
		const char *from = text->s + p.at, *sign = memchr(from, '%', text->n - p.at);
		size_t n = sign ? (size_t)(sign - from) : text->n - p.at;
		out_part(vm, &o, text, p.at, p.at + n);
		p.at += n + 1;
		if (sign)
			percent_one(vm, &o, &p);
	}
	/* what has subscripts might be meant for names only */
	bool subscripts =
		values.type == V_DICT || values.type == V_LIST || values.type == V_RANGE || values.type == V_UNDEFINED;
	bool rest = values.type == V_TUPLE ? p.used < values.seq->n : p.used == 0 && !p.named && !subscripts;
	if (rest)
		vm_error(vm, "not all arguments converted during string formatting");
	return out_value(vm, &o);
}

/* ---- str.format -------------------------------------------------------------------------------------------------- */

struct brace {
	const struct args *args;
	int64_t automatic; /* number of the next {}; -1 once {0} was used */
	unsigned nesting;
};

static void brace_text(struct vm *vm, struct out *o, struct brace *b, const struct str *text);

static struct value argument(struct vm *vm, struct brace *b, const struct str *name)
{
	size_t digits = 0;
	while (digits < name->n && isdigit((unsigned char)name->s[digits]))
		digits++;
	int64_t i = 0;
	if (name->n == 0) {
		if (b->automatic < 0)
			vm_error(vm, "cannot switch from manual field specification to automatic field numbering");
		i = b->automatic++;
	} else if (digits == name->n) {
		size_t at = 0;
		if (b->automatic > 0)
			vm_error(vm, "cannot switch from automatic field numbering to manual field specification");
		b->automatic = -1;
		i = decimal(vm, name, &at);
	} else {
		for (size_t k = 0; k < b->args->n_kw; k++)
			if (str_equal(b->args->kw[k].name.str, name))
				return b->args->kw[k].value;
		vm_error(vm, "the format names '%.*s', which is not given", STR_ARGS(name));
	}
	if ((uint64_t)i >= b->args->n)
		vm_error(vm, "the format wants argument %lld, which is not given", (long long)i);
	return b->args->v[i];
}

/* "name.attribute[item]" */
static struct value field(struct vm *vm, struct brace *b, const struct str *path)
{
	size_t at = 0;
	while (at < path->n && path->s[at] != '.' && path->s[at] != '[')
		at++;
	struct value v = argument(vm, b, str_slice(vm, path, 0, at).str);
	while (at < path->n) {
		bool item = path->s[at++] == '[';
		size_t from = at;
		while (at < path->n && (item ? path->s[at] != ']' : path->s[at] != '.' && path->s[at] != '['))
			at++;
		struct value name = str_slice(vm, path, from, at);
		if (name.str->n == 0 || (item && at == path->n))
			vm_error(vm, "empty attribute or unclosed '[' in format string");
		at += item;
		if (!item) {
			v = attr_get(vm, v, name.str);
			continue;
		}
		size_t digits = 0;
		int64_t i = decimal(vm, name.str, &digits);
		v = item_get(vm, v, digits == name.str->n ? value_int(i) : name);
	}
	return v;
}

static struct spec parse_spec(struct vm *vm, const struct str *s)
{
	struct spec f = {.precision = -1};
	size_t at = 0;
	unsigned bytes = 0;
	if (s->n > 0) {
		uint32_t c = utf8_get(s->s, &bytes);
		if (s->n > bytes && one_of("<>^=", s->s[bytes])) {
			f.fill = c;
			f.align = s->s[bytes];
			at = bytes + 1;
		} else if (one_of("<>^=", s->s[0])) {
			f.align = s->s[at++];
		}
	}
	if (at < s->n && one_of("+- ", s->s[at])) {
		f.sign = s->s[at] == '-' ? '\0' : s->s[at];
		at++;
	}
	if (at < s->n && s->s[at] == '#') {
		f.alternate = true;
		at++;
	}
	if (at < s->n && s->s[at] == '0') {
		f.zero = true;
		at++;
	}
	f.width = decimal(vm, s, &at);
	if (at < s->n && (s->s[at] == ',' || s->s[at] == '_'))
		f.group = s->s[at++];
	if (at < s->n && s->s[at] == '.') {
		at++;
		f.precision = decimal(vm, s, &at);
		if (f.precision < 0)
			vm_error(vm, "format specifier missing precision");
	}
	if (at < s->n)
		f.type = s->s[at++];
	if (at < s->n)
		vm_error(vm, "invalid format specifier '%.*s'", STR_ARGS(s));
	return f;
}

static void format_value(struct vm *vm, struct out *o, struct value v, const struct str *text)
{
	if (text->n == 0)
		return out_str(vm, o, value_text(vm, v));
	struct spec f = parse_spec(vm, text);
	bool number = value_is_number(v);
	if (!number && v.type != V_STR)
		vm_error(vm, "unsupported format string passed to %s", value_type_name(v));
	if (f.zero && !f.align)
		f.align = number ? '=' : '<';
	if (f.zero && !f.fill)
		f.fill = '0';
	if (number && v.type != V_FLOAT && f.precision >= 0 && (!f.type || one_of("bcdoxX", f.type)))
		vm_error(vm, "precision not allowed in integer format specifier");
	if (!number && (f.align == '=' || f.sign || f.group))
		vm_error(vm, "format specifier '%.*s' is not for a text", STR_ARGS(text));
	if (number)
		format_number(vm, o, &f, v);
	else
		format_text(vm, o, &f, value_text(vm, v));
}

/* The inside of { }: path, an optional !r or !s, an optional :specification that may hold further fields. */
static void brace_field(struct vm *vm, struct out *o, struct brace *b, const struct str *inside)
{
	size_t path = 0, brackets = 0;
	for (; path < inside->n && (brackets || (inside->s[path] != '!' && inside->s[path] != ':')); path++) {
		brackets += inside->s[path] == '[';
		brackets -= brackets && inside->s[path] == ']';
	}
	struct value v = field(vm, b, str_slice(vm, inside, 0, path).str);
	if (path < inside->n && inside->s[path] == '!') {
		char how = path + 1 < inside->n ? inside->s[path + 1] : '\0';
		if (!one_of("rsa", how) || (path + 2 < inside->n && inside->s[path + 2] != ':'))
			vm_error(vm, "unknown conversion in format string");
		v = value_str(how == 's' ? value_text(vm, v) : value_repr(vm, v));
		path += 2;
	}
	struct out spec = {0};
	if (path < inside->n)
		brace_text(vm, &spec, b, str_slice(vm, inside, path + 1, inside->n).str);
	format_value(vm, o, v, out_value(vm, &spec).str);
}

/* Offset of the brace that closes the field which begins at `at`. */
static size_t field_end(struct vm *vm, const struct str *s, size_t at)
{
	unsigned depth = 1;
	for (; at < s->n; at++) {
		depth += s->s[at] == '{';
		depth -= s->s[at] == '}';
		if (depth == 0)
			return at;
	}
	vm_error(vm, "expected '}' before end of string");
}

static void brace_text(struct vm *vm, struct out *o, struct brace *b, const struct str *s)
{
	if (++b->nesting > 2)
		vm_error(vm, "max string recursion exceeded");
	for (size_t at = 0; at < s->n; at++) {
		char c = s->s[at];
		bool twice = at + 1 < s->n && s->s[at + 1] == c;
		if (c != '{' && c != '}') {
			out_part(vm, o, s, at, at + 1);
		} else if (twice) {
			out_part(vm, o, s, at, at + 1);
			at++;
		} else if (c == '}') {
			vm_error(vm, "single '}' encountered in format string");
		} else {
			size_t end = field_end(vm, s, at + 1);
			brace_field(vm, o, b, str_slice(vm, s, at + 1, end).str);
			at = end;
		}
	}
	b->nesting--;
}

struct value brace_format(struct vm *vm, const struct str *text, const struct args *args)
{
	struct brace b = {.args = args};
	struct out o = {0};
	brace_text(vm, &o, &b, text);
	return out_value(vm, &o);
}
