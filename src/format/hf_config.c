/* hf_config.c: see hf_config.h. One reader holds the first error, so that the list of fields stays a list. */
#include "format/hf_config.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

struct reader {
	const json_t *root;
	const char *name; /* of the file */
	int rc;           /* first error */
	struct kvik_err *err;
};

static void fail(struct reader *r, int code, const char *field, const char *what)
{
	if (!r->rc)
		r->rc = err_set(r->err, code, "%s: '%s' %s", r->name, field, what);
}

/* Absent and null are the same. */
static const json_t *get(const json_t *o, const char *field)
{
	const json_t *v = json_object_get(o, field);
	return json_is_null(v) ? NULL : v;
}

static bool get_u32(struct reader *r, const json_t *o, const char *field, uint32_t *out)
{
	const json_t *v = get(o, field);
	if (!v)
		return false;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX) {
		fail(r, KVIK_ERR_FORMAT, field, "is not a whole number of at least 0; is the config.json intact?");
		return false;
	}
	*out = (uint32_t)json_integer_value(v);
	return true;
}

static void need_u32(struct reader *r, const char *field, uint32_t *out)
{
	if (!get_u32(r, r->root, field, out))
		fail(r, KVIK_ERR_FORMAT, field, "is missing; is this the config.json of a causal language model?");
}

static bool get_f32(struct reader *r, const json_t *o, const char *field, float *out)
{
	const json_t *v = get(o, field);
	if (!v)
		return false;
	if (!json_is_number(v)) {
		fail(r, KVIK_ERR_FORMAT, field, "is not a number; is the config.json intact?");
		return false;
	}
	*out = (float)json_number_value(v);
	return true;
}

static bool get_bool(struct reader *r, const char *field, bool *out)
{
	const json_t *v = get(r->root, field);
	if (!v)
		return false;
	if (!json_is_boolean(v)) {
		fail(r, KVIK_ERR_FORMAT, field, "is neither true nor false; is the config.json intact?");
		return false;
	}
	*out = json_is_true(v);
	return true;
}

static void read_arch(struct reader *r, struct hparams *h)
{
	const char *type = json_string_value(get(r->root, "model_type"));
	for (int a = 0; type && a < ARCH_COUNT; a++)
		if (strcmp(type, arch_name((enum arch)a)) == 0) {
			h->arch = (enum arch)a;
			return;
		}
	if (!r->rc)
		r->rc = err_set(r->err, KVIK_ERR_UNSUPPORTED,
				"%s: model_type '%.60s' is not one that kvik runs (llama, mistral, qwen2, qwen3)",
				r->name, type ? type : "");
}

