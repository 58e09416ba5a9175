/* nonce.h: what differs from request to request though nothing is meant by it: it ends every prefix that it stands in. Pure. */
#ifndef KVIK_API_NONCE_H
#define KVIK_API_NONCE_H

#include <stddef.h>

enum nonce {
	NONCE_NONE,
	NONCE_BILLING, /* a line that Claude Code puts before its system prompt: "x-anthropic-billing-header: ...; cch=1a2b3;" */
	NONCE_UUID,   /* 123e4567-e89b-12d3-a456-426614174000 */
	NONCE_TIME,   /* 2026-11-28T07:10:00, 07:10:00, 2026-11-28 */
	NONCE_HEX,    /* 16 or more hexadecimal digits, some of each kind */
	NONCE_NUMBER, /* 9 or more digits: seconds since 1970, a request's number */
	NONCES
};
const char *nonce_name(enum nonce n); /* "uuid"; NONE: NULL */

/* What stands at this place of text[0..n)? */
enum nonce nonce_at(const char *text, size_t n, size_t at);

#endif
