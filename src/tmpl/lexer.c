/* lexer.c: template text to tokens.
 *
 * White space rules (trim_blocks and lstrip_blocks on): "-" inside a tag strips all white space on that side, "+" keeps
 * it; without a sign, a block or comment tag loses the blanks between the line's begin and itself, and one newline
 * behind itself. {{ }} tags lose nothing. Inside brackets the end of a tag is no end. */
#include "tmpl/lexer.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tmpl/unicode.h"

enum { BRACKETS_MAX = 256 };

struct lexer {
	struct vm *vm;
	const char *s; /* [n], newlines are \n */
	size_t n, at;
	uint32_t line;
	bool line_starts; /* the last thing read ended with a newline (or is nothing) */
	char brackets[BRACKETS_MAX];
	size_t depth; /* of brackets */
	struct token *tokens;
	size_t n_tokens, cap;
};

static void fail(struct lexer *l, const char *what) __attribute__((noreturn));
static void fail(struct lexer *l, const char *what)
{
	l->vm->line = l->line;
	vm_error(l->vm, "%s", what);
}

static struct token *add(struct lexer *l, enum token_type type)
{
	if (l->n_tokens == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		l->tokens = vm_grow(l->vm, l->tokens, l->n_tokens, cap, sizeof *l->tokens);
		l->cap = cap;
	}
	struct token *t = &l->tokens[l->n_tokens++];
	*t = (struct token){.type = (uint8_t)type, .line = l->line};
	return t;
}

static bool looking_at(const struct lexer *l, const char *what)
{
	size_t n = strlen(what);
	return n <= l->n - l->at && memcmp(l->s + l->at, what, n) == 0;
}

static void advance(struct lexer *l, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		l->line += l->s[l->at + i] == '\n';
	if (bytes)
		l->line_starts = l->s[l->at + bytes - 1] == '\n';
	l->at += bytes;
}

static size_t space_at(const struct lexer *l, size_t at)
{
	size_t from = at;
	unsigned bytes;
	while (at < l->n && uc_space(utf8_get(l->s + at, &bytes)))
		at += bytes;
	return at - from;
}

static size_t right_stripped(const char *s, size_t n)
{
	unsigned bytes;
	while (n > 0 && uc_space(utf8_last(s, n, &bytes)))
		n -= bytes;
	return n;
}

/* ---- Text outside of tags ---------------------------------------------------------------------------------------- */

/* How much of text[n], which stands before a tag with this sign, remains. */
static size_t before_tag(const struct lexer *l, const char *text, size_t n, char sign, bool variable)
{
	if (sign == '-')
		return right_stripped(text, n);
	if (sign == '+' || variable)
		return n;
	size_t line = n;
	while (line > 0 && text[line - 1] != '\n')
		line--;
	bool blank = (line > 0 || l->line_starts) && right_stripped(text + line, n - line) == 0;
	return blank ? line : n;
}

static void add_data(struct lexer *l, const char *text, size_t n)
{
	if (n > 0)
		add(l, T_DATA)->value = str_borrow(l->vm, text, n, FROM_TEMPLATE);
}

static char sign_at(const struct lexer *l, size_t at)
{
	return at < l->n && (l->s[at] == '-' || l->s[at] == '+') ? l->s[at] : '\0';
}

/* The end of a tag at `at`, closed by "%}" or "#}" with an optional sign and what white space goes with it: the bytes,
 * or 0. */
static size_t tag_end(const struct lexer *l, size_t at, const char *close)
{
	size_t from = at;
	char sign = sign_at(l, at);
	at += sign != '\0';
	if (l->n - at < 2 || memcmp(l->s + at, close, 2) != 0)
		return 0;
	at += 2;
	if (sign == '-')
		at += space_at(l, at);
	else if (!sign && at < l->n && l->s[at] == '\n')
		at++;
	return at - from;
}

/* "{%- raw -%}" at `at`: its bytes, or 0. No newline is trimmed behind it. */
static size_t raw_begin(const struct lexer *l, size_t at)
{
	size_t from = at;
	at += 2;
	at += sign_at(l, at) != '\0';
	at += space_at(l, at);
	if (l->n - at < 3 || memcmp(l->s + at, "raw", 3) != 0)
		return 0;
	at += 3;
	at += space_at(l, at);
	bool strip = at < l->n && l->s[at] == '-';
	at += strip;
	if (l->n - at < 2 || memcmp(l->s + at, "%}", 2) != 0)
		return 0;
	at += 2;
	return (strip ? at + space_at(l, at) : at) - from;
}

