/* fuzz_trace.c: traces of prompts (bench/trace.h). */
#include <stdlib.h>

#include "bench/trace.h"
#include "fuzz.h"

static void must(int rc, uint64_t hits, const struct trace *t)
{
	if (rc || hits > t->n_blocks)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct trace t;
	struct kvik_err err;
	uint64_t hits = 0;
	int rc;
	FILE *f = n ? fmemopen((void *)(uintptr_t)data, n, "r") : NULL;
	if (!f)
		return 0;
	if (trace_read(&t, f, "fuzz", 16, &err) == 0 && t.n_blocks < 1000) {
		rc = trace_hits_all(&t, &hits, &err);
		must(rc, hits, &t);
		rc = trace_hits_lru(&t, 3, &hits, &err);
		must(rc, hits, &t);
		rc = trace_hits_optimal(&t, 3, &hits, &err);
		must(rc, hits, &t);
	}
	trace_free(&t);
	fclose(f);
	return 0;
}
