/* http_body.c: see http_body.h. Content goes through in spans, everything else byte by byte. */
#include "http/http_body.h"

#include <string.h>

enum { SIZE_DIGITS_MAX = 16 };

static enum http_parsed bad(struct http_body *b, int status, const char *why)
{
	b->status = status;
	b->why = why;
	return HTTP_BAD;
}

static enum http_parsed too_large(struct http_body *b)
{
	return bad(b, 413, "the body of the request is too large");
}

enum http_parsed http_body_begin(struct http_body *b, const struct http_head *head, uint64_t bytes_max)
{
	*b = (struct http_body){.bytes_max = bytes_max, .state = head->chunked ? BODY_SIZE : BODY_LENGTH};
	if (head->chunked)
		return HTTP_MORE;
	if (head->length > bytes_max)
		return too_large(b);
	b->left = head->length;
	return b->left ? HTTP_MORE : HTTP_DONE;
}

/* ---- Chunks ------------------------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* May c stand in an extension or the value of a trailer? */
static bool is_text(char c)
{
	return c == '\t' || ((unsigned char)c >= ' ' && c != 127);
}

static enum http_parsed size_byte(struct http_body *b, char c)
{
	int digit = hex_digit(c);
	if (digit >= 0) {
		if (++b->digits > SIZE_DIGITS_MAX)
			return bad(b, 400, "the size of a chunk has too many digits");
		b->left = b->left * 16 + (uint64_t)digit;
		return HTTP_MORE;
	}
	if (b->digits == 0 || (c != ';' && c != ' ' && c != '\t' && c != '\r'))
		return bad(b, 400, "the size of a chunk is not a hexadecimal number");
	if (b->left > b->bytes_max - b->bytes)
		return too_large(b);
	b->state = c == '\r' ? BODY_SIZE_LF : c == ';' ? BODY_EXTENSION : BODY_SPACE;
	return HTTP_MORE;
}

/* The end of a line of a chunk's size: data follows, or, after the last chunk, trailers. */
static void end_size(struct http_body *b)
{
	b->digits = 0;
	b->state = b->left ? BODY_DATA : BODY_TRAILER;
}

/* b->state becomes next if c is what must stand here. */
static enum http_parsed expect(struct http_body *b, bool is_there, enum http_body_state next, const char *why)
{
	if (!is_there)
		return bad(b, 400, why);
	b->state = next;
	return HTTP_MORE;
}

static enum http_parsed line_byte(struct http_body *b, char c)
{
	static const char ends[] = "a line of a chunk that does not end with CR and LF";
	static const char trailer[] = "a trailer is not 'Name: value'";
	switch (b->state) {
	case BODY_SIZE: return size_byte(b, c);
	case BODY_SPACE:
		return expect(b, c == ' ' || c == '\t' || c == ';', c == ';' ? BODY_EXTENSION : BODY_SPACE, ends);
	case BODY_EXTENSION: return expect(b, c == '\r' || is_text(c), c == '\r' ? BODY_SIZE_LF : BODY_EXTENSION, ends);
	case BODY_SIZE_LF:
		if (c != '\n')
			return bad(b, 400, ends);
		end_size(b);
		return HTTP_MORE;
	case BODY_DATA_CR: return expect(b, c == '\r', BODY_DATA_LF, "a chunk is longer than its size");
	case BODY_DATA_LF: return expect(b, c == '\n', BODY_SIZE, ends);
	case BODY_TRAILER:
		return expect(b, c == '\r' || http_is_token_char(c), c == '\r' ? BODY_END_LF : BODY_TRAILER_NAME,
			      trailer);
	case BODY_TRAILER_NAME:
		return expect(b, c == ':' || http_is_token_char(c), c == ':' ? BODY_TRAILER_VALUE : BODY_TRAILER_NAME,
			      trailer);
	case BODY_TRAILER_VALUE:
		return expect(b, c == '\r' || is_text(c), c == '\r' ? BODY_TRAILER_LF : BODY_TRAILER_VALUE, trailer);
	case BODY_TRAILER_LF: return expect(b, c == '\n', BODY_TRAILER, ends);
	case BODY_END_LF:
		if (c != '\n')
			return bad(b, 400, ends);
		b->state = BODY_ENDED;
		return HTTP_DONE;
	default: return HTTP_DONE;
	}
}

static bool is_extra(const struct http_body *b)
{
	return b->state == BODY_SPACE || b->state == BODY_EXTENSION ||
	       (b->state >= BODY_TRAILER && b->state < BODY_END_LF);
}

/* Content that lies at the beginning of these bytes. */
static enum http_parsed take_data(struct http_body *b, size_t n, size_t *used, size_t *got)
{
	*got = *used = b->left < n ? (size_t)b->left : n;
	b->left -= *got;
	b->bytes += *got;
	if (b->left > 0)
		return HTTP_MORE;
	b->state = b->state == BODY_LENGTH ? BODY_ENDED : BODY_DATA_CR;
	return b->state == BODY_ENDED ? HTTP_DONE : HTTP_MORE;
}

enum http_parsed http_body_next(struct http_body *b, const char *bytes, size_t n, size_t *used, const char **data,
				size_t *got)
{
	enum http_parsed rc = HTTP_MORE;
	*data = bytes;
	*used = *got = 0;
	if (n > 0 && (b->state == BODY_LENGTH || b->state == BODY_DATA))
		return take_data(b, n, used, got);
	while (*used < n && rc == HTTP_MORE && b->state != BODY_DATA) {
		b->extra += is_extra(b);
		if (b->extra > HTTP_BODY_EXTRA_MAX)
			return bad(b, 431, "the extensions and trailers of the chunks are too long");
		rc = line_byte(b, bytes[(*used)++]);
	}
	return rc;
}