static double yarn_scale(double factor, double mscale)
{
	return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static void read_yarn(struct reader *r, const json_t *o, struct hparams *h)
{
	float mscale = 0, mscale_all = 0;
	const json_t *truncate = get(o, "truncate");
	h->rope_beta_fast = 32;
	h->rope_beta_slow = 1;
	get_f32(r, o, "beta_fast", &h->rope_beta_fast);
	get_f32(r, o, "beta_slow", &h->rope_beta_slow);
	h->rope_keep_fractions = json_is_false(truncate);
	if (get_f32(r, o, "attention_factor", &h->rope_attn_factor))
		return;
	if (get_f32(r, o, "mscale", &mscale) && get_f32(r, o, "mscale_all_dim", &mscale_all) && mscale && mscale_all)
		h->rope_attn_factor = (float)(yarn_scale((double)h->rope_factor, (double)mscale) /
					      yarn_scale((double)h->rope_factor, (double)mscale_all));
}

static void read_scaling(struct reader *r, const json_t *o, struct hparams *h)
{
	const char *type = json_string_value(get(o, "rope_type"));
	if (!type)
		type = json_string_value(get(o, "type"));
	if (!type || strcmp(type, "default") == 0)
		return;
	h->rope_context = (float)h->context;
	bool factor = get_f32(r, o, "factor", &h->rope_factor);
	get_f32(r, o, "original_max_position_embeddings", &h->rope_context);
	if (strcmp(type, "linear") == 0) {
		h->rope_scaling = ROPE_SCALING_LINEAR;
	} else if (strcmp(type, "llama3") == 0) {
		h->rope_scaling = ROPE_SCALING_LLAMA3;
		get_f32(r, o, "low_freq_factor", &h->rope_low_freq);
		get_f32(r, o, "high_freq_factor", &h->rope_high_freq);
	} else if (strcmp(type, "yarn") == 0) {
		h->rope_scaling = ROPE_SCALING_YARN;
		if (!factor && h->rope_context > 0)
			h->rope_factor = (float)h->context / h->rope_context;
		read_yarn(r, o, h);
	} else {
		fail(r, KVIK_ERR_UNSUPPORTED, type, "is a rope scaling that kvik does not know (linear, llama3, yarn)");
	}
	if (!factor && h->rope_scaling != ROPE_SCALING_YARN)
		fail(r, KVIK_ERR_FORMAT, "factor", "of the rope scaling is missing");
}

static void read_rope(struct reader *r, struct hparams *h)
{
	const json_t *scaling = get(r->root, "rope_scaling"), *params = get(r->root, "rope_parameters");
	float partial = 1;
	h->rope_theta = 10000;
	get_f32(r, r->root, "rope_theta", &h->rope_theta);
	get_f32(r, r->root, "partial_rotary_factor", &partial);
	if (params && !json_is_object(params))
		fail(r, KVIK_ERR_FORMAT, "rope_parameters", "is not an object");
	if (scaling && !json_is_object(scaling))
		fail(r, KVIK_ERR_FORMAT, "rope_scaling", "is not an object");
	if (get(params, "full_attention") || get(params, "sliding_attention"))
		fail(r, KVIK_ERR_UNSUPPORTED, "rope_parameters", "differ between layers, which kvik does not run");
	if (params) {
		get_f32(r, params, "rope_theta", &h->rope_theta);
		get_f32(r, params, "partial_rotary_factor", &partial);
		read_scaling(r, params, h);
	} else if (scaling) {
		read_scaling(r, scaling, h);
	}
	if (!(partial > 0 && partial <= 1)) {
		fail(r, KVIK_ERR_FORMAT, "partial_rotary_factor", "is not above 0 and at most 1");
		return;
	}
	h->rope_dim = (uint32_t)((float)h->head_dim * partial);
}

/* layer_types names the windowed layers; without it, all layers (mistral) or those from max_window_layers on (qwen). */
static void read_windows(struct reader *r, struct hparams *h)
{
	uint32_t window = 0, first = 0;
	bool use = h->arch == ARCH_MISTRAL;
	const json_t *types = get(r->root, "layer_types");
	if (h->arch == ARCH_LLAMA || !get_u32(r, r->root, "sliding_window", &window))
		return;
	get_bool(r, "use_sliding_window", &use);
	if (!use && h->arch != ARCH_MISTRAL)
		return;
	if (types && json_array_size(types) != h->n_layers) {
		fail(r, KVIK_ERR_FORMAT, "layer_types", "does not have one entry per layer");
		return;
	}
	if (h->arch != ARCH_MISTRAL) {
		first = 28; /* the default of transformers */
		get_u32(r, r->root, "max_window_layers", &first);
	}
	for (uint32_t l = 0; l < h->n_layers && l < HPARAMS_LAYERS_MAX; l++) {
		const char *type = json_string_value(json_array_get(types, l));
		bool sliding = type ? strcmp(type, "sliding_attention") == 0 : l >= first;
		if (type && !sliding && strcmp(type, "full_attention") != 0)
			fail(r, KVIK_ERR_UNSUPPORTED, "layer_types",
			     "names a kind of attention that kvik does not know");
		h->window[l] = sliding ? window : 0;
	}
}

static void read_sizes(struct reader *r, struct hparams *h)
{
	need_u32(r, "hidden_size", &h->dim);
	need_u32(r, "num_hidden_layers", &h->n_layers);
	need_u32(r, "num_attention_heads", &h->n_heads);
	need_u32(r, "intermediate_size", &h->ffn_dim);
	need_u32(r, "vocab_size", &h->n_vocab);
	h->n_kv_heads = h->n_heads;
	get_u32(r, r->root, "num_key_value_heads", &h->n_kv_heads);
	h->head_dim = h->arch == ARCH_QWEN3 ? 128 : h->n_heads ? h->dim / h->n_heads : 0;
	get_u32(r, r->root, "head_dim", &h->head_dim);
	h->context = h->arch == ARCH_LLAMA     ? 2048
		     : h->arch == ARCH_MISTRAL ? 131072
					       : 32768; /* transformers' defaults */
	get_u32(r, r->root, "max_position_embeddings", &h->context);
	h->rms_eps = 1e-6f;
	get_f32(r, r->root, "rms_norm_eps", &h->rms_eps);
}

static void check_features(struct reader *r)
{
	const char *act = json_string_value(get(r->root, "hidden_act"));
	if (act && strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0)
		fail(r, KVIK_ERR_UNSUPPORTED, "hidden_act", "is not silu, the only one that kvik runs");
	if (get(r->root, "text_config"))
		fail(r, KVIK_ERR_UNSUPPORTED, "text_config", "marks a multimodal model, which kvik does not run");
	if (get(r->root, "quantization_config"))
		fail(r, KVIK_ERR_UNSUPPORTED, "quantization_config",
		     "marks quantised weights that kvik does not read; use the unquantised folder or a GGUF file");
}

int hf_config(const char *json, size_t bytes, const char *name, bool has_output, struct hparams *h,
	      struct kvik_err *err)
{
	json_error_t where;
	json_t *root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &where);
	struct reader r = {.root = root, .name = name, .err = err};
	*h = (struct hparams){.rope_factor = 1};
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, KVIK_ERR_FORMAT, "%s: not a JSON object: %s (line %d)", name,
			       root ? "another type" : where.text, where.line);
	}
	check_features(&r);
	read_arch(&r, h);
	read_sizes(&r, h);
	read_rope(&r, h);
	read_windows(&r, h);
	h->tied = !has_output;
	get_bool(&r, "tie_word_embeddings", &h->tied);
	json_decref(root);
	return r.rc;
}

size_t hf_config_ends(const char *json, size_t bytes, uint32_t *ids, size_t max)
{
	json_error_t where;
	json_t *root = json_loadb(json, bytes, JSON_REJECT_DUPLICATES, &where);
	const json_t *v = get(root, "eos_token_id");
	size_t n = 0, count = json_is_array(v) ? json_array_size(v) : 1;
	for (size_t i = 0; i < count && n < max; i++) {
		const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
		if (json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) <= UINT32_MAX)
			ids[n++] = (uint32_t)json_integer_value(id);
	}
	json_decref(root);
	return n;
}
