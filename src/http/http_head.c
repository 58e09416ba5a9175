/* http_head.c: see http_head.h.
 *
 * The bytes are copied up to the end of the head; each line is looked at once, when it is whole, and cut into strings
 * in place. A byte that can be in no head is refused as it comes, so that what is no HTTP at all (a TLS hello) need not
 * wait for the end of a line. */
#include "http/http_head.h"

#include <string.h>
#include <strings.h>

enum { METHOD_MAX = 32, EMPTY_LINES_MAX = 4 };

static const struct {
	const char *name;
	bool once;
} known[HTTP_FIELD_COUNT] = {
#define HTTP_FIELD_ENTRY(field, name, once) [HTTP_##field] = {name, once},
	HTTP_FIELDS(HTTP_FIELD_ENTRY)
#undef HTTP_FIELD_ENTRY
};

static enum http_parsed bad(struct http_head *h, int status, const char *why)
{
	h->status = status;
	h->why = why;
	return HTTP_BAD;
}

bool http_is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!http_is_token_char(s[i]))
			return false;
	return n > 0;
}

/* A host with or without a port, as far as its characters go. */
static bool is_authority(const char *s)
{
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
		      strchr("-._~!$&'()*+,;=:%[]", *s)))
			return false;
	return true;
}

/* ---- The request line -------------------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* "%41" becomes "A", in place. False: no two hexadecimal digits, or a NUL. */
static bool decode_path(char *path)
{
	char *to = path;
	for (const char *from = path; *from; from++) {
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
		if (low < 0 || high + low == 0)
			return false;
		*to++ = (char)(high * 16 + low);
		from += 2;
	}
	*to = '\0';
	return true;
}

/* Origin form "/path?query", absolute form "http://host/path" or "*"; at: where it lies in text. */
static enum http_parsed take_target(struct http_head *h, char *target)
{
	char *path = target;
	bool absolute = strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0;
	if (strchr(target, '#'))
		return bad(h, 400, "a fragment ('#') does not belong into a request");
	if (absolute) {
		char *host = strchr(target, ':') + 3;
		path = host + strcspn(host, "/?");
		char after = *path;
		*path = '\0';
		if (!*host || !is_authority(host))
			return bad(h, 400, "the target's host is malformed");
		*path = after;
		if (after != '/')
			*--path = '/'; /* over a character of the host, which is not needed any more */
	} else if (*target != '/' &&
		   (strcmp(target, "*") != 0 || strcmp(h->text.data + h->method_at, "OPTIONS") != 0)) {
		return bad(h, 400, "the target must begin with '/'");
	}
	char *query = path + strcspn(path, "?");
	h->query_at = (uint32_t)(query + (*query == '?') - h->text.data);
	*query = '\0';
	if (!decode_path(path))
		return bad(h, 400, "the path has a malformed percent escape");
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	h->path_at = (uint32_t)(path - h->text.data);
	return HTTP_MORE;
}

static bool is_version(const char *s)
{
	return strlen(s) == 8 && memcmp(s, "HTTP/", 5) == 0 && s[5] >= '0' && s[5] <= '9' && s[6] == '.' &&
	       s[7] >= '0' && s[7] <= '9';
}

