/* keys_unread.c: nothing is ignored in silence. A field that nobody asked for is one of three:
 *
 *   harmless   training, bookkeeping, or a value that switches its feature off: passed over
 *   changing   known to change the logits: an error that names it
 *   unknown    its name is handed up, for a warning
 *
 * GGUF's fields are looked at below "ARCH." only; the rest belongs to the vocabulary and to other rooms. */
#include "format/keys_unread.h"

#include <stdio.h>
#include <string.h>

#include "format/hf_json.h"

/* ---- What is known ----------------------------------------------------------------------------------------------- */

static const char *const harmless[] = {
	/* config.json */
	"_name_or_path", "architectures", "attention_dropout", "auto_map", "bos_token_id", "cache_implementation",
	"chunk_size_feed_forward", "cls_token_id", "decoder_start_token_id", "dtype", "embd_pdrop", "eos_token_id",
	"finetuning_task", "hidden_dropout", "id2label", "initializer_range", "is_decoder",
	"keys_to_ignore_at_inference", "label2id", "mask_token_id", "max_length", "min_length", "output_attentions",
	"output_hidden_states", "output_router_logits", "pad_token_id", "prefix", "pretraining_tp", "problem_type",
	"resid_pdrop", "residual_dropout", "return_dict", "router_aux_loss_coef", "sep_token_id",
	"task_specific_params", "temperature", "tokenizer_class", "top_k", "top_p", "torch_dtype",
	"transformers_version", "unsloth_fixed", "unsloth_version", "use_cache", "vocab_size",
	/* GGUF */
	"rope.scaling.finetuned", "tensor_data_layout"};

/* one: 1 switches the feature off as well as 0, null and false do. */
static const struct {
	const char *name;
	bool one;
} changing[] = {
	/* config.json */
	{"alibi", false},
	{"attention_bias", false},
	{"attention_multiplier", false},
	{"attn_logit_softcapping", false},
	{"clip_qkv", false},
	{"embedding_multiplier", true},
	{"final_logit_softcapping", false},
	{"first_k_dense_replace", false},
	{"layer_types", false},
	{"logit_scale", true},
	{"logits_scaling", true},
	{"mlp_bias", false},
	{"mup_base_width", false},
	{"n_routed_experts", false},
	{"n_shared_experts", false},
	{"no_rope_layers", false},
	{"num_experts", false},
	{"num_local_experts", false},
	{"parallel_residual", false},
	{"partial_rotary_factor", true},
	{"qk_layernorm", false},
	{"query_pre_attn_scalar", false},
	{"residual_multiplier", true},
	{"rope_interleaved", false},
	{"scale_emb", true},
	{"scale_depth", false},
	{"use_alibi", false},
	{"use_bias", false},
	{"use_bidirectional_attention", false},
	{"use_mrope", false},
	{"use_parallel_residual", false},
	{"use_qk_norm", false},
	{"use_qkv_bias", false},
	{"use_sliding_window", false},
	/* GGUF */
	{"attention.clamp_kqv", false},
	{"attention.max_alibi_bias", false},
	{"attention.scale", false},
	{"embedding_scale", true},
	{"expert_count", false},
	{"expert_shared_count", false},
	{"leading_dense_block_count", false},
	{"logit_scale", true},
	{"residual_scale", true},
};

static bool is_harmless(const char *name)
{
	for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
		if (strcmp(harmless[i], name) == 0)
			return true;
	return false;
}

/* number: of the field, where it is one. */
static bool switched_off(const char *name, double number)
{
	for (size_t i = 0; i < sizeof changing / sizeof *changing; i++)
		if (changing[i].one && number == 1 && strcmp(changing[i].name, name) == 0)
			return true;
	return number == 0;
}

static bool is_changing(const char *name)
{
	for (size_t i = 0; i < sizeof changing / sizeof *changing; i++)
		if (strcmp(changing[i].name, name) == 0)
			return true;
	return false;
}

