/* test_hf_config.c: config.json as transformers 4 and 5 write it, its defaults, and each kind of contradiction by the
 * error it gets; eos_token_id; tensor names. */
#include "make.h"

#include <jansson.h>

#include "format/hf_config.h"
#include "format/hf_names.h"

/* A small config of this model_type with changes: a member of null value stays as null, one of "-" is taken away. */
static char *make_config(const char *arch, const char *changes)
{
	char *text = quoted(changes);
	json_t *c = json_pack("{ss,si,si,si,si,si}", "model_type", arch, "hidden_size", 64, "num_hidden_layers", 4,
			      "num_attention_heads", 4, "intermediate_size", 128, "vocab_size", 100);
	json_t *add = json_loads(text, JSON_DECODE_ANY, NULL), *v;
	const char *key;
	void *next;
	if (!add)
		fail_msg("the test's own JSON is malformed: %s", text);
	assert_int_equal(json_object_update(c, add), 0);
	json_object_foreach_safe(add, next, key, v) if (json_is_string(v) && strcmp(json_string_value(v), "-") == 0)
		json_object_del(c, key);
	char *out = json_dumps(c, 0);
	json_decref(add);
	json_decref(c);
	free(text);
	return out;
}

static struct hparams read_config(const char *arch, const char *changes)
{
	struct hparams h;
	struct kvik_err err;
	char *json = make_config(arch, changes);
	if (hf_config(json, strlen(json), "config.json", true, &h, &err) != 0)
		fail_msg("%s %s: %s", arch, changes, err.text);
	free(json);
	return h;
}

static void must_fail(const char *arch, const char *changes, int code, const char *says)
{
	struct hparams h;
	struct kvik_err err = {.text = "no error"};
	char *json = make_config(arch, changes);
	int rc = hf_config(json, strlen(json), "d/config.json", true, &h, &err);
	if (!rc)
		rc = hparams_check(&h, "d/config.json", &err);
	if (rc != code || !strstr(err.text, says) || strncmp(err.text, "d/config.json: ", 15) != 0)
		fail_msg("%s %s: got %d, '%s'; wanted %d, '%s'", arch, changes, rc, err.text, code, says);
	free(json);
}

static void what_is_absent_has_the_default_of_transformers(void **state)
{
	(void)state;
	struct hparams h = read_config("llama", "{}");
	assert_true(h.arch == ARCH_LLAMA && h.n_layers == 4 && h.dim == 64 && h.n_heads == 4 && h.ffn_dim == 128);
	assert_true(h.n_kv_heads == 4 && h.head_dim == 16 && h.n_vocab == 100 && h.context == 2048 && !h.tied);
	assert_true(h.rms_eps == 1e-6f && h.rope_theta == 10000 && h.rope_dim == 16);
	assert_true(h.rope_scaling == ROPE_SCALING_NONE && h.window[0] == 0 && !h.qk_permuted);
	h = read_config("mistral", "{}");
	assert_true(h.n_kv_heads == 8 && h.head_dim == 16 && h.context == 131072 && h.window[3] == 4096);
	h = read_config("qwen2", "{}");
	assert_true(h.n_kv_heads == 32 && h.head_dim == 16 && h.context == 32768 && h.window[3] == 0);
	h = read_config("qwen3", "{}");
	assert_true(h.n_kv_heads == 32 && h.head_dim == 128 && h.rope_dim == 128 && h.window[3] == 0);
}

static void null_takes_the_default_away(void **state)
{
	(void)state;
	struct hparams h = read_config("mistral", "{'num_key_value_heads':null,'sliding_window':null,'head_dim':null}");
	assert_true(h.n_kv_heads == 4 && h.window[0] == 0 && h.head_dim == 16);
	h = read_config("qwen2", "{'num_key_value_heads':null,'use_sliding_window':true,'sliding_window':null}");
	assert_true(h.n_kv_heads == 4 && h.window[3] == 0);
	h = read_config("llama", "{'rope_scaling':null,'rope_theta':null,'tie_word_embeddings':null}");
	assert_true(h.rope_theta == 10000 && !h.tied);
}

static void what_is_there_is_read(void **state)
{
	(void)state;
	struct hparams h =
		read_config("llama", "{'num_key_value_heads':2,'head_dim':32,'max_position_embeddings':131072,"
				     "'rms_norm_eps':1e-5,'rope_theta':500000,'tie_word_embeddings':true,"
				     "'torch_dtype':'bfloat16','hidden_act':'silu','pretraining_tp':1}");
	assert_true(h.n_kv_heads == 2 && h.head_dim == 32 && h.rope_dim == 32 && h.context == 131072 && h.tied);
	assert_true(h.rms_eps == 1e-5f && h.rope_theta == 500000);
	h = read_config("llama", "{'head_dim':80,'partial_rotary_factor':0.7}");
	assert_int_equal(h.rope_dim, 56);
}

