/* read.c: the fields that most architectures are described by; see read.h. */
#include "model/read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Sizes ------------------------------------------------------------------------------------------------------- */

void read_sizes(struct keys *k, struct hparams *h, const struct read_defaults *d)
{
	keys_need_u32(k, "embedding_length", "hidden_size", &h->dim);
	keys_need_u32(k, "block_count", "num_hidden_layers", &h->n_layers);
	h->n_vocab = d->vocab;
	if (keys_hf(k) && !keys_u32(k, NULL, "vocab_size", &h->n_vocab) && d->vocab == 0)
		keys_need_u32(k, NULL, "vocab_size", &h->n_vocab);
	h->context = d->context;
	if (keys_hf(k))
		keys_u32(k, NULL, "max_position_embeddings", &h->context);
	else
		keys_need_u32(k, "context_length", NULL, &h->context);
	h->rms_eps = 1e-6f;
	if (keys_hf(k))
		keys_f32(k, NULL, "rms_norm_eps", &h->rms_eps);
	else
		keys_need_f32(k, "attention.layer_norm_rms_epsilon", NULL, &h->rms_eps);
}

static void derive_head_dim(struct keys *k, const struct hparams *h, struct attention_spec *a)
{
	if (a->heads == 0) /* hparams_check says so */
		return;
	a->head_dim = h->dim / a->heads;
	if (a->head_dim * a->heads != h->dim)
		keys_fail(k, KVIK_ERR_FORMAT, "attention.key_length", "head_dim",
			  "is missing, and the attention heads do not divide the hidden size; convert the model again");
}

void read_heads(struct keys *k, const struct hparams *h, struct attention_spec *a, const struct read_defaults *d)
{
	uint32_t v_dim = 0;
	a->heads = d->heads;
	if (!keys_u32(k, "attention.head_count", "num_attention_heads", &a->heads) && !(keys_hf(k) && d->heads))
		keys_need_u32(k, "attention.head_count", "num_attention_heads", &a->heads);
	a->kv_heads = keys_hf(k) && d->kv_heads && !keys_is_null(k, "num_key_value_heads") ? d->kv_heads : a->heads;
	keys_u32(k, "attention.head_count_kv", "num_key_value_heads", &a->kv_heads);
	a->head_dim = keys_hf(k) ? d->head_dim : 0;
	if (!keys_u32(k, "attention.key_length", "head_dim", &a->head_dim) && a->head_dim == 0)
		derive_head_dim(k, h, a);
	if (keys_u32(k, "attention.value_length", NULL, &v_dim) && v_dim != a->head_dim)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, "attention.value_length", NULL,
			  "is not that of the keys, which kvik does not run");
	a->scale = 1 / sqrtf((float)a->head_dim);
}

void read_ffn(struct keys *k, struct ffn_spec *f)
{
	char act[32] = "silu";
	keys_need_u32(k, "feed_forward_length", "intermediate_size", &f->dim);
	keys_text(k, NULL, "hidden_act", act, sizeof act);
	if (strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "hidden_act",
			  "is not silu, the only one that kvik runs for this architecture");
}

void read_experts(struct keys *k, const char *hf, struct experts_spec *x)
{
	if (!keys_u32(k, NULL, "num_local_experts", &x->n)) /* as transformers 5 writes it */
		keys_need_u32(k, "expert_count", hf, &x->n);
	else
		keys_has(k, NULL, hf);
	keys_u32(k, "expert_used_count", "num_experts_per_tok", &x->used);
	keys_u32(k, "expert_feed_forward_length", "moe_intermediate_size", &x->dim);
	x->router_bias = x->biases = BIASES_NONE;
}

void read_ffn_gelu(struct keys *k, const char *hf, struct ffn_spec *f)
{
	keys_need_u32(k, "feed_forward_length", "intermediate_size", &f->dim);
	f->activation = ACTIVATION_GELU;
	read_ffn_activation(k, hf);
}

void read_ffn_activation(struct keys *k, const char *hf)
{
	char act[32] = "gelu_pytorch_tanh";
	keys_text(k, NULL, hf, act, sizeof act);
	if (strcmp(act, "gelu_pytorch_tanh") != 0)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, hf,
			  "is not gelu_pytorch_tanh, the only one that kvik runs for this architecture");
}

void read_biases(struct keys *k, const char *hf, enum biases *biases)
{
	bool has = false;
	if (!keys_hf(k))
		return;
	keys_bool(k, NULL, hf, &has);
	*biases = has ? BIASES_ALL : BIASES_NONE;
}

