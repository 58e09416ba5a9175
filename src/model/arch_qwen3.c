/* arch_qwen3.c: Qwen3 dense (arXiv 2505.09388): no biases (but where a config asks for them), RMS norms over each head
 * of q and k before the rotation. */
#include "model/arch.h"
#include "model/blocks.h"

static int bind_layer(struct binder *b, struct layer *l, int i, const struct hparams *h)
{
	int rc = bind_attention(b, l, i, h);
	if (!rc)
		rc = bind_qkv_biases(b, l, i, h, BIND_OPTIONAL);
	if (!rc)
		rc = bind_vec(b, &l->o_bias, i, "attn_output.bias", h->dim, BIND_OPTIONAL);
	if (!rc)
		rc = bind_vec(b, &l->q_norm, i, "attn_q_norm.weight", h->head_dim, 0);
	if (!rc)
		rc = bind_vec(b, &l->k_norm, i, "attn_k_norm.weight", h->head_dim, 0);
	if (!rc)
		rc = bind_ffn(b, l, i, h);
	return rc;
}

static int bind(struct binder *b, struct weights *w, const struct hparams *h)
{
	int rc = bind_ends(b, w, h);
	for (uint32_t i = 0; i < h->n_layers && !rc; i++)
		rc = bind_layer(b, &w->layers[i], (int)i, h);
	return rc;
}

static void layer(struct step *s, const struct layer *l)
{
	block_qkv(s, l);
	block_head_norms(s, l);
	block_rope(s);
	block_attention(s);
	block_attention_out(s, l);
	block_ffn(s, l);
}

const struct arch_ops arch_qwen3 = {bind, layer};
