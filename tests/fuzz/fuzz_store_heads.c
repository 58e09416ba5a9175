/* fuzz_store_heads.c: the heads of a segment: as they are, and once more after their sums were made right, so that what is
 * behind the sums is reached. The same heads are found whole and from the middle on. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "store/key.h"
#include "store/segment.h"

struct input {
	const uint8_t *bytes;
	size_t n;
};

static ssize_t input_pread(void *ctx, int fd, void *bytes, size_t n, uint64_t at)
{
	(void)fd;
	const struct input *in = ctx;
	if (at >= in->n)
		return 0;
	size_t most = in->n - (size_t)at < 1000 ? in->n - (size_t)at : 1000; /* short ones */
	n = n < most ? n : most;
	memcpy(bytes, in->bytes + at, n);
	return (ssize_t)n;
}

struct seen {
	uint64_t n, last;
};

static bool on_head(void *ctx, struct head_view *v, uint32_t head_at)
{
	struct seen *s = ctx;
	struct store_part parts[STORE_PARTS_MAX];
	struct store_record r = head_record(v, parts);
	if (head_at % HEAD_LINE || r.n_parts == 0 || r.end <= r.start || head_data_used(v) > v->fixed->data_bytes)
		abort();
	fuzz_read(r.ids, (r.end - r.start) * sizeof *r.ids);
	fuzz_read(parts, r.n_parts * sizeof *parts);
	s->n++;
	s->last = head_at;
	return true;
}

static struct seen scan(const uint8_t *bytes, size_t n, uint64_t from)
{
	struct input in = {bytes, n};
	struct store_files f = {.ctx = &in, .pread = input_pread};
	struct segment s = {.number = 1};
	struct seen seen = {0};
	uint64_t end, bad;
	if (segment_scan(&s, &f, from, n, on_head, &seen, &end, &bad) || end > n || end < from || bad > n / HEAD_LINE)
		abort();
	return seen;
}

/* Whatever could be a head gets the sum that it should have. */
static void mend_sums(uint8_t *bytes, size_t n)
{
	for (size_t at = 0; n - at >= sizeof(struct head_fixed); at += HEAD_LINE) {
		struct head_fixed *f = (void *)(bytes + at);
		if (memcmp(f->magic, "KVKr", 4) == 0 && f->head_bytes >= sizeof *f && f->head_bytes <= n - at) {
			f->sum = (struct store_key){{0, 0}};
			f->sum = key_of_bytes(f, f->head_bytes);
		}
		if (n - at < HEAD_LINE)
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = aligned_alloc(HEAD_LINE, size / HEAD_LINE * HEAD_LINE + HEAD_LINE);
	size_t n = size / HEAD_LINE * HEAD_LINE; /* what is behind is less than a line: the scan stops before */
	if (size > 0)
		memcpy(bytes, data, size);
	scan(bytes, size, 0);
	mend_sums(bytes, n);
	struct seen all = scan(bytes, n, 0);
	if (all.n > 0 && scan(bytes, n, all.last).n != 1)
		abort();
	free(bytes);
	return 0;
}
