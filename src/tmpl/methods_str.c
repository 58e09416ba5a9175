/* methods_str.c: the methods of str that give a text, a number or a truth. */
#include <string.h>

#include "tmpl/builtin.h"
#include "tmpl/number.h"
#include "tmpl/text.h"
#include "tmpl/unicode.h"

#define METHOD(name) \
	static struct value name(struct vm *vm, struct value self, const struct value *arg, const struct args *args)
#define UNUSED (void)vm, (void)self, (void)arg, (void)args

/* Methods of a Markup give Markup. */
static struct value like(struct value self, struct value v)
{
	v.markup = self.markup;
	return v;
}

METHOD(strip)
{
	UNUSED;
	return like(self, text_strip(vm, self.str, arg[0], STRIP_LEFT | STRIP_RIGHT));
}

METHOD(lstrip)
{
	UNUSED;
	return like(self, text_strip(vm, self.str, arg[0], STRIP_LEFT));
}

METHOD(rstrip)
{
	UNUSED;
	return like(self, text_strip(vm, self.str, arg[0], STRIP_RIGHT));
}

METHOD(upper)
{
	UNUSED;
	return like(self, text_upper(vm, self.str));
}

METHOD(lower)
{
	UNUSED;
	return like(self, text_lower(vm, self.str));
}

METHOD(capitalize)
{
	UNUSED;
	return like(self, text_capitalize(vm, self.str));
}

METHOD(title)
{
	UNUSED;
	return like(self, text_title(vm, self.str));
}

METHOD(swapcase)
{
	UNUSED;
	return like(self, text_swapcase(vm, self.str));
}

METHOD(replace)
{
	UNUSED;
	return like(self, text_replace(vm, self.str, arg_text(vm, arg[0], "replace() argument 1"),
				       arg_text(vm, arg[1], "replace() argument 2"), arg_int(vm, arg[2], -1, "count")));
}

METHOD(removeprefix)
{
	UNUSED;
	const struct str *prefix = arg_text(vm, arg[0], "removeprefix() argument");
	bool there = prefix->n <= self.str->n && memcmp(self.str->s, prefix->s, prefix->n) == 0;
	return like(self, str_slice(vm, self.str, there ? prefix->n : 0, self.str->n));
}

METHOD(removesuffix)
{
	UNUSED;
	const struct str *suffix = arg_text(vm, arg[0], "removesuffix() argument");
	size_t n = self.str->n;
	bool there = suffix->n <= n && memcmp(self.str->s + n - suffix->n, suffix->s, suffix->n) == 0;
	return like(self, str_slice(vm, self.str, 0, there ? n - suffix->n : n));
}

METHOD(join)
{
	UNUSED;
	struct iter *it = iter_of(vm, arg[0]);
	struct value item;
	struct out o = {0};
	for (size_t i = 0; iter_next(vm, it, &item); i++) {
		if (item.type != V_STR)
			vm_error(vm, "sequence item %zu: expected str instance, %s found", i, value_type_name(item));
		if (i)
			out_str(vm, &o, self.str);
		out_str(vm, &o, item.str);
	}
	return out_value(vm, &o);
}

METHOD(format)
{
	UNUSED;
	return like(self, brace_format(vm, self.str, args));
}

/* ---- Padding ----------------------------------------------------------------------------------------------------- */

static struct value padded(struct vm *vm, struct value self, const struct value *arg, char align)
{
	uint32_t fill = ' ';
	unsigned bytes;
	if (value_given(arg[1])) {
		const struct str *s = arg_text(vm, arg[1], "the fill character");
		if (s->chars != 1)
			vm_error(vm, "the fill character must be exactly one character long");
		fill = utf8_get(s->s, &bytes);
	}
	return like(self, text_pad(vm, self.str, arg_int(vm, arg[0], 0, "width"), fill, align));
}

METHOD(center)
{
	UNUSED;
	return padded(vm, self, arg, '^');
}

METHOD(ljust)
{
	UNUSED;
	return padded(vm, self, arg, '<');
}

METHOD(rjust)
{
	UNUSED;
	return padded(vm, self, arg, '>');
}

METHOD(zfill)
{
	UNUSED;
	size_t sign = self.str->n > 0 && (self.str->s[0] == '-' || self.str->s[0] == '+');
	struct value digits = str_slice(vm, self.str, sign, self.str->n);
	int64_t width = arg_int(vm, arg[0], 0, "width");
	digits = text_pad(vm, digits.str, width > INT64_MIN + 1 ? width - (int64_t)sign : width, '0', '>');
	return str_concat(vm, str_slice(vm, self.str, 0, sign).str, digits.str);
}

