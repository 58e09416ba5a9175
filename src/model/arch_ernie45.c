/* arch_ernie45.c: ERNIE 4.5, dense: Llama's layer; the dims of a rotated pair are neighbours, in both kinds of files. */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 2, .head_dim = 128, .context = 131072};
	struct layer_spec l = {0};
	read_sizes(k, h, &defaults);
	if (keys_hf(k) && !keys_has(k, NULL, "rms_norm_eps"))
		h->rms_eps = 1e-5f;
	read_heads(k, h, &l.attention, &defaults);
	read_biases(k, "use_bias", &l.attention.biases);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	read_biases(k, "use_bias", &l.ffn.biases);
	hparams_fill(h, &l);
	h->qk_permuted = true;
}

const struct arch arch_ernie45 = {.name = "ernie4_5", .read = read, .bind = bind_layer, .layer = block_layer};
