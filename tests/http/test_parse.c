/* test_parse.c: heads and bodies of requests by the byte: what is read out of good ones, whatever pieces they come in.
 * What is refused, and how, is the table of test_raw.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http/http_body.h"

/* Feeds a head in pieces of `step` bytes; *at: where it ended. */
static enum http_parsed read_head(struct http_head *h, const char *text, size_t n, size_t step, size_t *at)
{
	enum http_parsed got = HTTP_MORE;
	for (*at = 0; *at < n && got == HTTP_MORE;) {
		size_t used, piece = n - *at < step ? n - *at : step;
		got = http_head_feed(h, text + *at, piece, &used);
		*at += used;
	}
	return got;
}

static void heads(void **state)
{
	(void)state;
	static const struct {
		const char *text, *method, *path, *key;
		uint64_t length;
		bool keep_alive, expects, chunked, old;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/", NULL, 0, true, false, false, false},
		{"\r\nPOST /v1/a%2fb%20c/?q=/ HTTP/1.1\r\nhost:x\r\nAuthorization:\tBearer k e y \t\r\nContent-Length: "
		 "007\r\n\r\n",
		 "POST", "/v1/a/b c", "Bearer k e y", 7, true, false, false, false},
		{"PUT http://h:1?q HTTP/1.1\r\nHost: y\r\nConnection: a , CLOSE\r\nTransfer-Encoding: Chunked\r\n\r\n",
		 "PUT", "/", NULL, 0, false, false, true, false},
		{"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/a", NULL, 0, true, false, false, true},
		{"GET /a HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", "GET", "/a", NULL, 0, false, false, false, true},
		{"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 18446744073709551616\r\n\r\n",
		 "POST", "/a", NULL, UINT64_MAX, true, true, false, false},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, close\r\n\r\n", "OPTIONS", "*", NULL, 0,
		 false, false, false, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t step = 1; step < 40; step++) {
			struct http_head h = {.bytes_max = 1024};
			char text[256];
			size_t n = strlen(cases[i].text), at;
			memcpy(text, cases[i].text, n);
			memcpy(text + n, "next", 4);
			assert_int_equal(read_head(&h, text, n + 4, step, &at), HTTP_DONE);
			assert_int_equal(at, n);
			assert_string_equal(h.method, cases[i].method);
			assert_string_equal(h.path, cases[i].path);
			assert_string_equal(h.query, i == 1 ? "q=/" : i == 2 ? "q" : "");
			const char *key = http_head_field(&h, HTTP_AUTHORIZATION);
			assert_true(!key == !cases[i].key && (!key || strcmp(key, cases[i].key) == 0));
			assert_true(h.length == cases[i].length);
			assert_int_equal(h.keep_alive, cases[i].keep_alive);
			assert_int_equal(h.expects, cases[i].expects);
			assert_int_equal(h.chunked, cases[i].chunked);
			assert_int_equal(h.old, cases[i].old);
			http_head_reset(&h);
			assert_int_equal(h.bytes_max, 1024);
		}
}

/* Garbage is refused with its first byte, not after a time-out. */
static void garbage_at_once(void **state)
{
	(void)state;
	static const char *const first[] = {"\x16", "\x80", "{", "GET /\x01", "hello,", "GET\t", "GET / HTTP/1.1\n",
					    "G\rE"};
	for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
		struct http_head h = {.bytes_max = 1024};
		size_t at;
		assert_int_equal(read_head(&h, first[i], strlen(first[i]), 1, &at), HTTP_BAD);
		assert_int_equal(at, strlen(first[i]));
		assert_int_equal(h.status, 400);
		assert_non_null(h.why);
		http_head_reset(&h);
	}
}

static enum http_parsed read_body(struct http_body *b, const char *text, size_t n, size_t step, struct buf *content,
				  size_t *at)
{
	enum http_parsed got = HTTP_MORE;
	for (*at = 0; *at < n && got == HTTP_MORE;) {
		const char *data;
		size_t used, kept, piece = n - *at < step ? n - *at : step;
		got = http_body_next(b, text + *at, piece, &used, &data, &kept);
		if (got != HTTP_BAD)
			assert_true(buf_add_text(content, data, kept));
		*at += used;
	}
	return got;
}

static void bodies(void **state)
{
	(void)state;
	static const struct {
		bool chunked;
		uint64_t length;
		const char *text, *content;
	} cases[] = {
		{false, 5, "a\r\nbc", "a\r\nbc"},
		{true, 0, "0\r\n\r\n", ""},
		{true, 0, "3\r\nabc\r\n00A;x=\"y z\";w\r\n0123456789\r\n1  ;q\r\n\r\r\n000;e\r\nA: b\r\nC:\r\n\r\n",
		 "abc0123456789\r"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t step = 1; step < 70; step++) {
			struct http_head h = {.chunked = cases[i].chunked, .length = cases[i].length};
			struct http_body b;
			struct buf content = {0};
			char text[256];
			size_t n = strlen(cases[i].text), at;
			memcpy(text, cases[i].text, n);
			memcpy(text + n, "next", 4);
			assert_int_equal(http_body_begin(&b, &h, 14), HTTP_MORE);
			assert_int_equal(read_body(&b, text, n + 4, step, &content, &at), HTTP_DONE);
			assert_int_equal(at, n);
			assert_string_equal(content.n ? content.data : "", cases[i].content);
			buf_release(&content);
		}
}

static void limits(void **state)
{
	(void)state;
	struct http_head h = {.length = 15};
	struct http_body b;
	struct buf content = {0};
	size_t at;
	assert_int_equal(http_body_begin(&b, &h, 14), HTTP_BAD);
	assert_int_equal(b.status, 413);
	h = (struct http_head){0};
	assert_int_equal(http_body_begin(&b, &h, 14), HTTP_DONE);
	h = (struct http_head){.chunked = true};
	assert_int_equal(http_body_begin(&b, &h, 14), HTTP_MORE);
	assert_int_equal(read_body(&b, "8\r\n01234567\r\n7\r\n", 16, 16, &content, &at), HTTP_BAD);
	assert_int_equal(b.status, 413);
	assert_int_equal(content.n, 8);
	buf_release(&content);
	h = (struct http_head){.bytes_max = 40};
	assert_int_equal(read_head(&h, "GET / HTTP/1.1\r\nHost: x\r\nabcdefghijklmnopqrstuvw", 48, 5, &at), HTTP_BAD);
	assert_int_equal(h.status, 431);
	assert_true(h.text.n <= 40);
	http_head_reset(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads),
		cmocka_unit_test(garbage_at_once),
		cmocka_unit_test(bodies),
		cmocka_unit_test(limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