METHOD(expandtabs)
{
	UNUSED;
	int64_t size = arg_int(vm, arg[0], 8, "tabsize"), column = 0;
	struct out o = {0};
	unsigned bytes;
	for (size_t i = 0; i < self.str->n; i += bytes) {
		uint32_t c = utf8_get(self.str->s + i, &bytes);
		if (c != '\t') {
			out_part(vm, &o, self.str, i, i + bytes);
			column = c == '\n' || c == '\r' ? 0 : column + 1;
			continue;
		}
		int64_t blanks = size > 0 ? size - column % size : 0;
		out_repeat(vm, &o, str_lit(vm, " ").str, (uint64_t)blanks);
		column += blanks;
	}
	return out_value(vm, &o);
}

/* ---- Searching --------------------------------------------------------------------------------------------------- */

/* A pair of Python slice bounds to byte offsets; false: they leave nothing, not even the empty string. */
static bool span(struct vm *vm, const struct str *s, const struct value *bounds, size_t *from, size_t *to)
{
	int64_t n = (int64_t)s->chars, at[2] = {0, n};
	for (int i = 0; i < 2; i++) {
		if (!value_given(bounds[i]) || bounds[i].type == V_NONE)
			continue;
		at[i] = value_index(vm, bounds[i], "a bound");
		if (at[i] < 0)
			at[i] = at[i] + n < 0 ? 0 : at[i] + n;
	}
	bool possible = at[0] <= n;
	if (at[1] > n)
		at[1] = n;
	*from = str_offset(s, (size_t)(at[0] > n ? n : at[0]));
	*to = str_offset(s, (size_t)at[1]);
	return possible && at[0] <= at[1];
}

typedef size_t find_fn(struct vm *vm, const struct str *s, const struct str *what, size_t from, size_t to);

static struct value found(struct vm *vm, struct value self, const struct value *arg, find_fn *find, bool must)
{
	size_t from, to, at = SIZE_MAX;
	const struct str *what = arg_text(vm, arg[0], "the text to find");
	if (span(vm, self.str, arg + 1, &from, &to))
		at = find(vm, self.str, what, from, to);
	if (at == SIZE_MAX && must)
		vm_error(vm, "substring not found");
	return value_int(at == SIZE_MAX ? -1 : (int64_t)utf8_count(self.str->s, at));
}

METHOD(find)
{
	UNUSED;
	return found(vm, self, arg, str_find, false);
}

METHOD(rfind)
{
	UNUSED;
	return found(vm, self, arg, str_rfind, false);
}

METHOD(index_of)
{
	UNUSED;
	return found(vm, self, arg, str_find, true);
}

METHOD(rindex_of)
{
	UNUSED;
	return found(vm, self, arg, str_rfind, true);
}

METHOD(count)
{
	UNUSED;
	size_t from, to;
	int64_t n = 0;
	const struct str *what = arg_text(vm, arg[0], "the text to count");
	if (!span(vm, self.str, arg + 1, &from, &to))
		return value_int(0);
	if (what->n == 0)
		return value_int((int64_t)utf8_count(self.str->s + from, to - from) + 1);
	for (; (from = str_find(vm, self.str, what, from, to)) != SIZE_MAX; from += what->n)
		n++;
	return value_int(n);
}

static struct value has_end(struct vm *vm, struct value self, const struct value *arg, bool front)
{
	size_t from, to;
	bool possible = span(vm, self.str, arg + 1, &from, &to);
	struct value one = seq_new(vm, V_TUPLE, 1), many = arg[0];
	if (many.type != V_TUPLE) {
		seq_add(vm, one.seq, many);
		many = one;
	}
	for (size_t i = 0; i < many.seq->n; i++) {
		const struct str *what =
			arg_text(vm, many.seq->v[i], front ? "startswith() argument" : "endswith() argument");
		if (!possible || what->n > to - from)
			continue;
		vm_work(vm, what->n);
		if (memcmp(self.str->s + (front ? from : to - what->n), what->s, what->n) == 0)
			return value_bool(true);
	}
	return value_bool(false);
}

METHOD(startswith)
{
	UNUSED;
	return has_end(vm, self, arg, true);
}

