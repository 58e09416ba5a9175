/* arch_seedoss.c: Seed-OSS: Llama's layer with biases of q, k and v, and of o where config.json says so. */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 8, .head_dim = 128, .context = 524288};
	struct layer_spec l = {0};
	bool qkv = true, out = false;
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	keys_bool(k, NULL, "attention_bias", &qkv);
	keys_bool(k, NULL, "attention_out_bias", &out);
	if (keys_hf(k))
		l.attention.biases = qkv && out ? BIASES_ALL : qkv ? BIASES_QKV : out ? BIASES_IF_THERE : BIASES_NONE;
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	read_biases(k, "mlp_bias", &l.ffn.biases);
	hparams_fill(h, &l);
}

const struct arch arch_seedoss = {.name = "seed_oss", .read = read, .bind = bind_layer, .layer = block_layer};
