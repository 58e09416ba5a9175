/* test_arch.c: how architectures are described: config.json as transformers 4 and 5 write it, its defaults, each kind
 * of contradiction by the error it gets, fields that nobody reads. GGUF's fields are in tests/format/test_source.c. */
#include "../format/make.h"

#include <math.h>

#include "format/hf_json.h"
#include "model/arch.h"

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

static int read_json(const char *json, const char *name, struct hparams *h, struct kvik_err *err)
{
	struct keys k;
	json_t *root;
	int rc = hf_json_load(&root, json, strlen(json), name, err);
	if (!rc)
		rc = keys_open_json(&k, root, name, err);
	if (!rc)
		rc = arch_read(&k, h);
	json_decref(root);
	return rc;
}

static struct hparams read_config(const char *arch, const char *changes)
{
	struct hparams h;
	struct kvik_err err;
	char *json = make_config(arch, changes);
	if (read_json(json, "config.json", &h, &err) != 0)
		fail_msg("%s %s: %s", arch, changes, err.text);
	free(json);
	return h;
}

static void must_fail(const char *arch, const char *changes, int code, const char *says)
{
	struct hparams h;
	struct kvik_err err = {.text = "no error"};
	char *json = make_config(arch, changes);
	int rc = read_json(json, "d/config.json", &h, &err);
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
	const struct attention_spec *a = &h.layers[0].attention;
	assert_true(h.n_layers == 4 && h.dim == 64 && a->heads == 4 && h.layers[3].ffn.dim == 128);
	assert_true(a->kv_heads == 4 && a->head_dim == 16 && h.n_vocab == 100 && h.context == 2048 && !h.tied);
	assert_true(h.rms_eps == 1e-6f && h.ropes[0].theta == 10000 && h.ropes[0].dim == 16 && a->scale == 0.25f);
	assert_true(h.ropes[0].rule == ROPE_PLAIN && a->window == 0 && !h.qk_permuted);
	h = read_config("mistral", "{}");
	assert_true(h.layers[0].attention.kv_heads == 8 && h.layers[0].attention.head_dim == 16 &&
		    h.context == 131072 && h.layers[3].attention.window == 4096);
	h = read_config("qwen2", "{}");
	assert_true(h.layers[0].attention.kv_heads == 32 && h.layers[0].attention.head_dim == 16 &&
		    h.context == 32768 && h.layers[3].attention.window == 0);
	h = read_config("qwen3", "{}");
	assert_true(h.layers[0].attention.kv_heads == 32 && h.layers[0].attention.head_dim == 128 &&
		    h.ropes[0].dim == 128 && h.layers[3].attention.window == 0);
}

static void null_takes_the_default_away(void **state)
{
	(void)state;
	struct hparams h = read_config("mistral", "{'num_key_value_heads':null,'sliding_window':null,'head_dim':null}");
	assert_true(h.layers[0].attention.kv_heads == 4 && h.layers[0].attention.window == 0 &&
		    h.layers[0].attention.head_dim == 16);
	h = read_config("qwen2", "{'num_key_value_heads':null,'use_sliding_window':true,'sliding_window':null}");
	assert_true(h.layers[0].attention.kv_heads == 4 && h.layers[3].attention.window == 0);
	h = read_config("llama", "{'rope_scaling':null,'rope_theta':null,'tie_word_embeddings':null}");
	assert_true(h.ropes[0].theta == 10000 && !h.tied);
}

static void what_is_there_is_read(void **state)
{
	(void)state;
	struct hparams h =
		read_config("llama", "{'num_key_value_heads':2,'head_dim':32,'max_position_embeddings':131072,"
				     "'rms_norm_eps':1e-5,'rope_theta':500000,'tie_word_embeddings':true,"
				     "'torch_dtype':'bfloat16','hidden_act':'silu','pretraining_tp':1}");
	assert_true(h.layers[0].attention.kv_heads == 2 && h.layers[0].attention.head_dim == 32 &&
		    h.ropes[0].dim == 32 && h.context == 131072 && h.tied);
	assert_true(h.rms_eps == 1e-5f && h.ropes[0].theta == 500000);
	h = read_config("llama", "{'head_dim':80,'partial_rotary_factor':0.7}");
	assert_int_equal(h.ropes[0].dim, 56);
}

