/* bench.c: see bench.h. The peaks are loops that keep the multipliers busy from registers alone. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/region.h"

enum { RUNS_MAX = 1000 };

double bench_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

double bench_time(void (*fn)(void *ctx), void *ctx, double seconds, bool best)
{
	static double runs[RUNS_MAX];
	size_t n = 0;
	fn(ctx);
	for (double total = 0; n < 3 || (total < seconds && n < RUNS_MAX); n++) {
		double start = bench_now();
		fn(ctx);
		runs[n] = bench_now() - start;
		total += runs[n];
	}
	qsort(runs, n, sizeof *runs, by_value);
	return runs[best ? 0 : n / 2];
}

uint32_t bench_random(void)
{
	static uint64_t state = 1;
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 32);
}

void *bench_alloc(size_t bytes)
{
	struct region r;
	struct kvik_err err;
	if (region_new(&r, bytes, "the benchmark", &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	return r.data;
}

/* ---- Limits ------------------------------------------------------------------------------------------------------ */

enum { READ_BYTES = 512 << 20, READ_ITEM = 1 << 20, PEAK_ROUNDS = 2000000 };

struct reading {
	struct pool *pool;
	const uint8_t *data;
	uint64_t sink;
};

static void read_item(void *ctx, uint32_t item, uint32_t thread)
{
	struct reading *r = ctx;
	const uint64_t *p = (const uint64_t *)(const void *)(r->data + (size_t)item * READ_ITEM);
	uint64_t sum[8] = {0};
	(void)thread;
	for (size_t i = 0; i < READ_ITEM / 8; i += 8)
		for (size_t k = 0; k < 8; k++)
			sum[k] += p[i + k];
	for (size_t k = 0; k < 8; k++)
		__atomic_fetch_add(&r->sink, sum[k], __ATOMIC_RELAXED);
}

static void read_all(void *ctx)
{
	struct reading *r = ctx;
	pool_run(r->pool, READ_BYTES / READ_ITEM, read_item, r);
}

static double read_bandwidth(struct pool *pool)
{
	struct reading r = {.pool = pool, .data = bench_alloc(READ_BYTES)};
	memset((void *)r.data, 1, READ_BYTES);
	double s = bench_time(read_all, &r, 0.5, true);
	return (double)READ_BYTES / s * 1e-9;
}

struct peak {
	struct pool *pool;
	pool_fn *fn;
	float sink;
};

#if defined(__x86_64__)
/* Ten chains hide the latency; the empty asm keeps a step from being folded into the next. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9)
#define PEAK(name, isa, vector, set, step)                                                       \
	__attribute__((target(isa))) static void name(void *ctx, uint32_t item, uint32_t thread) \
	{                                                                                        \
		struct peak *p = ctx;                                                            \
		(void)thread;                                                                    \
		vector w = set(item + 1), acc0 = w, acc1 = w, acc2 = w, acc3 = w, acc4 = w;      \
		vector acc5 = w, acc6 = w, acc7 = w, acc8 = w, acc9 = w;                         \
		for (int i = 0; i < PEAK_ROUNDS; i++) {                                          \
			CHAINS(step)                                                             \
		}                                                                                \
		vector all[] = {acc0, acc1, acc2, acc3, acc4, acc5, acc6, acc7, acc8, acc9};     \
		p->sink += *(const char *)all;                                                   \
	}
#define INT8_512(k)                                 \
	acc##k = _mm512_dpbusd_epi32(acc##k, w, w); \
	__asm__ volatile("" : "+v"(acc##k));
#define F32_512(k)                              \
	acc##k = _mm512_fmadd_ps(acc##k, w, w); \
	__asm__ volatile("" : "+v"(acc##k));
#define INT8_256(k) /* without VNNI: two instructions for 32 products and one to add them up */   \
	acc##k = _mm256_add_epi32(acc##k, _mm256_madd_epi16(_mm256_maddubs_epi16(acc##k, w), w)); \
	__asm__ volatile("" : "+x"(acc##k));
#define F32_256(k)                              \
	acc##k = _mm256_fmadd_ps(acc##k, w, w); \
	__asm__ volatile("" : "+x"(acc##k));
#define SET_I512(x) _mm512_set1_epi32((int)(x))
#define SET_F512(x) _mm512_set1_ps((float)(x))
#define SET_I256(x) _mm256_set1_epi32((int)(x))
#define SET_F256(x) _mm256_set1_ps((float)(x))
PEAK(int8_512, "avx512f,avx512vnni", __m512i, SET_I512, INT8_512)
PEAK(f32_512, "avx512f", __m512, SET_F512, F32_512)
PEAK(int8_256, "avx2", __m256i, SET_I256, INT8_256)
PEAK(f32_256, "avx2,fma", __m256, SET_F256, F32_256)
#endif

static void run_peak(void *ctx)
{
	struct peak *p = ctx;
	pool_run(p->pool, pool_threads(p->pool), p->fn, p);
}

static double peak_gops(struct pool *pool, pool_fn *fn, double ops_per_round)
{
	struct peak p = {.pool = pool, .fn = fn};
	double s = bench_time(run_peak, &p, 0.1, true);
	return ops_per_round * PEAK_ROUNDS * pool_threads(pool) / s * 1e-9;
}

struct bench_limits bench_limits(struct pool *pool, const char *level)
{
	struct bench_limits l = {.read_gbs = read_bandwidth(pool)};
#if defined(__x86_64__)
	if (strcmp(level, "avx512") == 0) {
		l.int8_gops = peak_gops(pool, int8_512, 10 * 128);
		l.f32_gflops = peak_gops(pool, f32_512, 10 * 32);
	} else if (strcmp(level, "avx2") == 0) {
		l.int8_gops = peak_gops(pool, int8_256, 10 * 64);
		l.f32_gflops = peak_gops(pool, f32_256, 10 * 16);
	}
#endif
	return l;
}

/* ---- Output ------------------------------------------------------------------------------------------------------ */

void bench_head(const struct bench_out *o, const struct bench_limits *l, const char *level, uint32_t threads)
{
	if (o->json) {
		printf("{\"level\": \"%s\", \"threads\": %u, \"read_gbs\": %.2f, \"int8_gops\": %.1f, "
		       "\"f32_gflops\": %.1f}\n",
		       level, threads, l->read_gbs, l->int8_gops, l->f32_gflops);
		return;
	}
	printf("level %s, %u threads; limits of this machine: read %.1f GB/s, int8 %.0f GOP/s, f32 %.0f GFLOP/s\n",
	       level, threads, l->read_gbs, l->int8_gops, l->f32_gflops);
	printf("%-34s %10s %18s %9s\n", "what", "ms", "rate", "of limit");
}

void bench_row(const struct bench_out *o, const char *what, double ms, double value, const char *unit, double limit)
{
	if (o->json) {
		printf("{\"what\": \"%s\", \"ms\": %.4f, \"value\": %.2f, \"unit\": \"%s\", \"limit\": %.2f}\n", what,
		       ms, value, unit, limit);
	} else {
		printf("%-34s %10.4f %11.1f %-6s", what, ms, value, unit);
		if (limit > 0)
			printf(" %7.0f %%", 100 * value / limit);
		printf("\n");
	}
	fflush(stdout);
}
