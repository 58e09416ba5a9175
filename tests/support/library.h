/* library.h: what tests of include/kvik.h begin with: a model, a cache, a session that are there or end the test. */
#ifndef KVIK_TESTS_SUPPORT_LIBRARY_H
#define KVIK_TESTS_SUPPORT_LIBRARY_H

#include <kvik.h>

#include "support/must.h"

static inline struct kvik_model *must_load(const char *path, uint32_t threads)
{
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_model *m = NULL;
	p.threads = threads;
	MUST(kvik_model_load(&m, path, &p, &err));
	return m;
}

static inline struct kvik_cache *must_cache(struct kvik_model *m, const struct kvik_cache_params *p)
{
	struct kvik_cache *c = NULL;
	MUST(kvik_cache_new(&c, m, p, &err));
	return c;
}

/* share: NULL for the default. */
static inline struct kvik_session *must_session(struct kvik_cache *c, const struct kvik_share *share)
{
	struct kvik_session *s = NULL;
	MUST(kvik_session_new(&s, c, share, &err));
	return s;
}

#endif
