/* hparams.c: limits that every model must keep, whatever its file says. */
#include "model/hparams.h"

#include <stdio.h>

void hparams_fill(struct hparams *h, const struct layer_spec *l)
{
	for (uint32_t i = 0; i < h->n_layers && i < HPARAMS_LAYERS_MAX; i++)
		h->layers[i] = *l;
}

struct range {
	const char *field;
	double value, min, max;
};

/* of: " of layer 3", or "". */
static int check_ranges(const struct range *ranges, size_t n, const char *what, const char *of, struct kvik_err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct range *r = &ranges[i];
		if (!(r->value >= r->min && r->value <= r->max))
			return err_set(err, KVIK_ERR_FORMAT, "%s: %s%s is %g; must be %g..%g: is the model damaged?",
				       what, r->field, of, r->value, r->min, r->max);
	}
	return 0;
}

static int check_attention(const struct hparams *h, const struct attention_spec *a, const char *what, const char *of,
			   struct kvik_err *err)
{
	uint32_t rotated = h->ropes[a->rope].dim;
	const struct range ranges[] = {
		{"the number of attention heads", a->heads, 1, 4096},
		{"the number of KV heads", a->kv_heads, 1, 4096},
		{"the head dimension", a->head_dim, 2, KV_HEAD_DIM_MAX},
		{"the number of rotated dimensions", rotated, 2, a->head_dim},
		{"the scale of attention", (double)a->scale, 1e-6, 1e6},
		{"the soft cap of attention", (double)a->soft_cap, 0, 1e6},
	};
	int rc = check_ranges(ranges, sizeof ranges / sizeof *ranges, what, of, err);
	if (rc)
		return rc;
	if (a->heads % a->kv_heads != 0)
		return err_set(err, KVIK_ERR_FORMAT, "%s: %u attention heads%s cannot share %u KV heads evenly", what,
			       a->heads, of, a->kv_heads);
	return 0;
}

static int check_latent(const struct latent_spec *l, const char *what, const char *of, struct kvik_err *err)
{
	const struct range ranges[] = {
		{"the rank of the queries", l->q_rank, 0, 1 << 16},
		{"the number of dims of a query that are not rotated", l->nope, 1, 1024},
		{"the number of dims of a value", l->v_dim, 1, 1024},
	};
	return check_ranges(ranges, sizeof ranges / sizeof *ranges, what, of, err);
}

static int check_experts(const struct experts_spec *x, const char *what, const char *of, struct kvik_err *err)
{
	const struct range ranges[] = {
		{"the number of experts", x->n, 1, 4096},
		{"the number of experts that a token uses", x->used, 1, x->n},
		{"the feed-forward size of experts", x->dim, 1, 1 << 20},
		{"the feed-forward size of the shared expert", x->shared_dim, 0, 1 << 20},
		{"the number of groups of experts", x->routing.groups, 0, 64},
		{"the number of groups that a token uses", x->routing.groups_used, x->routing.groups > 0,
		 x->routing.groups},
	};
	int rc = check_ranges(ranges, sizeof ranges / sizeof *ranges, what, of, err);
	if (rc || x->routing.groups == 0)
		return rc;
	uint32_t in_group = x->n / x->routing.groups;
	if (in_group * x->routing.groups != x->n || in_group < x->routing.group_top ||
	    in_group * x->routing.groups_used < x->used)
		return err_set(err, KVIK_ERR_FORMAT,
			       "%s: %u experts%s in %u groups, %u of them chosen from, do not give %u experts a token",
			       what, x->n, of, x->routing.groups, x->routing.groups_used, x->used);
	return 0;
}

static int check_delta(const struct delta_spec *d, const char *what, const char *of, struct kvik_err *err)
{
	const struct range ranges[] = {
		{"the number of key heads of the delta net", d->k_heads, 1, 1024},
		{"the number of value heads of the delta net", d->v_heads, 1, 1024},
		{"the key dimension of the delta net", d->k_dim, 1, 1024},
		{"the value dimension of the delta net", d->v_dim, 1, 1024},
		{"the width of the convolution", d->taps, 2, CONV_TAPS_MAX},
	};
	int rc = check_ranges(ranges, sizeof ranges / sizeof *ranges, what, of, err);
	if (rc)
		return rc;
	if (d->v_heads % d->k_heads != 0)
		return err_set(err, KVIK_ERR_FORMAT, "%s: %u value heads%s cannot share %u key heads evenly", what,
			       d->v_heads, of, d->k_heads);
	return 0;
}