static void tied_by_what_the_checkpoint_has(void **state)
{
	(void)state;
	static const struct {
		const char *changes;
		bool has_output, tied;
	} cases[] = {{"{}", true, false},
		     {"{}", false, true},
		     {"{'tie_word_embeddings':true}", true, true},
		     {"{'tie_word_embeddings':false}", false, false}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct hparams h;
		char *json = make_config("llama", cases[i].changes);
		assert_int_equal(hf_config(json, strlen(json), "c", cases[i].has_output, &h, NULL), 0);
		assert_int_equal(h.tied, cases[i].tied);
		free(json);
	}
}

static void rope_of_transformers_4_and_5(void **state)
{
	(void)state;
	struct hparams h = read_config("llama", "{'rope_theta':5e5,'rope_scaling':{'type':'linear','factor':4}}");
	assert_true(h.rope_scaling == ROPE_SCALING_LINEAR && h.rope_factor == 4 && h.rope_theta == 500000);
	h = read_config("llama", "{'rope_parameters':{'rope_type':'linear','factor':2.5,'rope_theta':1e6}}");
	assert_true(h.rope_scaling == ROPE_SCALING_LINEAR && h.rope_factor == 2.5f && h.rope_theta == 1e6f);
	h = read_config("llama", "{'rope_parameters':{'rope_type':'default','rope_theta':12345.0},'rope_theta':7}");
	assert_true(h.rope_scaling == ROPE_SCALING_NONE && h.rope_theta == 12345);
	h = read_config("llama", "{'max_position_embeddings':131072,'rope_scaling':{'rope_type':'llama3','factor':32.0,"
				 "'low_freq_factor':1.0,'high_freq_factor':4.0,"
				 "'original_max_position_embeddings':8192}}");
	assert_true(h.rope_scaling == ROPE_SCALING_LLAMA3 && h.rope_factor == 32 && h.rope_context == 8192);
	assert_true(h.rope_low_freq == 1 && h.rope_high_freq == 4);
	h = read_config("llama", "{'rope_scaling':{},'rope_parameters':{'rope_type':'linear','factor':3}}");
	assert_true(h.rope_factor == 3);
}

static void rope_yarn(void **state)
{
	(void)state;
	struct hparams h = read_config("qwen2", "{'rope_scaling':{'type':'yarn','factor':4.0,"
						"'original_max_position_embeddings':32768}}");
	assert_true(h.rope_scaling == ROPE_SCALING_YARN && h.rope_factor == 4 && h.rope_context == 32768);
	assert_true(h.rope_beta_fast == 32 && h.rope_beta_slow == 1 && h.rope_attn_factor == 0);
	assert_false(h.rope_keep_fractions);
	h = read_config("qwen3", "{'max_position_embeddings':40960,'rope_parameters':{'rope_type':'yarn',"
				 "'rope_theta':1e6,'original_max_position_embeddings':10240,'factor':null,"
				 "'attention_factor':1.25,'beta_fast':16,'beta_slow':2,'truncate':false}}");
	assert_true(h.rope_factor == 4 && h.rope_attn_factor == 1.25f && h.rope_keep_fractions);
	assert_true(h.rope_beta_fast == 16 && h.rope_beta_slow == 2);
	h = read_config("llama",
			"{'original_max_position_embeddings':512,'rope_scaling':{'rope_type':'yarn','factor':4,"
			"'original_max_position_embeddings':1024}}");
	assert_true(h.rope_context == 512);
	h = read_config("llama", "{'rope_scaling':{'rope_type':'yarn','factor':40,'mscale':1,'mscale_all_dim':1}}");
	assert_true(h.rope_attn_factor == 1);
}

