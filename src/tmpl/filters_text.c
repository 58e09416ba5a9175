/* filters_text.c: filters that make text. Most take anything and work on its str(). */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tmpl/filters.h"
#include "tmpl/json.h"
#include "tmpl/number.h"
#include "tmpl/text.h"
#include "tmpl/unicode.h"

static struct value like(struct value self, struct value v)
{
	v.markup = self.type == V_STR && self.markup;
	return v;
}

FILTER(upper)
{
	UNUSED;
	return like(self, text_upper(vm, value_text(vm, self)));
}

FILTER(lower)
{
	UNUSED;
	return like(self, text_lower(vm, value_text(vm, self)));
}

FILTER(capitalize)
{
	UNUSED;
	return like(self, text_capitalize(vm, value_text(vm, self)));
}

static bool between_words(uint32_t c)
{
	return uc_space(c) || (c && c < 0x80 && strchr("-({[<", (int)c));
}

/* Words begin behind blanks, "-" and opening brackets: unlike with str.title, "it's" is one word. */
FILTER(title)
{
	UNUSED;
	const struct str *s = value_text(vm, self);
	struct out o = {0};
	unsigned bytes;
	for (size_t i = 0; i < s->n;) {
		uint32_t c = utf8_get(s->s + i, &bytes), to[3];
		unsigned n = between_words(c) ? 0 : uc_to_upper(c, to);
		if (n == 0)
			out_part(vm, &o, s, i, i + bytes);
		o.of_bytes = str_origin(s, i);
		for (unsigned k = 0; k < n; k++)
			out_char(vm, &o, to[k]);
		size_t from = i += bytes;
		while (n && i < s->n && !between_words(utf8_get(s->s + i, &bytes)))
			i += bytes;
		out_str(vm, &o, text_lower(vm, str_slice(vm, s, from, i).str).str);
	}
	return like(self, out_value(vm, &o));
}

FILTER(trim)
{
	UNUSED;
	return like(self, text_strip(vm, value_text(vm, self), arg[0], STRIP_LEFT | STRIP_RIGHT));
}

FILTER(string)
{
	UNUSED;
	return value_to_str(vm, self);
}

FILTER(replace)
{
	UNUSED;
	int64_t count = value_given(arg[2]) && arg[2].type != V_NONE ? value_index(vm, arg[2], "count") : -1;
	return text_replace(vm, value_text(vm, self), value_text(vm, arg[0]), value_text(vm, arg[1]), count);
}

FILTER(center)
{
	UNUSED;
	return text_pad(vm, value_text(vm, self), arg_int(vm, arg[0], 80, "width"), ' ', '^');
}

FILTER(format)
{
	UNUSED;
	const struct str *text = value_text(vm, self);
	struct value values;
	if (args->n && args->n_kw)
		vm_error(vm, "can't handle positional and keyword arguments at the same time");
	if (args->n_kw) {
		values = dict_new(vm);
		for (size_t i = 0; i < args->n_kw; i++)
			dict_set(vm, values.dict, args->kw[i].name, args->kw[i].value);
	} else {
		values = seq_new(vm, V_TUPLE, args->n);
		for (size_t i = 0; i < args->n; i++)
			seq_add(vm, values.seq, args->v[i]);
	}
	return percent_format(vm, text, values);
}

/* ---- Lines ------------------------------------------------------------------------------------------------------- */

static const struct str *indention(struct vm *vm, struct value width)
{
	if (value_given(width) && width.type == V_STR)
		return width.str;
	int64_t n = arg_int(vm, width, 4, "the width of indent");
	return text_pad(vm, str_lit(vm, "").str, n, ' ', '<').str;
}

FILTER(indent)
{
	UNUSED;
	const struct str *by = indention(vm, arg[0]), *text = arg_text(vm, self, "what indent works on");
	bool first = arg_true(vm, arg[1], false), blank = arg_true(vm, arg[2], false);
	struct value lines = text_lines(vm, str_concat(vm, text, str_lit(vm, "\n").str).str, false);
	struct out o = {0};
	for (size_t i = 0; i < lines.seq->n; i++) {
		const struct str *line = lines.seq->v[i].str;
		if (i)
			out_text(vm, &o, "\n");
		if (i ? blank || line->n > 0 : first)
			out_str(vm, &o, by);
		out_str(vm, &o, line);
	}
	return like(self, out_value(vm, &o));
}