static void rope_of_transformers_4_and_5(void **state)
{
	(void)state;
	struct hparams h = read_config("llama", "{'rope_theta':5e5,'rope_scaling':{'type':'linear','factor':4}}");
	assert_true(h.ropes[0].rule == ROPE_LINEAR && h.ropes[0].factor == 4 && h.ropes[0].theta == 500000);
	h = read_config("llama", "{'rope_parameters':{'rope_type':'linear','factor':2.5,'rope_theta':1e6}}");
	assert_true(h.ropes[0].rule == ROPE_LINEAR && h.ropes[0].factor == 2.5f && h.ropes[0].theta == 1e6f);
	h = read_config("llama", "{'rope_parameters':{'rope_type':'default','rope_theta':12345.0},'rope_theta':7}");
	assert_true(h.ropes[0].rule == ROPE_PLAIN && h.ropes[0].theta == 12345);
	h = read_config("llama", "{'max_position_embeddings':131072,'rope_scaling':{'rope_type':'llama3','factor':32.0,"
				 "'low_freq_factor':1.0,'high_freq_factor':4.0,"
				 "'original_max_position_embeddings':8192}}");
	assert_true(h.ropes[0].rule == ROPE_LLAMA3 && h.ropes[0].factor == 32 && h.ropes[0].context == 8192);
	assert_true(h.ropes[0].low_freq == 1 && h.ropes[0].high_freq == 4);
	h = read_config("llama", "{'rope_scaling':{},'rope_parameters':{'rope_type':'linear','factor':3}}");
	assert_true(h.ropes[0].factor == 3);
}

static void rope_yarn(void **state)
{
	(void)state;
	struct hparams h = read_config("qwen2", "{'rope_scaling':{'type':'yarn','factor':4.0,"
						"'original_max_position_embeddings':32768}}");
	assert_true(h.ropes[0].rule == ROPE_YARN && h.ropes[0].factor == 4 && h.ropes[0].context == 32768);
	assert_true(h.ropes[0].beta_fast == 32 && h.ropes[0].beta_slow == 1 && h.ropes[0].attn_factor == 0);
	assert_false(h.ropes[0].keep_fractions);
	h = read_config("qwen3", "{'max_position_embeddings':40960,'rope_parameters':{'rope_type':'yarn',"
				 "'rope_theta':1e6,'original_max_position_embeddings':10240,'factor':null,"
				 "'attention_factor':1.25,'beta_fast':16,'beta_slow':2,'truncate':false}}");
	assert_true(h.ropes[0].factor == 4 && h.ropes[0].attn_factor == 1.25f && h.ropes[0].keep_fractions);
	assert_true(h.ropes[0].beta_fast == 16 && h.ropes[0].beta_slow == 2);
	h = read_config("llama",
			"{'original_max_position_embeddings':512,'rope_scaling':{'rope_type':'yarn','factor':4,"
			"'original_max_position_embeddings':1024}}");
	assert_true(h.ropes[0].context == 512);
	h = read_config("llama", "{'rope_scaling':{'rope_type':'yarn','factor':40,'mscale':1,'mscale_all_dim':1}}");
	assert_true(h.ropes[0].attn_factor == 1);
}

