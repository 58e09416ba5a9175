/* err.c: error texts. The text is cut at a UTF-8 boundary, because it may quote names from a file. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Drops a UTF-8 character that vsnprintf cut in two at the end of a full buffer. */
static void trim_utf8(char *text, size_t cap)
{
	size_t n = strlen(text);
	if (n + 1 < cap)
		return;
	size_t start = n;
	while (start > 0 && n - start < 4 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
		start--;
	if (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0xC0)
		text[start - 1] = '\0';
}

int err_set(struct kvik_err *err, int code, const char *fmt, ...)
{
	if (err) {
		va_list ap;
		va_start(ap, fmt);
		err->code = code;
		vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
		trim_utf8(err->text, sizeof err->text);
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
	trim_utf8(err->text, cap);
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
