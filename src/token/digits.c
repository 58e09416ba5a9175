/* digits.c: a run of n digits falls into groups of n % 3, 3, 3, ... Any thread. */
#include "token/digits.h"

#include <string.h>

#include "token/unicode.h"

enum digits_rule digits_rule(const char *pattern, size_t bytes)
{
	static const struct {
		const char *pattern;
		enum digits_rule rule;
	} known[] = {{"(?=(\\d{3})+(?!\\d))", DIGITS_BEFORE},
		     {"(?=(?:\\d{3})+(?!\\d))", DIGITS_BEFORE},
		     {"\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))", DIGITS_GROUPS},
		     {"\\d{1,3}(?=(?:\\d{3})*\\b)", DIGITS_WORDS}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].pattern) == bytes && memcmp(known[i].pattern, pattern, bytes) == 0)
			return known[i].rule;
	return DIGITS_NONE;
}

/* \w of the dialect, see regex_dialect.c. */
static bool is_word(uint32_t c)
{
	return (uni_word(c) && c != 0x200C && c != 0x200D) || c == 0xB2 || c == 0xB3 || c == 0xB9 ||
	       (c >= 0xBC && c <= 0xBE);
}

static bool is_digit(uint32_t c, enum digits_rule rule)
{
	return uni_bit(c) & (rule == DIGITS_GROUPS ? UNI_NUMBER : UNI(ND));
}

/* A run of n digits from start to end. */
static int run(enum digits_rule rule, const char *text, size_t start, size_t end, size_t n, regex_found_fn *found,
	       void *ctx)
{
	int rc = 0;
	for (size_t at = start; at < end && !rc; start = at) {
		size_t group = n % 3 ? n % 3 : 3;
		unsigned bytes;
		for (size_t i = 0; i < group; i++, at += bytes)
			uni_next(text + at, end - at, &bytes);
		if (rule != DIGITS_BEFORE)
			rc = found(ctx, start, at);
		else if (group == 3)
			rc = found(ctx, start, start);
		n -= group;
	}
	return rc;
}

int digits_each(enum digits_rule rule, const char *text, size_t bytes, regex_found_fn *found, void *ctx)
{
	int rc = 0;
	for (size_t at = 0, start = 0, n = 0; at <= bytes && !rc;) {
		unsigned length = 1;
		uint32_t c = at < bytes ? uni_next(text + at, bytes - at, &length) : '\n';
		if (is_digit(c, rule)) {
			n++;
		} else {
			if (n > 0 && !(rule == DIGITS_WORDS && is_word(c)))
				rc = run(rule, text, start, at, n, found, ctx);
			n = 0;
			start = at + length;
		}
		at += length;
	}
	return rc;
}
