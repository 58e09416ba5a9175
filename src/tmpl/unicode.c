/* unicode.c: categories and simple case mappings are utf8proc's; the few that map to several characters are a table. */
#include "tmpl/unicode.h"

#include <string.h>
#include <utf8proc.h>

#include "tmpl/case_table.h"

bool utf8_valid(const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		unsigned bytes = utf8_length((const uint8_t *)s + i, n - i);
		if (bytes == 0)
			return false;
		i += bytes;
	}
	return true;
}

static utf8proc_category_t category(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c);
}

bool uc_space(uint32_t c)
{
	if (c < 0x80)
		return (c >= 9 && c <= 13) || (c >= 28 && c <= 32);
	return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202F || c == 0x205F || c == 0x3000;
}

bool uc_line_end(uint32_t c)
{
	return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool uc_alpha(uint32_t c)
{
	utf8proc_category_t k = category(c);
	return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool uc_decimal(uint32_t c)
{
	return c < 0x80 ? c >= '0' && c <= '9' : category(c) == UTF8PROC_CATEGORY_ND;
}

/* Besides decimals: superscripts, subscripts, and digits in circles and brackets. */
bool uc_digit(uint32_t c)
{
	return uc_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0x1369 && c <= 0x1371) || c == 0x19DA ||
	       c == 0x2070 || (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
	       (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247C) || (c >= 0x2488 && c <= 0x2490) ||
	       c == 0x24EA || (c >= 0x24F5 && c <= 0x24FD) || c == 0x24FF || (c >= 0x2776 && c <= 0x277E) ||
	       (c >= 0x2780 && c <= 0x2788) || (c >= 0x278A && c <= 0x2792) || (c >= 0x10A40 && c <= 0x10A43) ||
	       (c >= 0x10E60 && c <= 0x10E68) || (c >= 0x11052 && c <= 0x1105A) || (c >= 0x1F100 && c <= 0x1F10A);
}

bool uc_numeric(uint32_t c)
{
	static const uint16_t han[] = {0x4E00, 0x4E03, 0x4E07, 0x4E09, 0x4E5D, 0x4E8C, 0x4E94, 0x4EBF,
				       0x5146, 0x516B, 0x516D, 0x5341, 0x5343, 0x56DB, 0x767E, 0x842C};
	utf8proc_category_t k = category(c);
	if (uc_digit(c) || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO)
		return true;
	for (size_t i = 0; i < sizeof han / sizeof *han; i++)
		if (han[i] == c)
			return true;
	return false;
}

bool uc_alnum(uint32_t c)
{
	return uc_alpha(c) || uc_numeric(c);
}

bool uc_word(uint32_t c)
{
	return c == '_' || uc_alnum(c);
}

/* Circled letters and Roman numerals have case though they are no letters. */
bool uc_upper(uint32_t c)
{
	return category(c) == UTF8PROC_CATEGORY_LU || (c >= 0x2160 && c <= 0x216F) || (c >= 0x24B6 && c <= 0x24CF);
}

bool uc_lower(uint32_t c)
{
	return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA || (c >= 0x2170 && c <= 0x217F) ||
	       (c >= 0x24D0 && c <= 0x24E9) || (c >= 0x2B0 && c <= 0x2B8) || c == 0x2C0 || c == 0x2C1 ||
	       (c >= 0x2E0 && c <= 0x2E4) || c == 0x345 || c == 0x37A || (c >= 0x1D2C && c <= 0x1D6A) || c == 0x1D78 ||
	       (c >= 0x1D9B && c <= 0x1DBF) || c == 0x2071 || c == 0x207F || (c >= 0x2090 && c <= 0x209C);
}

bool uc_title(uint32_t c)
{
	return category(c) == UTF8PROC_CATEGORY_LT;
}

bool uc_cased(uint32_t c)
{
	return uc_upper(c) || uc_lower(c) || uc_title(c);
}

bool uc_case_ignorable(uint32_t c)
{
	utf8proc_category_t k = category(c);
	return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_ME || k == UTF8PROC_CATEGORY_CF ||
	       k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' ||
	       c == 0xB7 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027;
}

bool uc_printable(uint32_t c)
{
	if (c < 0x7F)
		return c >= 0x20;
	utf8proc_category_t k = category(c);
	return k != UTF8PROC_CATEGORY_CN && k < UTF8PROC_CATEGORY_ZS;
}

bool uc_name_start(uint32_t c)
{
	return c == '_' || uc_alpha(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool uc_name_part(uint32_t c)
{
	utf8proc_category_t k = category(c);
	return uc_name_start(c) || k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_MN ||
	       k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_PC || c == 0xB7;
}

/* ---- Case -------------------------------------------------------------------------------------------------------- */

static const struct case_entry *special(uint32_t c)
{
	size_t low = 0, high = sizeof case_table / sizeof *case_table;
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (case_table[mid].from == c)
			return &case_table[mid];
		if (case_table[mid].from < c)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static unsigned widen(const uint16_t from[3], uint32_t out[3])
{
	unsigned n = 0;
	for (; n < 3 && from[n]; n++)
		out[n] = from[n];
	return n;
}

unsigned uc_to_upper(uint32_t c, uint32_t out[3])
{
	const struct case_entry *e = c < 0x80 ? NULL : special(c);
	if (e)
		return widen(e->upper, out);
	out[0] = (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
	return 1;
}

unsigned uc_to_title(uint32_t c, uint32_t out[3])
{
	const struct case_entry *e = c < 0x80 ? NULL : special(c);
	if (e)
		return widen(e->title, out);
	out[0] = (uint32_t)utf8proc_totitle((utf8proc_int32_t)c);
	return 1;
}

unsigned uc_to_lower(uint32_t c, uint32_t out[3])
{
	if (c == 0x130) {
		out[0] = 'i';
		out[1] = 0x307;
		return 2;
	}
	out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
	return 1;
}
