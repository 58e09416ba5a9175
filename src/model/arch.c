/* arch.c: the table of architectures, and what is the same for all of them when a model is described: the fields that
 * none of them may ignore, the two ends of the model as its tensors have them, the checks. */
#include "model/arch.h"

#include <stdio.h>
#include <string.h>

extern const struct arch arch_llama, arch_mistral, arch_mixtral, arch_qwen2, arch_qwen3, arch_qwen3moe, arch_gemma,
	arch_gemma2, arch_gemma3, arch_gptoss, arch_gemma4, arch_gemma4_unified, arch_qwen35, arch_qwen35moe,
	arch_qwen3next, arch_lfm2, arch_granitehybrid, arch_deepseek2, arch_deepseek3, arch_granite, arch_smollm3,
	arch_seedoss, arch_ernie45, arch_glm4;

static const struct arch *const archs[] = {
	&arch_llama,     &arch_mistral,   &arch_mixtral,   &arch_qwen2,   &arch_qwen3,         &arch_qwen3moe,
	&arch_gemma,     &arch_gemma2,    &arch_gemma3,    &arch_gptoss,  &arch_gemma4,        &arch_gemma4_unified,
	&arch_qwen35,    &arch_qwen35moe, &arch_qwen3next, &arch_lfm2,    &arch_granitehybrid, &arch_deepseek2,
	&arch_deepseek3, &arch_granite,   &arch_smollm3,   &arch_seedoss, &arch_ernie45,       &arch_glm4,
};

enum { ARCHS = sizeof archs / sizeof *archs, REGISTERED_MAX = 8 };

static const struct arch *registered[REGISTERED_MAX];
static size_t n_registered;

int arch_register(const struct arch *a, struct kvik_err *err)
{
	if (n_registered == REGISTERED_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "no room for more than %d architectures beside those of kvik",
			       REGISTERED_MAX);
	registered[n_registered++] = a;
	return 0;
}

static const char *name_of(const struct arch *a, bool hf)
{
	return hf && a->hf_name ? a->hf_name : a->name;
}

static const struct arch *find(const struct keys *k)
{
	for (size_t i = 0; i < ARCHS; i++)
		if (strcmp(name_of(archs[i], keys_hf(k)), k->arch) == 0)
			return archs[i];
	for (size_t i = 0; i < n_registered; i++)
		if (strcmp(name_of(registered[i], keys_hf(k)), k->arch) == 0)
			return registered[i];
	return NULL;
}

static int unknown_arch(const struct keys *k)
{
	char known[400] = "";
	for (size_t i = 0; i < ARCHS; i++) { /* those of one name stand beside each other */
		const char *name = name_of(archs[i], keys_hf(k));
		if (i == 0 || strcmp(name, name_of(archs[i - 1], keys_hf(k))) != 0)
			snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", name);
	}
	return err_set(k->err, KVIK_ERR_UNSUPPORTED, "%s: %s is '%s', not one that kvik runs (%s)", k->file,
		       keys_hf(k) ? "'model_type'" : "its architecture", k->arch, known);
}

/* MXFP4 says by its tensors what it is. */
static bool has_unread_quants(struct keys *k)
{
	char method[16] = "";
	if (keys_whole_has(k, "quantization_config"))
		return true;
	if (!keys_has(k, NULL, "quantization_config"))
		return false;
	keys_text(k, NULL, "quantization_config.quant_method", method, sizeof method);
	keys_has(k, NULL, "quantization_config.modules_to_not_convert");
	return strcmp(method, "mxfp4") != 0;
}

int arch_read(struct keys *k, struct hparams *h)
{
	*h = (struct hparams){.arch = find(k)};
	if (!h->arch)
		return unknown_arch(k);
	h->nested = keys_nested(k);
	if (has_unread_quants(k))
		keys_fail(k, KVIK_ERR_UNSUPPORTED, NULL, "quantization_config",
			  "marks quantised weights that kvik does not read; use the unquantised folder or a GGUF file");
	if (!keys_bool(k, NULL, "tie_word_embeddings", &h->tied))
		keys_whole_bool(k, "tie_word_embeddings", &h->tied);
	h->arch->read(k, h);
	return keys_finish(k, h->unknown, sizeof h->unknown);
}

