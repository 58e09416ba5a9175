/* nonce.c: see nonce.h. */
#include "api/nonce.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

const char *nonce_name(enum nonce n)
{
	static const char *const names[NONCES] = {NULL, "x-anthropic-billing-header", "uuid", "time", "hex", "number"};
	return names[n];
}

/* A stretch of a text, [from, to). */
struct stretch {
	const char *text;
	size_t from, to;
};

/* What lies around `at` without a byte that is not of this kind. */
static struct stretch around(const char *text, size_t n, size_t at, bool (*is)(char c))
{
	struct stretch s = {text, at, at};
	while (s.from > 0 && is(text[s.from - 1]))
		s.from--;
	while (s.to < n && is(text[s.to]))
		s.to++;
	return s;
}

static bool in_line(char c)
{
	return c != '\n';
}

static bool in_hex(char c)
{
	return isxdigit((unsigned char)c);
}

static bool in_uuid(char c)
{
	return in_hex(c) || c == '-';
}

static bool in_time(char c)
{
	return isdigit((unsigned char)c) || c == '-' || c == ':' || c == 'T' || c == '.' || c == '+' || c == 'Z';
}

static bool in_number(char c)
{
	return isdigit((unsigned char)c);
}

/* Does a piece of s have this form, where 0 stands for a digit, x for a hexadecimal one? */
static bool has_form(struct stretch s, const char *form)
{
	size_t n = strlen(form);
	for (size_t at = s.from; at + n <= s.to; at++) {
		size_t i = 0;
		while (i < n && (form[i] == '0'   ? in_number(s.text[at + i])
				 : form[i] == 'x' ? in_hex(s.text[at + i])
						  : s.text[at + i] == form[i]))
			i++;
		if (i == n)
			return true;
	}
	return false;
}

static bool has_word(struct stretch s, const char *word)
{
	return has_form(s, word); /* which has neither digits nor x */
}

static bool is_random_hex(struct stretch s)
{
	size_t digits = 0;
	for (size_t i = s.from; i < s.to; i++)
		digits += in_number(s.text[i]);
	return s.to - s.from >= 16 && digits > 0 && digits < s.to - s.from;
}

enum nonce nonce_at(const char *text, size_t n, size_t at)
{
	if (at > n)
		return NONCE_NONE;
	if (has_word(around(text, n, at, in_line), "-anthropic-billing-header"))
		return NONCE_BILLING;
	if (has_form(around(text, n, at, in_uuid), "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
		return NONCE_UUID;
	struct stretch time = around(text, n, at, in_time);
	if (has_form(time, "0000-00-00") || has_form(time, "00:00"))
		return NONCE_TIME;
	struct stretch number = around(text, n, at, in_number);
	if (is_random_hex(around(text, n, at, in_hex)))
		return NONCE_HEX;
	return number.to - number.from >= 9 ? NONCE_NUMBER : NONCE_NONE;
}
