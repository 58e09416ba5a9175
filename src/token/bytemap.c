/* bytemap.c: printable Latin-1 characters stand for themselves; the 68 others follow U+0100 in order. */
#include "token/bytemap.h"

#include "base/utf8.h"

enum { FIRST = 0x100, SOFT_HYPHEN = 0xAD };

/* Bytes that do not stand for themselves, in order: 0..32, 127..160, 173. */
uint32_t bytemap_char(uint8_t byte)
{
	if (byte <= 32)
		return FIRST + (uint32_t)byte;
	if (byte >= 127 && byte <= 160)
		return FIRST + 33 + (uint32_t)byte - 127;
	return byte == SOFT_HYPHEN ? FIRST + 67 : byte;
}

int bytemap_byte(uint32_t c)
{
	if (c >= FIRST)
		return c <= FIRST + 32   ? (int)c - FIRST
		       : c <= FIRST + 66 ? (int)c - FIRST - 33 + 127
		       : c == FIRST + 67 ? SOFT_HYPHEN
					 : -1;
	return bytemap_char((uint8_t)c) == c ? (int)c : -1;
}

bool bytemap_add(const char *bytes, size_t n, struct buf *out)
{
	if (n > SIZE_MAX / 2 || !buf_reserve(out, 2 * n))
		return false;
	for (size_t i = 0; i < n; i++)
		out->n += utf8_encode(bytemap_char((uint8_t)bytes[i]), (uint8_t *)out->data + out->n);
	return true;
}
