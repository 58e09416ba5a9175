/* fuzz_sse.c: a stream of server-sent events; its first byte says in what pieces it comes. Whole and in pieces it gives
 * the same events. */
#include <stdlib.h>

#include "fuzz.h"
#include "http/sse.h"

static void on_event(void *user, const char *data, size_t n)
{
	struct buf *seen = user;
	fuzz_read(data, n + 1);
	if (!buf_add_text(seen, data, n) || !buf_add_text(seen, "\n", 1))
		abort();
}

static void feed(struct buf *seen, const uint8_t *data, size_t size, size_t step)
{
	struct sse s = {0};
	for (size_t at = 0; at < size; at += step)
		if (!sse_feed(&s, (const char *)data + at, size - at < step ? size - at : step, on_event, seen))
			break;
	sse_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = {0}, pieces = {0};
	if (size < 2 || size > SSE_EVENT_MAX / 2)
		return 0;
	feed(&whole, data + 1, size - 1, size);
	feed(&pieces, data + 1, size - 1, 1 + data[0] % 16u);
	if (whole.n != pieces.n || (whole.n > 0 && memcmp(whole.data, pieces.data, whole.n) != 0))
		abort();
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
