/* test_sized.c: the rule for structs that grow (kvik.h): older and newer callers than this library, and those who
 * forget the size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/sized.h"

/* As 0.2.0 had it, as this library has it, as a later one will have it. */
struct old {
	uint32_t size, a;
	bool b;
};
struct own {
	uint32_t size, a;
	bool b;
	uint32_t c; /* default 7 */
};
struct new
{
	uint32_t size, a;
	bool b;
	uint32_t c, d;
};
#define LEAST offsetof(struct own, c)
_Static_assert(sizeof(struct old) == offsetof(struct own, c), "c does not lie in padding");

static int read_struct(struct own *own, const void *given, struct kvik_err *err)
{
	*own = (struct own){sizeof *own, 5, true, 7};
	return sized_read(own, sizeof *own, LEAST, given, "struct own", err);
}

static void what_is_given_lies_over_the_defaults(void **state)
{
	(void)state;
	struct own own, same = {sizeof same, 1, false, 2};
	struct old old = {sizeof old, 3, false};
	struct new new = {sizeof new, 4, true, 9, 0};
	assert_int_equal(read_struct(&own, NULL, NULL), 0);
	assert_true(own.a == 5 && own.c == 7);
	assert_int_equal(read_struct(&own, &same, NULL), 0);
	assert_true(own.a == 1 && own.c == 2 && own.size == sizeof own);
	assert_int_equal(read_struct(&own, &old, NULL), 0);
	assert_true(own.a == 3 && !own.b && own.c == 7 && own.size == sizeof own);
	assert_int_equal(read_struct(&own, &new, NULL), 0);
	assert_true(own.a == 4 && own.c == 9 && own.size == sizeof own);
}

static void what_is_not_understood_is_refused(void **state)
{
	(void)state;
	struct own own, forgot = {0, 1, false, 2};
	struct new new = {sizeof new, 4, true, 9, 1};
	struct kvik_err err = {0};
	uint32_t tiny = 4, huge = UINT32_MAX;
	assert_int_equal(read_struct(&own, &forgot, &err), KVIK_ERR_ARG);
	assert_non_null(strstr(err.text, "sizeof(struct own)"));
	assert_int_equal(read_struct(&own, &tiny, &err), KVIK_ERR_ARG);
	assert_int_equal(read_struct(&own, &huge, &err), KVIK_ERR_ARG);
	assert_int_equal(read_struct(&own, &new, &err), KVIK_ERR_ARG);
	assert_non_null(strstr(err.text, "newer"));
	assert_int_equal(read_struct(&own, &new, NULL), KVIK_ERR_ARG);
}

static void no_more_is_written_than_there_is(void **state)
{
	(void)state;
	const struct own own = {sizeof own, 1, true, 2};
	struct {
		struct old s;
		uint32_t fence;
	} old = {{sizeof old.s, 9, false}, 0xfe};
	struct new new = {sizeof new, 9, false, 9, 9};
	uint32_t none = 0;
	assert_int_equal(sized_write(&old.s, &own, sizeof own, LEAST, "struct own", NULL), 0);
	assert_true(old.s.size == sizeof old.s && old.s.a == 1 && old.s.b && old.fence == 0xfe);
	assert_int_equal(sized_write(&new, &own, sizeof own, LEAST, "struct own", NULL), 0);
	assert_true(new.size == sizeof new &&new.a == 1 && new.b &&new.c == 2 && new.d == 0);
	assert_int_equal(sized_write(&none, &own, sizeof own, LEAST, "struct own", NULL), KVIK_ERR_ARG);
	assert_int_equal(none, 0);
}