static void windows(void **state)
{
	(void)state;
	struct hparams h = read_config("mistral", "{'sliding_window':32}");
	assert_true(h.layers[0].attention.window == 32 && h.layers[3].attention.window == 32 &&
		    h.layers[4].attention.window == 0);
	h = read_config("qwen2", "{'sliding_window':32,'use_sliding_window':false,'max_window_layers':0}");
	assert_true(h.layers[0].attention.window == 0 && h.layers[3].attention.window == 0);
	h = read_config("qwen2", "{'sliding_window':32,'use_sliding_window':true,'max_window_layers':2}");
	assert_true(h.layers[1].attention.window == 0 && h.layers[2].attention.window == 32);
	h = read_config("qwen2", "{'sliding_window':32,'use_sliding_window':true}");
	assert_true(h.layers[3].attention.window == 0); /* 28 layers without a window by default */
	h = read_config("qwen3", "{'sliding_window':32,'use_sliding_window':true,'max_window_layers':4,'layer_types':"
				 "['sliding_attention','full_attention','full_attention','sliding_attention']}");
	assert_true(h.layers[0].attention.window == 32 && h.layers[1].attention.window == 0 &&
		    h.layers[2].attention.window == 0 && h.layers[3].attention.window == 32);
	h = read_config("llama", "{'sliding_window':32}");
	assert_true(h.layers[0].attention.window == 0);
}