METHOD(endswith)
{
	UNUSED;
	return has_end(vm, self, arg, false);
}

/* ---- Is it ... --------------------------------------------------------------------------------------------------- */

static struct value all_chars(const struct str *s, bool (*is)(uint32_t), bool of_empty)
{
	unsigned bytes;
	for (size_t i = 0; i < s->n; i += bytes)
		if (!is(utf8_get(s->s + i, &bytes)))
			return value_bool(false);
	return value_bool(s->n > 0 || of_empty);
}

static bool is_ascii(uint32_t c)
{
	return c < 0x80;
}

#define CHARS_METHOD(name, is, of_empty)                  \
	METHOD(name)                                      \
	{                                                 \
		UNUSED;                                   \
		vm_work(vm, self.str->n);                 \
		return all_chars(self.str, is, of_empty); \
	}

CHARS_METHOD(all_alpha, uc_alpha, false)
CHARS_METHOD(all_alnum, uc_alnum, false)
CHARS_METHOD(all_digit, uc_digit, false)
CHARS_METHOD(all_decimal, uc_decimal, false)
CHARS_METHOD(all_numeric, uc_numeric, false)
CHARS_METHOD(all_space, uc_space, false)
CHARS_METHOD(all_printable, uc_printable, true)
CHARS_METHOD(all_ascii, is_ascii, true)

METHOD(is_identifier)
{
	UNUSED;
	unsigned bytes;
	bool starts = self.str->n > 0 && uc_name_start(utf8_get(self.str->s, &bytes));
	return starts ? all_chars(self.str, uc_name_part, false) : value_bool(false);
}

METHOD(is_upper)
{
	UNUSED;
	return value_bool(text_is_upper(self.str));
}

METHOD(is_lower)
{
	UNUSED;
	return value_bool(text_is_lower(self.str));
}

METHOD(is_title)
{
	UNUSED;
	bool in_word = false, any = false;
	unsigned bytes;
	for (size_t i = 0; i < self.str->n; i += bytes) {
		uint32_t c = utf8_get(self.str->s + i, &bytes);
		bool capital = uc_upper(c) || uc_title(c);
		if (uc_cased(c) && capital == in_word)
			return value_bool(false);
		in_word = uc_cased(c);
		any = any || in_word;
	}
	return value_bool(any);
}

const struct function methods_str[] = {
	{"strip", strip, "chars", 0, true},
	{"lstrip", lstrip, "chars", 0, true},
	{"rstrip", rstrip, "chars", 0, true},
	{"upper", upper, "", 0, true},
	{"lower", lower, "", 0, true},
	{"casefold", lower, "", 0, true},
	{"capitalize", capitalize, "", 0, true},
	{"title", title, "", 0, true},
	{"swapcase", swapcase, "", 0, true},
	{"replace", replace, "old new count", 2, true},
	{"removeprefix", removeprefix, "prefix", 1, true},
	{"removesuffix", removesuffix, "suffix", 1, true},
	{"join", join, "iterable", 1, true},
	{"format", format, NULL, 0, false},
	{"center", center, "width fillchar", 1, true},
	{"ljust", ljust, "width fillchar", 1, true},
	{"rjust", rjust, "width fillchar", 1, true},
	{"zfill", zfill, "width", 1, true},
	{"expandtabs", expandtabs, "tabsize", 0, false},
	{"find", find, "sub start end", 1, true},
	{"rfind", rfind, "sub start end", 1, true},
	{"index", index_of, "sub start end", 1, true},
	{"rindex", rindex_of, "sub start end", 1, true},
	{"count", count, "sub start end", 1, true},
	{"startswith", startswith, "prefix start end", 1, true},
	{"endswith", endswith, "suffix start end", 1, true},
	{"isalpha", all_alpha, "", 0, true},
	{"isalnum", all_alnum, "", 0, true},
	{"isdigit", all_digit, "", 0, true},
	{"isdecimal", all_decimal, "", 0, true},
	{"isnumeric", all_numeric, "", 0, true},
	{"isspace", all_space, "", 0, true},
	{"isprintable", all_printable, "", 0, true},
	{"isascii", all_ascii, "", 0, true},
	{"isidentifier", is_identifier, "", 0, true},
	{"isupper", is_upper, "", 0, true},
	{"islower", is_lower, "", 0, true},
	{"istitle", is_title, "", 0, true},
	{0},
};
