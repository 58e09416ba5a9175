/* test_sse.c: events out of a stream, whatever pieces it comes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/sse.h"

static struct buf seen;

static void on_event(void *user, const char *data, size_t n)
{
	(void)user;
	assert_int_equal(data[n], '\0');
	buf_add_text(&seen, data, n);
	buf_add_text(&seen, "|", 1);
}

static const char stream[] = ": comment\ndata: one\n\n"
			     "event: named\r\ndata:two\r\nid: 7\r\n\r\n"
			     "data: three\rdata:  and more\r\r"
			     "data\n\nretry: 5\n\ndataset: no\n\ndata: unfinished\n";
static const char want[] = "one|two|three\n and more||";

static void any_pieces_give_the_same(void **state)
{
	(void)state;
	for (size_t step = 1; step < sizeof stream; step++) {
		struct sse s = {0};
		seen.n = 0;
		for (size_t at = 0; at < sizeof stream - 1; at += step) {
			size_t n = sizeof stream - 1 - at < step ? sizeof stream - 1 - at : step;
			assert_true(sse_feed(&s, stream + at, n, on_event, NULL));
		}
		assert_string_equal(seen.data, want);
		sse_release(&s);
	}
	buf_release(&seen);
}

static void too_long_is_refused(void **state)
{
	(void)state;
	static char block[1 << 16];
	struct sse s = {0};
	bool ok = true;
	size_t fed = 0;
	memset(block, 'x', sizeof block);
	for (; ok && fed < 2 * SSE_EVENT_MAX; fed += sizeof block)
		ok = sse_feed(&s, block, sizeof block, on_event, NULL);
	assert_false(ok);
	assert_true(fed <= SSE_EVENT_MAX + 2 * sizeof block);
	sse_release(&s);
	s = (struct sse){0};
	memcpy(block, "data:", 5);
	block[sizeof block - 1] = '\n';
	for (ok = true, fed = 0; ok && fed < 2 * SSE_EVENT_MAX; fed += sizeof block)
		ok = sse_feed(&s, block, sizeof block, on_event, NULL);
	assert_false(ok);
	sse_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_pieces_give_the_same),
		cmocka_unit_test(too_long_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