/* Every struct that is given or filled, with its size forgotten. */
static void public_functions_look_at_the_size(void **state)
{
	(void)state;
	struct kvik_model_params mp = {0};
	struct kvik_cache_params cp = {0};
	struct kvik_share share = {0};
	struct kvik_engine_params ep = {0};
	struct kvik_request_params rp = {0};
	struct kvik_sampling sampling = {0};
	struct kvik_processor processor = {0};
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_model_info info = {0};
	struct kvik_cache_stats stats = {0};
	struct kvik_prefix prefix = {0};
	struct kvik_plan plan = {0};
	struct kvik_device_params dp = {0};
	struct kvik_tensor_info tensor = {0};
	struct kvik_model *m;
	struct kvik_cache *c;
	struct kvik_session *s;
	struct kvik_engine *e;
	struct kvik_device *d;
	struct kvik_file *f;
	uint32_t ids[] = {1};
	uint64_t id;
	struct kvik_engine_params small = kvik_engine_params_default();
	cp.size = sizeof cp;
	cp.context = 64; /* and all else 0: no dtype of f16, no chunk */
	assert_int_equal(kvik_device_new(&d, &dp, NULL), KVIK_ERR_ARG);
	assert_int_equal(kvik_model_load(&m, NULL, &mp, NULL), KVIK_ERR_ARG);
	assert_null(m);
	assert_int_equal(kvik_model_load(&m, NULL, NULL, NULL), 0);
	assert_int_equal(kvik_file_open(&f, NULL, NULL), 0);
	assert_int_equal(kvik_cache_new(&c, m, &cp, NULL), KVIK_ERR_ARG);
	cp = kvik_cache_params_default();
	cp.context = 64;
	cp.size = 0;
	assert_int_equal(kvik_cache_new(&c, m, &cp, NULL), KVIK_ERR_ARG);
	assert_int_equal(kvik_plan_make(f, NULL, &cp, &plan, NULL), KVIK_ERR_ARG);
	cp.size = sizeof cp;
	assert_int_equal(kvik_plan_make(f, NULL, &cp, &plan, NULL), KVIK_ERR_ARG);
	assert_int_equal(kvik_file_read_tensor(f, 0, &tensor), KVIK_ERR_ARG);
	tensor.size = sizeof tensor;
	assert_int_equal(kvik_file_read_tensor(f, kvik_file_tensors(f), &tensor), KVIK_ERR_ARG);
	assert_int_equal(kvik_file_read_info(f, &info), KVIK_ERR_ARG);
	assert_int_equal(kvik_cache_new(&c, m, &cp, NULL), 0);
	assert_int_equal(kvik_session_new(&s, c, &share, NULL), KVIK_ERR_ARG);
	assert_int_equal(kvik_session_new(&s, c, NULL, NULL), 0);
	g.sampling = &sampling;
	assert_int_equal(kvik_generate(s, ids, 1, &g, NULL, NULL, NULL, NULL), KVIK_ERR_ARG);
	g.sampling = NULL;
	g.processor = &processor;
	assert_int_equal(kvik_generate(s, ids, 1, &g, NULL, NULL, NULL, NULL), KVIK_ERR_ARG);
	g.processor = NULL;
	g.max_tokens = 1;
	assert_int_equal(kvik_generate(s, ids, 1, &g, NULL, NULL, NULL, NULL), 0);
	sampling = kvik_sampling_default();
	assert_int_equal(kvik_session_feed(s, ids, 1, NULL, NULL), 0);
	assert_int_equal(kvik_session_sample(s, NULL, ids, NULL), 0);
	assert_int_equal(kvik_session_sample(s, &sampling, ids, NULL), 0);
	sampling.size = 0;
	assert_int_equal(kvik_session_sample(s, &sampling, ids, NULL), KVIK_ERR_ARG);
	assert_int_equal(kvik_cache_explain(c, NULL, ids, 1, &prefix, NULL), KVIK_ERR_ARG);
	assert_int_equal(kvik_cache_explain(c, &share, ids, 1, &prefix, NULL), KVIK_ERR_ARG);
	assert_int_equal(kvik_model_read_info(m, &info), KVIK_ERR_ARG);
	assert_int_equal(kvik_cache_read_stats(c, &stats), KVIK_ERR_ARG);
	assert_int_equal(kvik_share_init(&share), KVIK_ERR_ARG);
	kvik_session_free(s);
	kvik_cache_free(c);
	assert_int_equal(kvik_engine_new(&e, m, &ep, NULL), KVIK_ERR_ARG);
	cp.context = 64;
	small.cache = &cp;
	cp.size = 0;
	assert_int_equal(kvik_engine_new(&e, m, &small, NULL), KVIK_ERR_ARG);
	cp.size = sizeof cp;
	small.polled = true;
	assert_int_equal(kvik_engine_new(&e, m, &small, NULL), 0);
	assert_int_equal(kvik_engine_submit(e, &rp, &id, NULL), KVIK_ERR_ARG);
	rp = kvik_request_params_default();
	rp.ids = ids;
	rp.n_ids = 1;
	rp.share = &share;
	assert_int_equal(kvik_engine_submit(e, &rp, &id, NULL), KVIK_ERR_ARG);
	rp.share = NULL;
	g.size = 0;
	rp.generate = &g;
	assert_int_equal(kvik_engine_submit(e, &rp, &id, NULL), KVIK_ERR_ARG);
	kvik_engine_free(e);
	kvik_file_close(f);
	kvik_model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_lies_over_the_defaults),
		cmocka_unit_test(what_is_not_understood_is_refused),
		cmocka_unit_test(no_more_is_written_than_there_is),
		cmocka_unit_test(public_functions_look_at_the_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