static int check_ssm(const struct ssm_spec *m, const char *what, const char *of, struct kvik_err *err)
{
	const struct range ranges[] = {
		{"the number of heads of the state space model", m->heads, 1, 4096},
		{"the size of its heads", m->head_dim, 1, 1024},
		{"the number of its groups", m->groups, 1, 1024},
		{"the size of its state", m->state_dim, 1, 1024},
		{"the width of the convolution", m->taps, 2, CONV_TAPS_MAX},
	};
	int rc = check_ranges(ranges, sizeof ranges / sizeof *ranges, what, of, err);
	if (rc)
		return rc;
	if (m->heads % m->groups != 0)
		return err_set(err, KVIK_ERR_FORMAT,
			       "%s: %u heads of the state space model%s cannot share %u groups evenly", what, m->heads,
			       of, m->groups);
	return 0;
}

static int check_conv(const struct short_conv_spec *c, const char *what, const char *of, struct kvik_err *err)
{
	const struct range taps = {"the width of the convolution", c->taps, 2, CONV_TAPS_MAX};
	return check_ranges(&taps, 1, what, of, err);
}

static int check_mixer(const struct hparams *h, const struct layer_spec *l, const char *what, const char *of,
		       struct kvik_err *err)
{
	switch (l->mixer) {
	case MIXER_DELTA: return check_delta(&l->delta, what, of, err);
	case MIXER_SSM: return check_ssm(&l->ssm, what, of, err);
	case MIXER_CONV: return check_conv(&l->conv, what, of, err);
	default: return check_attention(h, &l->attention, what, of, err);
	}
}

uint64_t layer_state_bytes(const struct layer_spec *l)
{
	switch (l->mixer) {
	case MIXER_DELTA: return delta_state_bytes(&l->delta);
	case MIXER_SSM: return ssm_state_bytes(&l->ssm);
	case MIXER_CONV: return short_conv_state_bytes(&l->conv);
	default: return 0;
	}
}

/* Layer i can read what the layer it names has stored. */
static bool can_share(const struct hparams *h, uint32_t i)
{
	const struct attention_spec *a = &h->layers[i].attention;
	const struct layer_spec *from = &h->layers[a->shares - 1];
	return a->shares <= i && from->mixer == MIXER_ATTENTION && from->attention.shares == 0 &&
	       from->attention.kv_heads == a->kv_heads && from->attention.head_dim == a->head_dim &&
	       from->attention.window == a->window;
}

static int check_layer(const struct hparams *h, uint32_t i, const char *what, struct kvik_err *err)
{
	const struct layer_spec *l = &h->layers[i];
	char of[32] = ""; /* the first one stands for all: most models have one kind of layer */
	if (i > 0)
		snprintf(of, sizeof of, " of layer %u", i);
	int rc = check_mixer(h, l, what, of, err);
	if (!rc && l->mixer == MIXER_LATENT)
		rc = check_latent(&l->latent, what, of, err);
	if (rc)
		return rc;
	if (l->mixer == MIXER_ATTENTION && l->attention.shares && !can_share(h, i))
		return err_set(err, KVIK_ERR_FORMAT,
			       "%s: layer %u has no earlier layer of its kind whose keys and values it could share",
			       what, i);
	const struct range ffn = {"the feed-forward size", l->ffn.dim, 1, 1 << 20};
	if (l->ffn_kind != FFN_EXPERTS)
		rc = check_ranges(&ffn, 1, what, of, err);
	if (!rc && l->ffn_kind != FFN_DENSE)
		rc = check_experts(&l->experts, what, of, err);
	return rc;
}

/* The cache needs something per token, by which it counts. */
static int check_attends(const struct hparams *h, const char *what, struct kvik_err *err)
{
	for (uint32_t i = 0; i < h->n_layers; i++)
		if (!mixer_keeps_state(h->layers[i].mixer))
			return 0;
	return err_set(err, KVIK_ERR_UNSUPPORTED, "%s: no layer has attention, which kvik does not run", what);
}

