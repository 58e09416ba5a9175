/* arms.h: the settings of the cache that a benchmark compares, each with a cache and a session of its own, so that they
 * can be measured in turns: what the machine does meanwhile meets them all. One thread, the model's. */
#ifndef KVIK_BENCH_ARMS_H
#define KVIK_BENCH_ARMS_H

#include <kvik.h>

#include <kvik.h>

#include "base/err.h"

enum { ARM_RUNS = 512 };

struct arm {
	char name[48];
	struct kvik_cache_params params;
	struct kvik_cache *cache; /* owned, as the session */
	struct kvik_session *session;
	double took[ARM_RUNS]; /* [runs]: seconds of each */
	size_t runs;
};

/* A zeroed arm with name and params set gets its cache and an empty session. On an error nothing is open. */
int arm_open(struct arm *a, struct kvik_model *m, struct kvik_err *err) MUST_CHECK;
void arm_close(struct arm *a); /* what is not open is fine */
/* An empty session again. */
int arm_restart(struct arm *a, struct kvik_err *err) MUST_CHECK;
/* Appends arbitrary tokens up to n in all, computing none of them. */
int arm_fill(struct arm *a, size_t n, struct kvik_err *err) MUST_CHECK;

/* How long one more token takes where the sessions stand, in turns until about `seconds` are over, each arm at least 3
 * times: medians into seconds_each[n]. Sessions stay where they are, but for those without a cache, which get a token
 * longer at each run: leave ARM_ROOM tokens of the context free. */
enum { ARM_ROOM = 16 };
int arms_time(struct arm *arms, size_t n, double seconds, double *seconds_each, struct kvik_err *err) MUST_CHECK;

#endif
