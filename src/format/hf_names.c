/* hf_names.c: one table of parts; the layer number goes over as it is. */
#include "format/hf_names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *hf, *gguf;
} whole_names[] =
	{
		{"embed_tokens.weight", "token_embd.weight"},
		{"norm.weight", "output_norm.weight"},
		{"lm_head.weight", "output.weight"},
},
  layer_names[] = {
	  {"input_layernorm", "attn_norm"},    {"post_attention_layernorm", "ffn_norm"},
	  {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"},
	  {"self_attn.v_proj", "attn_v"},      {"self_attn.o_proj", "attn_output"},
	  {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"},
	  {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
	  {"mlp.down_proj", "ffn_down"},
};

static bool map_layer(const char *name, char *out, size_t out_bytes)
{
	size_t digits = 0;
	while (isdigit((unsigned char)name[digits]))
		digits++;
	if (digits == 0 || digits > 4 || name[digits] != '.')
		return false;
	const char *part = name + digits + 1, *dot = strrchr(part, '.');
	if (!dot || (strcmp(dot, ".weight") != 0 && strcmp(dot, ".bias") != 0))
		return false;
	size_t n = (size_t)(dot - part);
	for (size_t i = 0; i < sizeof layer_names / sizeof *layer_names; i++)
		if (strlen(layer_names[i].hf) == n && memcmp(part, layer_names[i].hf, n) == 0) {
			snprintf(out, out_bytes, "blk.%.*s.%s%s", (int)digits, name, layer_names[i].gguf, dot);
			return true;
		}
	return false;
}

bool hf_name_map(const char *name, char *out, size_t out_bytes)
{
	const char *rest = strncmp(name, "model.", 6) == 0 ? name + 6 : name;
	if (strncmp(rest, "layers.", 7) == 0 && map_layer(rest + 7, out, out_bytes))
		return true;
	for (size_t i = 0; i < sizeof whole_names / sizeof *whole_names; i++)
		if (strcmp(rest, whole_names[i].hf) == 0) {
			snprintf(out, out_bytes, "%s", whole_names[i].gguf);
			return true;
		}
	snprintf(out, out_bytes, "%s", name);
	return false;
}

bool hf_name_of_no_use(const char *name)
{
	static const char *const ends[] = {".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias",
					   ".rotary_emb.cos_cached", ".rotary_emb.sin_cached"};
	size_t n = strlen(name);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t m = strlen(ends[i]);
		if (n >= m && strcmp(name + n - m, ends[i]) == 0)
			return true;
	}
	return false;
}
