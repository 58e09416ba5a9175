/* test_device.c: one device under several models, caches and an engine, each on a thread of its own at the same time:
 * every answer is the one it gives alone. For ThreadSanitizer too (make sanitize-thread). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <kvik.h>

#include "base/hash.h"

enum { USERS = 6, STEPS = 60, ROUNDS = 3 };

static const char *const paths[] = {"tests/model/data/llama-mqa-bias.gguf", "tests/model/data/qwen3.gguf"};
static const uint32_t prompt[] = {5, 9, 2, 7, 7, 1, 30, 4, 11, 3, 8, 6, 6, 21, 2, 13, 17, 1, 40, 12, 9};
enum { PROMPT = sizeof prompt / sizeof *prompt };

struct user {
	struct kvik_model *model;
	uint32_t skip; /* of the prompt: users differ */
	uint64_t hash; /* of all logits */
	bool failed;
};

static bool hash_row(void *ctx, const struct kvik_token *t)
{
	struct user *u = ctx;
	if (t->logits)
		u->hash = hash_chain(u->hash, t->logits, kvik_model_get_info(u->model).vocab_size * sizeof *t->logits);
	return true;
}

/* A cache of its own, from which it generates; fails the test by a flag, for cmocka works on one thread only. */
static void *use(void *arg)
{
	struct user *u = arg;
	struct kvik_cache_params cp = kvik_cache_params_default();
	struct kvik_generate_params gp = kvik_generate_params_default();
	struct kvik_generation result = {.size = sizeof result};
	struct kvik_cache *c = NULL;
	struct kvik_session *s = NULL;
	cp.context = 256;
	cp.chunk = 16;
	gp.max_tokens = STEPS;
	gp.ignore_end = true;
	u->hash = 0;
	u->failed = kvik_cache_new(&c, u->model, &cp, NULL) != 0 || kvik_session_new(&s, c, NULL, NULL) != 0 ||
		    kvik_generate(s, prompt + u->skip, PROMPT - u->skip, &gp, hash_row, u, &result, NULL) != 0;
	kvik_session_free(s);
	kvik_cache_free(c);
	return NULL;
}

static void load_on(struct kvik_model **m, const char *path, struct kvik_device *d)
{
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_err err;
	p.device = d;
	if (kvik_model_load(m, path, &p, &err) != 0)
		fail_msg("%s", err.text);
}

static void users_of_a_device_do_not_meet(void **state)
{
	(void)state;
	struct kvik_device *d;
	struct kvik_device_params three = kvik_device_params_default();
	struct kvik_model *models[2];
	three.threads = 3;
	struct user users[USERS];
	uint64_t alone[USERS];
	pthread_t threads[USERS];
	assert_int_equal(kvik_device_new(&d, &three, NULL), 0);
	for (int i = 0; i < 2; i++)
		load_on(&models[i], paths[i], d);
	assert_int_equal(kvik_model_threads(models[0]), 3);
	for (uint32_t i = 0; i < USERS; i++) {
		users[i] = (struct user){.model = models[i % 2], .skip = i};
		use(&users[i]);
		assert_false(users[i].failed);
		alone[i] = users[i].hash;
		assert_true(i < 2 || alone[i] != alone[i - 2]);
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < USERS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
		for (int i = 0; i < USERS; i++)
			assert_int_equal(pthread_join(threads[i], NULL), 0);
		for (int i = 0; i < USERS; i++)
			assert_true(!users[i].failed && users[i].hash == alone[i]);
	}
	for (int i = 0; i < 2; i++)
		kvik_model_free(models[i]);
	kvik_device_free(d);
}

static void devices_are_checked(void **state)
{
	(void)state;
	struct kvik_device *d;
	struct kvik_err err;
	struct kvik_device_params p = kvik_device_params_default();
	p.threads = 100000;
	assert_int_equal(kvik_device_new(&d, &p, &err), KVIK_ERR_ARG);
	assert_null(d);
	p.threads = 1;
	p.cpu = "z80";
	assert_int_equal(kvik_device_new(&d, &p, &err), KVIK_ERR_ARG);
	assert_non_null(strstr(err.text, "z80"));
	kvik_device_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_of_a_device_do_not_meet),
		cmocka_unit_test(devices_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
