/* json_text.c: a small automaton; x is its part in the high byte, what it has gathered below. */
#include "constrain/json_text.h"

#include "base/utf8.h"

enum part {
	PLAIN,
	UTF8,     /* first byte, then how many have come */
	ESCAPE,   /* after a backslash */
	HEX,      /* digits << 16 | value */
	LOW,      /* after a high surrogate: the ten bits of it */
	LOW_U,    /* and a backslash */
	LOW_HEX_0 /* + digits: ten bits, then those of the low one so far */
};

#define X(part, value) ((uint32_t)(part) << 24 | (value))

static int hex(uint8_t b)
{
	return b >= '0' && b <= '9'   ? b - '0'
	       : b >= 'a' && b <= 'f' ? b - 'a' + 10
	       : b >= 'A' && b <= 'F' ? b - 'A' + 10
				      : -1;
}

static struct json_text character(uint32_t c)
{
	struct json_text t = {.kind = JSON_TEXT_BYTES};
	t.n = (uint8_t)utf8_encode(c, t.bytes);
	return t;
}

static struct json_text escape_so_far(uint32_t x, uint32_t lo, uint32_t hi)
{
	return (struct json_text){.kind = JSON_TEXT_MORE, .x = x, .escape = true, .lo = lo, .hi = hi};
}

static struct json_text plain(uint8_t b)
{
	unsigned want = utf8_expected(b);
	if (b == '"')
		return (struct json_text){.kind = JSON_TEXT_CLOSE};
	if (b == '\\') {
		struct json_text t = escape_so_far(X(ESCAPE, 0), 0, 0x10FFFF);
		t.begins = true;
		return t;
	}
	if (b < 0x20 || want == 0)
		return (struct json_text){.kind = JSON_TEXT_BAD};
	return (struct json_text){.kind = JSON_TEXT_BYTES,
				  .x = want > 1 ? X(UTF8, (uint32_t)b << 8 | 1) : 0,
				  .begins = true,
				  .n = 1,
				  .bytes = {b}};
}

static struct json_text continued(uint32_t x, uint8_t b)
{
	uint8_t first = (uint8_t)(x >> 8);
	unsigned at = x & 0xFF;
	if (!utf8_continues(first, at, b))
		return (struct json_text){.kind = JSON_TEXT_BAD};
	return (struct json_text){
		.kind = JSON_TEXT_BYTES, .x = at + 1 < utf8_expected(first) ? x + 1 : 0, .n = 1, .bytes = {b}};
}

static struct json_text escaped(uint8_t b)
{
	switch (b) {
	case '"':
	case '\\':
	case '/': return character(b);
	case 'b': return character('\b');
	case 'f': return character('\f');
	case 'n': return character('\n');
	case 'r': return character('\r');
	case 't': return character('\t');
	case 'u': return escape_so_far(X(HEX, 0), 0, 0x10FFFF);
	default: return (struct json_text){.kind = JSON_TEXT_BAD};
	}
}

static struct json_text hex_digit(uint32_t x, int d)
{
	uint32_t digits = (x >> 16 & 0xFF) + 1, v = (x & 0xFFFF) << 4 | (uint32_t)d, shift = 4 * (4 - digits);
	if (d < 0)
		return (struct json_text){.kind = JSON_TEXT_BAD};
	if (digits < 4) {
		uint32_t lo = v << shift, hi = lo | ((1u << shift) - 1);
		if (hi >= 0xDC00 && lo <= 0xDFFF && lo >= 0xDC00)
			return (struct json_text){.kind = JSON_TEXT_BAD};
		return escape_so_far(X(HEX, digits << 16 | v), lo, hi >= 0xD800 && lo <= 0xDBFF ? 0x10FFFF : hi);
	}
	if (v >= 0xDC00 && v <= 0xDFFF)
		return (struct json_text){.kind = JSON_TEXT_BAD};
	if (v >= 0xD800 && v <= 0xDBFF) {
		uint32_t lo = 0x10000 + ((v - 0xD800) << 10);
		return escape_so_far(X(LOW, v - 0xD800), lo, lo | 0x3FF);
	}
	return character(v);
}

/* The low surrogate is DC00..DFFF: its first digit says nothing, its second two bits. */
static struct json_text low_digit(uint32_t x, int d)
{
	uint32_t digits = (x >> 24) - LOW_HEX_0 + 1, v = x & 0xFFFFFF;
	static const uint8_t bits[] = {0, 0, 2, 6, 10};
	if (d < 0 || (digits == 1 && d != 0xD) || (digits == 2 && d < 0xC))
		return (struct json_text){.kind = JSON_TEXT_BAD};
	if (digits > 1)
		v = digits == 2 ? v << 2 | ((uint32_t)d & 3) : v << 4 | (uint32_t)d;
	if (digits == 4)
		return character(0x10000 + v);
	uint32_t rest = 10 - bits[digits], lo = 0x10000 + (v << rest);
	return escape_so_far(X(LOW_HEX_0 + digits, v), lo, lo | ((1u << rest) - 1));
}

bool json_text_is_escape(uint32_t x)
{
	return x >> 24 > UTF8;
}

struct json_text json_text_step(uint32_t x, uint8_t b)
{
	uint32_t v = x & 0xFFFFFF, lo = 0x10000 + (v << 10);
	switch (x >> 24) {
	case PLAIN: return plain(b);
	case UTF8: return continued(x, b);
	case ESCAPE: return escaped(b);
	case HEX: return hex_digit(x, hex(b));
	case LOW:
		return b == '\\' ? escape_so_far(X(LOW_U, v), lo, lo | 0x3FF)
				 : (struct json_text){.kind = JSON_TEXT_BAD};
	case LOW_U:
		return b == 'u' ? escape_so_far(X(LOW_HEX_0, v), lo, lo | 0x3FF)
				: (struct json_text){.kind = JSON_TEXT_BAD};
	default: return low_digit(x, hex(b));
	}
}
