/* number.c: numbers to text and back; see number.h. */
#include "tmpl/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tmpl/unicode.h"

/* Python writes exponents below -4 and from 16 on, and ".0" behind a whole number. */
void float_repr(double f, char text[FLOAT_REPR_MAX])
{
	char digits[FLOAT_REPR_MAX];
	if (isnan(f) || isinf(f)) {
		strcpy(text, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
		return;
	}
	for (int n = 1; n <= 17; n++) {
		snprintf(digits, sizeof digits, "%.*e", n - 1, f);
		double back = strtod(digits, NULL);
		if (!(back < f) && !(back > f))
			break;
	}
	char *e = strchr(digits, 'e');
	int exponent = atoi(e + 1), mantissa = (int)(e - digits) - (digits[0] == '-') - (strchr(digits, '.') != NULL);
	if (exponent < -4 || exponent >= 16) {
		strcpy(text, digits);
		return;
	}
	int decimals = mantissa - 1 - exponent;
	snprintf(text, FLOAT_REPR_MAX, "%.*f", decimals > 0 ? decimals : 1, f);
}

/* Copies s without white space around it and without the underscores that may stand between digits. Numbers longer
 * than the room are none that a template means. */
static bool clean(const struct str *s, char *text, size_t room)
{
	size_t from = 0, to = s->n, n = 0;
	unsigned bytes;
	while (from < to && uc_space(utf8_get(s->s + from, &bytes)))
		from += bytes;
	while (to > from && uc_space(utf8_last(s->s, to, &bytes)))
		to -= bytes;
	if (from == to || to - from >= room)
		return false;
	for (size_t i = from; i < to; i++) {
		bool between = i > from && i + 1 < to && isalnum((unsigned char)s->s[i - 1]) &&
			       isalnum((unsigned char)s->s[i + 1]);
		if (s->s[i] != '_')
			text[n++] = s->s[i];
		else if (!between)
			return false;
	}
	text[n] = '\0';
	return true;
}

static int base_of_prefix(const char *p)
{
	if (p[0] != '0')
		return 0;
	switch (tolower((unsigned char)p[1])) {
	case 'x': return 16;
	case 'o': return 8;
	case 'b': return 2;
	default: return 0;
	}
}

bool parse_int(const struct str *s, int base, int64_t *out, bool *too_large)
{
	char text[128], *end;
	*too_large = false;
	if (!clean(s, text, sizeof text))
		return false;
	const char *p = text;
	bool negative = *p == '-';
	if (*p == '+' || *p == '-')
		p++;
	int prefix = base_of_prefix(p);
	if (prefix && (base == 0 || base == prefix)) {
		p += 2;
		base = prefix;
	} else if (base == 0) {
		if (p[0] == '0' && p[strspn(p, "0")])
			return false; /* 012 says neither octal nor decimal */
		base = 10;
	}
	if (!isalnum((unsigned char)*p))
		return false;
	errno = 0;
	unsigned long long v = strtoull(p, &end, base);
	if (*end)
		return false;
	*too_large = errno == ERANGE || v > (uint64_t)INT64_MAX + negative;
	*out = (int64_t)(negative ? 0 - v : v);
	return true;
}

bool parse_float(const struct str *s, double *out)
{
	char text[512], *end;
	if (!clean(s, text, sizeof text))
		return false;
	const char *p = text + (*text == '+' || *text == '-');
	bool word = strcasecmp(p, "inf") == 0 || strcasecmp(p, "infinity") == 0 || strcasecmp(p, "nan") == 0;
	if (!word && (strspn(p, "0123456789.eE+-") != strlen(p) || *p == '+' || *p == '-'))
		return false;
	*out = strtod(text, &end);
	return *end == '\0' && end != text;
}

/* ---- One value by a specification -------------------------------------------------------------------------------- */

static void add_fill(struct vm *vm, struct out *o, uint32_t fill, size_t times)
{
	char c[4];
	const struct str filler = {.s = c, .n = utf8_encode(fill, (uint8_t *)c), .chars = 1};
	out_repeat(vm, o, &filler, times);
}

/* sign and prefix stand before a fill of align '='. */
static void pad(struct vm *vm, struct out *o, const struct spec *f, char standard, const char *head,
		const struct str *s)
{
	size_t width = f->width > 0 ? (size_t)f->width : 0, used = s->chars + strlen(head);
	size_t space = width > used ? width - used : 0;
	char align = f->align ? f->align : standard;
	size_t left = align == '>' ? space : align == '^' ? space / 2 : 0;
	uint32_t fill = f->fill ? f->fill : ' ';
	add_fill(vm, o, fill, left);
	out_text(vm, o, head);
	if (align == '=')
		add_fill(vm, o, fill, space);
	out_str(vm, o, s);
	if (align != '=')
		add_fill(vm, o, fill, space - left);
}

void format_text(struct vm *vm, struct out *o, const struct spec *f, const struct str *s)
{
	struct str shown = *s;
	if (f->type && f->type != 's')
		vm_error(vm, "unknown format code '%c' for object of type 'str'", f->type);
	if (f->precision >= 0 && (uint64_t)f->precision < s->chars) {
		shown.chars = (size_t)f->precision;
		shown.n = str_offset(s, shown.chars);
	}
	pad(vm, o, f, '<', "", &shown);
}

/* Digits spell no special token by themselves: a number is as good as the template's own. */
static void pad_number(struct vm *vm, struct out *o, const struct spec *f, const char *head, const char *text)
{
	const struct str s = {.s = text, .n = strlen(text), .chars = strlen(text), .origin = FROM_TEMPLATE};
	pad(vm, o, f, '>', head, &s);
}

/* Digits in groups of three before the point. text has room for them. */
static void group_digits(char *text, size_t room, char separator)
{
	size_t whole = strspn(text, "0123456789"), n = strlen(text);
	for (size_t at = whole; at > 3 && n + 1 < room; n++) {
		at -= 3;
		memmove(text + at + 1, text + at, n - at + 1);
		text[at] = separator;
	}
}

static void integer_text(char *text, size_t room, char type, uint64_t v)
{
	if (type == 'b') {
		char bits[65];
		int n = 0;
		do
			bits[n++] = (char)('0' + (v & 1));
		while (v >>= 1);
		for (int i = 0; i < n; i++)
			text[i] = bits[n - 1 - i];
		text[n] = '\0';
		return;
	}
	const char *fmt = type == 'x' ? "%llx" : type == 'X' ? "%llX" : type == 'o' ? "%llo" : "%llu";
	snprintf(text, room, fmt, (unsigned long long)v); // NOLINT: one of four literals
}

static void format_integer(struct vm *vm, struct out *o, const struct spec *f, int64_t i)
{
	char text[160], head[4] = "";
	uint64_t v = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
	if (f->type == 'c') {
		if (i < 0 || i > 0x10FFFF || (i >= 0xD800 && i < 0xE000))
			vm_error(vm, "%lld is no character", (long long)i);
		char c[4];
		const struct str s = {.s = c, .n = utf8_encode((uint32_t)i, (uint8_t *)c), .chars = 1};
		pad(vm, o, f, '<', "", &s);
		return;
	}
	integer_text(text, sizeof text, f->type, v);
	if (f->group)
		group_digits(text, sizeof text, f->group);
	if (i < 0 || f->sign)
		head[0] = i < 0 ? '-' : f->sign;
	if (f->alternate && f->type && strchr("xXob", f->type)) {
		size_t n = strlen(head);
		head[n] = '0';
		head[n + 1] = f->type;
	}
	pad_number(vm, o, f, head, text);
}

/* A point and zero in front of the exponent or end, where repr would have them. */
static void float_general(char *text, size_t room, const struct spec *f, double v)
{
	if (!f->type && f->precision < 0) {
		char shortest[FLOAT_REPR_MAX];
		float_repr(v, shortest);
		snprintf(text, room, "%s", shortest);
		return;
	}
	int precision = f->precision < 0 ? 6 : (int)f->precision;
	snprintf(text, room, f->alternate ? "%#.*g" : "%.*g", precision, v);
}

static void format_float(struct vm *vm, struct out *o, const struct spec *f, double v)
{
	enum { ROOM = 512 };
	char text[ROOM], head[2] = "";
	bool negative = signbit(v) && !isnan(v);
	if (f->precision > 100)
		vm_fail(vm, KVIK_ERR_LIMIT, "a number with more than 100 decimals");
	int precision = f->precision < 0 ? 6 : (int)f->precision;
	v = fabs(v);
	switch (f->type) {
	case 'f':
	case 'F': snprintf(text, ROOM, "%.*f", precision, v); break;
	case 'e': snprintf(text, ROOM, "%.*e", precision, v); break;
	case 'E': snprintf(text, ROOM, "%.*E", precision, v); break;
	case 'G': snprintf(text, ROOM, "%.*G", precision, v); break;
	case '%':
		snprintf(text, ROOM - 1, "%.*f", precision, v * 100);
		strcat(text, "%");
		break;
	case 0:
	case 'n':
	case 'g': float_general(text, ROOM, f, v); break;
	default: vm_error(vm, "unknown format code '%c' for object of type 'float'", f->type);
	}
	if (f->group)
		group_digits(text, ROOM, f->group);
	if (negative || f->sign)
		head[0] = negative ? '-' : f->sign;
	pad_number(vm, o, f, head, text);
}

void format_number(struct vm *vm, struct out *o, const struct spec *f, struct value v)
{
	bool whole = v.type != V_FLOAT;
	if (whole && (f->type == 0 || strchr("bcdoxXn", f->type)))
		format_integer(vm, o, f, v.type == V_BOOL ? v.b : v.i);
	else
		format_float(vm, o, f, value_number(v));
}
