/* err.c: error texts. The text is cut at a UTF-8 boundary, because it may quote names from a file. */
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

int err_set(struct kvik_err *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		err->code = code;
		vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
		trim_utf8(err->text);
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

const char *kvik_version(void)
{
	return KVIK_VERSION;
}
