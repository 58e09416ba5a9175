/* tokenizer_pairs.c: a folder with vocab.json and merges.txt but no tokenizer.json: what that would say is put together, for
 * the two classes of such folders that chat models have. Source: GPT2Tokenizer and Qwen2Tokenizer of HF Transformers.
 * Thread: the builder's. */
#include "token/tokenizer_load.h"

#define QWEN2_PATTERN                                                                                       \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" \
	"\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for the tokenizer");
}

/* Lines "left right" by rank, below a first one that names a version. */
static int read_merges(json_t *list, const struct vocab_str *file, struct kvik_err *err)
{
	static const char version[] = "#version";
	const char *at = file->text, *end = at + file->bytes;
	for (const char *newline; at < end; at = newline ? newline + 1 : end) {
		newline = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((newline ? newline : end) - at);
		n -= n > 0 && at[n - 1] == '\r';
		if (n == 0 || (n >= sizeof version - 1 && memcmp(at, version, sizeof version - 1) == 0))
			continue;
		if (json_array_append_new(list, json_stringn(at, n)) != 0)
			return err_set(err, KVIK_ERR_FORMAT,
				       "merges.txt: a line that is not UTF-8; fetch the file again");
	}
	return 0;
}

enum pairs_class { PAIRS_GPT2, PAIRS_QWEN2, PAIRS_UNKNOWN };

static enum pairs_class class_of(const struct loading *l)
{
	const char *name = json_string_value(json_object_get(l->config, "tokenizer_class"));
	const char *type = json_string_value(json_object_get(l->model_config, "model_type"));
	if (!name || strcmp(name, "PreTrainedTokenizerFast") == 0 || strcmp(name, "TokenizersBackend") == 0)
		return type && strncmp(type, "qwen", 4) == 0 ? PAIRS_QWEN2 : PAIRS_GPT2;
	if (strncmp(name, "GPT2Tokenizer", 13) == 0)
		return PAIRS_GPT2;
	return strncmp(name, "Qwen2Tokenizer", 14) == 0 ? PAIRS_QWEN2 : PAIRS_UNKNOWN;
}

/* The steps that the class puts around the model. NULL: no memory. */
static json_t *steps_of(enum pairs_class class, bool prefix)
{
	const char *level = "ByteLevel";
	if (class == PAIRS_GPT2)
		return json_pack("{s:{s:s, s:b}, s:{s:s}}", "pre_tokenizer", "type", level, "add_prefix_space", prefix,
				 "decoder", "type", level);
	return json_pack("{s:{s:s}, s:{s:s, s:[{s:s, s:{s:s}, s:s}, {s:s, s:b, s:b}]}, s:{s:s}}", "normalizer", "type",
			 "NFC", "pre_tokenizer", "type", "Sequence", "pretokenizers", "type", "Split", "pattern",
			 "Regex", QWEN2_PATTERN, "behavior", "Isolated", "type", level, "add_prefix_space", prefix,
			 "use_regex", false, "decoder", "type", level);
}

int vocab_join_pairs(struct loading *l, const json_t *vocab, json_t **root)
{
	bool prefix;
	enum pairs_class class = class_of(l);
	*root = NULL;
	if (class == PAIRS_UNKNOWN)
		return tj_unsupported("tokenizer_config.json: a folder without tokenizer.json of the class",
				      json_string_value(json_object_get(l->config, "tokenizer_class")), l->err);
	int rc = tj_bool(l->config, "add_prefix_space", "tokenizer_config.json", false, &prefix, l->err);
	json_t *merges = json_array(), *model = NULL;
	if (!rc)
		rc = merges ? read_merges(merges, &l->files->merges, l->err) : no_memory(l->err);
	if (!rc)
		model = json_pack("{s:s, s:O, s:O}", "type", "BPE", "vocab", (json_t *)(uintptr_t)vocab, "merges",
				  merges);
	if (model)
		*root = steps_of(class, prefix);
	if (!rc && (!*root || json_object_set(*root, "model", model) != 0))
		rc = no_memory(l->err);
	json_decref(merges);
	json_decref(model);
	return rc;
}