/* line: a NUL behind it. */
static enum http_parsed take_request_line(struct http_head *h, char *line)
{
	char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
	if (!version || strchr(version + 1, ' ') || version == target + 1 || !is_token(line, (size_t)(target - line)))
		return bad(h, 400, "the first line is not 'METHOD TARGET HTTP/1.1'");
	*target++ = *version++ = '\0';
	if (!is_version(version))
		return bad(h, 400, "the first line does not end with 'HTTP/1.1'");
	if (version[5] != '1')
		return bad(h, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
	for (const char *c = target; *c; c++)
		if (*c < '!' || *c > '~')
			return bad(h, 400, "the target holds a character that must be percent-encoded");
	h->old = version[7] == '0';
	h->method_at = h->line;
	return take_target(h, target);
}

/* ---- Fields ------------------------------------------------------------------------------------------------------ */

/* Is one of the words, of a list with commas, this one? */
static bool lists(const char *value, const char *word)
{
	size_t n = strlen(word);
	while (*value) {
		value += strspn(value, ", \t");
		size_t bytes = strcspn(value, ", \t");
		if (bytes == n && strncasecmp(value, word, n) == 0)
			return true;
		value += bytes;
	}
	return false;
}

static enum http_parsed keep_field(struct http_head *h, enum http_field f, const char *value)
{
	if (h->fields[f] && known[f].once)
		return bad(h, 400,
			   f == HTTP_HOST                                   ? "two Host fields"
			   : f == HTTP_CONTENT_LENGTH                       ? "two Content-Length fields"
			   : f == HTTP_AUTHORIZATION || f == HTTP_X_API_KEY ? "two fields with a key"
									    : "a field twice that may be there once");
	if (!h->fields[f])
		h->fields[f] = (uint32_t)(value - h->text.data);
	if (f == HTTP_CONNECTION) {
		h->says_close |= lists(value, "close");
		h->says_keep_alive |= lists(value, "keep-alive");
	}
	return HTTP_MORE;
}

/* line: [n] and a NUL behind it. */
static enum http_parsed take_field(struct http_head *h, char *line, size_t n)
{
	char *colon = strchr(line, ':'), *end = line + n;
	if (h->n_lines > HTTP_FIELDS_MAX)
		return bad(h, 431, "too many header fields");
	if (*line == ' ' || *line == '\t')
		return bad(h, 400, "a header field that is folded over two lines");
	if (!colon || !is_token(line, (size_t)(colon - line)))
		return bad(h, 400, "a header line is not 'Name: value', with no space before the colon");
	char *value = colon + 1 + strspn(colon + 1, " \t");
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	*colon = '\0';
	for (int f = 0; f < HTTP_FIELD_COUNT; f++)
		if (strcasecmp(line, known[f].name) == 0)
			return keep_field(h, (enum http_field)f, value);
	return HTTP_MORE;
}

/* ---- The end of the head ----------------------------------------------------------------------------------------- */

/* Digits alone; what does not fit becomes UINT64_MAX. */
static bool read_length(const char *digits, uint64_t *length)
{
	uint64_t v = 0;
	const char *c = digits;
	for (; *c >= '0' && *c <= '9'; c++)
		v = v > UINT64_MAX / 10 - 1 ? UINT64_MAX : v * 10 + (uint64_t)(*c - '0');
	*length = v;
	return c > digits && *c == '\0';
}

static enum http_parsed take_framing(struct http_head *h)
{
	const char *length = http_head_field(h, HTTP_CONTENT_LENGTH),
		   *coding = http_head_field(h, HTTP_TRANSFER_ENCODING);
	if (coding && length)
		return bad(h, 400, "both Content-Length and Transfer-Encoding");
	if (coding && h->old)
		return bad(h, 400, "Transfer-Encoding in HTTP/1.0");
	if (coding && strcasecmp(coding, "chunked") != 0)
		return bad(h, 400, "a Transfer-Encoding other than 'chunked'");
	if (length && !read_length(length, &h->length))
		return bad(h, 400, "Content-Length is not a number of bytes");
	h->chunked = coding != NULL;
	return HTTP_DONE;
}

static enum http_parsed end_head(struct http_head *h)
{
	const char *host = http_head_field(h, HTTP_HOST), *expect = http_head_field(h, HTTP_EXPECT);
	h->method = h->text.data + h->method_at;
	h->path = h->text.data + h->path_at;
	h->query = h->text.data + h->query_at;
	h->keep_alive = !h->says_close && (!h->old || h->says_keep_alive);
	if (!host && !h->old)
		return bad(h, 400, "the Host field is missing");
	if (host && !is_authority(host))
		return bad(h, 400, "the Host field is malformed");
	if (expect && !h->old && strcasecmp(expect, "100-continue") != 0)
		return bad(h, 417, "only '100-continue' can be expected");
	h->expects = expect && !h->old;
	return take_framing(h);
}

/* ---- Bytes and lines --------------------------------------------------------------------------------------------- */

/* The line that has just become whole, with its CR and LF. */
static enum http_parsed end_line(struct http_head *h)
{
	char *line = h->text.data + h->line;
	size_t n = h->text.n - h->line - 2;
	enum http_parsed got;
	line[n] = '\0';
	if (h->n_lines == 0 && n == 0) {
		h->text.n = h->line;
		return ++h->empty_lines > EMPTY_LINES_MAX ? bad(h, 400, "empty lines where a request should begin")
							  : HTTP_MORE;
	}
	if (n == 0)
		return end_head(h);
	got = h->n_lines == 0 ? take_request_line(h, line) : take_field(h, line, n);
	h->n_lines++;
	h->line = (uint32_t)h->text.n;
	return got;
}

static enum http_parsed check_bytes(struct http_head *h, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (h->after_cr != (c == '\n'))
			return bad(h, 400, "a line that does not end with CR and LF");
		if ((c < ' ' && c != '\r' && c != '\n' && (c != '\t' || h->n_lines == 0)) || c == 127)
			return bad(h, 400, "a control character in the head");
		h->after_cr = c == '\r';
	}
	return HTTP_MORE;
}

/* What has come of the first line begins with a method, as far as one can say. */
static enum http_parsed check_method(struct http_head *h)
{
	size_t n = strcspn(h->text.data, " \r");
	return n > METHOD_MAX || (n > 0 && !is_token(h->text.data, n))
		       ? bad(h, 400, "the first line does not begin with a method")
		       : HTTP_MORE;
}

/* bytes: of one line, at most to its end. */
static enum http_parsed add_bytes(struct http_head *h, const char *bytes, size_t n)
{
	if (h->text.n + n > h->bytes_max)
		return bad(h, 431, "the head of the request is too long");
	if (h->n_lines == 0 && h->text.n + n > HTTP_TARGET_MAX)
		return bad(h, 414, "the target is too long");
	if (check_bytes(h, bytes, n) == HTTP_BAD)
		return HTTP_BAD;
	if (!buf_add_text(&h->text, bytes, n))
		return bad(h, 503, "out of memory");
	return h->n_lines == 0 ? check_method(h) : HTTP_MORE;
}

enum http_parsed http_head_feed(struct http_head *h, const char *bytes, size_t n, size_t *used)
{
	enum http_parsed got = HTTP_MORE;
	for (*used = 0; *used < n && got == HTTP_MORE;) {
		const char *at = bytes + *used, *lf = memchr(at, '\n', n - *used);
		size_t piece = lf ? (size_t)(lf - at) + 1 : n - *used;
		got = add_bytes(h, at, piece);
		if (got == HTTP_MORE && lf)
			got = end_line(h);
		*used += piece;
	}
	return got;
}

const char *http_head_field(const struct http_head *h, enum http_field f)
{
	return h->fields[f] ? h->text.data + h->fields[f] : NULL;
}

void http_head_reset(struct http_head *h)
{
	buf_release(&h->text);
	*h = (struct http_head){.bytes_max = h->bytes_max};
}
