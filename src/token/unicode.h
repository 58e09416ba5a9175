/* unicode.h: properties of characters that tokenizers ask for, over utf8proc's tables.  Any thread. */
#ifndef KVIK_TOKEN_UNICODE_H
#define KVIK_TOKEN_UNICODE_H

#include <stdbool.h>
#include <utf8proc.h>

#include "base/utf8.h"

/* A character at s (n > 0 bytes left) and its bytes; what is not UTF-8 counts as one U+FFFD. */
static inline uint32_t uni_next(const char *s, size_t n, unsigned *bytes)
{
	unsigned length = utf8_length((const uint8_t *)s, n);
	*bytes = length ? length : 1;
	return length ? utf8_decode((const uint8_t *)s, length) : 0xFFFD;
}

/* The character that ends before s + n (n > 0), and its bytes. */
static inline uint32_t uni_previous(const char *s, size_t n, unsigned *bytes)
{
	size_t start = n - 1;
	while (start > 0 && n - start < 4 && utf8_is_inner(s[start]))
		start--;
	uint32_t c = uni_next(s + start, n - start, bytes);
	if (*bytes == n - start)
		return c;
	*bytes = 1;
	return 0xFFFD;
}

static inline unsigned uni_bit(uint32_t c)
{
	return 1u << utf8proc_category((utf8proc_int32_t)c);
}

#define UNI(name) (1u << UTF8PROC_CATEGORY_##name)
#define UNI_LETTER (UNI(LU) | UNI(LL) | UNI(LT) | UNI(LM) | UNI(LO))
#define UNI_MARK (UNI(MN) | UNI(MC) | UNI(ME))
#define UNI_NUMBER (UNI(ND) | UNI(NL) | UNI(NO))

static inline bool uni_white(uint32_t c)
{
	return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || (c > 0x9F && uni_bit(c) & (UNI(ZS) | UNI(ZL) | UNI(ZP)));
}

/* \w in Rust: Alphabetic, Mark, Decimal_Number, Connector_Punctuation, Join_Control. Alphabetic are letters, letter
 * numbers and, beyond them, the circled and squared Latin letters. */
static inline bool uni_word(uint32_t c)
{
	if (uni_bit(c) & (UNI_LETTER | UNI_MARK | UNI(ND) | UNI(NL) | UNI(PC)))
		return true;
	return c == 0x200C || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
	       (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

#endif