/* ---- The two ends ------------------------------------------------------------------------------------------------ */

/* Of two tied matrices a checkpoint holds one, and which one is chance. */
const struct source_tensor *arch_embedding(const struct source *s, const struct hparams *h)
{
	const struct source_tensor *e = names_find(s, h->arch->own, -1, "token_embd.weight");
	return e || !h->tied ? e : names_find(s, h->arch->own, -1, "output.weight");
}

static bool same_tensor(const struct source_tensor *a, const struct source_tensor *b)
{
	return a->type == b->type && a->bytes == b->bytes && memcmp(a->dims, b->dims, sizeof a->dims) == 0 &&
	       memcmp(a->data, b->data, (size_t)a->bytes) == 0;
}

/* Whether the output is the embedding: where a file holds two matrices that differ, it is right and its configuration
 * is not; where it holds one of the two, and does not say otherwise, they are tied. */
static void settle_tied(const struct source *s, struct keys *k, struct hparams *h)
{
	const struct source_tensor *e = names_find(s, h->arch->own, -1, "token_embd.weight");
	const struct source_tensor *o = names_find(s, h->arch->own, -1, "output.weight");
	if (!keys_hf(k))
		h->tied = !o;
	else if (e && o) {
		h->untied = h->tied && !same_tensor(e, o);
		h->tied = h->tied && !h->untied;
	} else if (!keys_has(k, NULL, "tie_word_embeddings") && !keys_whole_has(k, "tie_word_embeddings"))
		h->tied = true;
}

/* The embedding is where a file and its hyperparameters contradict each other most often. */
static int check_embedding(const struct source *s, const struct hparams *h, struct kvik_err *err)
{
	const struct source_tensor *e = arch_embedding(s, h);
	if (!e)
		return err_set(err, KVIK_ERR_FORMAT,
			       "%s: tensor 'token_embd.weight' is missing; a vocabulary alone can only be used by "
			       "`kvik tokenize`",
			       source_name(s));
	if (e->dims[0] != h->dim || e->dims[1] != h->n_vocab || e->dims[2] != 1 || e->dims[3] != 1)
		return err_set(err, KVIK_ERR_FORMAT,
			       "%s: tensor '%s' has %llu rows of %llu, but the hyperparameters say a vocabulary of %u "
			       "and a hidden size of %u; do both come from the same model?",
			       source_name(s), e->name, (unsigned long long)e->dims[1], (unsigned long long)e->dims[0],
			       h->n_vocab, h->dim);
	return 0;
}

/* GGUF: a token without a row of the embedding could not be run. Rows without a token are padding. */
static int count_vocab(const struct source *s, struct hparams *h, struct kvik_err *err)
{
	const struct source_tensor *e = arch_embedding(s, h);
	struct gguf_array tokens = {0};
	h->n_vocab = e && e->dims[1] < UINT32_MAX ? (uint32_t)e->dims[1] : 0;
	if (gguf_get_array(source_gguf(s), "tokenizer.ggml.tokens", &tokens, NULL) == 1 && e && tokens.n > e->dims[1])
		return err_set(err, KVIK_ERR_FORMAT,
			       "%s: GGUF key 'tokenizer.ggml.tokens' has %llu tokens, but 'token_embd.weight' only "
			       "%llu rows; do both come from the same model?",
			       source_name(s), (unsigned long long)tokens.n, (unsigned long long)e->dims[1]);
	return 0;
}

int arch_hparams(const struct source *s, struct hparams *h, struct kvik_err *err)
{
	struct keys k;
	int rc = keys_open(&k, s, err);
	if (!rc)
		rc = arch_read(&k, h);
	if (rc)
		return rc;
	settle_tied(s, &k, h);
	for (size_t i = 0; h->nested && i < source_count(s); i++)
		h->other_parts += names_other_part(source_at(s, i)->name);
	for (size_t i = 0; h->has_drafts && i < source_count(s); i++)
		h->draft_parts += names_draft_part(source_at(s, i)->name, h->n_layers);
	if (!keys_hf(&k))
		rc = count_vocab(s, h, err);
	if (!rc)
		rc = check_embedding(s, h, err);
	return rc ? rc : hparams_check(h, source_name(s), err);
}