static void contradictions_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *arch, *changes;
		int code;
		const char *says;
	} cases[] = {
		{"gemma9", "{}", KVIK_ERR_UNSUPPORTED, "'model_type' is 'gemma9'"},
		{"llama", "{'model_type':'-'}", KVIK_ERR_FORMAT, "'model_type' is missing"},
		{"llama", "{'model_type':7}", KVIK_ERR_FORMAT, "'model_type' is not a string"},
		{"llama", "{'hidden_size':'-'}", KVIK_ERR_FORMAT, "'hidden_size' is missing"},
		{"llama", "{'hidden_size':null}", KVIK_ERR_FORMAT, "'hidden_size' is missing"},
		{"llama", "{'hidden_size':64.0}", KVIK_ERR_FORMAT, "'hidden_size' is not a whole number"},
		{"llama", "{'hidden_size':'64'}", KVIK_ERR_FORMAT, "'hidden_size' is not a whole number"},
		{"llama", "{'hidden_size':-64}", KVIK_ERR_FORMAT, "'hidden_size' is not a whole number"},
		{"llama", "{'hidden_size':4294967296}", KVIK_ERR_FORMAT, "'hidden_size' is not a whole number"},
		{"llama", "{'hidden_size':4294967295}", KVIK_ERR_FORMAT, "do not divide the hidden size"},
		{"llama", "{'hidden_size':65}", KVIK_ERR_FORMAT, "do not divide the hidden size"},
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
		{"llama", "{'text_config':{}}", KVIK_ERR_FORMAT, "'text_config.model_type' is missing"},
		{"gemma3", "{'text_config':7}", KVIK_ERR_FORMAT, "'text_config.model_type' is missing"},
		{"gemma3", "{'text_config':{'model_type':'gemma3_text'}}", KVIK_ERR_FORMAT, "'hidden_size' is missing"},
		{"gemma3", "{'text_config':{'model_type':'gemma9'}}", KVIK_ERR_UNSUPPORTED, "'model_type' is 'gemma9'"},
		{"gemma3",
		 "{'quantization_config':{'bits':4},'text_config':{'model_type':'gemma3_text','hidden_size':64,"
		 "'num_hidden_layers':2,'intermediate_size':128}}",
		 KVIK_ERR_UNSUPPORTED, "'quantization_config' marks"},
		{"gemma3_text", "{'query_pre_attn_scalar':0}", KVIK_ERR_FORMAT, "the scale of attention is inf"},
		{"gemma3_text", "{'sliding_window_pattern':0}", KVIK_ERR_FORMAT, "'sliding_window_pattern' is 0"},
		{"gemma3_text", "{'hidden_activation':'silu'}", KVIK_ERR_UNSUPPORTED,
		 "'hidden_activation' is not gelu_pytorch_tanh"},
		{"gemma2", "{'final_logit_softcapping':-1}", KVIK_ERR_FORMAT, "the soft cap of the logits is -1"},
		{"llama", "{'quantization_config':{}}", KVIK_ERR_UNSUPPORTED, "'quantization_config' marks"},
		{"llama", "{'rope_scaling':'linear'}", KVIK_ERR_FORMAT, "'rope_scaling' is not an object"},
		{"llama", "{'rope_parameters':[]}", KVIK_ERR_FORMAT, "'rope_parameters' is not an object"},
		{"llama", "{'rope_scaling':{'type':'dynamic','factor':2}}", KVIK_ERR_UNSUPPORTED,
		 "'rope_scaling' has the type 'dynamic'"},
		{"llama", "{'rope_parameters':{'rope_type':'longrope','factor':2}}", KVIK_ERR_UNSUPPORTED,
		 "'rope_parameters' has the type 'longrope'"},
		{"llama", "{'rope_scaling':{'type':7,'factor':2}}", KVIK_ERR_FORMAT,
		 "'rope_scaling.type' is not a string"},
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
		{"qwen3", "{'use_sliding_window':true,'layer_types':['full_attention',1,2,3]}", KVIK_ERR_FORMAT,
		 "'layer_types' is not a string"},
		{"qwen3",
		 "{'use_sliding_window':true,'layer_types':['full_attention','linear_attention','full_attention',"
		 "'full_attention']}",
		 KVIK_ERR_UNSUPPORTED, "'layer_types' names a kind"},
		{"qwen3", "{'num_key_value_heads':32}", KVIK_ERR_FORMAT, "cannot share 32 KV heads"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		must_fail(cases[i].arch, cases[i].changes, cases[i].code, cases[i].says);
}

/* Nothing is ignored in silence. */
static void what_nobody_reads_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *arch, *changes, *says; /* an error */
	} cases[] = {
		{"mistral", "{'attention_bias':true}", "'attention_bias' asks for something"},
		{"qwen2", "{'mlp_bias':true}", "'mlp_bias'"},
		{"llama", "{'use_sliding_window':true}", "'use_sliding_window'"},
		{"llama", "{'clip_qkv':8.0}", "'clip_qkv'"},
		{"llama", "{'logit_scale':0.25}", "'logit_scale'"},
		{"llama", "{'embedding_multiplier':12}", "'embedding_multiplier'"},
		{"llama", "{'attention_multiplier':1}", "'attention_multiplier'"},
		{"llama", "{'num_local_experts':8}", "'num_local_experts'"},
		{"llama", "{'layer_types':['full_attention']}", "'layer_types'"},
		{"qwen3", "{'final_logit_softcapping':30.0}", "'final_logit_softcapping'"},
		{"gemma3_text", "{'attn_logit_softcapping':50.0}", "'attn_logit_softcapping'"},
		{"gemma3_text", "{'use_bidirectional_attention':true}", "'use_bidirectional_attention'"},
	};
	static const struct {
		const char *arch, *changes, *unknown; /* a warning, or nothing */
	} passed[] = {
		{"llama", "{}", ""},
		{"llama", "{'sliding_window':32}", "sliding_window"},
		{"llama", "{'clip_qkv':null,'logit_scale':1,'num_local_experts':0,'use_sliding_window':false}", ""},
		{"llama", "{'initializer_range':0.02,'torch_dtype':'bfloat16','bos_token_id':1,'use_cache':true}", ""},
		{"llama", "{'wombat':1,'zebra':{'a':2}}", "wombat, zebra"},
		{"llama", "{'rope_scaling':{'type':'linear','factor':2,'twist':3}}", "rope_scaling.twist"},
		{"llama",
		 "{'rope_scaling':{'rope_type':'llama3','type':'llama3','factor':2,'low_freq_factor':1,"
		 "'high_freq_factor':4,'original_max_position_embeddings':32}}",
		 ""},
		{"qwen2", "{'layer_types':['full_attention','full_attention','full_attention','full_attention']}", ""},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		must_fail(cases[i].arch, cases[i].changes, KVIK_ERR_UNSUPPORTED, cases[i].says);
	for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
		struct hparams h = read_config(passed[i].arch, passed[i].changes);
		assert_string_equal(h.unknown, passed[i].unknown);
	}
}

