/* hf_config.c: the fields of config.json. Source: the configuration classes of HF Transformers (llama, mistral, qwen2,
 * qwen3), their names and defaults. */
#include "format/hf_config.h"

#include <math.h>
#include <string.h>

#include "format/hf_json.h"

/* What a field has that config.json leaves out. */
static const struct {
	uint32_t kv_heads; /* 0 = as many as heads */
	uint32_t head_dim; /* 0 = hidden size / heads */
	uint32_t context, window;
	bool windowed; /* unless use_sliding_window says otherwise */
} defaults[ARCH_COUNT] = {
	[ARCH_LLAMA] = {.context = 2048},
	[ARCH_MISTRAL] = {.kv_heads = 8, .context = 131072, .window = 4096, .windowed = true},
	[ARCH_QWEN2] = {.kv_heads = 32, .context = 32768, .window = 4096},
	[ARCH_QWEN3] = {.kv_heads = 32, .head_dim = 128, .context = 32768, .window = 4096},
};
enum { DEFAULT_MAX_WINDOW_LAYERS = 28 };

static void need_u32(struct hf_reader *r, const char *field, uint32_t *out)
{
	if (!hf_get_u32(r, r->root, field, out))
		hf_fail(r, KVIK_ERR_FORMAT, field, "is missing; is this the config.json of a causal language model?");
}

/* Null is not the same as absent here: it takes away what is there by default. */
static bool is_null(const struct hf_reader *r, const char *field)
{
	return json_is_null(json_object_get(r->root, field));
}

static void read_arch(struct hf_reader *r, struct hparams *h)
{
	const char *type = hf_get_str(r, r->root, "model_type");
	for (int a = 0; type && a < ARCH_COUNT; a++)
		if (strcmp(type, arch_name((enum arch)a)) == 0) {
			h->arch = (enum arch)a;
			return;
		}
	if (!r->rc)
		r->rc = err_set(r->err, KVIK_ERR_UNSUPPORTED,
				"%s: 'model_type' is '%.60s', not one that kvik runs (llama, mistral, qwen2, qwen3)",
				r->name, type ? type : "");
}

/* ---- Rotary embedding -------------------------------------------------------------------------------------------- */