/* "{% endraw %}" at `at`: its bytes, or 0. */
static size_t raw_end(const struct lexer *l, size_t at)
{
	size_t from = at;
	at += 2;
	at += sign_at(l, at) != '\0';
	at += space_at(l, at);
	if (l->n - at < 6 || memcmp(l->s + at, "endraw", 6) != 0)
		return 0;
	at += 6;
	at += space_at(l, at);
	size_t end = tag_end(l, at, "%}");
	return end ? at + end - from : 0;
}

static void read_raw(struct lexer *l)
{
	size_t from = l->at;
	for (size_t at = from; at + 1 < l->n; at++) {
		size_t end = l->s[at] == '{' && l->s[at + 1] == '%' ? raw_end(l, at) : 0;
		if (!end)
			continue;
		add_data(l, l->s + from, before_tag(l, l->s + from, at - from, sign_at(l, at + 2), false));
		advance(l, at + end - from);
		return;
	}
	if (from < l->n) /* nothing at all behind it is no error to jinja2 */
		fail(l, "missing end of raw directive; write {% endraw %}");
}

static void read_comment(struct lexer *l)
{
	for (size_t at = l->at; at < l->n; at++) {
		size_t end = tag_end(l, at, "#}");
		if (end) {
			advance(l, at + end - l->at);
			return;
		}
	}
	if (l->at < l->n)
		fail(l, "missing end of comment tag; write #}");
}

/* Reads text up to and with the begin of the next tag. Returns the tag's kind: '{', '%', or 0 (go on, or the end). */
static char read_data(struct lexer *l)
{
	size_t from = l->at, at = from;
	while (at + 1 < l->n && !(l->s[at] == '{' && strchr("{%#", l->s[at + 1]) && l->s[at + 1]))
		at++;
	if (at + 1 >= l->n) {
		add_data(l, l->s + from, l->n - from);
		advance(l, l->n - from);
		return 0;
	}
	char kind = l->s[at + 1];
	char sign = sign_at(l, at + 2);
	add_data(l, l->s + from, before_tag(l, l->s + from, at - from, sign, kind == '{'));
	size_t raw = kind == '%' ? raw_begin(l, at) : 0;
	advance(l, at + (raw ? raw : 2 + (size_t)(sign != '\0')) - from);
	if (raw) {
		read_raw(l);
		return 0;
	}
	if (kind == '#') {
		read_comment(l);
		return 0;
	}
	add(l, kind == '{' ? T_VARIABLE_BEGIN : T_BLOCK_BEGIN);
	return kind;
}

/* ---- Inside of tags ---------------------------------------------------------------------------------------------- */

static int hex_digits(const char *s, size_t n, size_t count, uint32_t *c)
{
	*c = 0;
	for (size_t i = 0; i < count; i++) {
		if (i >= n || !isxdigit((unsigned char)s[i]))
			return 0;
		*c = *c * 16 + (uint32_t)(isdigit((unsigned char)s[i]) ? s[i] - '0' : (s[i] | 32) - 'a' + 10);
	}
	return 1;
}

/* The escape whose letter is at s[0]; returns the bytes it takes. */
static size_t escape(struct lexer *l, struct out *o, const char *s, size_t n)
{
	static const char letters[] = "abfnrtv\\'\"", stand_for[] = "\a\b\f\n\r\t\v\\'\"";
	const char *at = s[0] ? strchr(letters, s[0]) : NULL;
	uint32_t c = 0;
	size_t bytes;
	if (at) {
		out_char(l->vm, o, (uint32_t)stand_for[at - letters]);
		return 1;
	}
	if (s[0] == '\n')
		return 1;
	if (s[0] >= '0' && s[0] <= '7') {
		for (bytes = 0; bytes < 3 && bytes < n && s[bytes] >= '0' && s[bytes] <= '7'; bytes++)
			c = c * 8 + (uint32_t)(s[bytes] - '0');
		out_char(l->vm, o, c);
		return bytes;
	}
	if (s[0] == 'x' || s[0] == 'u' || s[0] == 'U') {
		bytes = s[0] == 'x' ? 2 : s[0] == 'u' ? 4 : 8;
		if (!hex_digits(s + 1, n - 1, bytes, &c))
			fail(l, "a cut \\x, \\u or \\U escape in a string");
		if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
			fail(l, "an escape in a string names no character");
		out_char(l->vm, o, c);
		return bytes + 1;
	}
	if (s[0] == 'N')
		fail(l, "\\N escapes in strings are not supported; write \\u and the number");
	out_text(l->vm, o, "\\");
	if ((unsigned char)s[0] < 0x80)
		return 0;
	/* what jinja2 makes of a backslash before such a character: its escape, as text */
	char name[12];
	unsigned length;
	c = utf8_get(s, &length);
	snprintf(name, sizeof name, c < 0x100 ? "x%02x" : c < 0x10000 ? "u%04x" : "U%08x", c);
	out_text(l->vm, o, name);
	return length;
}

