/* http_head.h: the head of a request (RFC 9110, 9112): request line and header fields, out of bytes that arrive in any
 * pieces. Strict: what two programs on a request's way could read in two ways is refused, so that nobody can hide a
 * request in another one.
 *
 * Pure: bytes in, a struct out. Owner: one thread. */
#ifndef KVIK_HTTP_HTTP_HEAD_H
#define KVIK_HTTP_HTTP_HEAD_H

#include "base/buf.h"

enum http_parsed { HTTP_MORE, HTTP_DONE, HTTP_BAD };

/* X(field, name, once): the fields that are kept; once: two of them are refused. */
#define HTTP_FIELDS(X)                                           \
	X(HOST, "Host", true)                                    \
	X(CONTENT_LENGTH, "Content-Length", true)                \
	X(TRANSFER_ENCODING, "Transfer-Encoding", true)          \
	X(CONNECTION, "Connection", false)                       \
	X(EXPECT, "Expect", true)                                \
	X(AUTHORIZATION, "Authorization", true)                  \
	X(X_API_KEY, "X-Api-Key", true)                          \
	X(X_REQUEST_ID, "X-Request-Id", false)                   \
	X(CORS_HEADERS, "Access-Control-Request-Headers", false) \
	X(CORS_PRIVATE, "Access-Control-Request-Private-Network", false)

enum http_field {
#define HTTP_FIELD_ENUM(field, name, once) HTTP_##field,
	HTTP_FIELDS(HTTP_FIELD_ENUM)
#undef HTTP_FIELD_ENUM
		HTTP_FIELD_COUNT
};

enum { HTTP_FIELDS_MAX = 100, HTTP_TARGET_MAX = 8192 }; /* lines of a head; bytes of the request line */

/* Zeroed but for bytes_max = before the first byte. What is said below holds after HTTP_DONE. */
struct http_head {
	uint32_t bytes_max; /* of the head; at most 16 MiB */
	struct buf text;    /* owned: what was read; the strings lie in it */
	const char *method; /* as written: "POST" */
	const char *path;   /* decoded; no query, no slash at its end; begins with "/", or is "*" */
	const char *query;  /* what stands behind the path's '?', as written; "" if nothing does */
	bool old;           /* HTTP/1.0 */
	bool keep_alive;    /* the connection may go on after the answer */
	bool expects;       /* "Expect: 100-continue" */
	bool chunked;       /* the body comes in chunks; else it has `length` bytes */
	uint64_t length;    /* UINT64_MAX: more than that */
	int status;         /* after HTTP_BAD: of the answer, and what to say in it */
	const char *why;
	/* Of the parser. */
	uint32_t line;                         /* where the line that is being read begins in text */
	uint32_t n_lines;                      /* that were read */
	uint32_t empty_lines;                  /* before the first */
	uint32_t method_at, path_at, query_at; /* in text */
	uint32_t fields[HTTP_FIELD_COUNT];     /* the same; 0 = absent */
	bool after_cr;                         /* the last byte was a CR */
	bool says_close, says_keep_alive;
};

/* Reads on. *used: how many of the bytes belong to the head (all of them before it is done). After HTTP_BAD status and
 * why are set; 431: too long. */
enum http_parsed http_head_feed(struct http_head *h, const char *bytes, size_t n, size_t *used);
/* The value of a field, without white space around it; NULL: absent. */
const char *http_head_field(const struct http_head *h, enum http_field f);
/* Frees what was read; *h is then before the first byte of the next. */
void http_head_reset(struct http_head *h);
/* "a" to "z", "0" to "9" and some signs: what names and methods are made of (RFC 9110, 5.6.2). */
bool http_is_token_char(char c);

#endif
