/* names.c: see names.h. */
#include "model/names.h"

#include <stdio.h>
#include <stdlib.h>
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
	{"attn_q_a", "self_attn.q_a_proj"},
	{"attn_q_a_norm", "self_attn.q_a_layernorm"},
	{"attn_q_b", "self_attn.q_b_proj"},
	{"attn_kv_a_mqa", "self_attn.kv_a_proj_with_mqa"},
	{"attn_kv_a_norm", "self_attn.kv_a_layernorm"},
	{"attn_kv_b", "self_attn.kv_b_proj"},
	{"ffn_gate_shexp", "mlp.shared_experts.gate_proj"},
	{"ffn_up_shexp", "mlp.shared_experts.up_proj"},
	{"ffn_down_shexp", "mlp.shared_experts.down_proj"},
	{"exp_probs_b.bias", "mlp.gate.e_score_correction_bias"},
	{"ffn_gate_up_exps.weight", "mlp.experts.gate_up_proj"},
	{"ffn_down_exps.weight", "mlp.experts.down_proj"},
	{"ffn_gate_exps", "mlp.experts.#.gate_proj"},
	{"ffn_up_exps", "mlp.experts.#.up_proj"},
	{"ffn_down_exps", "mlp.experts.#.down_proj"},
	{"attn_qkv", "linear_attn.in_proj_qkv"},
	{"attn_gate", "linear_attn.in_proj_z"},
	{"ssm_alpha", "linear_attn.in_proj_a"},
	{"ssm_beta", "linear_attn.in_proj_b"},
	{"ssm_conv1d", "linear_attn.conv1d"},
	{"ssm_norm", "linear_attn.norm"},
	{"ssm_out", "linear_attn.out_proj"},
	{"ssm_a", "linear_attn.A_log"},         /* which has no ending */
	{"ssm_dt.bias", "linear_attn.dt_bias"}, /* nor has this one */
	{NULL, NULL},
};

/* What a checkpoint calls the first n bytes of `part`; NULL: the table does not know. */
static const char *find_hf(const struct tensor_name *table, const char *part, size_t n)
{
	for (; table && table->gguf; table++)
		if (strlen(table->gguf) == n && memcmp(table->gguf, part, n) == 0)
			return table->hf;
	return NULL;
}

/* The checkpoint of a whole model puts "model." in front, that of a bare one does not; that of a model of more than
 * language says which part it is, in one of two orders. */
static const struct source_tensor *find_prefixed(const struct source *s, int layer, const char *hf, const char *end)
{
	static const char *const prefixes[] = {"model.", "", "model.language_model.", "language_model.model.",
					       "language_model."};
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

/* By one table: the whole name, else what stands before its end. A table may know several names. */
static const struct source_tensor *find_by(const struct source *s, const struct tensor_name *table, int layer,
					   const char *name)
{
	const char *end = strrchr(name, '.');
	const struct source_tensor *t = NULL;
	for (; table && table->gguf && !t; table++) {
		if (strcmp(table->gguf, name) == 0)
			t = find_prefixed(s, layer, table->hf, "");
		else if (end && strlen(table->gguf) == (size_t)(end - name) &&
			 memcmp(table->gguf, name, (size_t)(end - name)) == 0)
			t = find_prefixed(s, layer, table->hf, end);
	}
	return t;
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
	if (!t)
		t = find_by(s, own, layer, name);
	return t ? t : find_by(s, shared, layer, name);
}

bool names_other_part(const char *name)
{
	static const char *const parts[] = {"vision_tower.", "vision_model.", "visual.",     "multi_modal_projector.",
					    "audio_tower.",  "embed_vision.", "embed_audio."};
	if (strncmp(name, "model.", 6) == 0)
		name += 6;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (strncmp(name, parts[i], strlen(parts[i])) == 0)
			return true;
	return false;
}

bool names_draft_part(const char *name, uint32_t n_layers)
{
	if (strncmp(name, "blk.", 4) == 0)
		return strtoul(name + 4, NULL, 10) >= n_layers;
	if (strncmp(name, "model.layers.", 13) == 0)
		return strtoul(name + 13, NULL, 10) >= n_layers;
	return strncmp(name, "mtp.", 4) == 0 || strncmp(name, "model.mtp.", 10) == 0;
}

static const struct source_tensor *find_expert_by(const struct source *s, const struct tensor_name *table, int layer,
						  const char *name, uint32_t expert)
{
	const char *end = strrchr(name, '.'), *hf = find_hf(table, name, (size_t)(end - name));
	const char *number = hf ? strchr(hf, '#') : NULL;
	char full[64];
	if (!number)
		return NULL;
	snprintf(full, sizeof full, "%.*s%u%s", (int)(number - hf), hf, expert, number + 1);
	return find_prefixed(s, layer, full, end);
}

const struct source_tensor *names_find_expert(const struct source *s, const struct tensor_name *own, int layer,
					      const char *name, uint32_t expert)
{
	const struct source_tensor *t = find_expert_by(s, own, layer, name, expert);
	return t ? t : find_expert_by(s, shared, layer, name, expert);
}