/* The string literal at l->at: its bytes, or 0 when it does not end. */
static size_t string_length(const struct lexer *l)
{
	for (size_t i = l->at + 1; i < l->n; i++) {
		if (l->s[i] == '\\')
			i++;
		else if (l->s[i] == l->s[l->at])
			return i + 1 - l->at;
	}
	return 0;
}

static void read_string(struct lexer *l, size_t bytes)
{
	const char *s = l->s + l->at + 1;
	size_t n = bytes - 2;
	struct token *t = add(l, T_STRING);
	if (!memchr(s, '\\', n)) {
		t->value = str_borrow(l->vm, s, n, FROM_TEMPLATE);
	} else {
		struct out o = {.of_bytes = FROM_TEMPLATE};
		for (size_t i = 0; i < n;) {
			if (s[i] == '\\' && i + 1 < n) {
				i++;
				i += escape(l, &o, s + i, n - i);
			} else {
				out_add(l->vm, &o, s + i++, 1);
			}
		}
		t->value = out_value(l->vm, &o);
	}
	advance(l, bytes);
}

/* Digits with single underscores between; the offset behind them. */
static size_t digits_end(const struct lexer *l, size_t at, const char *digits)
{
	while (at < l->n) {
		bool digit = l->s[at] && strchr(digits, l->s[at]);
		bool joint = l->s[at] == '_' && at + 1 < l->n && l->s[at + 1] && strchr(digits, l->s[at + 1]);
		if (!digit && !joint)
			break;
		at++;
	}
	return at;
}

static const char decimal_digits[] = "0123456789";

/* The end of a float at l->at, or 0. */
static size_t float_end(const struct lexer *l)
{
	if (l->at > 0 && l->s[l->at - 1] == '.')
		return 0;
	size_t at = digits_end(l, l->at, decimal_digits), end = 0;
	if (at + 1 < l->n && l->s[at] == '.' && isdigit((unsigned char)l->s[at + 1]))
		end = at = digits_end(l, at + 1, decimal_digits);
	if (at < l->n && (l->s[at] | 32) == 'e') {
		size_t exponent = at + 1;
		if (exponent < l->n && (l->s[exponent] == '+' || l->s[exponent] == '-'))
			exponent++;
		if (exponent < l->n && isdigit((unsigned char)l->s[exponent]))
			end = digits_end(l, exponent, decimal_digits);
	}
	return end;
}

static size_t integer_end(const struct lexer *l, int *base)
{
	char kind = l->s[l->at] == '0' && l->at + 2 < l->n ? (char)(l->s[l->at + 1] | 32) : '\0';
	const char *digits = kind == 'x' ? "0123456789abcdefABCDEF" : kind == 'o' ? "01234567" : "01";
	*base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
	if (*base != 10) {
		size_t end = digits_end(l, l->at + 2, digits);
		if (end > l->at + 2)
			return end;
		*base = 10;
	}
	return digits_end(l, l->at, l->s[l->at] == '0' ? "0" : decimal_digits);
}

static void read_number(struct lexer *l)
{
	char text[128];
	int base = 10;
	size_t end = float_end(l), n = 0;
	bool whole = !end;
	if (whole)
		end = integer_end(l, &base);
	for (size_t i = l->at + (base == 10 ? 0 : 2); i < end; i++) {
		if (n + 1 >= sizeof text)
			fail(l, "a number that is too long");
		if (l->s[i] != '_')
			text[n++] = l->s[i];
	}
	text[n] = '\0';
	struct token *t = add(l, whole ? T_INTEGER : T_FLOAT);
	unsigned long long v = whole ? strtoull(text, NULL, base) : 0;
	if (whole && (n > 64 || v > INT64_MAX))
		fail(l, "a whole number above 9223372036854775807, which kvik's templates do not have");
	t->value = whole ? value_int((int64_t)v) : value_float(strtod(text, NULL));
	advance(l, end - l->at);
}

/* The end of a name at l->at, or 0. */
static size_t name_end(struct lexer *l)
{
	size_t at = l->at;
	unsigned bytes;
	for (; at < l->n; at += bytes) {
		uint32_t c = utf8_get(l->s + at, &bytes);
		if (!(at == l->at ? uc_name_start(c) : uc_name_part(c)))
			break;
	}
	return at == l->at ? 0 : at;
}

