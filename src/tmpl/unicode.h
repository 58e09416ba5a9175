/* unicode.h: characters as Python's str methods see them. Text is valid UTF-8 throughout. */
#ifndef KVIK_TMPL_UNICODE_H
#define KVIK_TMPL_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/utf8.h"

/* The code point that ends at s + n (n > 0). */
static inline uint32_t utf8_last(const char *s, size_t n, unsigned *bytes)
{
	size_t at = n - 1;
	while (at > 0 && utf8_is_inner(s[at]))
		at--;
	return utf8_get(s + at, bytes);
}

bool utf8_valid(const char *s, size_t n);

bool uc_space(uint32_t c);
bool uc_line_end(uint32_t c); /* where str.splitlines cuts */
bool uc_alpha(uint32_t c);
bool uc_decimal(uint32_t c);
bool uc_digit(uint32_t c);
bool uc_numeric(uint32_t c);
bool uc_alnum(uint32_t c);
bool uc_word(uint32_t c); /* \w of a regular expression */
bool uc_upper(uint32_t c);
bool uc_lower(uint32_t c);
bool uc_title(uint32_t c);
bool uc_cased(uint32_t c);
bool uc_case_ignorable(uint32_t c);
bool uc_printable(uint32_t c);
bool uc_name_start(uint32_t c);
bool uc_name_part(uint32_t c);

/* Full case mappings: 1 to 3 code points. */
unsigned uc_to_upper(uint32_t c, uint32_t out[3]);
unsigned uc_to_lower(uint32_t c, uint32_t out[3]);
unsigned uc_to_title(uint32_t c, uint32_t out[3]);

#endif
