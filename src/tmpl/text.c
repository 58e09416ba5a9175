/* text.c: see text.h. */
#include "tmpl/text.h"

#include <string.h>

#include "tmpl/unicode.h"

static bool has_char(const struct str *s, uint32_t c)
{
	unsigned bytes;
	for (size_t i = 0; i < s->n; i += bytes)
		if (utf8_get(s->s + i, &bytes) == c)
			return true;
	return false;
}

static bool strippable(struct vm *vm, uint32_t c, struct value chars)
{
	vm_work(vm, chars.type == V_STR ? chars.str->n : 1);
	return chars.type == V_STR ? has_char(chars.str, c) : uc_space(c);
}

struct value text_strip(struct vm *vm, const struct str *s, struct value chars, int sides)
{
	size_t from = 0, to = s->n;
	unsigned bytes;
	if (value_given(chars) && chars.type != V_STR && chars.type != V_NONE)
		vm_error(vm, "strip arg must be None or str");
	while (sides & STRIP_LEFT && from < to && strippable(vm, utf8_get(s->s + from, &bytes), chars))
		from += bytes;
	while (sides & STRIP_RIGHT && from < to && strippable(vm, utf8_last(s->s + from, to - from, &bytes), chars))
		to -= bytes;
	return str_slice(vm, s, from, to);
}

/* An empty `old` stands before each character and at the end. */
static struct value insert_between(struct vm *vm, const struct str *s, const struct str *new, int64_t count)
{
	struct out o = {0};
	unsigned bytes;
	for (size_t i = 0; i < s->n; i += bytes) {
		if (count-- != 0)
			out_str(vm, &o, new);
		else
			count = 0;
		utf8_get(s->s + i, &bytes);
		out_part(vm, &o, s, i, i + bytes);
	}
	if (count != 0)
		out_str(vm, &o, new);
	return out_value(vm, &o);
}

struct value text_replace(struct vm *vm, const struct str *s, const struct str *old, const struct str *new,
			  int64_t count)
{
	struct out o = {0};
	size_t from = 0, at;
	if (old->n == 0)
		return insert_between(vm, s, new, count);
	while (count != 0 && (at = str_find(vm, s, old, from, s->n)) != SIZE_MAX) {
		out_part(vm, &o, s, from, at);
		out_str(vm, &o, new);
		from = at + old->n;
		count--;
	}
	if (from == 0)
		return value_str(s);
	out_part(vm, &o, s, from, s->n);
	return out_value(vm, &o);
}

/* ---- Case -------------------------------------------------------------------------------------------------------- */

/* The character c of s at `at`. */
static void out_mapped(struct vm *vm, struct out *o, const struct str *s, size_t at, uint32_t c,
		       unsigned (*map)(uint32_t, uint32_t[3]))
{
	uint32_t to[3];
	unsigned n = map(c, to);
	o->of_bytes = str_origin(s, at);
	for (unsigned i = 0; i < n; i++)
		out_char(vm, o, to[i]);
}

/* A capital sigma ends a word in another small form: a letter before it and none behind. */
static bool final_sigma(const struct str *s, size_t at)
{
	unsigned bytes = 0;
	uint32_t c = 0;
	size_t i = at;
	while (i > 0) {
		c = utf8_last(s->s, i, &bytes);
		i -= bytes;
		if (!uc_case_ignorable(c))
			break;
	}
	if (at == 0 || uc_case_ignorable(c) || !uc_cased(c))
		return false;
	for (i = at + 2; i < s->n; i += bytes) {
		c = utf8_get(s->s + i, &bytes);
		if (!uc_case_ignorable(c))
			return !uc_cased(c);
	}
	return true;
}

static void out_lower(struct vm *vm, struct out *o, const struct str *s, size_t at, uint32_t c)
{
	o->of_bytes = str_origin(s, at);
	if (c == 0x3A3)
		out_char(vm, o, final_sigma(s, at) ? 0x3C2 : 0x3C3);
	else
		out_mapped(vm, o, s, at, c, uc_to_lower);
}

/* ASCII needs no tables; anything else goes to `slow`. */
static struct value ascii_case(struct vm *vm, const struct str *s, char first, char last)
{
	char *text = vm_alloc(vm, s->n);
	for (size_t i = 0; i < s->n; i++)
		text[i] = s->s[i] >= first && s->s[i] <= last ? (char)(s->s[i] ^ 0x20) : s->s[i];
	return str_like(vm, s, text);
}