static void windows(void **state)
{
	(void)state;
	struct hparams h = read_config("mistral", "{'sliding_window':32}");
	assert_true(h.window[0] == 32 && h.window[3] == 32 && h.window[4] == 0);
	h = read_config("qwen2", "{'sliding_window':32,'use_sliding_window':false,'max_window_layers':0}");
	assert_true(h.window[0] == 0 && h.window[3] == 0);
	h = read_config("qwen2", "{'sliding_window':32,'use_sliding_window':true,'max_window_layers':2}");
	assert_true(h.window[1] == 0 && h.window[2] == 32);
	h = read_config("qwen2", "{'sliding_window':32,'use_sliding_window':true}");
	assert_true(h.window[3] == 0); /* 28 layers without a window by default */
	h = read_config("qwen3", "{'sliding_window':32,'use_sliding_window':true,'max_window_layers':4,'layer_types':"
				 "['sliding_attention','full_attention','full_attention','sliding_attention']}");
	assert_true(h.window[0] == 32 && h.window[1] == 0 && h.window[2] == 0 && h.window[3] == 32);
	h = read_config("llama", "{'sliding_window':32}");
	assert_true(h.window[0] == 0);
}

static void contradictions_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *arch, *changes;
		int code;
		const char *says;
	} cases[] = {
		{"gemma3", "{}", KVIK_ERR_UNSUPPORTED, "'model_type' is 'gemma3'"},
		{"llama", "{'model_type':'-'}", KVIK_ERR_UNSUPPORTED, "model_type"},
		{"llama", "{'model_type':7}", KVIK_ERR_FORMAT, "'model_type' is not a string"},
		{"llama", "{'hidden_size':'-'}", KVIK_ERR_FORMAT, "'hidden_size' is missing"},
		{"llama", "{'hidden_size':null}", KVIK_ERR_FORMAT, "'hidden_size' is missing"},
		{"llama", "{'hidden_size':64.0}", KVIK_ERR_FORMAT, "'hidden_size' is not a whole number"},
		{"llama", "{'hidden_size':'64'}", KVIK_ERR_FORMAT, "'hidden_size' is not a whole number"},
		{"llama", "{'hidden_size':-64}", KVIK_ERR_FORMAT, "'hidden_size' is not a whole number"},
		{"llama", "{'hidden_size':4294967296}", KVIK_ERR_FORMAT, "'hidden_size' is not a whole number"},
		{"llama", "{'hidden_size':4294967295}", KVIK_ERR_FORMAT, "'hidden_size' is no multiple"},
		{"llama", "{'hidden_size':65}", KVIK_ERR_FORMAT, "'hidden_size' is no multiple"},
		{"llama", "{'hidden_size':0}", KVIK_ERR_FORMAT, "the hidden size is 0"},
		{"llama", "{'num_hidden_layers':0}", KVIK_ERR_FORMAT, "the number of layers is 0"},
		{"llama", "{'num_hidden_layers':4294967295}", KVIK_ERR_FORMAT, "the number of layers is"},
		{"llama", "{'num_attention_heads':0}", KVIK_ERR_FORMAT, "the number of attention heads is 0"},
		{"llama", "{'num_key_value_heads':3}", KVIK_ERR_FORMAT, "cannot share 3 KV heads"},
		{"llama", "{'num_key_value_heads':0}", KVIK_ERR_FORMAT, "the number of KV heads is 0"},
		{"llama", "{'num_key_value_heads':true}", KVIK_ERR_FORMAT, "'num_key_value_heads' is not"},
		{"llama", "{'head_dim':0}", KVIK_ERR_FORMAT, "the head dimension is 0"},
		{"llama", "{'head_dim':4294967295}", KVIK_ERR_FORMAT, "the head dimension is"},
		{"llama", "{'head_dim':15}", KVIK_ERR_FORMAT, "must be even"},
		{"llama", "{'vocab_size':0}", KVIK_ERR_FORMAT, "the vocabulary size is 0"},
		{"llama", "{'intermediate_size':[1,2,3,4]}", KVIK_ERR_FORMAT, "'intermediate_size' is not"},
		{"llama", "{'rms_norm_eps':-1}", KVIK_ERR_FORMAT, "epsilon is -1"},
		{"llama", "{'rms_norm_eps':'1e-5'}", KVIK_ERR_FORMAT, "'rms_norm_eps' is not a number"},
		{"llama", "{'rope_theta':0}", KVIK_ERR_FORMAT, "rope theta is 0"},
		{"llama", "{'rope_theta':1e300}", KVIK_ERR_FORMAT, "rope theta is inf"},
		{"llama", "{'partial_rotary_factor':0}", KVIK_ERR_FORMAT, "'partial_rotary_factor' is not above 0"},
		{"llama", "{'partial_rotary_factor':1.5}", KVIK_ERR_FORMAT, "'partial_rotary_factor' is not above 0"},
		{"llama", "{'tie_word_embeddings':1}", KVIK_ERR_FORMAT, "'tie_word_embeddings' is neither"},
		{"llama", "{'hidden_act':'gelu'}", KVIK_ERR_UNSUPPORTED, "'hidden_act' is not silu"},
		{"llama", "{'text_config':{}}", KVIK_ERR_UNSUPPORTED, "'text_config' marks"},
		{"llama", "{'quantization_config':{}}", KVIK_ERR_UNSUPPORTED, "'quantization_config' marks"},
		{"llama", "{'rope_scaling':'linear'}", KVIK_ERR_FORMAT, "'rope_scaling' is not an object"},
		{"llama", "{'rope_parameters':[]}", KVIK_ERR_FORMAT, "'rope_parameters' is not an object"},
		{"llama", "{'rope_scaling':{'type':'dynamic','factor':2}}", KVIK_ERR_UNSUPPORTED,
		 "'rope_scaling' has the type 'dynamic'"},
		{"llama", "{'rope_parameters':{'rope_type':'longrope','factor':2}}", KVIK_ERR_UNSUPPORTED,
		 "'rope_parameters' has the type 'longrope'"},
		{"llama", "{'rope_scaling':{'type':7,'factor':2}}", KVIK_ERR_FORMAT, "'type' is not a string"},
		{"llama", "{'rope_scaling':{'type':'linear'}}", KVIK_ERR_FORMAT, "'rope_scaling' lacks its factor"},
		{"llama", "{'rope_scaling':{'type':'linear','factor':0}}", KVIK_ERR_FORMAT, "the factor of the rope"},
		{"llama", "{'rope_scaling':{'type':'linear','factor':-2}}", KVIK_ERR_FORMAT, "the factor of the rope"},
		{"llama", "{'rope_scaling':{'type':'llama3','factor':8}}", KVIK_ERR_FORMAT, "lacks low_freq_factor"},
		{"llama", "{'rope_scaling':{'type':'llama3','factor':8,'low_freq_factor':4,'high_freq_factor':4}}",
		 KVIK_ERR_FORMAT, "high_freq_factor of the rope scaling is 4"},
		{"llama", "{'rope_scaling':{'type':'yarn','factor':8,'original_max_position_embeddings':0}}",
		 KVIK_ERR_FORMAT, "the original context length of the rope scaling is 0"},
		{"llama", "{'rope_scaling':{'type':'yarn','factor':8,'beta_fast':1}}", KVIK_ERR_FORMAT, "beta_fast"},
		{"llama", "{'rope_scaling':{'type':'yarn','factor':8,'attention_factor':-1}}", KVIK_ERR_FORMAT,
		 "the attention factor"},
		{"llama", "{'rope_parameters':{'full_attention':{'rope_type':'default'}}}", KVIK_ERR_UNSUPPORTED,
		 "'rope_parameters' differs between layers"},
		{"mistral", "{'sliding_window':-5}", KVIK_ERR_FORMAT, "'sliding_window' is not"},
		{"mistral", "{'sliding_window':4.5}", KVIK_ERR_FORMAT, "'sliding_window' is not"},
		{"qwen2", "{'use_sliding_window':'yes'}", KVIK_ERR_FORMAT, "'use_sliding_window' is neither"},
		{"qwen2", "{'use_sliding_window':true,'max_window_layers':-1}", KVIK_ERR_FORMAT, "'max_window_layers'"},
		{"qwen3", "{'use_sliding_window':true,'layer_types':['full_attention']}", KVIK_ERR_FORMAT,
		 "'layer_types' does not have one entry per layer"},
		{"qwen3", "{'use_sliding_window':true,'layer_types':'full_attention'}", KVIK_ERR_FORMAT,
		 "'layer_types' does not have one entry per layer"},
		{"qwen3", "{'use_sliding_window':true,'layer_types':['full_attention',1,2,3]}", KVIK_ERR_UNSUPPORTED,
		 "'layer_types' names a kind"},
		{"qwen3", "{'num_key_value_heads':32}", KVIK_ERR_FORMAT, "cannot share 32 KV heads"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		must_fail(cases[i].arch, cases[i].changes, cases[i].code, cases[i].says);
}

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
	struct hparams h;
	struct kvik_err err;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t n = strlen(cases[i].json);
		assert_int_equal(hf_config(cases[i].json, n, "c.json", true, &h, &err), KVIK_ERR_FORMAT);
		if (!strstr(err.text, cases[i].says) || strncmp(err.text, "c.json: ", 8) != 0)
			fail_msg("'%s': %s", cases[i].json, err.text);
	}
}

