/* fuzz_snapshot.c: a snapshot of outside bytes. The input is the numbers of the head and what follows it, the rest being zeros;
 * once as it is, and once with all sums right, so that what is behind them is reached. What is refused leaves nothing. */
#include <stdlib.h>
#include <string.h>

#include <kvik.h>

#include "base/hash.h"
#include "engine/snapshot.h"
#include "fuzz.h"

enum { HEAD = 128, NUMBERS = 48, BYTES = 64, SUM = 112, CONTEXT = 64 };

struct input {
	uint8_t head[HEAD];
	const uint8_t *body;
	size_t n, read;  /* bytes that were asked for, behind the head */
	uint64_t sum_at; /* 0: nothing is mended */
	struct hash128 sum;
	bool past_head;
};

static bool serve(void *user, void *to, size_t n)
{
	struct input *in = user;
	if (!in->past_head) {
		if (n != HEAD)
			abort();
		memcpy(to, in->head, n);
		in->past_head = true;
		return true;
	}
	size_t have = in->read < in->n ? in->n - in->read : 0;
	memset(to, 0, n);
	memcpy(to, in->body + (in->n - have), have < n ? have : n);
	if (in->sum_at && in->read + HEAD == in->sum_at)
		memcpy(to, &in->sum, n);
	in->sum = hash128_chain(in->sum, to, n);
	in->read += n;
	return true;
}

static bool keep_head(void *user, const void *bytes, size_t n)
{
	if (n == HEAD)
		memcpy(user, bytes, n);
	return true;
}

static struct kvik_cache *cache;
static uint8_t model_head[HEAD];

static void make_cache(void)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_model_params mp = kvik_model_params_default();
	struct kvik_model *m;
	struct kvik_session *s;
	p.context = CONTEXT;
	mp.threads = 1;
	if (kvik_model_load(&m, NULL, &mp, NULL) || kvik_cache_new(&cache, m, &p, NULL) ||
	    kvik_session_new(&s, cache, NULL, NULL) || kvik_session_save(s, 0, keep_head, model_head, NULL))
		abort();
	kvik_session_free(s);
}

static void restore(struct input *in)
{
	struct kvik_session *s;
	struct kvik_err err;
	int rc = kvik_session_restore(&s, cache, NULL, serve, in, &err);
	if ((rc == 0) != (s != NULL))
		abort();
	if (s)
		fuzz_read(kvik_session_ids(s), kvik_session_tokens(s) * sizeof(uint32_t));
	kvik_session_free(s);
	kvik_cache_drop(cache);
	if (kvik_cache_get_stats(cache).pages_used != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t numbers[4] = {0};
	if (!cache)
		make_cache();
	size_t n = size < sizeof numbers ? size : sizeof numbers;
	memcpy(numbers, data, n);
	struct input in = {.body = data + n, .n = size - n};
	memcpy(in.head, data, size < HEAD ? size : HEAD);
	restore(&in);
	in = (struct input){.body = data + n, .n = size - n};
	memcpy(in.head, model_head, HEAD);
	numbers[0] %= 2 * CONTEXT; /* more is refused at once */
	numbers[1] %= 2 * CONTEXT;
	numbers[3] = 0;
	memcpy(in.head + NUMBERS, numbers, sizeof numbers);
	uint64_t bytes = snapshot_bytes(cache, numbers[0], numbers[1], numbers[2]);
	memcpy(in.head + BYTES, &bytes, sizeof bytes);
	struct hash128 sum = hash128_bytes(in.head, SUM);
	memcpy(in.head + SUM, &sum, sizeof sum);
	in.sum_at = bytes - sizeof sum;
	restore(&in);
	return 0;
}
