/* arch_qwen2.c: Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama's layer with biases on q, k and v. */
#include "model/arch.h"
#include "model/blocks.h"

static int bind(struct binder *b, struct weights *w, const struct hparams *h)
{
	int rc = bind_ends(b, w, h);
	for (uint32_t i = 0; i < h->n_layers && !rc; i++) {
		rc = bind_attention(b, &w->layers[i], (int)i, h);
		if (!rc)
			rc = bind_qkv_biases(b, &w->layers[i], (int)i, h, 0);
		if (!rc)
			rc = bind_ffn(b, &w->layers[i], (int)i, h);
	}
	return rc;
}

const struct arch_ops arch_qwen2 = {bind, block_layer};
