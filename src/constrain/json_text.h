/* json_text.h: the bytes between the quotes of a JSON string, as the characters that they mean: escapes resolved, UTF-8 whole,
 * surrogates in pairs (RFC 8259). Pure functions. */
#ifndef KVIK_CONSTRAIN_JSON_TEXT_H
#define KVIK_CONSTRAIN_JSON_TEXT_H

#include <stdbool.h>
#include <stdint.h>

enum json_text_kind {
	JSON_TEXT_BAD,
	JSON_TEXT_MORE,  /* nothing yet */
	JSON_TEXT_BYTES, /* bytes of a character */
	JSON_TEXT_CLOSE  /* the closing quote */
};

struct json_text {
	enum json_text_kind kind;
	uint32_t x;          /* how far it is now; 0 between two characters */
	bool begins;         /* a character begins, or an escape that will be one */
	bool escape;         /* inside of an escape: see lo, hi */
	uint32_t lo, hi;     /* the characters that can still become of it */
	uint8_t n, bytes[4]; /* JSON_TEXT_BYTES */
};

bool json_text_is_escape(uint32_t x); /* within an escape, not between two characters or bytes of one */
struct json_text json_text_step(uint32_t x, uint8_t byte);

#endif
