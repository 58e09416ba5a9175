/* arch_llama.c: Llama 2 and 3.x (arXiv 2307.09288, 2407.21783), and what shares their shape: pre-norm, rotary grouped
 * attention, SwiGLU. Biases (attention_bias, mlp_bias of the Hugging Face config) where the file has them. */
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
		rc = bind_ffn(b, l, i, h);
	if (!rc)
		rc = bind_vec(b, &l->gate_bias, i, "ffn_gate.bias", h->ffn_dim, BIND_OPTIONAL);
	if (!rc)
		rc = bind_vec(b, &l->up_bias, i, "ffn_up.bias", h->ffn_dim, BIND_OPTIONAL);
	if (!rc)
		rc = bind_vec(b, &l->down_bias, i, "ffn_down.bias", h->dim, BIND_OPTIONAL);
	return rc;
}

static int bind(struct binder *b, struct weights *w, const struct hparams *h)
{
	int rc = bind_ends(b, w, h);
	for (uint32_t i = 0; i < h->n_layers && !rc; i++)
		rc = bind_layer(b, &w->layers[i], (int)i, h);
	return rc;
}

const struct arch_ops arch_llama = {bind, block_layer};
