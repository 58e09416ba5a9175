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
	return err_set(err, KVIK_ERR_FORMAT, "%s: %s is %g; must be %g..%g", what, field, value, min, max);
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
	return 0;
}
