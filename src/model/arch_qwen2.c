/* arch_qwen2.c: Qwen2 and Qwen2.5 (arXiv 2407.10671): Llama's layer with biases on q, k and v; a sliding window in the
 * layers from max_window_layers on, where use_sliding_window says so. */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 32, .context = 32768};
	struct layer_spec l = {.attention.biases = BIASES_QKV, .ffn.biases = BIASES_NONE};
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	hparams_fill(h, &l);
	read_windows_gguf(k, h);
	read_windows_qwen(k, h);
}

const struct arch arch_qwen2 = {.name = "qwen2", .read = read, .bind = bind_layer, .layer = block_layer};