static bool was_asked(const struct keys *k, const char *path)
{
	for (uint32_t i = 0; i < k->n_asked; i++)
		if (strcmp(k->asked[i], path) == 0)
			return true;
	return false;
}

struct list {
	char *text;
	size_t bytes;
};

/* path: the whole name of an unread field whose value does something. */
static void report(struct keys *k, struct list *l, const char *path)
{
	if (is_harmless(path))
		return;
	if (is_changing(path)) {
		keys_fail(k, KVIK_ERR_UNSUPPORTED, path, path,
			  "asks for something that kvik does not compute for this architecture; the logits would be "
			  "wrong without it");
		return;
	}
	size_t n = strlen(l->text);
	if (n + strlen(path) + 3 < l->bytes)
		snprintf(l->text + n, l->bytes - n, "%s%s", n ? ", " : "", path);
}

/* ---- config.json ------------------------------------------------------------------------------------------------- */

static bool json_does_nothing(const char *path, const json_t *v)
{
	if (json_is_number(v))
		return switched_off(path, json_number_value(v));
	if (json_is_string(v))
		return json_string_length(v) == 0;
	return json_is_null(v) || json_is_false(v) || (json_is_array(v) && json_array_size(v) == 0);
}

static bool asked_inside(const struct keys *k, const char *path)
{
	size_t n = strlen(path);
	for (uint32_t i = 0; i < k->n_asked; i++)
		if (strncmp(k->asked[i], path, n) == 0 && k->asked[i][n] == '.')
			return true;
	return false;
}

/* Under which name keys.h remembers a member: of an object with one for each layer, by its number. */
static const char *asked_name(const char *name)
{
	return name[0] && strspn(name, "0123456789") == strlen(name) ? "#" : name;
}

/* o is at prefix ("" or "rope_parameters."); two levels are as deep as configurations go. */
static void check_object(struct keys *k, struct list *l, const json_t *o, const char *prefix)
{
	const char *name;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		char path[KEYS_NAME_MAX], inner[KEYS_NAME_MAX + 1];
		snprintf(path, sizeof path, "%s%.60s", prefix, asked_name(name));
		if (json_is_object(v) && asked_inside(k, path)) {
			snprintf(inner, sizeof inner, "%s.", path);
			if (strlen(prefix) < 32)
				check_object(k, l, v, inner);
		} else if (!was_asked(k, path) && !json_does_nothing(path, v)) {
			report(k, l, path);
		}
	}
}

/* ---- GGUF -------------------------------------------------------------------------------------------------------- */

static bool gguf_does_nothing(const struct gguf *g, const char *key, const char *field)
{
	struct gguf_str s;
	double d;
	bool b;
	if (gguf_get_f64(g, key, &d, NULL) == 1)
		return switched_off(field, d);
	if (gguf_get_str(g, key, &s, NULL) == 1)
		return s.bytes == 0;
	return gguf_get_bool(g, key, &b, NULL) == 1 && !b;
}

static void check_gguf(struct keys *k, struct list *l)
{
	size_t n = strlen(k->arch);
	for (size_t i = 0; i < gguf_key_count(k->gguf); i++) {
		struct gguf_str s = gguf_key_at(k->gguf, i);
		char key[128];
		if (s.bytes >= sizeof key || s.bytes <= n + 1 || memcmp(s.text, k->arch, n) != 0 || s.text[n] != '.')
			continue;
		snprintf(key, sizeof key, "%.*s", (int)s.bytes, s.text);
		if (!was_asked(k, key + n + 1) && !gguf_does_nothing(k->gguf, key, key + n + 1))
			report(k, l, key + n + 1);
	}
}

void keys_check_unread(struct keys *k, char *unknown, size_t unknown_bytes)
{
	struct list l = {unknown, unknown_bytes};
	if (k->json)
		check_object(k, &l, k->json, "");
	else
		check_gguf(k, &l);
}
