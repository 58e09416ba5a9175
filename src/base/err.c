/* err.c: error texts. They may quote names from a damaged file: so a text is cut at a UTF-8 boundary and made one line
 * of valid UTF-8. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Drops a UTF-8 character that a full buffer cut in two at the end of text. */
static void trim_utf8(char *text)
{
	size_t n = strlen(text), lead = n;
	while (lead > 0 && n - lead < 3 && utf8_is_inner(text[lead - 1]))
		lead--;
	if (lead > 0 && utf8_expected((unsigned char)text[lead - 1]) > n - (lead - 1))
		text[lead - 1] = '\0';
}

/* Control characters and bytes that are no UTF-8 become question marks. */
static void make_printable(char *text)
{
	for (unsigned char *s = (unsigned char *)text, *end = s + strlen(text); s < end;) {
		unsigned n = utf8_length(s, (size_t)(end - s));
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