/* ---- Rotary embedding of GGUF ------------------------------------------------------------------------------------ */

static void read_yarn_gguf(struct keys *k, const struct hparams *h, struct rope_params *p)
{
	uint32_t context = h->context;
	float attn = 0;
	p->rule = ROPE_YARN;
	keys_u32(k, "rope.scaling.original_context_length", NULL, &context);
	p->context = (float)context;
	p->beta_fast = 32;
	p->beta_slow = 1;
	keys_f32(k, "rope.scaling.yarn_beta_fast", NULL, &p->beta_fast);
	keys_f32(k, "rope.scaling.yarn_beta_slow", NULL, &p->beta_slow);
	/* The key is a factor on top of the rule's own 1 + 0.1 ln(factor). */
	if (keys_f32(k, "rope.scaling.attn_factor", NULL, &attn) && p->factor > 1)
		p->attn_factor = attn * (1 + 0.1f * logf(p->factor));
}

static void read_rope_gguf(struct keys *k, const struct hparams *h, struct rope_params *p)
{
	char type[32] = "linear"; /* what a factor without a type means */
	keys_f32(k, "rope.freq_base", NULL, &p->theta);
	keys_u32(k, "rope.dimension_count", NULL, &p->dim);
	if (!keys_f32(k, "rope.scaling.factor", NULL, &p->factor))
		keys_f32(k, "rope.scale_linear", NULL, &p->factor); /* before there were types */
	if (p->factor == 0)
		p->factor = 1; /* how converters write "none" */
	keys_text(k, "rope.scaling.type", NULL, type, sizeof type);
	if (strcmp(type, "yarn") == 0)
		read_yarn_gguf(k, h, p);
	else if (strcmp(type, "linear") == 0)
		p->rule = p->factor == 1 ? ROPE_PLAIN : ROPE_LINEAR;
	else if (strcmp(type, "none") != 0)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, "rope.scaling.type", NULL, "is neither none, linear nor yarn");
	keys_has(k, "rope.scaling.original_context_length", NULL); /* beside a rule that does not need it */
}

/* ---- Rotary embedding of config.json ----------------------------------------------------------------------------- */

/* The path of a field of the object with the rope settings. */
struct path {
	char text[KEYS_NAME_MAX];
};

static struct path in(const char *at, const char *field)
{
	struct path p;
	snprintf(p.text, sizeof p.text, "%s.%s", at, field);
	return p;
}

static double yarn_scale(double factor, double mscale)
{
	return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static void read_yarn_hf(struct keys *k, const char *at, struct rope_params *p)
{
	float mscale = 0, mscale_all = 0;
	bool truncate = true;
	keys_f32(k, NULL, in(at, "beta_fast").text, &p->beta_fast);
	keys_f32(k, NULL, in(at, "beta_slow").text, &p->beta_slow);
	if (p->beta_fast == 0)
		p->beta_fast = 32;
	if (p->beta_slow == 0)
		p->beta_slow = 1;
	keys_bool(k, NULL, in(at, "truncate").text, &truncate);
	p->keep_fractions = !truncate;
	bool scales = keys_f32(k, NULL, in(at, "mscale").text, &mscale) &&
		      keys_f32(k, NULL, in(at, "mscale_all_dim").text, &mscale_all) && mscale != 0 && mscale_all != 0;
	if (!keys_f32(k, NULL, in(at, "attention_factor").text, &p->attn_factor) && scales)
		p->attn_factor = (float)(yarn_scale((double)p->factor, (double)mscale) /
					 yarn_scale((double)p->factor, (double)mscale_all));
}

/* In the root (where transformers gives it priority), in the object, or the model's own. */
static float original_context(struct keys *k, const char *at, const struct hparams *h)
{
	float context = (float)h->context;
	struct path inside = in(at, "original_max_position_embeddings");
	bool there = keys_has(k, NULL, inside.text);
	if (!keys_f32(k, NULL, "original_max_position_embeddings", &context) && there)
		keys_f32(k, NULL, inside.text, &context);
	return context;
}

static void read_scaling(struct keys *k, const char *at, const struct hparams *h, struct rope_params *p)
{
	char type[64] = "default";
	if (!keys_text(k, NULL, in(at, "rope_type").text, type, sizeof type))
		keys_text(k, NULL, in(at, "type").text, type, sizeof type);
	else
		keys_has(k, NULL, in(at, "type").text);
	p->context = original_context(k, at, h);
	bool factor = keys_f32(k, NULL, in(at, "factor").text, &p->factor);
	if (strcmp(type, "default") == 0)
		return;
	if (strcmp(type, "linear") == 0) {
		p->rule = ROPE_LINEAR;
	} else if (strcmp(type, "proportional") == 0) {
		p->rule = factor && p->factor != 1 ? ROPE_LINEAR : ROPE_PLAIN;
		p->still = p->dim / 2; /* until set_dim knows the part */
		return;
	} else if (strcmp(type, "llama3") == 0) {
		p->rule = ROPE_LLAMA3;
		bool low = keys_f32(k, NULL, in(at, "low_freq_factor").text, &p->low_freq);
		if (!keys_f32(k, NULL, in(at, "high_freq_factor").text, &p->high_freq) || !low)
			keys_fail(k, KVIK_ERR_FORMAT, NULL, at, "lacks low_freq_factor or high_freq_factor");
	} else if (strcmp(type, "yarn") == 0) {
		p->rule = ROPE_YARN;
		if (!factor && p->context > 0)
			p->factor = (float)h->context / p->context;
		read_yarn_hf(k, at, p);
	} else {
		char what[160];
		snprintf(what, sizeof what,
			 "has the type '%.60s', which kvik does not know; it knows linear, llama3 and yarn", type);
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, at, what);
	}
	if (!factor && p->rule != ROPE_YARN)
		keys_fail(k, KVIK_ERR_FORMAT, NULL, at, "lacks its factor");
}

