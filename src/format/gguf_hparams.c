/* gguf_hparams.c: keys of the form ARCH.block_count. One reader holds the first error, so that the list of fields stays
 * a list. Any thread. */
#include "format/gguf_hparams.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct reader {
	const struct gguf *g;
	const char *name; /* of the file */
	char arch[32];
	int rc; /* first error */
	struct kvik_err *err;
};

static void key_of(const struct reader *r, const char *field, char key[128])
{
	snprintf(key, 128, "%s.%s", r->arch, field);
}

static void missing(struct reader *r, const char *key)
{
	if (!r->rc)
		r->rc = err_set(r->err, KVIK_ERR_FORMAT, "%s: GGUF key '%s' is missing; convert the model again",
				r->name, key);
}

static bool found(struct reader *r, int got)
{
	if (got < 0 && !r->rc) {
		err_prefix(r->err, "%s", r->name);
		r->rc = got;
	}
	return got > 0;
}

/* All elements of an array of integers must be equal: kvik has one value for all layers. */
static bool equal_elements(struct reader *r, const char *key, uint32_t *v)
{
	struct gguf_array a;
	enum { ELEM_U32 = 4, ELEM_I32 = 5 };
	if (gguf_get_array(r->g, key, &a, NULL) != 1 || a.n == 0 || (a.type != ELEM_U32 && a.type != ELEM_I32))
		return false;
	memcpy(v, a.data, sizeof *v);
	for (uint64_t i = 1; i < a.n; i++)
		if (memcmp(a.data + 4 * i, v, sizeof *v) != 0) {
			r->rc = err_set(r->err, KVIK_ERR_UNSUPPORTED,
					"%s: GGUF key '%s' differs between layers, which kvik does not run", r->name,
					key);
			return false;
		}
	return true;
}

static bool get_u32(struct reader *r, const char *field, uint32_t *v)
{
	char key[128];
	uint64_t u = 0;
	if (r->rc)
		return false;
	key_of(r, field, key);
	if (equal_elements(r, key, v))
		return true;
	if (r->rc || !found(r, gguf_get_u64(r->g, key, &u, r->err)))
		return false;
	if (u > UINT32_MAX) {
		r->rc = err_set(r->err, KVIK_ERR_FORMAT, "%s: GGUF key '%s' is %llu, out of range", r->name, key,
				(unsigned long long)u);
		return false;
	}
	*v = (uint32_t)u;
	return true;
}

static void need_u32(struct reader *r, const char *field, uint32_t *v)
{
	char key[128];
	key_of(r, field, key);
	if (!get_u32(r, field, v))
		missing(r, key);
}

static bool get_f32(struct reader *r, const char *field, float *v)
{
	char key[128];
	double d = 0;
	if (r->rc)
		return false;
	key_of(r, field, key);
	if (!found(r, gguf_get_f64(r->g, key, &d, r->err)))
		return false;
	*v = (float)d;
	return true;
}

static void need_f32(struct reader *r, const char *field, float *v)
{
	char key[128];
	key_of(r, field, key);
	if (!get_f32(r, field, v))
		missing(r, key);
}

static void unsupported(struct reader *r, const char *what)
{
	if (!r->rc)
		r->rc = err_set(r->err, KVIK_ERR_UNSUPPORTED, "%s: %s; kvik runs dense llama, mistral, qwen2 and qwen3",
				r->name, what);
}

static void read_arch(struct reader *r, struct hparams *h)
{
	struct gguf_str s = {0};
	if (!found(r, gguf_get_str(r->g, "general.architecture", &s, r->err))) {
		missing(r, "general.architecture");
		return;
	}
	snprintf(r->arch, sizeof r->arch, "%.*s", (int)(s.bytes < 31 ? s.bytes : 31), s.text);
	for (int a = 0; a < ARCH_COUNT; a++)
		if (strcmp(r->arch, arch_name((enum arch)a)) == 0) {
			h->arch = (enum arch)a;
			return;
		}
	r->rc = err_set(r->err, KVIK_ERR_UNSUPPORTED,
			"%s: architecture '%s' is not one that kvik runs (llama, mistral, qwen2, qwen3)", r->name,
			r->arch);
}

