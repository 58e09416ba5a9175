/* digits.h: published patterns that cut runs of digits into threes from the right. As regular expressions they look
 * ahead to the end of the run from each digit, which takes quadratic time; here they are done in one pass. */
#ifndef KVIK_TOKEN_DIGITS_H
#define KVIK_TOKEN_DIGITS_H

#include "token/regex.h"

enum digits_rule {
	DIGITS_NONE,   /* another pattern */
	DIGITS_BEFORE, /* an empty match before each three of decimal digits */
	DIGITS_GROUPS, /* each group of any numbers */
	DIGITS_WORDS   /* each group of decimal digits, unless a word character follows the run */
};

enum digits_rule digits_rule(const char *pattern, size_t bytes);

/* As regex_each. */
int digits_each(enum digits_rule rule, const char *text, size_t bytes, regex_found_fn *found, void *ctx) MUST_CHECK;

#endif