static double yarn_scale(double factor, double mscale)
{
	return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static void read_yarn(struct hf_reader *r, const json_t *o, struct hparams *h)
{
	float mscale = 0, mscale_all = 0;
	bool truncate = true;
	hf_get_f32(r, o, "beta_fast", &h->rope_beta_fast);
	hf_get_f32(r, o, "beta_slow", &h->rope_beta_slow);
	if (h->rope_beta_fast == 0)
		h->rope_beta_fast = 32;
	if (h->rope_beta_slow == 0)
		h->rope_beta_slow = 1;
	hf_get_bool(r, o, "truncate", &truncate);
	h->rope_keep_fractions = !truncate;
	if (hf_get_f32(r, o, "attention_factor", &h->rope_attn_factor))
		return;
	if (hf_get_f32(r, o, "mscale", &mscale) && hf_get_f32(r, o, "mscale_all_dim", &mscale_all) && mscale != 0 &&
	    mscale_all != 0)
		h->rope_attn_factor = (float)(yarn_scale((double)h->rope_factor, (double)mscale) /
					      yarn_scale((double)h->rope_factor, (double)mscale_all));
}

/* The original context: in the root (where transformers gives it priority), in o, or the model's own. */
static void read_original_context(struct hf_reader *r, const json_t *o, struct hparams *h)
{
	static const char field[] = "original_max_position_embeddings";
	h->rope_context = (float)h->context;
	if (!hf_get_f32(r, r->root, field, &h->rope_context))
		hf_get_f32(r, o, field, &h->rope_context);
}

/* o: the object of that name. */
static void read_scaling(struct hf_reader *r, const json_t *o, const char *name, struct hparams *h)
{
	const char *type = hf_get_str(r, o, "rope_type");
	if (!type)
		type = hf_get_str(r, o, "type");
	if (!type || strcmp(type, "default") == 0)
		return;
	read_original_context(r, o, h);
	bool factor = hf_get_f32(r, o, "factor", &h->rope_factor);
	if (strcmp(type, "linear") == 0) {
		h->rope_scaling = ROPE_SCALING_LINEAR;
	} else if (strcmp(type, "llama3") == 0) {
		h->rope_scaling = ROPE_SCALING_LLAMA3;
		if (!hf_get_f32(r, o, "low_freq_factor", &h->rope_low_freq) ||
		    !hf_get_f32(r, o, "high_freq_factor", &h->rope_high_freq))
			hf_fail(r, KVIK_ERR_FORMAT, name, "lacks low_freq_factor or high_freq_factor");
	} else if (strcmp(type, "yarn") == 0) {
		h->rope_scaling = ROPE_SCALING_YARN;
		if (!factor && h->rope_context > 0)
			h->rope_factor = (float)h->context / h->rope_context;
		read_yarn(r, o, h);
	} else if (!r->rc) {
		r->rc = err_set(
			r->err, KVIK_ERR_UNSUPPORTED,
			"%s: '%s' has the type '%.60s', which kvik does not know; it knows linear, llama3 and yarn",
			r->name, name, type);
	}
	if (!factor && h->rope_scaling != ROPE_SCALING_YARN)
		hf_fail(r, KVIK_ERR_FORMAT, name, "lacks its factor");
}

/* The object with the rope settings: rope_scaling of transformers 4, rope_parameters of 5; NULL = none. */
static const json_t *rope_object(struct hf_reader *r, const char **name)
{
	const json_t *o = hf_get(r->root, *name = "rope_scaling");
	if (!o || (json_is_object(o) && json_object_size(o) == 0))
		o = hf_get(r->root, *name = "rope_parameters");
	if (o && !json_is_object(o)) {
		hf_fail(r, KVIK_ERR_FORMAT, *name, "is not an object; is the file intact?");
		return NULL;
	}
	if (hf_get(o, "full_attention") || hf_get(o, "sliding_attention"))
		hf_fail(r, KVIK_ERR_UNSUPPORTED, *name, "differs between layers, which kvik does not run");
	return o;
}

static void read_rope(struct hf_reader *r, struct hparams *h)
{
	const char *name;
	const json_t *o = rope_object(r, &name);
	double partial = 1;
	h->rope_theta = 10000;
	hf_get_f32(r, r->root, "rope_theta", &h->rope_theta);
	hf_get_f32(r, o, "rope_theta", &h->rope_theta);
	hf_get_f64(r, r->root, "partial_rotary_factor", &partial);
	hf_get_f64(r, o, "partial_rotary_factor", &partial);
	if (o)
		read_scaling(r, o, name, h);
	if (partial > 0 && partial <= 1)
		h->rope_dim = (uint32_t)(h->head_dim * partial);
	else
		hf_fail(r, KVIK_ERR_FORMAT, "partial_rotary_factor", "is not above 0 and at most 1");
}

/* ---- Windows ----------------------------------------------------------------------------------------------------- */

/* Whether layer l has a window, by layer_types. */
static bool is_sliding(struct hf_reader *r, const json_t *types, uint32_t l)
{
	const char *type = json_string_value(json_array_get(types, l));
	if (type && strcmp(type, "sliding_attention") == 0)
		return true;
	if (!type || strcmp(type, "full_attention") != 0)
		hf_fail(r, KVIK_ERR_UNSUPPORTED, "layer_types", "names a kind of attention that kvik does not know");
	return false;
}

/* layer_types names the windowed layers; without it, all layers (mistral) or those from max_window_layers on (qwen). */
static void read_windows(struct hf_reader *r, struct hparams *h)
{
	uint32_t window = defaults[h->arch].window, first = 0;
	bool use = defaults[h->arch].windowed;
	const json_t *types = hf_get(r->root, "layer_types");
	if (h->arch == ARCH_LLAMA || is_null(r, "sliding_window"))
		return;
	hf_get_u32(r, r->root, "sliding_window", &window);
	hf_get_bool(r, r->root, "use_sliding_window", &use);
	if (!use)
		return;
	if (types && json_array_size(types) != h->n_layers) {
		hf_fail(r, KVIK_ERR_FORMAT, "layer_types", "does not have one entry per layer");
		return;
	}
	if (h->arch != ARCH_MISTRAL) {
		first = DEFAULT_MAX_WINDOW_LAYERS;
		hf_get_u32(r, r->root, "max_window_layers", &first);
	}
	for (uint32_t l = 0; l < h->n_layers && l < HPARAMS_LAYERS_MAX; l++)
		h->window[l] = (types ? is_sliding(r, types, l) : l >= first) ? window : 0;
}

/* ---- The rest ---------------------------------------------------------------------------------------------------- */

static void read_heads(struct hf_reader *r, struct hparams *h)
{
	need_u32(r, "num_attention_heads", &h->n_heads);
	h->n_kv_heads = defaults[h->arch].kv_heads;
	if (h->n_kv_heads == 0 || is_null(r, "num_key_value_heads"))
		h->n_kv_heads = h->n_heads;
	hf_get_u32(r, r->root, "num_key_value_heads", &h->n_kv_heads);
	h->head_dim = defaults[h->arch].head_dim;
	if (hf_get_u32(r, r->root, "head_dim", &h->head_dim) || h->head_dim != 0 || h->n_heads == 0)
		return;
	h->head_dim = h->dim / h->n_heads;
	if (h->head_dim * h->n_heads != h->dim)
		hf_fail(r, KVIK_ERR_FORMAT, "hidden_size",
			"is no multiple of num_attention_heads, and head_dim is missing");
}

static void read_sizes(struct hf_reader *r, struct hparams *h)
{
	need_u32(r, "hidden_size", &h->dim);
	need_u32(r, "num_hidden_layers", &h->n_layers);
	need_u32(r, "intermediate_size", &h->ffn_dim);
	need_u32(r, "vocab_size", &h->n_vocab);
	read_heads(r, h);
	h->context = defaults[h->arch].context;
	hf_get_u32(r, r->root, "max_position_embeddings", &h->context);
	h->rms_eps = 1e-6f;
	hf_get_f32(r, r->root, "rms_norm_eps", &h->rms_eps);
}

static void check_features(struct hf_reader *r)
{
	const char *act = hf_get_str(r, r->root, "hidden_act");
	if (act && strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0)
		hf_fail(r, KVIK_ERR_UNSUPPORTED, "hidden_act", "is not silu, the only one that kvik runs");
	if (hf_get(r->root, "text_config"))
		hf_fail(r, KVIK_ERR_UNSUPPORTED, "text_config", "marks a multimodal model, which kvik does not run");
	if (hf_get(r->root, "quantization_config"))
		hf_fail(r, KVIK_ERR_UNSUPPORTED, "quantization_config",
			"marks quantised weights that kvik does not read; use the unquantised folder or a GGUF file");
}

int hf_config(const char *json, size_t bytes, const char *name, bool has_output, struct hparams *h,
	      struct kvik_err *err)
{
	json_t *root;
	*h = (struct hparams){.rope_factor = 1};
	int rc = hf_json_load(&root, json, bytes, name, err);
	if (rc)
		return rc;
	struct hf_reader r = {.root = root, .name = name, .err = err};
	check_features(&r);
	read_arch(&r, h);
	read_sizes(&r, h);
	read_rope(&r, h);
	read_windows(&r, h);
	h->tied = !has_output;
	hf_get_bool(&r, root, "tie_word_embeddings", &h->tied);
	json_decref(root);
	return r.rc;
}

static void add_end(struct hf_reader *r, const json_t *id, uint32_t *ids, size_t max, size_t *n)
{
	if (!json_is_integer(id) || json_integer_value(id) > UINT32_MAX)
		hf_fail(r, KVIK_ERR_FORMAT, "eos_token_id", "is neither a token id nor a list of them");
	else if (json_integer_value(id) >= 0 && *n == max)
		hf_fail(r, KVIK_ERR_LIMIT, "eos_token_id", "lists more ids than kvik keeps");
	else if (json_integer_value(id) >= 0)
		ids[(*n)++] = (uint32_t)json_integer_value(id);
}

int hf_config_ends(const char *json, size_t bytes, const char *name, uint32_t *ids, size_t max, size_t *n,
		   struct kvik_err *err)
{
	json_t *root;
	*n = 0;
	int rc = hf_json_load(&root, json, bytes, name, err);
	if (rc)
		return rc;
	struct hf_reader r = {.root = root, .name = name, .err = err};
	const json_t *v = hf_get(root, "eos_token_id");
	if (v && !json_is_array(v))
		add_end(&r, v, ids, max, n);
	for (size_t i = 0; i < json_array_size(v) && !r.rc; i++)
		add_end(&r, json_array_get(v, i), ids, max, n);
	json_decref(root);
	return r.rc;
}
