/* utf8.h: lengths and code points of UTF-8, strict (RFC 3629: no surrogates, nothing overlong). Pure functions. */
#ifndef KVIK_BASE_UTF8_H
#define KVIK_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes the character beginning with b should have; 0: b begins none. */
static inline unsigned utf8_expected(uint8_t b)
{
	return b < 0x80 ? 1 : b >= 0xC2 && b < 0xE0 ? 2 : b >= 0xE0 && b < 0xF0 ? 3 : b >= 0xF0 && b < 0xF5 ? 4 : 0;
}

/* Is it a byte inside a character, which none begins with? */
static inline bool utf8_is_inner(char c)
{
	return ((uint8_t)c & 0xC0) == 0x80;
}

/* Characters of a valid text. */
static inline size_t utf8_count(const char *s, size_t n)
{
	size_t chars = 0;
	for (size_t i = 0; i < n; i++)
		chars += !utf8_is_inner(s[i]);
	return chars;
}

/* May `b` be byte number `at` (1..3) of a character that begins with `first`? */
static inline int utf8_continues(uint8_t first, unsigned at, uint8_t b)
{
	if (at == 1) {
		if (first == 0xE0)
			return b >= 0xA0 && b < 0xC0;
		if (first == 0xED)
			return b >= 0x80 && b < 0xA0;
		if (first == 0xF0)
			return b >= 0x90 && b < 0xC0;
		if (first == 0xF4)
			return b >= 0x80 && b < 0x90;
	}
	return b >= 0x80 && b < 0xC0;
}

/* Bytes of the character at s (n > 0 bytes left); 0: no valid character begins here. */
static inline unsigned utf8_length(const uint8_t *s, size_t n)
{
	unsigned want = utf8_expected(s[0]);
	if (want == 0 || want > n)
		return 0;
	for (unsigned i = 1; i < want; i++)
		if (!utf8_continues(s[0], i, s[i]))
			return 0;
	return want;
}

/* The code point of a valid character of `length` bytes. */
static inline uint32_t utf8_decode(const uint8_t *s, unsigned length)
{
	switch (length) {
	case 1: return s[0];
	case 2: return (uint32_t)(s[0] & 0x1F) << 6 | (s[1] & 0x3F);
	case 3: return (uint32_t)(s[0] & 0x0F) << 12 | (uint32_t)(s[1] & 0x3F) << 6 | (s[2] & 0x3F);
	default:
		return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3F) << 12 | (uint32_t)(s[2] & 0x3F) << 6 |
		       (s[3] & 0x3F);
	}
}

/* The code point at s, which is known to be valid; *bytes: how many it takes (1..4). */
static inline uint32_t utf8_get(const char *s, unsigned *bytes)
{
	const uint8_t *u = (const uint8_t *)s;
	*bytes = u[0] < 0x80 ? 1 : u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : 4;
	return utf8_decode(u, *bytes);
}

/* Writes the character, returns its bytes (1..4). */
static inline unsigned utf8_encode(uint32_t c, uint8_t out[4])
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xC0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xE0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
		out[2] = (uint8_t)(0x80 | (c & 0x3F));
		return 3;
	}
	out[0] = (uint8_t)(0xF0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
	out[3] = (uint8_t)(0x80 | (c & 0x3F));
	return 4;
}

#endif
