/* arch_mistral.c: Mistral 7B (arXiv 2310.06825): Llama's layer without biases; the sliding window is a hyperparameter
 * of each layer and lives in the plan of the cache. */
#include "model/arch.h"
#include "model/blocks.h"

static int bind(struct binder *b, struct weights *w, const struct hparams *h)
{
	int rc = bind_ends(b, w, h);
	for (uint32_t i = 0; i < h->n_layers && !rc; i++) {
		rc = bind_attention(b, &w->layers[i], (int)i, h);
		if (!rc)
			rc = bind_ffn(b, &w->layers[i], (int)i, h);
	}
	return rc;
}

const struct arch_ops arch_mistral = {bind, block_layer};
