/* bench_kv.c: what the parts of `kvik bench kv` share, and their order. Each part is a file bench_kv_*.c, and is sized by
 * a first measurement. */
#include "bench/bench_kv.h"

#include <stdarg.h>
#include <stdio.h>

const struct kv_part *const kv_parts[KV_PARTS] = {&kv_part_cache,  &kv_part_pages, &kv_part_dtypes, &kv_part_recall,
						  &kv_part_prefix, &kv_part_fork,  &kv_part_window, &kv_part_all};

struct kvik_cache_params kv_bench_params(enum kvik_dtype d, uint32_t context, uint32_t sessions)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	p.k_dtype = p.v_dtype = d;
	p.context = context;
	p.sessions = sessions;
	return p;
}

uint32_t kv_bench_tokens(const struct kv_bench *b, double seconds, uint32_t least, uint32_t most)
{
	double n = seconds * b->prefill;
	uint32_t step = n >= 64 ? 8 : 1;
	if (n >= most)
		return most;
	return n <= least ? least : (uint32_t)n / step * step;
}

void kv_bench_step(const struct kv_part *p, const char *format, ...)
{
	char detail[96];
	va_list args;
	va_start(args, format);
	vsnprintf(detail, sizeof detail, format, args);
	va_end(args);
	bench_progress(p->name, detail);
}

int kv_bench_prefill(struct kv_bench *b, struct kvik_err *err)
{
	enum { TOKENS = 128 };
	struct arm a = {.params = kv_bench_params(KVIK_F16, 2 * TOKENS, 1)};
	double start = 0;
	bench_progress("prefill speed", "");
	int rc = arm_open(&a, b->m, err);
	for (int i = 0; i < 2 && !rc; i++) { /* the first one warms up */
		start = bench_now();
		rc = kvik_session_feed(a.session, b->ids, TOKENS, NULL, err);
	}
	b->prefill = TOKENS / (bench_now() - start);
	arm_close(&a);
	return rc;
}

int kv_bench_run(struct kv_bench *b, const bool wanted[KV_PARTS], struct kvik_err *err)
{
	int n = 0, done = 0, rc = 0;
	for (int i = 0; i < KV_PARTS; i++)
		n += wanted[i];
	fprintf(stderr, "kvik: %d part%s, about %.0f seconds in all\n", n, n == 1 ? "" : "s", n * b->seconds * 1.25);
	for (int i = 0; i < KV_PARTS && !rc; i++) {
		char what[128];
		if (!wanted[i])
			continue;
		snprintf(what, sizeof what, "%d of %d: %s", ++done, n, kv_parts[i]->summary);
		bench_progress(what, "");
		rc = kv_parts[i]->run(b, err);
	}
	return rc;
}
