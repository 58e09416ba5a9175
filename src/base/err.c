/* err.c: error texts. They may quote names from a damaged file: so a text is cut at a UTF-8 boundary and made one line
 * of valid UTF-8. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 character that this byte leads; 1 for a byte that leads none. */
static size_t utf8_length(unsigned char lead)
{
	return lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
}

/* Drops a UTF-8 character that a full buffer cut in two at the end of text. */
static void trim_utf8(char *text)
{
	size_t n = strlen(text), lead = n;
	while (lead > 0 && n - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
		lead--;
	if (lead > 0 && utf8_length((unsigned char)text[lead - 1]) > n - (lead - 1))
		text[lead - 1] = '\0';
}

/* Bytes of the well-formed UTF-8 character at s, a NUL-terminated text; 0 when there is none. */
static size_t utf8_valid(const unsigned char *s)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = utf8_length(*s);
	if (n == 1)
		return *s < 0x80;
	uint32_t c = *s & (0xFFu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3Fu);
	}
	return *s <= 0xF4 && c >= least[n] && c <= 0x10FFFF && (c & ~0x7FFu) != 0xD800 ? n : 0;
}

/* Control characters and bytes that are no UTF-8 become question marks. */
static void make_printable(char *text)
{
	for (unsigned char *s = (unsigned char *)text; *s;) {
		size_t n = utf8_valid(s);
		if (n == 0 || *s < 0x20 || *s == 0x7F) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}

int err_set(struct kvik_err *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		err->code = code;
		vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
		trim_utf8(err->text);
		make_printable(err->text);
	}
	return code;
}

void err_prefix(struct kvik_err *err, const char *fmt, ...)
{
	if (!err)
		return;
	char prefix[sizeof err->text];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(prefix, sizeof prefix - 2, fmt, ap);
	va_end(ap);
	strcat(prefix, ": ");
	size_t used = strlen(prefix), cap = sizeof err->text;
	size_t rest = strlen(err->text) + 1;
	if (rest > cap - used)
		rest = cap - used;
	memmove(err->text + used, err->text, rest);
	memcpy(err->text, prefix, used);
	err->text[cap - 1] = '\0';
	trim_utf8(err->text);
	make_printable(err->text);
}

const char *kvik_code_text(int code)
{
	switch (code) {
#define CODE_TEXT(name, value, text) \
	case value: return text;
		KVIK_CODES(CODE_TEXT)
#undef CODE_TEXT
	default: return "unknown error";
	}
}
