/* hparams.c: limits that every model must keep, whatever its file says. */
#include "format/hparams.h"

#include <math.h>

static const char *const names[ARCH_COUNT] = {
	[ARCH_LLAMA] = "llama", [ARCH_MISTRAL] = "mistral", [ARCH_QWEN2] = "qwen2", [ARCH_QWEN3] = "qwen3"};

const char *arch_name(enum arch a)
{
	return names[a];
}

static int out_of_range(const char *what, const char *field, double value, double min, double max, struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_FORMAT, "%s: %s is %g; must be %g..%g: is the model damaged?", what, field, value,
		       min, max);
}

struct range {
	const char *field;
	double value, min, max;
};

static int check_ranges(const struct hparams *h, const char *what, struct kvik_err *err)
{
	const struct range ranges[] = {
		{"the number of layers", h->n_layers, 1, HPARAMS_LAYERS_MAX},
		{"the hidden size", h->dim, 1, 1 << 17},
		{"the number of attention heads", h->n_heads, 1, 4096},
		{"the number of KV heads", h->n_kv_heads, 1, 4096},
		{"the head dimension", h->head_dim, 2, 512},
		{"the feed-forward size", h->ffn_dim, 1, 1 << 20},
		{"the vocabulary size", h->n_vocab, 1, 1 << 24},
		{"the context length", h->context, 1, 1 << 30},
		{"the RMS norm epsilon", (double)h->rms_eps, 0, 1},
		{"the number of rotated dimensions", h->rope_dim, 2, h->head_dim},
	};
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		const struct range *r = &ranges[i];
		if (!(r->value >= r->min && r->value <= r->max))
			return out_of_range(what, r->field, r->value, r->min, r->max, err);
	}
	return 0;
}

static bool positive(float x)
{
	return isfinite(x) && x > 0;
}

static int bad_scaling(const char *what, const char *field, float value, const char *must, struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_FORMAT, "%s: %s of the rope scaling is %g; must be %s", what, field, (double)value,
		       must);
}

static int check_scaling(const struct hparams *h, const char *what, struct kvik_err *err)
{
	bool llama3 = h->rope_scaling == ROPE_SCALING_LLAMA3, yarn = h->rope_scaling == ROPE_SCALING_YARN;
	if (h->rope_scaling == ROPE_SCALING_NONE)
		return 0;
	if (!positive(h->rope_factor))
		return bad_scaling(what, "the factor", h->rope_factor, "above 0", err);
	if ((llama3 || yarn) && !positive(h->rope_context))
		return bad_scaling(what, "the original context length", h->rope_context, "above 0", err);
	if (llama3 && !positive(h->rope_low_freq))
		return bad_scaling(what, "low_freq_factor", h->rope_low_freq, "above 0", err);
	if (llama3 && !(positive(h->rope_high_freq) && h->rope_high_freq > h->rope_low_freq))
		return bad_scaling(what, "high_freq_factor", h->rope_high_freq, "above low_freq_factor", err);
	if (yarn && !positive(h->rope_beta_slow))
		return bad_scaling(what, "beta_slow", h->rope_beta_slow, "above 0", err);
	if (yarn && !(positive(h->rope_beta_fast) && h->rope_beta_fast > h->rope_beta_slow))
		return bad_scaling(what, "beta_fast", h->rope_beta_fast, "above beta_slow", err);
	if (yarn && h->rope_attn_factor != 0 && !positive(h->rope_attn_factor))
		return bad_scaling(what, "the attention factor", h->rope_attn_factor, "above 0", err);
	return 0;
}

int hparams_check(const struct hparams *h, const char *what, struct kvik_err *err)
{
	int rc = check_ranges(h, what, err);
	if (rc)
		return rc;
	if (h->n_heads % h->n_kv_heads != 0)
		return err_set(err, KVIK_ERR_FORMAT, "%s: %u attention heads cannot share %u KV heads evenly", what,
			       h->n_heads, h->n_kv_heads);
	if (h->rope_dim % 2 != 0)
		return err_set(err, KVIK_ERR_FORMAT, "%s: %u rotated dimensions; must be even", what, h->rope_dim);
	if (!(h->rope_theta > 1) || !isfinite(h->rope_theta))
		return err_set(err, KVIK_ERR_FORMAT, "%s: rope theta is %g; must be above 1", what,
			       (double)h->rope_theta);
	return check_scaling(h, what, err);
}
