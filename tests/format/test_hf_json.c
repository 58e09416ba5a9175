/* test_hf_json.c: JSON of a Hugging Face folder: what is none is named; eos_token_id. */
#include "make.h"

#include "format/hf_ends.h"
#include "format/hf_json.h"

static void what_is_no_json_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *json, *says;
	} cases[] = {
		{"", "is empty"},
		{"{", "not JSON"},
		{"[1]", "not a JSON object"},
		{"7", "not JSON"},
		{"{\"a\":NaN}", "not JSON"},
		{"{\"a\":1,\"a\":2}", "duplicate"},
		{"{\"a\":\"\xff\"}", "not JSON"},
		{"{\"a\":123456789012345678901234567890}", "too big integer"},
		{"{\"a\":1} x", "not JSON"},
	};
	json_t *root;
	struct kvik_err err;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t n = strlen(cases[i].json);
		assert_int_equal(hf_json_load(&root, cases[i].json, n, "c.json", &err), KVIK_ERR_FORMAT);
		if (!strstr(err.text, cases[i].says) || strncmp(err.text, "c.json: ", 8) != 0)
			fail_msg("'%s': %s", cases[i].json, err.text);
	}
}

static void deep_nesting_is_bounded(void **state)
{
	(void)state;
	enum { DEPTH = 1000000 };
	char *json = malloc(DEPTH);
	json_t *root;
	memset(json, '[', DEPTH);
	memcpy(json, "{\"a\":", 5);
	assert_int_equal(hf_json_load(&root, json, DEPTH, "c.json", NULL), KVIK_ERR_FORMAT);
	for (size_t i = 0; i + 5 <= DEPTH; i += 5)
		memcpy(json + i, "{\"a\":", 5);
	assert_int_equal(hf_json_load(&root, json, DEPTH, "c.json", NULL), KVIK_ERR_FORMAT);
	free(json);
}

static void ids_that_end_a_text(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		int code;
		size_t n;
		uint32_t first;
	} cases[] = {
		{"{'eos_token_id':2}", 0, 1, 2},
		{"{'eos_token_id':[128001,128008,128009]}", 0, 3, 128001},
		{"{'eos_token_id':null}", 0, 0, 0},
		{"{}", 0, 0, 0},
		{"{'eos_token_id':[]}", 0, 0, 0},
		{"{'eos_token_id':-1}", 0, 0, 0},
		{"{'eos_token_id':[1,2,3,4]}", 0, 4, 1},
		{"{'eos_token_id':[1,2,3,4,5]}", KVIK_ERR_LIMIT, 0, 0},
		{"{'eos_token_id':2.5}", KVIK_ERR_FORMAT, 0, 0},
		{"{'eos_token_id':'</s>'}", KVIK_ERR_FORMAT, 0, 0},
		{"{'eos_token_id':[[1]]}", KVIK_ERR_FORMAT, 0, 0},
		{"{'eos_token_id':4294967296}", KVIK_ERR_FORMAT, 0, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint32_t ids[4];
		size_t n;
		struct kvik_err err = {0};
		char *json = quoted(cases[i].json);
		json_t *root;
		assert_int_equal(hf_json_load(&root, json, strlen(json), "g.json", &err), 0);
		assert_int_equal(hf_ends(root, "g.json", ids, 4, &n, &err), cases[i].code);
		json_decref(root);
		if (cases[i].code) {
			assert_non_null(strstr(err.text, "g.json: "));
		} else {
			assert_int_equal(n, cases[i].n);
			assert_true(n == 0 || ids[0] == cases[i].first);
		}
		free(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_json_is_named),
		cmocka_unit_test(deep_nesting_is_bounded),
		cmocka_unit_test(ids_that_end_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