int hparams_check(const struct hparams *h, const char *what, struct kvik_err *err)
{
	const struct range ranges[] = {
		{"the number of layers", h->n_layers, 1, HPARAMS_LAYERS_MAX},
		{"the hidden size", h->dim, 1, 1 << 17},
		{"the vocabulary size", h->n_vocab, 1, 1 << 24},
		{"the context length", h->context, 1, 1 << 30},
		{"the RMS norm epsilon", (double)h->rms_eps, 0, 1},
		{"the size of the layers' own embeddings", h->ple_dim, 0, 1 << 16},
		{"the scale of the embedding", (double)h->embedding_scale, 0, 1e6},
		{"the scale of the residuals", (double)h->residual_scale, 0, 1e6},
		{"the divisor of the logits", (double)h->logit_divisor, 0, 1e6},
		{"the soft cap of the logits", (double)h->logit_cap, 0, 1e6},
	};
	int rc = check_ranges(ranges, sizeof ranges / sizeof *ranges, what, "", err);
	for (uint32_t i = 0; i < h->n_layers && !rc; i++)
		rc = check_layer(h, i, what, err);
	if (!rc)
		rc = check_attends(h, what, err);
	for (uint32_t i = 0; i < h->n_ropes && !rc; i++) {
		rc = rope_check(&h->ropes[i], err);
		if (rc)
			err_prefix(err, "%s", what);
	}
	return rc;
}

static void grow(uint32_t *most, uint32_t v)
{
	if (v > *most)
		*most = v;
}

static void grow_mixer(struct hparams_widths *w, const struct hparams *h, const struct layer_spec *l)
{
	const struct attention_spec *a = &l->attention;
	if (l->mixer == MIXER_DELTA) {
		grow(&w->channels, delta_channels(&l->delta));
		grow(&w->v_heads, l->delta.v_heads);
		grow(&w->values, l->delta.v_heads * l->delta.v_dim);
	} else if (l->mixer == MIXER_SSM) {
		grow(&w->channels, ssm_channels(&l->ssm));
		grow(&w->v_heads, l->ssm.heads);
		grow(&w->values, ssm_inner(&l->ssm));
	} else if (l->mixer == MIXER_CONV) {
		grow(&w->channels, 3 * l->conv.dim);
		grow(&w->values, l->conv.dim);
	}
	if (mixer_keeps_state(l->mixer))
		return;
	grow(&w->q, a->heads * a->head_dim);
	grow(&w->kv, a->kv_heads * a->head_dim);
	if (l->mixer == MIXER_LATENT) { /* what lies in q for a while */
		uint32_t latent = a->head_dim - h->ropes[a->rope].dim;
		grow(&w->q, a->heads * (l->latent.nope + h->ropes[a->rope].dim));
		grow(&w->q, a->heads * l->latent.v_dim);
		grow(&w->q, l->latent.q_rank);
		grow(&w->latent_heads, a->heads);
		grow(&w->latent_cols, latent > l->latent.nope ? latent : l->latent.nope);
	}
	grow(&w->heads, a->heads);
	grow(&w->kv_heads, a->kv_heads);
	grow(&w->rows, a->heads / a->kv_heads);
	grow(&w->head_dim, a->head_dim);
	w->gated |= a->gated;
}

struct hparams_widths hparams_widths(const struct hparams *h)
{
	struct hparams_widths w = {0};
	for (uint32_t i = 0; i < h->n_layers; i++) {
		grow_mixer(&w, h, &h->layers[i]);
		const struct experts_spec *x = &h->layers[i].experts;
		if (h->layers[i].ffn_kind != FFN_EXPERTS)
			grow(&w.ffn_dim, h->layers[i].ffn.dim);
		if (h->layers[i].ffn_kind == FFN_DENSE)
			continue;
		w.both |= h->layers[i].ffn_kind == FFN_BOTH;
		grow(&w.experts_dim, x->dim);
		grow(&w.experts_dim, x->shared_dim);
		grow(&w.experts, experts_all(x));
		grow(&w.experts_used, x->used + (experts_all(x) - x->n));
	}
	grow(&w.ffn_dim, h->ple_dim);
	for (uint32_t i = 0; i < h->n_ropes; i++)
		grow(&w.rope_dim, h->ropes[i].dim);
	return w;
}
