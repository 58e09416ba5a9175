/* test_kv_cost.c: what the cache promises of memory and time: waste below 4 % on realistic lengths, a thousand forks in
 * less than a millisecond and a page each, and no more memory of the system than the ceiling and 2 %. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "kv/kv.h"

static uint64_t random_state = 1;

static uint32_t below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

static void convert(void *ctx, uint32_t group, bool pack, uint32_t tokens, const uint8_t *from, uint8_t *to)
{
	const size_t *bytes = ctx; /* of the packed form */
	(void)group;
	(void)pack;
	(void)tokens;
	memcpy(to, from, *bytes);
}

/* packed_bytes: NULL, or of a page that has been idle for 100 */
static struct kv *new_kv(size_t page_bytes, uint64_t memory_bytes, size_t *packed_bytes)
{
	struct kv_group_desc group = {
		.page_tokens = 16, .page_bytes = page_bytes, .packed_bytes = packed_bytes ? *packed_bytes : 0};
	struct kv_config c = {.memory_bytes = memory_bytes,
			      .n_groups = 1,
			      .groups = &group,
			      .seq_tokens_max = 1 << 17,
			      .pack_after = packed_bytes ? 100 : 0,
			      .convert = convert,
			      .convert_ctx = packed_bytes};
	struct kv *kv = NULL;
	assert_int_equal(kv_new(&kv, &c, NULL), 0);
	return kv;
}

static void grow(struct kv *kv, struct kv_seq *s, uint32_t n)
{
	assert_int_equal(kv_reserve(kv, s, n, NULL), 0);
	kv_commit(kv, s, n);
}

/* Lengths as of recorded conversations: half of them short, a long tail (quantiles of ShareGPT prompts plus answers:
 * 25 % below 180 tokens, half below 500, 90 % below 1700). */
static uint32_t conversation_tokens(void)
{
	uint32_t q = below(100);
	if (q < 25)
		return 40 + below(140);
	if (q < 50)
		return 180 + below(320);
	return q < 90 ? 500 + below(1200) : 1700 + below(2400);
}

/* Bytes held beyond those that the tokens themselves take, tables included. */
static void test_waste(void **state)
{
	enum { SEQS = 500, PAGE = 16 * 32768 }; /* of a model of 1B parameters, f16 */
	struct kv *kv = new_kv(PAGE, UINT64_C(64) << 30, NULL);
	double before = (double)kv_stats(kv).bytes_used, tokens = 0;
	(void)state;
	for (int i = 0; i < SEQS; i++) {
		struct kv_seq *s = NULL;
		uint32_t n = conversation_tokens();
		assert_int_equal(kv_seq_new(&s, kv, NULL), 0);
		for (uint32_t at = 0; at < n; at += 100)
			grow(kv, s, n - at < 100 ? n - at : 100);
		tokens += n;
	}
	double used = (double)kv_stats(kv).bytes_used - before, needed = tokens * (PAGE / 16);
	printf("%d sequences of %.0f tokens on average: %.2f %% of their memory holds no token\n", SEQS, tokens / SEQS,
	       100 * (used - needed) / used);
	assert_true(used - needed < 0.04 * used);
	kv_free(kv);
}