/* Gemma 2 and 3 as they were published, with transformers 4, and as 5 writes them. */
static void gemma(void **state)
{
	(void)state;
	struct hparams h = read_config("gemma2", "{'hidden_act':'gelu_pytorch_tanh','query_pre_attn_scalar':144,"
						 "'cache_implementation':'hybrid','num_attention_heads':'-'}");
	const struct attention_spec *a = &h.layers[1].attention;
	assert_true(a->heads == 8 && a->kv_heads == 4 && a->head_dim == 256 && a->window == 0 && a->soft_cap == 50);
	assert_true(h.layers[2].attention.window == 4096 && h.logit_cap == 30 && h.embedding_scale == 8);
	assert_true(fabsf(a->scale - 1 / 12.0f) < 1e-7f && h.norms_less_one && h.layers[0].post_norms);
	assert_string_equal(h.unknown, "");
	h = read_config("gemma2", "{'attn_logit_softcapping':null,'final_logit_softcapping':null}");
	assert_true(h.layers[0].attention.soft_cap == 0 && h.logit_cap == 0);
	/* a folder of google/gemma-3-4b-it */
	h = read_config("gemma3", "{'text_config':{'hidden_size':2560,'intermediate_size':10240,"
				  "'model_type':'gemma3_text','num_hidden_layers':34,'rope_scaling':{'factor':8.0,"
				  "'rope_type':'linear'},'sliding_window':1024},'vision_config':{'hidden_size':1152},"
				  "'mm_tokens_per_image':256,'tie_word_embeddings':false}");
	assert_true(h.n_layers == 34 && h.n_vocab == 262208 && h.layers[0].attention.heads == 8 && h.nested && !h.tied);
	assert_true(h.layers[4].attention.window == 1024 && h.layers[5].attention.window == 0);
	assert_true(h.layers[4].attention.rope == 1 && h.layers[5].attention.rope == 0);
	assert_true(h.ropes[0].theta == 1e6f && h.ropes[0].rule == ROPE_LINEAR && h.ropes[0].factor == 8);
	assert_true(h.ropes[1].theta == 1e4f && h.ropes[1].rule == ROPE_PLAIN && h.ropes[1].dim == 256);
	assert_string_equal(h.unknown, "");
	h = read_config("gemma3_text", "{'rope_parameters':{'full_attention':{'rope_type':'linear','factor':4,"
				       "'rope_theta':2e6},'sliding_attention':{'rope_type':'default','rope_theta':5}},"
				       "'layer_types':['full_attention','sliding_attention','sliding_attention',"
				       "'full_attention'],'sliding_window':7,'rope_theta':9}");
	assert_true(h.ropes[0].theta == 2e6f && h.ropes[0].factor == 4 && h.ropes[1].theta == 5);
	assert_true(h.layers[0].attention.window == 0 && h.layers[1].attention.window == 7);
}

/* A folder of openai/gpt-oss-20b, cut to four layers. */
static void gpt_oss(void **state)
{
	(void)state;
	struct hparams h = read_config(
		"gpt_oss",
		"{'num_attention_heads':64,'num_key_value_heads':8,'head_dim':64,'intermediate_size':2880,"
		"'num_local_experts':32,'num_experts_per_tok':4,'experts_per_token':4,'swiglu_limit':7.0,"
		"'attention_bias':true,'sliding_window':128,'initial_context_length':4096,'rms_norm_eps':1e-05,"
		"'rope_theta':150000,'rope_scaling':{'rope_type':'yarn','factor':32.0,'beta_fast':32.0,'beta_slow':1.0,"
		"'original_max_position_embeddings':4096,'truncate':false},'hidden_act':'silu','quantization_config':"
		"{'quant_method':'mxfp4','modules_to_not_convert':['model.layers.*.self_attn']}}");
	const struct layer_spec *l = &h.layers[0];
	assert_true(l->attention.window == 128 && h.layers[1].attention.window == 0 && l->attention.sinks);
	assert_true(l->experts.n == 32 && l->experts.used == 4 && l->experts.dim == 2880 && l->experts.interleaved);
	assert_true(l->experts.routing.score == ROUTER_SOFTMAX_CHOSEN && l->experts.activation == ACTIVATION_CLAMPED);
	assert_true(h.ropes[0].rule == ROPE_YARN && h.ropes[0].keep_fractions && h.ropes[0].context == 4096);
	assert_string_equal(h.unknown, "");
	must_fail("gpt_oss", "{'swiglu_limit':6.0}", KVIK_ERR_UNSUPPORTED, "'swiglu_limit' is not the one");
	must_fail("gpt_oss", "{'quantization_config':{'quant_method':'fp8'}}", KVIK_ERR_UNSUPPORTED,
		  "'quantization_config' marks");
}

