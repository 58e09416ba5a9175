/* http_body.h: where the body of a request ends, and what of its bytes is content: a known length, or chunks (RFC 9112,
 * 7.1), whose extensions and trailers are checked and dropped.
 *
 * Pure: bytes in, views of them out. Owner: one thread. */
#ifndef KVIK_HTTP_HTTP_BODY_H
#define KVIK_HTTP_HTTP_BODY_H

#include "http/http_head.h"

enum { HTTP_BODY_EXTRA_MAX = 16 << 10 }; /* bytes of all extensions and trailers */

struct http_body {
	enum http_body_state {
		BODY_LENGTH, /* `left` bytes to come */
		BODY_SIZE,   /* digits of a chunk's size */
		BODY_SPACE,  /* white space before an extension */
		BODY_EXTENSION,
		BODY_SIZE_LF,
		BODY_DATA, /* `left` bytes of the chunk to come */
		BODY_DATA_CR,
		BODY_DATA_LF,
		BODY_TRAILER, /* the beginning of a line */
		BODY_TRAILER_NAME,
		BODY_TRAILER_VALUE,
		BODY_TRAILER_LF,
		BODY_END_LF,
		BODY_ENDED
	} state;
	uint64_t bytes_max;   /* of content */
	uint64_t left, bytes; /* bytes: of content so far */
	uint32_t digits, extra;
	int status; /* after HTTP_BAD: of the answer, and what to say in it */
	const char *why;
};

/* What head says about the body. A longer one than bytes_max is HTTP_BAD (413), at once where head has its length;
 * HTTP_DONE: there is none. */
enum http_parsed http_body_begin(struct http_body *b, const struct http_head *head, uint64_t bytes_max);
/* Reads on: *used of the bytes, of which data [*got] are content. HTTP_MORE: call again, with what is left or what
 * comes; HTTP_DONE: the rest is no part of this body. */
enum http_parsed http_body_next(struct http_body *b, const char *bytes, size_t n, size_t *used, const char **data,
				size_t *got);

#endif
