/* arch_mistral.c: Mistral 7B (arXiv 2310.06825): Llama's layer without biases; all layers, or those that layer_types
 * names, see a sliding window. */
#include "model/arch.h"
#include "model/bind.h"
#include "model/blocks.h"
#include "model/read.h"

static void read(struct keys *k, struct hparams *h)
{
	static const struct read_defaults defaults = {.kv_heads = 8, .context = 131072};
	struct layer_spec l = {.attention.biases = BIASES_NONE, .ffn.biases = BIASES_NONE};
	uint32_t window = 4096;
	read_sizes(k, h, &defaults);
	read_heads(k, h, &l.attention, &defaults);
	read_rope(k, h, &l.attention);
	read_ffn(k, &l.ffn);
	hparams_fill(h, &l);
	read_windows_gguf(k, h);
	keys_u32(k, NULL, "sliding_window", &window);
	if (keys_hf(k) && !keys_is_null(k, "sliding_window"))
		read_windows_hf(k, h, window, 0);
	h->qk_permuted = !keys_hf(k);
}

const struct arch arch_mistral = {.name = "mistral", .read = read, .bind = bind_layer, .layer = block_layer};