static void set_dim(struct keys *k, double partial, uint32_t head_dim, struct rope_params *p)
{
	if (!(partial > 0 && partial <= 1))
		keys_fail(k, KVIK_ERR_FORMAT, NULL, "partial_rotary_factor", "is not above 0 and at most 1");
	else if (p->still)
		p->still = head_dim / 2 - (uint32_t)(head_dim * partial / 2);
	else
		p->dim = (uint32_t)(head_dim * partial);
}

/* The settings of the object at `at`; true: it is there. */
static bool read_rope_object(struct keys *k, const char *at, const struct hparams *h, double *partial,
			     struct rope_params *p)
{
	if (!keys_object(k, at))
		return false;
	keys_f32(k, NULL, in(at, "rope_theta").text, &p->theta);
	keys_f64(k, NULL, in(at, "partial_rotary_factor").text, partial);
	read_scaling(k, at, h, p);
	return true;
}

/* The rope settings: in rope_scaling of transformers 4, rope_parameters of 5, or the root alone. */
static void read_rope_hf(struct keys *k, const struct hparams *h, const struct attention_spec *a, struct rope_params *p)
{
	const char *at = keys_object(k, "rope_scaling") ? "rope_scaling" : "rope_parameters";
	double partial = 1;
	keys_f32(k, NULL, "rope_theta", &p->theta);
	keys_f64(k, NULL, "partial_rotary_factor", &partial);
	if (keys_has(k, NULL, in(at, "full_attention").text) || keys_has(k, NULL, in(at, "sliding_attention").text))
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, at,
			  "differs between layers, which kvik does not run for this architecture");
	read_rope_object(k, at, h, &partial, p);
	set_dim(k, partial, a->head_dim, p);
}

void read_rope(struct keys *k, struct hparams *h, const struct attention_spec *a)
{
	struct rope_params *p = &h->ropes[0];
	*p = (struct rope_params){.dim = a->head_dim, .theta = 10000, .factor = 1};
	h->n_ropes = 1;
	if (keys_hf(k))
		read_rope_hf(k, h, a, p);
	else
		read_rope_gguf(k, h, p);
}

void read_rope_partial(struct keys *k, struct hparams *h, const struct attention_spec *a, uint32_t divisor)
{
	static const char *const said[] = {"partial_rotary_factor", "rope_parameters.partial_rotary_factor",
					   "rope_scaling.partial_rotary_factor"};
	bool partial = !keys_hf(k);
	read_rope(k, h, a);
	for (size_t i = 0; i < sizeof said / sizeof *said; i++)
		partial |= keys_has(k, NULL, said[i]);
	if (!partial)
		h->ropes[0].dim = a->head_dim / divisor;
}

/* transformers 5: an object for each kind of layer. 4: the root and rope_scaling are of those that see everything. */
static void read_ropes_hf(struct keys *k, const struct hparams *h, struct rope_params *full, struct rope_params *local)
{
	double partial[2] = {1, 1};
	keys_f32(k, NULL, "rope_theta", &full->theta);
	keys_f32(k, NULL, "rope_local_base_freq", &local->theta);
	if (!read_rope_object(k, "rope_parameters.full_attention", h, &partial[0], full))
		read_rope_object(k, "rope_scaling", h, &partial[0], full);
	read_rope_object(k, "rope_parameters.sliding_attention", h, &partial[1], local);
	set_dim(k, partial[0], full->dim, full);
	set_dim(k, partial[1], local->dim, local);
}

