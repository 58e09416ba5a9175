/* bench.h: what the benchmarks share: a clock, medians, rows of a table that also print as JSON, and the limits of this
 * machine against which every figure is shown. One thread. */
#ifndef KVIK_BENCH_BENCH_H
#define KVIK_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"

double bench_now(void); /* seconds, monotonic */

/* Runs fn(ctx) until it took `seconds` in all and at least 3 times, after one unmeasured run. Seconds of the median
 * run, or with best of the fastest (on a machine that others use too). */
double bench_time(void (*fn)(void *ctx), void *ctx, double seconds, bool best);

struct bench_limits {
	double read_gbs;  /* GB/s, all threads streaming memory larger than the caches */
	double int8_gops; /* 1e9 operations (multiply and add count as two) per second */
	double f32_gflops;
};

/* The best of several runs. level: of kernels_select; the peaks are those of its instructions. */
struct bench_limits bench_limits(struct pool *pool, const char *level);

/* A table on stdout, or with json one object per line. A figure whose limit is 0 has none. */
struct bench_out {
	bool json;
};
void bench_head(const struct bench_out *o, const struct bench_limits *l, const char *level, uint32_t threads);
void bench_row(const struct bench_out *o, const char *what, double ms, double value, const char *unit, double limit);

/* Random bytes, the same in every run. */
uint32_t bench_random(void);

/* malloc on huge pages, 64-byte aligned, never freed; exits with a message where there is no memory. */
void *bench_alloc(size_t bytes);

#endif