struct value text_upper(struct vm *vm, const struct str *s)
{
	struct out o = {0};
	unsigned bytes;
	if (s->n == s->chars)
		return ascii_case(vm, s, 'a', 'z');
	for (size_t i = 0; i < s->n; i += bytes)
		out_mapped(vm, &o, s, i, utf8_get(s->s + i, &bytes), uc_to_upper);
	return out_value(vm, &o);
}

struct value text_lower(struct vm *vm, const struct str *s)
{
	struct out o = {0};
	unsigned bytes;
	if (s->n == s->chars)
		return ascii_case(vm, s, 'A', 'Z');
	for (size_t i = 0; i < s->n; i += bytes) {
		uint32_t c = utf8_get(s->s + i, &bytes);
		out_lower(vm, &o, s, i, c);
	}
	return out_value(vm, &o);
}

struct value text_capitalize(struct vm *vm, const struct str *s)
{
	struct out o = {0};
	unsigned bytes;
	for (size_t i = 0; i < s->n; i += bytes) {
		uint32_t c = utf8_get(s->s + i, &bytes);
		if (i == 0)
			out_mapped(vm, &o, s, i, c, uc_to_title);
		else
			out_lower(vm, &o, s, i, c);
	}
	return out_value(vm, &o);
}

struct value text_title(struct vm *vm, const struct str *s)
{
	struct out o = {0};
	unsigned bytes;
	bool in_word = false;
	for (size_t i = 0; i < s->n; i += bytes) {
		uint32_t c = utf8_get(s->s + i, &bytes);
		if (in_word)
			out_lower(vm, &o, s, i, c);
		else
			out_mapped(vm, &o, s, i, c, uc_to_title);
		in_word = uc_cased(c);
	}
	return out_value(vm, &o);
}

struct value text_swapcase(struct vm *vm, const struct str *s)
{
	struct out o = {0};
	unsigned bytes;
	for (size_t i = 0; i < s->n; i += bytes) {
		uint32_t c = utf8_get(s->s + i, &bytes);
		if (uc_upper(c))
			out_lower(vm, &o, s, i, c);
		else
			out_mapped(vm, &o, s, i, c, uc_lower(c) ? uc_to_upper : uc_to_lower);
	}
	return out_value(vm, &o);
}

static bool all_in_case(const struct str *s, bool (*wanted)(uint32_t), bool (*other)(uint32_t))
{
	bool any = false;
	unsigned bytes;
	for (size_t i = 0; i < s->n; i += bytes) {
		uint32_t c = utf8_get(s->s + i, &bytes);
		if (other(c) || uc_title(c))
			return false;
		any = any || wanted(c);
	}
	return any;
}

bool text_is_upper(const struct str *s)
{
	return all_in_case(s, uc_upper, uc_lower);
}

bool text_is_lower(const struct str *s)
{
	return all_in_case(s, uc_lower, uc_upper);
}

/* ---- Lines and columns ------------------------------------------------------------------------------------------- */

struct value text_lines(struct vm *vm, const struct str *s, bool keep_ends)
{
	struct value lines = seq_new(vm, V_LIST, 0);
	unsigned bytes;
	size_t from = 0;
	for (size_t i = 0; i < s->n; i += bytes) {
		uint32_t c = utf8_get(s->s + i, &bytes);
		if (!uc_line_end(c))
			continue;
		size_t end = i;
		if (c == '\r' && i + 1 < s->n && s->s[i + 1] == '\n')
			bytes = 2;
		seq_add(vm, lines.seq, str_slice(vm, s, from, keep_ends ? i + bytes : end));
		from = i + bytes;
	}
	if (from < s->n)
		seq_add(vm, lines.seq, str_slice(vm, s, from, s->n));
	return lines;
}

struct value text_pad(struct vm *vm, const struct str *s, int64_t width, uint32_t fill, char align)
{
	struct out o = {0};
	char c[4];
	const struct str filler = {.s = c, .n = utf8_encode(fill, (uint8_t *)c), .chars = 1};
	size_t space = width > 0 && (uint64_t)width > s->chars ? (size_t)width - s->chars : 0;
	size_t left = align == '<' ? 0 : align == '>' ? space : space / 2 + (space & (size_t)width & 1);
	if (space == 0)
		return value_str(s);
	out_repeat(vm, &o, &filler, left);
	out_str(vm, &o, s);
	out_repeat(vm, &o, &filler, space - left);
	return out_value(vm, &o);
}