FILTER(truncate)
{
	UNUSED;
	const struct str *s, *end = str_lit(vm, "...").str;
	int64_t length = arg_int(vm, arg[0], 255, "length");
	int64_t leeway = arg[3].type == V_NONE ? 5 : arg_int(vm, arg[3], 5, "leeway");
	if (value_given(arg[2]))
		end = arg_text(vm, arg[2], "end");
	if (length < (int64_t)end->chars || leeway < 0)
		vm_error(vm, "truncate: a length of at least %zu and a leeway of at least 0 are expected", end->chars);
	int64_t chars = (int64_t)value_length(vm, self);
	if (chars <= length || chars - length <= leeway)
		return self;
	s = arg_text(vm, self, "what truncate works on");
	size_t to = str_offset(s, (size_t)length - end->chars);
	const struct str *head = str_slice(vm, s, 0, to).str;
	size_t blank = str_rfind(vm, head, str_lit(vm, " ").str, 0, to);
	if (!arg_true(vm, arg[1], false) && blank != SIZE_MAX)
		head = str_slice(vm, s, 0, blank).str;
	return str_concat(vm, head, end);
}

FILTER(wordcount)
{
	UNUSED;
	const struct str *s = value_text(vm, self);
	int64_t words = 0;
	bool in_word = false;
	unsigned bytes;
	for (size_t i = 0; i < s->n; i += bytes) {
		bool word = uc_word(utf8_get(s->s + i, &bytes));
		words += word && !in_word;
		in_word = word;
	}
	return value_int(words);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/* transformers' own: json.dumps without HTML escapes. */
FILTER(tojson)
{
	UNUSED;
	bool indented = value_given(arg[1]) && arg[1].type != V_NONE;
	struct json_style style = {.ascii = arg_true(vm, arg[0], false), .sort_keys = arg_true(vm, arg[3], false)};
	style.indent = indented ? indention(vm, arg[1]) : NULL;
	style.item = str_lit(vm, indented ? "," : ", ").str;
	style.key = str_lit(vm, ": ").str;
	if (value_given(arg[2]) && arg[2].type != V_NONE) {
		struct value pair = iter_list(vm, arg[2]);
		if (pair.seq->n != 2)
			vm_error(vm, "tojson: separators are two: (item_separator, key_separator)");
		style.item = arg_text(vm, pair.seq->v[0], "the item separator");
		style.key = arg_text(vm, pair.seq->v[1], "the key separator");
	}
	return json_text(vm, self, &style);
}

/* ---- Sizes ------------------------------------------------------------------------------------------------------- */

FILTER(filesizeformat)
{
	UNUSED;
	static const char *const decimal[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
	static const char *const binary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
	bool is_binary = arg_true(vm, arg[0], false);
	double base = is_binary ? 1024 : 1000, size = value_number(self), unit = base;
	char text[64];
	size_t i = 0;
	if (self.type == V_STR ? !parse_float(self.str, &size) : !value_is_number(self))
		vm_error(vm, "filesizeformat needs a number, not %s", value_type_name(self));
	if (!(size < 1) && !(size > 1)) {
		return str_lit(vm, "1 Byte");
	} else if (size < base) {
		snprintf(text, sizeof text, "%.0f Bytes", trunc(size));
		return str_copy(vm, text, strlen(text), FROM_TEMPLATE);
	}
	while (i < 7 && size >= unit * base) {
		unit *= base;
		i++;
	}
	snprintf(text, sizeof text, "%.1f %s", size / unit, is_binary ? binary[i] : decimal[i]);
	return str_copy(vm, text, strlen(text), FROM_TEMPLATE);
}

const struct function filters_text[] = {
	{"upper", upper, "", 0, false},
	{"lower", lower, "", 0, false},
	{"capitalize", capitalize, "", 0, false},
	{"title", title, "", 0, false},
	{"trim", trim, "chars", 0, false},
	{"string", string, "", 0, false},
	{"replace", replace, "old new count", 2, false},
	{"center", center, "width", 0, false},
	{"format", format, NULL, 0, false},
	{"indent", indent, "width first blank", 0, false},
	{"truncate", truncate, "length killwords end leeway", 0, false},
	{"wordcount", wordcount, "", 0, false},
	{"tojson", tojson, "ensure_ascii indent separators sort_keys", 0, false},
	{"filesizeformat", filesizeformat, "binary", 0, false},
	{0},
};
