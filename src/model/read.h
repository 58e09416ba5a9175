/* read.h: how most architectures are described, field by field. Source: the GGUF specification's standard keys, and the
 * configuration classes of HF Transformers: what config.json leaves out has the default that the class of that
 * architecture gives it. Errors stay in the keys (format/keys.h). */
#ifndef KVIK_MODEL_READ_H
#define KVIK_MODEL_READ_H

#include "format/keys.h"
#include "model/hparams.h"

/* What config.json may leave out; 0 where a class derives it from others. */
struct read_defaults {
	uint32_t heads, vocab; /* 0: the field must be there */
	uint32_t kv_heads;     /* 0 = as many as heads */
	uint32_t head_dim;     /* 0 = hidden size / heads */
	uint32_t context;
};

/* Layers, width, vocabulary, context, epsilon. */
void read_sizes(struct keys *k, struct hparams *h, const struct read_defaults *d);
/* Heads, their dims, the scale 1 / sqrt(head_dim). After read_sizes. */
void read_heads(struct keys *k, const struct hparams *h, struct attention_spec *a, const struct read_defaults *d);
/* The one rope of all layers, as hparams.ropes[0]. After read_heads. */
void read_rope(struct keys *k, struct hparams *h, const struct attention_spec *a);
/* The same, of one part in `divisor` of a head where config.json says nothing of it. */
void read_rope_partial(struct keys *k, struct hparams *h, const struct attention_spec *a, uint32_t divisor);
/* The same of layers of two kinds: hparams.ropes[0] turns those that see everything, ropes[1] the windowed ones; with the
 * heads' dims and the thetas where a file does not say; sets attention.rope of each layer by its window. After the windows. */
void read_ropes_local(struct keys *k, struct hparams *h, uint32_t dim, float theta, uint32_t local_dim,
		      float local_theta);
/* A dense feed-forward with SiLU. */
void read_ffn(struct keys *k, struct ffn_spec *f);
/* How many experts (config.json: num_local_experts or `hf`), how many a token uses, their size; what a file leaves out
 * stays. Without biases. */
void read_experts(struct keys *k, const char *hf, struct experts_spec *x);
/* One with GELU in its tanh form. hf: the field of config.json that names the activation. */
void read_ffn_gelu(struct keys *k, const char *hf, struct ffn_spec *f);
void read_ffn_activation(struct keys *k, const char *hf); /* that field alone */
/* The biases that a field of config.json asks for. */
void read_biases(struct keys *k, const char *hf, enum biases *biases);

/* Sliding windows of GGUF: attention.sliding_window and its pattern. After hparams_fill. */
void read_windows_gguf(struct keys *k, struct hparams *h);
/* Where neither a pattern nor layer_types says which layers are windowed: all but every period-th, by `window` positions
 * where the file does not say how many. Both kinds of files. After hparams_fill. */
void read_windows_period(struct keys *k, struct hparams *h, uint32_t window, uint32_t period);
/* Of config.json: layer_types names the windowed layers; without it those from `first` on. */
void read_windows_hf(struct keys *k, struct hparams *h, uint32_t window, uint32_t first);
/* Qwen's way: those from max_window_layers on, or layer_types, but only with use_sliding_window. */
void read_windows_qwen(struct keys *k, struct hparams *h);

#endif