/* A folder of google/gemma-4-E2B-it, cut to six layers, and what transformers 5.23 makes of it. */
static void gemma4(void **state)
{
	(void)state;
	static const char *const forms[] = {
		"{'global_head_dim':512,'num_global_key_value_heads':null,'num_key_value_heads':1,'head_dim':256,"
		"'num_kv_shared_layers':2,'use_double_wide_mlp':true,'hidden_size_per_layer_input':256,"
		"'vocab_size_per_layer_input':100,'sliding_window':512,'num_hidden_layers':6,'final_logit_softcapping':"
		"30.0,'use_bidirectional_attention':null,'enable_moe_block':false,'attention_k_eq_v':false,'layer_"
		"types':"
		"['sliding_attention','full_attention','sliding_attention','full_attention','sliding_attention',"
		"'sliding_attention'],'rope_parameters':{'full_attention':{'rope_type':'proportional','rope_theta':1e6,"
		"'partial_rotary_factor':0.25},'sliding_attention':{'rope_type':'default','rope_theta':1e4}}}",
		"{'per_layer_config':{'1':{'head_dim':512},'3':{'head_dim':512},'5':{'head_dim':512}},"
		"'num_key_value_heads':1,'num_kv_shared_layers':2,'use_double_wide_mlp':true,'num_hidden_layers':6,"
		"'vocab_size_per_layer_input':100,'final_logit_softcapping':30.0,'layer_types':"
		"['sliding_attention','full_attention','sliding_attention','full_attention','sliding_attention',"
		"'full_attention'],'rope_parameters':{'full_attention':{'rope_type':'proportional','rope_theta':1e6,"
		"'partial_rotary_factor':0.25},'sliding_attention':{'rope_type':'default','rope_theta':1e4}}}"};
	for (size_t f = 0; f < 2; f++) {
		struct hparams h = read_config("gemma4_text", forms[f]);
		const struct layer_spec *l = h.layers;
		assert_true(l[0].attention.head_dim == 256 && l[1].attention.head_dim == 512);
		assert_true(l[0].attention.window == 512 && l[5].attention.window == 0);
		assert_true(l[3].attention.shares == 0 && l[4].attention.shares == 3 && l[5].attention.shares == 4);
		assert_true(l[3].ffn.dim == 128 && l[4].ffn.dim == 256 && h.ple_dim == 256 && h.logit_cap == 30);
		assert_true(h.ropes[0].dim == 512 && h.ropes[0].still == 192 && h.ropes[1].dim == 256);
		assert_string_equal(h.unknown, "");
		assert_int_equal(hparams_check(&h, "x", NULL), 0);
	}
	must_fail("gemma4_text", "{'num_kv_shared_layers':4}", KVIK_ERR_FORMAT, "is not below the number of layers");
	must_fail("gemma4_text", "{'num_kv_shared_layers':3,'num_key_value_heads':1,'sliding_window':7}",
		  KVIK_ERR_FORMAT, "layer 3 has no earlier layer of its kind");
	must_fail("gemma4_text", "{'use_bidirectional_attention':'all'}", KVIK_ERR_UNSUPPORTED, "lets tokens see");
	must_fail("gemma4_text", "{'enable_moe_block':true,'num_experts':4}", KVIK_ERR_FORMAT,
		  "'top_k_experts' is missing");
}

