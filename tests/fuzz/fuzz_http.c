/* fuzz_http.c: bytes that a client sends; the first says in what pieces they come. Read whole and in pieces they are
 * the same requests, contents and errors. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "http/http_body.h"

enum { HEAD_MAX = 4096, BODY_MAX = 2048 };

/* Bytes with a place in them; at most `step` are shown at once. */
struct input {
	const uint8_t *data;
	size_t size, at, step;
};

static size_t show(const struct input *in, const char **bytes)
{
	size_t left = in->size - in->at;
	*bytes = (const char *)in->data + in->at;
	return left < in->step ? left : in->step;
}

static void note(struct buf *seen, const void *bytes, size_t n)
{
	if (!buf_add(seen, bytes, n) || !buf_add(seen, "|", 1))
		abort();
}

static void note_number(struct buf *seen, unsigned long long v)
{
	char text[32];
	note(seen, text, (size_t)snprintf(text, sizeof text, "%llu", v));
}

static void note_head(struct buf *seen, const struct http_head *h)
{
	if (!*h->method || (*h->path != '/' && strcmp(h->path, "*") != 0) || h->text.n > HEAD_MAX)
		abort();
	note(seen, h->method, strlen(h->method));
	note(seen, h->path, strlen(h->path));
	for (int f = 0; f < HTTP_FIELD_COUNT; f++) {
		const char *value = http_head_field(h, (enum http_field)f);
		if (value)
			note(seen, value, strlen(value));
	}
	note_number(seen, h->length + h->chunked + 2u * h->keep_alive + 4u * h->expects + 8u * h->old);
}

static enum http_parsed read_head(struct input *in, struct http_head *h)
{
	enum http_parsed got = HTTP_MORE;
	while (got == HTTP_MORE && in->at < in->size) {
		const char *bytes;
		size_t used, n = show(in, &bytes);
		got = http_head_feed(h, bytes, n, &used);
		if (got != HTTP_BAD && (used > n || (got == HTTP_MORE && used != n)))
			abort();
		in->at += used;
	}
	return got;
}

static enum http_parsed read_body(struct input *in, struct http_body *b, struct buf *content)
{
	enum http_parsed got = HTTP_MORE;
	while (got == HTTP_MORE && in->at < in->size) {
		const char *bytes, *data;
		size_t used, n = show(in, &bytes), kept;
		got = http_body_next(b, bytes, n, &used, &data, &kept);
		if (got == HTTP_BAD)
			break;
		if (used > n || kept > used || (got == HTTP_MORE && used == 0) || !buf_add(content, data, kept))
			abort();
		fuzz_read(data, kept);
		in->at += used;
	}
	if (b->bytes > BODY_MAX || content->n > BODY_MAX)
		abort();
	return got;
}

/* A request; whether another may follow. */
static bool read_one(struct input *in, struct buf *seen)
{
	struct http_head h = {.bytes_max = HEAD_MAX};
	struct http_body b;
	struct buf content = {0};
	enum http_parsed got = read_head(in, &h);
	if (got == HTTP_BAD)
		note_number(seen, (unsigned)h.status);
	if (got == HTTP_DONE) {
		note_head(seen, &h);
		got = http_body_begin(&b, &h, BODY_MAX);
		if (got == HTTP_MORE)
			got = read_body(in, &b, &content);
		note(seen, content.data, content.n);
		if (got == HTTP_BAD)
			note_number(seen, (unsigned)b.status);
	}
	http_head_reset(&h);
	buf_release(&content);
	return got == HTTP_DONE;
}

static void read_all(struct buf *seen, const uint8_t *data, size_t size, size_t step)
{
	struct input in = {data, size, 0, step};
	while (in.at < in.size && read_one(&in, seen))
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {0}, pieces = {0};
	if (size < 2)
		return 0;
	read_all(&whole, data + 1, size - 1, size);
	read_all(&pieces, data + 1, size - 1, 1 + data[0] % 16u);
	if (whole.n != pieces.n || (whole.n > 0 && memcmp(whole.data, pieces.data, whole.n) != 0))
		abort();
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
