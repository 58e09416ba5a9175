/* names.c: see names.h. */
#include "model/names.h"

#include <stdio.h>
#include <string.h>

static const struct tensor_name shared[] = {
	{"token_embd", "embed_tokens"},
	{"output_norm", "norm"},
	{"output", "lm_head"},
	{"attn_norm", "input_layernorm"},
	{"attn_q", "self_attn.q_proj"},
	{"attn_k", "self_attn.k_proj"},
	{"attn_v", "self_attn.v_proj"},
	{"attn_output", "self_attn.o_proj"},
	{"attn_q_norm", "self_attn.q_norm"},
	{"attn_k_norm", "self_attn.k_norm"},
	{"ffn_norm", "post_attention_layernorm"},
	{"ffn_gate", "mlp.gate_proj"},
	{"ffn_up", "mlp.up_proj"},
	{"ffn_down", "mlp.down_proj"},
	{"ffn_gate_inp", "mlp.gate"},
	{NULL, NULL},
};

static const char *find_hf(const struct tensor_name *table, const char *part, size_t n)
{
	for (; table && table->gguf; table++)
		if (strlen(table->gguf) == n && memcmp(table->gguf, part, n) == 0)
			return table->hf;
	return NULL;
}

/* The checkpoint of a whole model puts "model." in front, that of a bare one does not. */
static const struct source_tensor *find_prefixed(const struct source *s, int layer, const char *hf, const char *end)
{
	static const char *const prefixes[] = {"model.", ""};
	char full[SOURCE_NAME_MAX];
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
		if (layer < 0)
			snprintf(full, sizeof full, "%s%s%s", prefixes[i], hf, end);
		else
			snprintf(full, sizeof full, "%slayers.%d.%s%s", prefixes[i], layer, hf, end);
		const struct source_tensor *t = source_find(s, full);
		if (t)
			return t;
	}
	return NULL;
}

const struct source_tensor *names_find(const struct source *s, const struct tensor_name *own, int layer,
				       const char *name)
{
	char full[SOURCE_NAME_MAX];
	if (layer < 0)
		snprintf(full, sizeof full, "%s", name);
	else
		snprintf(full, sizeof full, "blk.%d.%s", layer, name);
	const struct source_tensor *t = source_find(s, full);
	const char *end = strrchr(name, '.');
	if (t || !end)
		return t;
	const char *hf = find_hf(own, name, (size_t)(end - name));
	if (!hf)
		hf = find_hf(shared, name, (size_t)(end - name));
	return hf ? find_prefixed(s, layer, hf, end) : NULL;
}

const struct source_tensor *names_find_hf(const struct source *s, int layer, const char *hf)
{
	return find_prefixed(s, layer, hf, "");
}