static void read_rope(struct reader *r, struct hparams *h)
{
	char key[128];
	struct gguf_str type = {"", 0};
	float attn = 0;
	h->rope_theta = 10000;
	get_f32(r, "rope.freq_base", &h->rope_theta);
	h->rope_dim = h->head_dim;
	get_u32(r, "rope.dimension_count", &h->rope_dim);
	h->rope_factor = 1;
	if (!get_f32(r, "rope.scaling.factor", &h->rope_factor))
		get_f32(r, "rope.scale_linear", &h->rope_factor); /* before there were types */
	if (h->rope_factor == 0)
		h->rope_factor = 1; /* how converters write "none" */
	key_of(r, "rope.scaling.type", key);
	/* A factor without a type is linear. */
	bool typed = !r->rc && found(r, gguf_get_str(r->g, key, &type, r->err));
	if (!typed || (type.bytes == 6 && memcmp(type.text, "linear", 6) == 0)) {
		h->rope_scaling = h->rope_factor == 1 ? ROPE_SCALING_NONE : ROPE_SCALING_LINEAR;
		return;
	}
	if (type.bytes == 4 && memcmp(type.text, "none", 4) == 0)
		return;
	if (type.bytes != 4 || memcmp(type.text, "yarn", 4) != 0) {
		unsupported(r, "the key rope.scaling.type is neither none, linear nor yarn");
		return;
	}
	uint32_t context = h->context;
	h->rope_scaling = ROPE_SCALING_YARN;
	get_u32(r, "rope.scaling.original_context_length", &context);
	h->rope_context = (float)context;
	h->rope_beta_fast = 32;
	h->rope_beta_slow = 1;
	get_f32(r, "rope.scaling.yarn_beta_fast", &h->rope_beta_fast);
	get_f32(r, "rope.scaling.yarn_beta_slow", &h->rope_beta_slow);
	/* The key is a factor on top of the rule's own 1 + 0.1 ln(factor). */
	if (get_f32(r, "rope.scaling.attn_factor", &attn) && h->rope_factor > 1)
		h->rope_attn_factor = attn * (1 + 0.1f * logf(h->rope_factor));
}

static void read_heads(struct reader *r, struct hparams *h)
{
	uint32_t value_length;
	need_u32(r, "attention.head_count", &h->n_heads);
	h->n_kv_heads = h->n_heads;
	get_u32(r, "attention.head_count_kv", &h->n_kv_heads);
	h->head_dim = h->n_heads ? h->dim / h->n_heads : 0;
	if (!get_u32(r, "attention.key_length", &h->head_dim) && !r->rc && h->head_dim * h->n_heads != h->dim)
		r->rc = err_set(r->err, KVIK_ERR_FORMAT,
				"%s: %u attention heads do not divide a hidden size of %u, and GGUF key "
				"'%s.attention.key_length' is missing; convert the model again",
				r->name, h->n_heads, h->dim, r->arch);
	value_length = h->head_dim;
	get_u32(r, "attention.value_length", &value_length);
	if (value_length != h->head_dim)
		unsupported(r, "keys and values differ in length");
}

/* attention.sliding_window_pattern: a bool per layer (true: windowed), or a number n: every n-th layer sees all.
 * Absent: all layers are windowed. */
static void read_windows(struct reader *r, struct hparams *h)
{
	char key[128];
	struct gguf_array a = {0};
	uint32_t window = 0, period = 0;
	enum { ELEM_BOOL = 7 };
	if (!get_u32(r, "attention.sliding_window", &window) || window == 0)
		return;
	key_of(r, "attention.sliding_window_pattern", key);
	bool each = gguf_get_array(r->g, key, &a, NULL) == 1;
	if (!each)
		get_u32(r, "attention.sliding_window_pattern", &period);
	else if (a.type != ELEM_BOOL || a.n != h->n_layers)
		r->rc = err_set(r->err, KVIK_ERR_FORMAT,
				"%s: GGUF key '%s' is not one truth value per layer; convert the model again", r->name,
				key);
	for (uint32_t l = 0; l < h->n_layers && l < HPARAMS_LAYERS_MAX && !r->rc; l++) {
		bool full = each ? a.data[l] == 0 : period > 0 && (l + 1) % period == 0;
		h->window[l] = full ? 0 : window;
	}
}

/* A token without a row of the embedding could not be run. Rows without a token are padding. */
static void check_vocab(struct reader *r, uint64_t rows)
{
	struct gguf_array tokens = {0};
	if (!r->rc && gguf_get_array(r->g, "tokenizer.ggml.tokens", &tokens, NULL) == 1 && rows > 0 && tokens.n > rows)
		r->rc = err_set(r->err, KVIK_ERR_FORMAT,
				"%s: GGUF key 'tokenizer.ggml.tokens' has %llu tokens, but 'token_embd.weight' only "
				"%llu rows; do both come from the same model?",
				r->name, (unsigned long long)tokens.n, (unsigned long long)rows);
}

int gguf_hparams(const struct gguf *g, const char *name, uint64_t vocab_rows, bool has_output, struct hparams *h,
		 struct kvik_err *err)
{
	struct reader r = {.g = g, .name = name, .err = err};
	uint32_t experts = 0;
	*h = (struct hparams){0};
	read_arch(&r, h);
	need_u32(&r, "block_count", &h->n_layers);
	need_u32(&r, "embedding_length", &h->dim);
	need_u32(&r, "feed_forward_length", &h->ffn_dim);
	need_u32(&r, "context_length", &h->context);
	need_f32(&r, "attention.layer_norm_rms_epsilon", &h->rms_eps);
	read_heads(&r, h);
	read_rope(&r, h);
	if (get_u32(&r, "expert_count", &experts) && experts > 0)
		unsupported(&r, "a mixture of experts");
	read_windows(&r, h);
	check_vocab(&r, vocab_rows);
	if (r.rc)
		return r.rc;
	h->n_vocab = vocab_rows < UINT32_MAX ? (uint32_t)vocab_rows : 0;
	h->tied = !has_output;
	h->qk_permuted = h->arch == ARCH_LLAMA || h->arch == ARCH_MISTRAL;
	return 0;
}