void read_ropes_local(struct keys *k, struct hparams *h, uint32_t dim, float theta, uint32_t local_dim,
		      float local_theta)
{
	struct rope_params *full = &h->ropes[0], *local = &h->ropes[1];
	*full = (struct rope_params){.dim = dim, .theta = theta, .factor = 1};
	*local = (struct rope_params){.dim = local_dim, .theta = local_theta, .factor = 1};
	h->n_ropes = 2;
	if (keys_hf(k)) {
		read_ropes_hf(k, h, full, local);
	} else {
		read_rope_gguf(k, h, full);
		keys_f32(k, "rope.freq_base_swa", NULL, &local->theta);
		keys_u32(k, "rope.dimension_count_swa", NULL, &local->dim);
	}
	for (uint32_t i = 0; i < h->n_layers && i < HPARAMS_LAYERS_MAX; i++)
		h->layers[i].attention.rope = h->layers[i].attention.window ? 1 : 0;
}

/* ---- Windows ----------------------------------------------------------------------------------------------------- */

/* attention.sliding_window_pattern: a truth value per layer (true: windowed), or a number n: every n-th layer sees all.
 * Absent: all layers are windowed. */
void read_windows_gguf(struct keys *k, struct hparams *h)
{
	static const char pattern[] = "attention.sliding_window_pattern";
	uint32_t window = 0, period = 0;
	uint64_t n = keys_count(k, pattern, NULL);
	if (!keys_u32(k, "attention.sliding_window", NULL, &window) || window == 0)
		return;
	if (n > 0 && n != h->n_layers)
		keys_fail(k, KVIK_ERR_FORMAT, pattern, NULL,
			  "is not one truth value per layer; convert the model again");
	if (n == 0)
		keys_u32(k, pattern, NULL, &period);
	for (uint32_t l = 0; l < h->n_layers && l < HPARAMS_LAYERS_MAX; l++) {
		bool windowed = period == 0 || (l + 1) % period != 0;
		if (n > 0)
			keys_bool_at(k, pattern, NULL, l, &windowed);
		h->layers[l].attention.window = windowed ? window : 0;
	}
}

/* Whether layer l has a window, by layer_types. */
static bool is_sliding(struct keys *k, uint32_t l)
{
	char type[32] = "";
	keys_text_at(k, "layer_types", l, type, sizeof type);
	if (strcmp(type, "sliding_attention") != 0 && strcmp(type, "full_attention") != 0)
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "layer_types",
			  "names a kind of attention that kvik does not know");
	return type[0] == 's';
}

void read_windows_hf(struct keys *k, struct hparams *h, uint32_t window, uint32_t first)
{
	bool types = keys_has(k, NULL, "layer_types");
	if (types && keys_count(k, NULL, "layer_types") != h->n_layers) {
		keys_fail(k, KVIK_ERR_FORMAT, NULL, "layer_types", "does not have one entry per layer");
		return;
	}
	for (uint32_t l = 0; l < h->n_layers && l < HPARAMS_LAYERS_MAX; l++)
		h->layers[l].attention.window = (types ? is_sliding(k, l) : l >= first) ? window : 0;
}

void read_windows_period(struct keys *k, struct hparams *h, uint32_t window, uint32_t period)
{
	keys_u32(k, "attention.sliding_window", "sliding_window", &window);
	for (uint32_t l = 0; l < h->n_layers && l < HPARAMS_LAYERS_MAX; l++)
		h->layers[l].attention.window = (l + 1) % period != 0 ? window : 0;
	if (!keys_hf(k) && keys_has(k, "attention.sliding_window_pattern", NULL))
		read_windows_gguf(k, h);
	else if (keys_hf(k) && keys_has(k, NULL, "layer_types"))
		read_windows_hf(k, h, window, 0);
}

void read_windows_qwen(struct keys *k, struct hparams *h)
{
	uint32_t window = 4096, first = 28;
	bool use = false;
	keys_bool(k, NULL, "use_sliding_window", &use);
	keys_u32(k, NULL, "sliding_window", &window);
	keys_u32(k, NULL, "max_window_layers", &first);
	keys_has(k, NULL, "layer_types"); /* says nothing without a window */
	if (keys_hf(k) && use && !keys_is_null(k, "sliding_window"))
		read_windows_hf(k, h, window, first);
}