static void deep_nesting_is_bounded(void **state)
{
	(void)state;
	enum { DEPTH = 1000000 };
	char *json = malloc(DEPTH);
	struct hparams h;
	memset(json, '[', DEPTH);
	memcpy(json, "{\"a\":", 5);
	assert_int_equal(hf_config(json, DEPTH, "c.json", true, &h, NULL), KVIK_ERR_FORMAT);
	for (size_t i = 0; i + 5 <= DEPTH; i += 5)
		memcpy(json + i, "{\"a\":", 5);
	assert_int_equal(hf_config(json, DEPTH, "c.json", true, &h, NULL), KVIK_ERR_FORMAT);
	free(json);
}

static void damage_does_no_harm(void **state)
{
	(void)state;
	char *json = make_config("qwen3", "{'use_sliding_window':true,'rope_scaling':{'type':'yarn','factor':4},"
					  "'layer_types':['sliding_attention','full_attention','full_attention',"
					  "'sliding_attention'],'head_dim':16}");
	size_t n = strlen(json);
	struct hparams h;
	for (size_t cut = 0; cut < n; cut++) {
		char *copy = malloc(cut ? cut : 1);
		memcpy(copy, json, cut);
		assert_int_equal(hf_config(copy, cut, "c", true, &h, NULL), KVIK_ERR_FORMAT);
		free(copy);
	}
	for (size_t i = 0; i < n; i++)
		for (int v = 0; v < 256; v++) {
			char old = json[i];
			json[i] = (char)v;
			if (hf_config(json, n, "c", true, &h, NULL) == 0)
				(void)!hparams_check(&h, "c", NULL);
			json[i] = old;
		}
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
		{"[]", KVIK_ERR_FORMAT, 0, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint32_t ids[4];
		size_t n;
		struct kvik_err err = {0};
		char *json = quoted(cases[i].json);
		assert_int_equal(hf_config_ends(json, strlen(json), "g.json", ids, 4, &n, &err), cases[i].code);
		if (cases[i].code) {
			assert_non_null(strstr(err.text, "g.json: "));
		} else {
			assert_int_equal(n, cases[i].n);
			assert_true(n == 0 || ids[0] == cases[i].first);
		}
		free(json);
	}
}