/* What of a layer is not listed is as in all others, whatever the fields of before say; numbers are padded in models of more
 * than ten layers. */
static void gemma4_lists_what_differs(void **state)
{
	(void)state;
	struct hparams h = read_config(
		"gemma4_text", "{'num_hidden_layers':12,'head_dim':64,'num_key_value_heads':2,'global_head_dim':128,"
			       "'num_global_key_value_heads':1,'attention_k_eq_v':true,'per_layer_config':{'05':"
			       "{'head_dim':96,'num_key_value_heads':4},'11':{'head_dim':96}}}");
	assert_true(h.layers[5].attention.head_dim == 96 && h.layers[5].attention.kv_heads == 4);
	assert_true(h.layers[11].attention.head_dim == 96 && h.layers[11].attention.kv_heads == 2);
	assert_true(h.layers[0].attention.head_dim == 64 && h.ropes[0].dim == 96 && h.ropes[1].dim == 64);
	assert_true(h.ropes[0].still == 36 && h.ropes[1].still == 0); /* of rope_parameters that are absent */
	assert_string_equal(h.unknown, "");
	h = read_config("gemma4_unified_text", "{'vocab_size':'-','max_position_embeddings':null}");
	assert_true(h.context == 262144 && h.layers[0].attention.window == 1024 && h.ple_dim == 0);
	static const char *const none[] = {"{'head_dim':64,'global_head_dim':128,'per_layer_config':{}}",
					   "{'head_dim':64,'global_head_dim':128,'per_layer_config':null}"};
	for (size_t i = 0; i < 2; i++) {
		h = read_config("gemma4_text", none[i]);
		assert_true(h.layers[3].attention.window == 0 && h.layers[3].attention.head_dim == 64);
		assert_true(h.ropes[0].dim == 64);
		assert_string_equal(h.unknown, "");
	}
	h = read_config("gemma4_text", "{'per_layer_config':{'2':{'skip':['mlp']}}}");
	assert_string_equal(h.unknown, "per_layer_config.#.skip");
	must_fail("gemma4_text", "{'num_hidden_layers':12,'per_layer_config':{'05':{'head_dim':96}}}",
		  KVIK_ERR_UNSUPPORTED, "gives layers of one kind different head dimensions");
	must_fail("gemma4_text", "{'per_layer_config':{'3':{'head_dim':'x'}}}", KVIK_ERR_FORMAT,
		  "'per_layer_config.3.head_dim' is not a whole number");
}