static void balance(struct lexer *l, char c)
{
	static const char open[] = "{([", close[] = "})]";
	const char *at = strchr(open, c);
	if (at) {
		if (l->depth == BRACKETS_MAX)
			fail(l, "brackets nested too deeply");
		l->brackets[l->depth++] = close[at - open];
	} else if (strchr(close, c)) {
		char text[48];
		if (l->depth > 0 && l->brackets[l->depth - 1] == c) {
			l->depth--;
			return;
		}
		if (l->depth == 0)
			snprintf(text, sizeof text, "unexpected '%c'", c);
		else
			snprintf(text, sizeof text, "unexpected '%c', expected '%c'", c, l->brackets[l->depth - 1]);
		fail(l, text);
	}
}

static void read_operator(struct lexer *l)
{
	static const char *const pairs[] = {"//", "**", "==", "!=", ">=", "<="};
	char c = l->s[l->at];
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (looking_at(l, pairs[i])) {
			add(l, T_OPERATOR)->op = OP(pairs[i][0], pairs[i][1]);
			advance(l, 2);
			return;
		}
	if (!c || !strchr("+-/*%~[](){}><=.:|,;", c)) {
		unsigned bytes;
		char text[48];
		utf8_get(l->s + l->at, &bytes);
		snprintf(text, sizeof text, "unexpected character '%.*s'", (int)bytes, l->s + l->at);
		fail(l, text);
	}
	balance(l, c);
	add(l, T_OPERATOR)->op = OP1((unsigned char)c);
	advance(l, 1);
}

/* The end of the tag of this kind at l->at: its bytes, or 0. */
static size_t end_here(const struct lexer *l, char kind)
{
	if (l->depth > 0)
		return 0;
	if (kind == '%')
		return tag_end(l, l->at, "%}");
	bool strip = l->s[l->at] == '-';
	size_t at = l->at + strip;
	if (l->n - at < 2 || memcmp(l->s + at, "}}", 2) != 0)
		return 0;
	return at + 2 + (strip ? space_at(l, at + 2) : 0) - l->at;
}

static void read_tag(struct lexer *l, char kind)
{
	while (l->at < l->n) {
		size_t end = end_here(l, kind), length;
		char c = l->s[l->at];
		if (end) {
			add(l, kind == '{' ? T_VARIABLE_END : T_BLOCK_END);
			advance(l, end);
			return;
		}
		if ((length = space_at(l, l->at)) > 0) {
			advance(l, length);
		} else if (isdigit((unsigned char)c)) {
			read_number(l);
		} else if ((length = name_end(l)) > 0) {
			add(l, T_NAME)->value = str_borrow(l->vm, l->s + l->at, length - l->at, FROM_TEMPLATE);
			advance(l, length - l->at);
		} else if ((c == '\'' || c == '"') && (length = string_length(l)) > 0) {
			read_string(l, length);
		} else {
			read_operator(l);
		}
	}
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

/* \r\n and \r become \n; one newline at the very end goes. */
static void normalise(struct lexer *l, const char *text, size_t bytes)
{
	char *s = vm_alloc(l->vm, bytes);
	size_t n = 0;
	for (size_t i = 0; i < bytes; i++) {
		if (text[i] == '\r' && i + 1 < bytes && text[i + 1] == '\n')
			continue;
		s[n++] = text[i] == '\r' ? '\n' : text[i];
	}
	if (n > 0 && s[n - 1] == '\n')
		n--;
	l->s = s;
	l->n = n;
}

struct token *lex(struct vm *vm, const char *text, size_t bytes, size_t *n)
{
	struct lexer l = {.vm = vm, .line = 1, .line_starts = true};
	normalise(&l, text, bytes);
	while (l.at < l.n) {
		char kind = read_data(&l);
		if (kind)
			read_tag(&l, kind);
	}
	add(&l, T_EOF);
	*n = l.n_tokens;
	return l.tokens;
}

const char *token_text(struct vm *vm, const struct token *t)
{
	char *text = vm_alloc(vm, 64);
	char pair[3] = {(char)(t->op >> 8), (char)t->op, '\0'};
	switch (t->type) {
	case T_EOF: return "the end of the template";
	case T_DATA: return "text";
	case T_VARIABLE_BEGIN: return "'{{'";
	case T_VARIABLE_END: return "'}}'";
	case T_BLOCK_BEGIN: return "'{%'";
	case T_BLOCK_END: return "'%}'";
	case T_INTEGER:
	case T_FLOAT: return "a number";
	case T_STRING: return "a string";
	case T_NAME:
		snprintf(text, 64, "'%.*s'", (int)(t->value.str->n < 40 ? t->value.str->n : 40), t->value.str->s);
		return text;
	default: snprintf(text, 64, "'%s'", pair[0] ? pair : pair + 1); return text;
	}
}