static void names_become_those_of_gguf(void **state)
{
	(void)state;
	static const struct {
		const char *hf, *gguf; /* NULL: not known */
	} cases[] = {
		{"model.embed_tokens.weight", "token_embd.weight"},
		{"lm_head.weight", "output.weight"},
		{"model.norm.weight", "output_norm.weight"},
		{"norm.weight", "output_norm.weight"},
		{"model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight"},
		{"layers.31.self_attn.k_proj.bias", "blk.31.attn_k.bias"},
		{"model.layers.9999.mlp.down_proj.weight", "blk.9999.ffn_down.weight"},
		{"model.layers.3.self_attn.q_norm.weight", "blk.3.attn_q_norm.weight"},
		{"model.layers.3.post_attention_layernorm.weight", "blk.3.ffn_norm.weight"},
		{"model.layers.12345.mlp.down_proj.weight", NULL},
		{"model.layers..mlp.down_proj.weight", NULL},
		{"model.layers.1.mlp.down_proj", NULL},
		{"model.layers.1.mlp.down_proj.scale", NULL},
		{"model.layers.1.", NULL},
		{"model.layers.", NULL},
		{"model.", NULL},
		{"", NULL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char out[96];
		assert_int_equal(hf_name_map(cases[i].hf, out, sizeof out), cases[i].gguf != NULL);
		assert_string_equal(out, cases[i].gguf ? cases[i].gguf : cases[i].hf);
	}
	assert_true(hf_name_of_no_use("model.layers.0.self_attn.rotary_emb.inv_freq"));
	assert_false(hf_name_of_no_use("model.layers.0.self_attn.q_proj.weight"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_absent_has_the_default_of_transformers),
		cmocka_unit_test(null_takes_the_default_away),
		cmocka_unit_test(what_is_there_is_read),
		cmocka_unit_test(tied_by_what_the_checkpoint_has),
		cmocka_unit_test(rope_of_transformers_4_and_5),
		cmocka_unit_test(rope_yarn),
		cmocka_unit_test(windows),
		cmocka_unit_test(contradictions_are_named),
		cmocka_unit_test(what_is_no_json_is_named),
		cmocka_unit_test(deep_nesting_is_bounded),
		cmocka_unit_test(damage_does_no_harm),
		cmocka_unit_test(ids_that_end_a_text),
		cmocka_unit_test(names_become_those_of_gguf),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
