/* arms.c: see arms.h. A run goes on in a fork of the session, which is dropped afterwards: truncating instead would
 * fail where a window has freed what lies before. */
#include "bench/arms.h"

#include <math.h>

#include "bench/bench.h"

enum { BURST = 8, RUNS_LEAST = 3, NO_CACHE_RUNS = ARM_ROOM - 1 };

/* Tokens shorter than this are timed several at a time. */
static const double short_s = 0.002;

/* What one run has computed must not be found by the next. */
static const struct kvik_share alone = {.size = sizeof alone, .isolated = true};

int arm_open(struct arm *a, struct kvik_model *m, struct kvik_err *err)
{
	int rc = kvik_cache_new(&a->cache, m, &a->params, err);
	if (!rc)
		rc = kvik_session_new(&a->session, a->cache, &alone, err);
	if (rc)
		arm_close(a);
	return rc;
}

void arm_close(struct arm *a)
{
	kvik_session_free(a->session);
	kvik_cache_free(a->cache);
	a->session = NULL;
	a->cache = NULL;
}

int arm_restart(struct arm *a, struct kvik_err *err)
{
	kvik_session_free(a->session);
	a->session = NULL;
	return kvik_session_new(&a->session, a->cache, &alone, err);
}

int arm_fill(struct arm *a, size_t n, struct kvik_err *err)
{
	static const uint32_t ids[256]; /* id 0 is in every vocabulary */
	int rc = 0;
	for (size_t have; !rc && (have = kvik_session_tokens(a->session)) < n;)
		rc = kvik_session_fill(a->session, ids, n - have < 256 ? n - have : 256, err);
	return rc;
}

/* Feeds n tokens one by one and adds the time of one to the runs. */
static int run_once(struct arm *a, int n, struct kvik_err *err)
{
	struct kvik_session *s = a->session;
	const uint32_t id = 1;
	int rc = 0;
	if (!a->params.no_kv_cache)
		rc = kvik_session_fork(&s, a->session, kvik_session_tokens(a->session), err);
	double start = bench_now();
	for (int i = 0; i < n && !rc; i++)
		rc = kvik_session_feed(s, &id, 1, NULL, err);
	if (a->runs < ARM_RUNS)
		a->took[a->runs++] = (bench_now() - start) / n;
	if (s != a->session)
		kvik_session_free(s);
	return rc;
}

static size_t runs_most(const struct arm *a)
{
	return a->params.no_kv_cache ? NO_CACHE_RUNS : ARM_RUNS;
}

int arms_time(struct arm *arms, size_t n, double seconds, double *seconds_each, struct kvik_err *err)
{
	double end = bench_now() + seconds;
	int rc = 0;
	for (size_t i = 0; i < n; i++)
		arms[i].runs = 0;
	for (int round = 0; round < ARM_RUNS && (round <= RUNS_LEAST || bench_now() < end) && !rc; round++) {
		for (size_t i = 0; i < n && !rc; i++) {
			struct arm *a = &arms[i];
			bool brief = !a->params.no_kv_cache && a->runs && a->took[a->runs - 1] < short_s;
			if (a->runs < runs_most(a))
				rc = run_once(a, brief ? BURST : 1, err);
			if (round == 0)
				a->took[0] = INFINITY; /* a warm-up; sorts behind all others */
		}
	}
	for (size_t i = 0; i < n && !rc; i++) {
		bench_median(arms[i].took, arms[i].runs); /* sorts */
		seconds_each[i] = bench_median(arms[i].took, arms[i].runs - 1);
	}
	return rc;
}
