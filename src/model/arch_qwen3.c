/* arch_qwen3.c: Qwen3 dense (arXiv 2505.09388): no biases (but where a config asks for them), RMS norms over each head
 * of q and k before the rotation; windows as Qwen2. */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 32, .head_dim = 128, .context = 32768};
	struct layer_spec l = {.attention.qk_norm = true, .ffn.biases = BIASES_NONE};
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	read_biases(k, "attention_bias", &l.attention.biases);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	hparams_fill(h, &l);
	read_windows_gguf(k, h);
	read_windows_qwen(k, h);
}

const struct arch arch_qwen3 = {.name = "qwen3", .read = read, .bind = bind_layer, .layer = block_layer};
