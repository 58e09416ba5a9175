/* test_recommended.c: what a model's files recommend reaches the caller: sampling defaults, ids that are never drawn,
 * warnings. */
#include "../format/make.h"

#include <kvik.h>

static const char weights[] = "tests/model/data/llama-gqa";
static const char *const names[] = {"config.json", "model.safetensors", "generation_config.json", NULL};

/* The model of that folder, with a generation_config.json of ours. */
static struct kvik_model *load(const struct folder *f, const char *generation)
{
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_model *m;
	struct kvik_err err;
	p.threads = 1;
	folder_write_json(f, "generation_config.json", generation);
	if (kvik_model_load(&m, f->path, &p, &err))
		fail_msg("%s", err.text);
	return m;
}

static struct folder folder_of_weights(void)
{
	struct folder f = folder_new();
	char from[512], to[256], here[256];
	assert_non_null(getcwd(here, sizeof here));
	for (int i = 0; i < 2; i++) {
		snprintf(from, sizeof from, "%s/%s/%s", here, weights, names[i]);
		folder_path(&f, names[i], to);
		assert_int_equal(symlink(from, to), 0);
	}
	return f;
}

static void defaults_are_told(void **state)
{
	struct folder f = folder_of_weights();
	unsigned given;
	(void)state;
	struct kvik_model *m = load(&f, "{'temperature':0.5,'top_k':12,'num_beams':2}");
	struct kvik_sampling p = kvik_model_get_sampling(m, &given);
	assert_int_equal(given, KVIK_SAMPLING_TEMPERATURE | KVIK_SAMPLING_TOP_K);
	assert_true(p.temperature == 0.5f && p.top_k == 12 && p.top_p == 1 && p.min_p == 0 && p.repeat_penalty == 1);
	assert_non_null(strstr(kvik_model_warning(m, 0), "'num_beams' is set"));
	assert_null(kvik_model_warning(m, 1));
	kvik_model_free(m);
	m = load(&f, "{}");
	p = kvik_model_get_sampling(m, &given);
	assert_true(given == 0 && p.temperature == kvik_sampling_default().temperature);
	assert_null(kvik_model_warning(m, 0));
	kvik_model_free(m);
	folder_free(&f, names);
}

static uint32_t first_token(struct kvik_model *m)
{
	struct kvik_cache *c;
	struct kvik_session *s;
	struct kvik_err err;
	struct kvik_sampling greedy = kvik_sampling_default();
	const uint32_t prompt[] = {3, 1, 4};
	uint32_t id = KVIK_NO_ID;
	assert_int_equal(kvik_cache_new(&c, m, NULL, &err), 0);
	assert_int_equal(kvik_session_new(&s, c, NULL, &err), 0);
	assert_int_equal(kvik_session_feed(s, prompt, 3, NULL, &err), 0);
	assert_int_equal(kvik_session_sample(s, &greedy, &id, &err), 0);
	kvik_session_free(s);
	kvik_cache_free(c);
	return id;
}

/* Each time the best one is forbidden, the next best comes; one past the vocabulary does no harm. */
static void suppressed_ids_are_never_drawn(void **state)
{
	struct folder f = folder_of_weights();
	char config[128];
	(void)state;
	struct kvik_model *m = load(&f, "{}");
	uint32_t best = first_token(m);
	kvik_model_free(m);
	snprintf(config, sizeof config, "{'suppress_tokens':[%u,4000000000]}", best);
	m = load(&f, config);
	assert_int_not_equal(first_token(m), best);
	kvik_model_free(m);
	folder_free(&f, names);
}

/* A contradiction that was settled, and fields that nobody knows. */
static void the_configuration_is_told_about(void **state)
{
	struct folder f = folder_of_weights();
	struct kvik_file *file;
	struct kvik_err err;
	char path[256], text[4096];
	(void)state;
	folder_path(&f, "config.json", path);
	FILE *in = fopen(path, "rb");
	assert_non_null(in);
	size_t n = fread(text, 1, sizeof text - 64, in);
	assert_int_equal(fclose(in), 0);
	while (n > 0 && text[n - 1] != '}')
		n--;
	strcpy(text + n - 1, ", \"never_heard_of\": 7}");
	assert_int_equal(unlink(path), 0); /* it was a link */
	folder_write(&f, "config.json", text, strlen(text));
	assert_int_equal(kvik_file_open(&file, f.path, &err), 0);
	assert_non_null(strstr(kvik_file_warning(file, 0), "left aside: never_heard_of"));
	assert_null(kvik_file_warning(file, 1));
	kvik_file_close(file);
	struct kvik_model *m = load(&f, "{'num_beams':2}");
	assert_non_null(strstr(kvik_model_warning(m, 0), "'num_beams'"));
	assert_non_null(strstr(kvik_model_warning(m, 1), "left aside: never_heard_of"));
	assert_null(kvik_model_warning(m, 2));
	kvik_model_free(m);
	folder_free(&f, names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_told),
		cmocka_unit_test(suppressed_ids_are_never_drawn),
		cmocka_unit_test(the_configuration_is_told_about),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
