/* bench.c: see bench.h. */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"
#include "base/pool.h"
#include "base/region.h"

double bench_now(void)
{
	return (double)os_clock_ns() * 1e-9;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

double bench_median(double *values, size_t n)
{
	if (n == 0)
		return NAN;
	qsort(values, n, sizeof *values, by_value);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

double bench_percentile(double *values, size_t n, double share)
{
	if (n == 0)
		return NAN;
	qsort(values, n, sizeof *values, by_value);
	double rank = ceil(share * (double)n);
	return values[rank < 1 ? 0 : (size_t)rank - 1];
}

void bench_progress(const char *what, const char *detail)
{
	bool terminal = isatty(STDERR_FILENO);
	if (terminal)
		fprintf(stderr, "\r\033[K%s%s%s", what, *detail ? ": " : "", detail);
	else if (*what && !*detail)
		fprintf(stderr, "%s\n", what);
	fflush(stderr);
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

enum { READ_BYTES = 256 << 20, READ_ITEM = 1 << 20 };

struct reading {
	const uint8_t *data;
	uint64_t sink; /* keeps the sums alive */
};

static void read_item(void *ctx, uint32_t item, uint32_t thread)
{
	struct reading *r = ctx;
	const uint64_t *p = (const uint64_t *)(const void *)(r->data + (size_t)item * READ_ITEM);
	uint64_t sum[8] = {0}, all = 0;
	(void)thread;
	for (size_t i = 0; i < READ_ITEM / 8; i += 8)
		for (size_t k = 0; k < 8; k++)
			sum[k] += p[i + k];
	for (size_t k = 0; k < 8; k++)
		all += sum[k];
	__atomic_fetch_add(&r->sink, all, __ATOMIC_RELAXED);
}

int bench_read_bandwidth(double *bytes_per_s, uint32_t threads, struct kvik_err *err)
{
	struct region memory = {0};
	struct pool *pool = NULL;
	int rc = region_new(&memory, READ_BYTES, "measuring the read bandwidth", err);
	if (!rc)
		rc = pool_new(&pool, threads, err);
	if (!rc) {
		struct reading r = {.data = memory.data};
		double best = INFINITY;
		memset(memory.data, 1, READ_BYTES);
		for (double end = bench_now() + 0.4, start; (start = bench_now()) < end;) {
			pool_run(pool, READ_BYTES / READ_ITEM, read_item, &r);
			best = fmin(best, bench_now() - start);
		}
		*bytes_per_s = READ_BYTES / best;
	}
	pool_free(pool);
	region_free(&memory);
	return rc;
}

/* ---- Models ------------------------------------------------------------------------------------------------------ */

int bench_random_ids(uint32_t **ids, size_t n, uint32_t n_vocab, struct kvik_err *err)
{
	uint64_t state = 1;
	*ids = mem_zalloc(n ? n : 1, sizeof **ids);
	if (!*ids)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for %zu token ids", n);
	for (size_t i = 0; i < n; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		(*ids)[i] = (uint32_t)(state >> 33) % n_vocab;
	}
	return 0;
}

void bench_model_facts(struct report *r, const struct kvik_model *m, const char *path)
{
	struct kvik_model_info info = kvik_model_get_info(m);
	char weights[32], memory[32], when[32] = "";
	time_t now = time(NULL);
	struct tm local;
	bool small = info.parameters < 1000000000;
	report_fact(r, "model", "%s: %s, %.2f %s parameters, weights %s in memory, context %u",
		    path ? path : "kvik-mini (built in)", info.architecture,
		    (double)info.parameters * (small ? 1e-6 : 1e-9), small ? "million" : "billion",
		    human_bytes(info.weight_bytes, weights), info.context);
	report_fact(r, "machine", "%u threads, %s, %s of memory", kvik_model_threads(m), kvik_model_cpu(m),
		    human_bytes(os_memory_total(), memory));
	if (localtime_r(&now, &local))
		strftime(when, sizeof when, "%Y-%m-%d %H:%M", &local);
	report_fact(r, "measured", "%s, kvik %s", when, kvik_version());
}
