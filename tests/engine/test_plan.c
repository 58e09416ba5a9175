/* test_plan.c: what a plan says before anything is loaded, against what a loaded model, full sessions and this process then
 * hold: every kind of layer, weights of every type, several KV dtypes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/wtype.h"
#include "kvik.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static const char *const shapes[] = {"tiny",     "tiny-qwen2", "tiny-mistral", "tiny-mixed",
				     "tiny-moe", "tiny-mla",   "tiny-delta"};
enum { SHAPES = sizeof shapes / sizeof *shapes, CONTEXT = 700, CHUNK = 64, SESSIONS = 2 };

struct rig {
	struct kvik_plan plan;
	struct kvik_model *model;
	struct kvik_cache *cache;
	struct kvik_session *sessions[SESSIONS];
};

static void plan(struct rig *r, const char *path, const struct kvik_model_params *mp,
		 const struct kvik_cache_params *cp)
{
	struct kvik_file *f;
	struct kvik_err err;
	r->plan = (struct kvik_plan){.size = sizeof r->plan};
	if (kvik_file_open(&f, path, &err) != 0 || kvik_plan_make(f, mp, cp, &r->plan, &err) != 0)
		fail_msg("%s: %s", path, err.text);
	kvik_file_close(f);
}

static void load(struct rig *r, const char *path, const struct kvik_model_params *mp)
{
	struct kvik_err err;
	if (kvik_model_load(&r->model, path, mp, &err) != 0)
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(kvik_model_get_info(r->model).weight_bytes, r->plan.weight_bytes);
}

/* All sessions as long as they may get, the last chunk of each computed. */
static void fill(struct rig *r, const struct kvik_cache_params *cp)
{
	struct kvik_err err;
	uint32_t *ids = calloc(cp->context, sizeof *ids);
	uint32_t filled = cp->context - cp->chunk;
	assert_non_null(ids);
	assert_int_equal(kvik_cache_new(&r->cache, r->model, cp, &err), 0);
	for (uint32_t i = 0; i < SESSIONS; i++) {
		assert_int_equal(kvik_session_new(&r->sessions[i], r->cache, NULL, &err), 0);
		if (kvik_session_fill(r->sessions[i], ids, filled, &err) != 0 ||
		    kvik_session_feed(r->sessions[i], ids, cp->chunk, NULL, &err) != 0)
			fail_msg("%s", err.text);
	}
	free(ids);
}

static void release(struct rig *r)
{
	for (uint32_t i = 0; i < SESSIONS; i++)
		kvik_session_free(r->sessions[i]);
	kvik_cache_free(r->cache);
	kvik_model_free(r->model);
	memset(r, 0, sizeof *r);
}

static struct kvik_model_params model_params(enum kvik_act act)
{
	struct kvik_model_params p = {.size = sizeof p};
	kvik_model_params_init(&p);
	p.act = act;
	p.threads = 1;
	return p;
}

static struct kvik_cache_params cache_params(enum kvik_dtype dtype)
{
	struct kvik_cache_params p = {.size = sizeof p};
	kvik_cache_params_init(&p);
	p.k_dtype = p.v_dtype = dtype;
	p.context = CONTEXT;
	p.chunk = CHUNK;
	p.sessions = SESSIONS;
	return p;
}

static void weights_are(const char *shape, enum wtype type, enum kvik_act act)
{
	char path[80];
	struct rig r = {0};
	struct kvik_model_params mp = model_params(act);
	snprintf(path, sizeof path, "synthetic:%s:%s", shape, wtype_name(type));
	plan(&r, path, &mp, NULL);
	load(&r, path, &mp);
	release(&r);
}

/* To the byte, in both forms of the activations. */
static void weights_of_every_type(void **state)
{
	(void)state;
	for (int t = 0; t < WTYPE_COUNT; t++) {
		weights_are("tiny", (enum wtype)t, KVIK_ACT_INT8);
		weights_are("tiny", (enum wtype)t, KVIK_ACT_F32);
	}
	for (size_t s = 1; s < SHAPES; s++) {
		weights_are(shapes[s], WTYPE_Q4_0, KVIK_ACT_INT8);
		weights_are(shapes[s], WTYPE_MXFP4, KVIK_ACT_INT8);
		weights_are(shapes[s], WTYPE_F16, KVIK_ACT_F32);
	}
}

/* The planned ceiling is enough (else a session could not be filled). How far it is from what was used: tables are bounded
 * from above, windows may begin and end inside pages, and a state beside a session's own is planned for. */
static void pages_and_states_of_full_sessions(void **state)
{
	static const enum kvik_dtype dtypes[] = {KVIK_F32, KVIK_F16, KVIK_INT8, KVIK_INT4};
	(void)state;
	for (size_t s = 0; s < SHAPES; s++)
		for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
			char path[80];
			struct rig r = {0};
			struct kvik_model_params mp = model_params(KVIK_ACT_INT8);
			struct kvik_cache_params cp = cache_params(dtypes[d]);
			snprintf(path, sizeof path, "synthetic:%s:q4_0", shapes[s]);
			plan(&r, path, &mp, &cp);
			load(&r, path, &mp);
			fill(&r, &cp);
			struct kvik_cache_stats stats = kvik_cache_get_stats(r.cache);
			assert_int_equal(stats.bytes_per_token, r.plan.bytes_per_token);
			assert_int_equal(stats.bytes_ceiling, r.plan.kv_bytes);
			if (stats.bytes_peak < r.plan.bytes_per_session || stats.bytes_peak < r.plan.kv_bytes / 8 * 5)
				fail_msg("%s in %s: planned %llu, at most %llu were used", path,
					 kvik_dtype_name(dtypes[d]), (unsigned long long)r.plan.kv_bytes,
					 (unsigned long long)stats.bytes_peak);
			release(&r);
		}
}

/* Anonymous memory of this process. */
static uint64_t memory_held(void)
{
	char line[200];
	unsigned long long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		sscanf(line, "RssAnon: %llu kB", &kib);
	if (f)
		fclose(f);
	return kib * 1024;
}

/* Embedding and all, which of a synthetic model lies in memory. The slack is the allocator's, and names and books. Not under
 * a sanitizer, whose shadow is memory, too. */
static void the_process_holds_as_much(void **state)
{
	enum { SLACK = 4 << 20 };
	static const char *const paths[] = {"synthetic:tinyllama-1.1b@2:q4_0", "synthetic:tinyllama-1.1b@1:q8_0"};
	(void)state;
	for (size_t i = 0; i < sizeof paths / sizeof *paths && !SANITIZED; i++) {
		struct rig r = {0};
		struct kvik_model_params mp = model_params(KVIK_ACT_INT8);
		struct kvik_cache_params cp = cache_params(KVIK_F16);
		uint64_t before = memory_held();
		plan(&r, paths[i], &mp, &cp);
		load(&r, paths[i], &mp);
		fill(&r, &cp);
		uint64_t held = memory_held() - before;
		uint64_t all = r.plan.weight_bytes + r.plan.mapped_bytes + r.plan.work_bytes + r.plan.kv_bytes;
		if (held > all + SLACK || held < all / 100 * 97)
			fail_msg("%s: planned %llu bytes, %llu are held", paths[i], (unsigned long long)all,
				 (unsigned long long)held);
		release(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_of_every_type),
		cmocka_unit_test(pages_and_states_of_full_sessions),
		cmocka_unit_test(the_process_holds_as_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