static void test_forks(void **state)
{
	enum { FORKS = 1000, TOKENS = 8187 };
	static struct kv_seq *forks[FORKS];
	static const struct kv_share everybody;
	uint32_t *ids = calloc(TOKENS, sizeof *ids);
	struct kv *kv = new_kv(4096, 64 << 20, NULL);
	struct kv_seq *s = NULL;
	struct timespec a, b;
	(void)state;
	assert_int_equal(kv_seq_new_shared(&s, kv, &everybody, NULL), 0);
	assert_int_equal(kv_reserve(kv, s, TOKENS, NULL), 0);
	kv_commit_ids(kv, s, ids, TOKENS);
	uint32_t pages = kv_stats(kv).group[0].pages_used;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < FORKS; i++)
		assert_int_equal(kv_fork(&forks[i], kv, s, TOKENS, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	double each_us = ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 1e3 / FORKS;
	printf("a fork of %d tokens takes %.2f us\n", TOKENS, each_us);
	assert_true(each_us < 1000);
	assert_int_equal(kv_stats(kv).group[0].pages_used, pages);
	for (uint32_t i = 0; i < FORKS; i++) {
		assert_int_equal(kv_reserve(kv, forks[i], 1, NULL), 0);
		kv_commit_ids(kv, forks[i], &i, 1);
	}
	assert_true(kv_stats(kv).group[0].pages_used <= pages + FORKS);
	assert_null(kv_check(kv));
	kv_free(kv);
	free(ids);
}

/* ---- Memory of the system ---------------------------------------------------------------------------------------- */

static double resident_bytes(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f) {
		if (fscanf(f, "%lu %lu", &size, &resident) != 2)
			resident = 0;
		fclose(f);
	}
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

enum { LIVE = 24, TEXT = 3000 };

/* A request with some beginning that others have too, which writes its pages whole. */
static void serve(struct kv *kv, struct kv_seq **slot, uint32_t *ids, size_t page_bytes)
{
	static const struct kv_share everybody;
	uint32_t n = 100 + below(TEXT - 100), text = below(40), own = below(n), blocks;
	struct kv_hit hit;
	kv_seq_free(kv, *slot);
	*slot = NULL;
	for (uint32_t i = 0; i < n; i++)
		ids[i] = i < own ? text * 7919 + i : below(50000);
	if (kv_seq_new_shared(slot, kv, &everybody, NULL) != 0 || kv_match(kv, *slot, ids, n, &hit, NULL) != 0)
		return;
	while (kv_seq_tokens(*slot) < n) {
		uint32_t at = kv_seq_tokens(*slot), chunk = n - at < 256 ? n - at : 256;
		if (kv_reserve(kv, *slot, chunk, NULL) != 0)
			break;
		(void)kv_seq_blocks(*slot, 0, &blocks);
		for (uint32_t b = (at + 15) / 16; b < blocks; b++)
			memset(kv_host_page(kv, *slot, 0, b), 1, page_bytes);
		kv_commit_ids(kv, *slot, ids + at, chunk);
	}
}

static void check_resident(size_t *packed_bytes)
{
	enum { PAGE = 16384, MEMORY = 64 << 20 };
	struct kv_seq *live[LIVE] = {NULL};
	if (SANITIZED) {
		print_message("the sanitizer's own memory cannot be told from ours\n");
		skip();
	}
	uint32_t *ids = calloc(TEXT, sizeof *ids);
	double before = resident_bytes(), most = 0;
	struct kv *kv = new_kv(PAGE, MEMORY, packed_bytes);
	for (int i = 0; i < 3000; i++) {
		for (uint32_t k = 0; k < 10; k++)
			kv_clock(kv, (uint64_t)i * 10 + k);
		serve(kv, &live[below(LIVE)], ids, PAGE);
		double now = resident_bytes() - before;
		most = now > most ? now : most;
	}
	struct kv_stats st = kv_stats(kv);
	printf("ceiling %.1f MiB: counted at most %.1f, resident at most %.1f; %.3f of the tokens hit, %.3f by an LRU "
	       "cache\n",
	       MEMORY / 1048576.0, (double)st.bytes_peak / 1048576, most / 1048576,
	       (double)st.tokens_hit / (double)st.tokens_queried, st.ghost[KV_GHOST_SAME]);
	assert_true(st.bytes_peak <= MEMORY);
	assert_true(most <= 1.02 * MEMORY);
	assert_true(!packed_bytes || st.packs > 1000);
	assert_null(kv_check(kv));
	kv_free(kv);
	free(ids);
}

static void test_resident(void **state)
{
	(void)state;
	check_resident(NULL);
}

static void test_resident_when_packing(void **state)
{
	size_t packed_bytes = 4096;
	(void)state;
	check_resident(&packed_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waste),
		cmocka_unit_test(test_forks),
		cmocka_unit_test(test_resident),
		cmocka_unit_test(test_resident_when_packing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