/* Qwen3.5 as it is published: a folder of a model that sees. */
static void qwen35(void **state)
{
	(void)state;
	struct hparams h = read_config(
		"qwen3_5",
		"{'text_config':{'attention_bias':false,'attention_dropout':0.0,'attn_output_gate':true,"
		"'full_attention_interval':4,'head_dim':256,'hidden_act':'silu','hidden_size':4096,"
		"'initializer_range':0.02,'intermediate_size':12288,'linear_conv_kernel_dim':4,"
		"'linear_key_head_dim':128,'linear_num_key_heads':16,'linear_num_value_heads':32,"
		"'linear_value_head_dim':128,'max_position_embeddings':262144,'mlp_only_layers':[],"
		"'model_type':'qwen3_5_text','mtp_num_hidden_layers':1,'mtp_use_dedicated_embeddings':false,"
		"'num_attention_heads':16,'num_hidden_layers':32,'num_key_value_heads':4,'rms_norm_eps':1e-06,"
		"'vocab_size':248320,'mamba_ssm_dtype':'float32','rope_parameters':{'mrope_interleaved':true,"
		"'mrope_section':[11,11,10],'partial_rotary_factor':0.25,'rope_theta':10000000,"
		"'rope_type':'default'}},'vision_config':{'depth':27},'image_token_id':248056,"
		"'tie_word_embeddings':false}");
	const struct delta_spec *d = &h.layers[0].delta;
	assert_true(h.n_layers == 32 && h.context == 262144 && h.norms_less_one && h.nested && !h.tied);
	for (uint32_t i = 0; i < h.n_layers; i++)
		assert_int_equal(h.layers[i].mixer, i % 4 == 3 ? MIXER_ATTENTION : MIXER_DELTA);
	assert_true(h.layers[3].attention.gated && h.layers[3].attention.qk_norm && h.layers[3].attention.heads == 16);
	assert_true(d->k_heads == 16 && d->v_heads == 32 && d->k_dim == 128 && d->v_dim == 128 && d->taps == 4);
	assert_true(!d->interleaved && delta_channels(d) == 8192 && h.ropes[0].dim == 64 && h.ropes[0].theta == 1e7f);
	assert_string_equal(h.unknown, "");
	h = read_config("qwen3_5_text", "{'layer_types':['full_attention','linear_attention','linear_attention',"
					"'full_attention'],'head_dim':null,'num_key_value_heads':'-'}");
	assert_true(h.layers[0].mixer == MIXER_ATTENTION && h.layers[1].mixer == MIXER_DELTA);
	assert_true(h.layers[0].attention.head_dim == 256 && h.layers[0].attention.kv_heads == 4 &&
		    h.ropes[0].dim == 64);
	h = read_config("qwen3_5_moe_text", "{'num_experts':128,'intermediate_size':'-'}");
	assert_true(h.layers[0].experts.n == 128 && h.layers[0].experts.used == 8 &&
		    h.layers[0].experts.shared_dim == 512 && h.layers[0].experts.shared_gated &&
		    h.layers[0].experts.routing.normalize);
	must_fail("qwen3_5_text", "{'attn_output_gate':false}", KVIK_ERR_UNSUPPORTED, "'attn_output_gate' is false");
	must_fail("qwen3_5_text", "{'full_attention_interval':0}", KVIK_ERR_FORMAT, "'full_attention_interval' is 0");
	must_fail("qwen3_5_text", "{'layer_types':['full_attention']}", KVIK_ERR_FORMAT, "one entry per layer");
	must_fail("qwen3_5_text", "{'linear_num_value_heads':3,'linear_num_key_heads':2}", KVIK_ERR_FORMAT,
		  "cannot share 2 key heads");
	must_fail("qwen3_5_text", "{'linear_conv_kernel_dim':17}", KVIK_ERR_FORMAT, "the width of the convolution");
	must_fail("qwen3_5_text", "{'full_attention_interval':9}", KVIK_ERR_UNSUPPORTED, "no layer has attention");
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
		char *copy = strndup(json, cut);
		assert_int_equal(read_json(copy, "c", &h, NULL), KVIK_ERR_FORMAT);
		free(copy);
	}
	for (size_t i = 0; i < n; i++)
		for (int v = 0; v < 256; v++) {
			char old = json[i];
			json[i] = (char)v;
			if (read_json(json, "c", &h, NULL) == 0)
				(void)!hparams_check(&h, "c", NULL);
			json[i] = old;
		}
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_absent_has_the_default_of_transformers),
		cmocka_unit_test(null_takes_the_default_away),
		cmocka_unit_test(what_is_there_is_read),
		cmocka_unit_test(rope_of_transformers_4_and_5),
		cmocka_unit_test(rope_yarn),
		cmocka_unit_test(windows),
		cmocka_unit_test(contradictions_are_named),
		cmocka_unit_test(what_nobody_reads_is_named),
		cmocka_unit_test(gemma),
		cmocka_unit_test(gpt_oss),
		cmocka_unit_test(gemma4),
		cmocka_unit_test(gemma4_lists_what_differs),
		cmocka_unit_test(qwen35),
		cmocka_unit_test(damage_does_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
