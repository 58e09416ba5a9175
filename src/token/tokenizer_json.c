/* tokenizer_json.c: a vocabulary from a tokenizer.json: the model's tables, the added tokens, the steps
 * (tokenizer_steps.c, tokenizer_decoder.c, tokenizer_post.c), the names of special tokens in tokenizer_config.json.
 * Source: the tokenizers library's serialisation. What cannot be honoured is an error that names the field. Thread: the
 * builder's.
 */
#include <math.h>

#include "token/tokenizer_steps.h"

struct loading {
	struct vocab *v;
	const json_t *model, *added, *config;
	struct kvik_err *err;
};

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for the vocabulary");
}

static bool is(const char *type, const char *name)
{
	return type && strcmp(type, name) == 0;
}

/* ---- Tokens ------------------------------------------------------------------------------------------------------ */

/* Ids may leave holes, but not so many that a small file would ask for much memory. */
static int check_id(const json_t *id, size_t n_tokens, uint64_t *highest, struct kvik_err *err)
{
	json_int_t n = json_integer_value(id);
	if (!json_is_integer(id) || n < 0 || n >= VOCAB_TOKENS_MAX || (uint64_t)n > 16 * (uint64_t)n_tokens + 65536)
		return tj_malformed("model.vocab or added_tokens", "an id that is no small number", err);
	if ((uint64_t)n > *highest)
		*highest = (uint64_t)n;
	return 0;
}

/* The vocabulary is an object (text -> id), or for Unigram a list of [text, score]. */
static int highest_id(const struct loading *l, uint64_t *highest)
{
	const json_t *vocab = json_object_get(l->model, "vocab");
	size_t i, n = json_is_array(vocab) ? json_array_size(vocab) : json_object_size(vocab);
	const char *key;
	json_t *value;
	int rc = 0;
	*highest = 0;
	if (!json_is_array(vocab) && !json_is_object(vocab))
		return tj_malformed("model", "'vocab' is missing", l->err);
	n += json_array_size(l->added);
	if (json_is_array(vocab) && json_array_size(vocab) > 0)
		*highest = json_array_size(vocab) - 1;
	json_object_foreach((json_t *)(uintptr_t)(json_is_object(vocab) ? vocab : NULL), key, value)
	{
		if (!rc)
			rc = check_id(value, n, highest, l->err);
	}
	json_array_foreach(l->added, i, value)
	{
		if (!rc)
			rc = check_id(json_object_get(value, "id"), n, highest, l->err);
	}
	return rc;
}

static int set_object_tokens(const struct loading *l, json_t *vocab)
{
	const char *text;
	size_t bytes;
	json_t *id;
	int rc = 0;
	json_object_keylen_foreach(vocab, text, bytes, id)
	{
		if (!rc)
			rc = vocab_set_token(l->v, (uint32_t)json_integer_value(id), text, bytes, VOCAB_ATTR_NORMAL, 0,
					     l->err);
	}
	return rc;
}

static int set_list_tokens(const struct loading *l, const json_t *vocab)
{
	double lowest = INFINITY;
	size_t i;
	json_t *entry;
	json_array_foreach(vocab, i, entry)
	{
		const json_t *text = json_array_get(entry, 0), *score = json_array_get(entry, 1);
		if (!json_is_string(text) || !json_is_number(score))
			return tj_malformed("model.vocab", "an entry that is not [text, score]", l->err);
		double value = json_number_value(score);
		int rc = vocab_set_token(l->v, (uint32_t)i, json_string_value(text), json_string_length(text),
					 VOCAB_ATTR_NORMAL, value, l->err);
		if (rc)
			return rc;
		lowest = value < lowest ? value : lowest;
	}
	l->v->unk_score = lowest - UNIGRAM_UNK_PENALTY;
	return 0;
}

/* An added token need not be in the model's vocabulary; one that is keeps its text and score there. */
static int set_added_token(const struct loading *l, const json_t *t)
{
	const json_t *text = json_object_get(t, "content");
	uint32_t id = (uint32_t)json_integer_value(json_object_get(t, "id"));
	struct token *token = &l->v->tokens[id];
	bool special;
	int rc = tj_bool(t, "special", "added_tokens", false, &special, l->err);
	if (rc)
		return rc;
	if (!json_is_string(text))
		return tj_malformed("added_tokens", "a token without 'content'", l->err);
	uint32_t attrs = special ? VOCAB_ATTR_CONTROL : VOCAB_ATTR_USER_DEFINED;
	size_t bytes = json_string_length(text);
	if (token->attrs && token->bytes == bytes &&
	    memcmp(l->v->text.data + token->start, json_string_value(text), bytes) == 0) {
		token->attrs = attrs | (token->attrs & TOKEN_ADDED);
		return 0;
	}
	return vocab_set_token(l->v, id, json_string_value(text), bytes, attrs | TOKEN_ADDED, 0, l->err);
}

static int set_added_tokens(const struct loading *l)
{
	size_t i;
	json_t *t;
	int rc = 0;
	json_array_foreach(l->added, i, t)
	{
		if (!rc)
			rc = set_added_token(l, t);
	}
	return rc;
}

static int set_tokens(struct loading *l)
{
	json_t *vocab = json_object_get(l->model, "vocab");
	uint64_t highest;
	int rc = highest_id(l, &highest);
	if (!rc)
		rc = vocab_alloc(&l->v, (size_t)highest + 1, l->err);
	if (rc)
		return rc;
	l->v->kind = VOCAB_HF;
	l->v->pipeline = mem_zalloc(1, sizeof *l->v->pipeline);
	if (!l->v->pipeline)
		return no_memory(l->err);
	rc = json_is_array(vocab) ? set_list_tokens(l, vocab) : set_object_tokens(l, vocab);
	if (!rc)
		rc = set_added_tokens(l);
	return rc ? rc : vocab_index(l->v, l->err);
}

/* ---- Models ------------------------------------------------------------------------------------------------------ */

static int copy_string(const struct loading *l, const char *key, char **copy)
{
	const char *text;
	int rc = tj_string(l->model, key, "model", NULL, &text, l->err);
	if (rc || !text || !*text)
		return rc;
	*copy = mem_strndup(text, strlen(text));
	return *copy ? 0 : no_memory(l->err);
}

/* "left right" or ["left", "right"]. */
static int add_merge(const struct loading *l, const json_t *j, uint32_t rank)
{
	const json_t *left = json_array_get(j, 0), *right = json_array_get(j, 1);
	struct vocab_str a, b, whole = {json_string_value(j), json_string_length(j)};
	if (json_is_string(left) && json_is_string(right)) {
		a = (struct vocab_str){json_string_value(left), json_string_length(left)};
		b = (struct vocab_str){json_string_value(right), json_string_length(right)};
	} else if (!json_is_string(j) || !vocab_split_merge(whole, &a, &b)) {
		return tj_malformed("model.merges", "an entry that is no pair of tokens", l->err);
	}
	return vocab_add_pair(l->v, a, b, rank, l->err);
}

static int set_bpe(struct loading *l)
{
	const json_t *merges = json_object_get(l->model, "merges"), *dropout = json_object_get(l->model, "dropout");
	size_t i;
	json_t *j;
	int rc;
	l->v->model = WORD_BPE;
	if (json_is_number(dropout) && json_number_value(dropout) > 0)
		return tj_unsupported("model.dropout", "above 0", l->err);
	if (!json_is_array(merges))
		return tj_malformed("model", "'merges' is not a list", l->err);
	if ((rc = copy_string(l, "continuing_subword_prefix", &l->v->prefix)) ||
	    (rc = copy_string(l, "end_of_word_suffix", &l->v->suffix)) ||
	    (rc = tj_bool(l->model, "fuse_unk", "model", false, &l->v->fuse_unk, l->err)) ||
	    (rc = tj_bool(l->model, "byte_fallback", "model", false, &l->v->byte_fallback, l->err)) ||
	    (rc = tj_bool(l->model, "ignore_merges", "model", false, &l->v->ignore_merges, l->err)) ||
	    (rc = vocab_alloc_pairs(l->v, json_array_size(merges), l->err)))
		return rc;
	json_array_foreach(merges, i, j)
	{
		if (!rc)
			rc = add_merge(l, j, (uint32_t)i);
	}
	return rc;
}

static int set_unigram(struct loading *l)
{
	const json_t *unk = json_object_get(l->model, "unk_id");
	int rc = tj_bool(l->model, "byte_fallback", "model", false, &l->v->byte_fallback, l->err);
	l->v->model = WORD_UNIGRAM;
	l->v->fuse_unk = true;
	if (!rc && json_is_integer(unk)) {
		if (json_integer_value(unk) < 0 || (uint64_t)json_integer_value(unk) >= l->v->n_tokens)
			return tj_malformed("model", "'unk_id' is outside the vocabulary", l->err);
		l->v->unk = json_integer_value(unk);
	}
	return rc ? rc : vocab_index_pieces(l->v, ~0u, l->err);
}

static int set_wordpiece(struct loading *l)
{
	const json_t *most = json_object_get(l->model, "max_input_chars_per_word");
	json_int_t n = most ? json_integer_value(most) : 100;
	int rc = copy_string(l, "continuing_subword_prefix", &l->v->prefix);
	l->v->model = WORD_PIECE;
	l->v->word_chars_max = n > 0 && n < UINT32_MAX ? (uint32_t)n : 0;
	if (!rc && !l->v->prefix)
		return tj_unsupported("model WordPiece", "without continuing_subword_prefix", l->err);
	return rc ? rc : vocab_index_pieces(l->v, ~0u, l->err);
}

/* Older files do not say which model it is. */
static const char *model_type(const json_t *model)
{
	const char *type = json_string_value(json_object_get(model, "type"));
	if (type)
		return type;
	return json_object_get(model, "merges")                      ? "BPE"
	       : json_is_array(json_object_get(model, "vocab"))      ? "Unigram"
	       : json_object_get(model, "continuing_subword_prefix") ? "WordPiece"
								     : "WordLevel";
}

static int set_model(struct loading *l)
{
	const char *type = model_type(l->model), *unk;
	int rc = tj_string(l->model, "unk_token", "model", NULL, &unk, l->err);
	if (rc)
		return rc;
	if (unk)
		l->v->unk = vocab_find(l->v, unk, strlen(unk));
	if (is(type, "BPE"))
		return set_bpe(l);
	if (is(type, "Unigram"))
		return set_unigram(l);
	if (is(type, "WordPiece"))
		return set_wordpiece(l);
	l->v->model = WORD_LEVEL;
	return is(type, "WordLevel") ? 0 : tj_unsupported("model", type, l->err);
}

/* ---- Added tokens ------------------------------------------------------------------------------------------------ */

/* One that is matched after normalisation is looked for as its own text looks then. */
static int add_special(const struct loading *l, const struct special *s, struct regex_work *work)
{
	const struct token *t = &l->v->tokens[s->id];
	struct buf text = {0};
	bool front = true;
	int rc = buf_add(&text, l->v->text.data + t->start, t->bytes) ? 0 : no_memory(l->err);
	if (!rc && s->normalized)
		rc = pipeline_normalize(l->v->pipeline, work, &text, &front, l->err);
	if (!rc)
		rc = vocab_add_special(l->v, s, text.data, text.n, l->err);
	buf_release(&text);
	return rc;
}

static int read_special(const struct loading *l, const json_t *t, struct special *s)
{
	const char *where = "added_tokens";
	int rc;
	s->id = (uint32_t)json_integer_value(json_object_get(t, "id"));
	if ((rc = tj_bool(t, "special", where, false, &s->control, l->err)) ||
	    (rc = tj_bool(t, "lstrip", where, false, &s->lstrip, l->err)) ||
	    (rc = tj_bool(t, "rstrip", where, false, &s->rstrip, l->err)) ||
	    (rc = tj_bool(t, "single_word", where, false, &s->single_word, l->err)))
		return rc;
	return tj_bool(t, "normalized", where, !s->control, &s->normalized, l->err);
}

static int add_specials(const struct loading *l)
{
	struct regex_work work;
	size_t i;
	json_t *t;
	int rc = regex_work_init(&work, l->err);
	json_array_foreach(l->added, i, t)
	{
		struct special s = {0};
		if (!rc)
			rc = read_special(l, t, &s);
		if (!rc)
			rc = add_special(l, &s, &work);
	}
	regex_work_release(&work);
	return rc;
}

/* ---- tokenizer_config.json --------------------------------------------------------------------------------------- */

/* "<s>" or {"content": "<s>", ...}. */
static int64_t named_token(const struct loading *l, const char *key)
{
	const json_t *j = json_object_get(l->config, key);
	const char *text = json_string_value(json_is_object(j) ? json_object_get(j, "content") : j);
	return text ? vocab_find(l->v, text, strlen(text)) : -1;
}

/* The post-processor decides what goes around a text; without one, add_bos_token and add_eos_token do. */
static int set_config(const struct loading *l, bool template)
{
	struct vocab *v = l->v;
	bool bos, eos;
	v->bos = named_token(l, "bos_token");
	v->eos = named_token(l, "eos_token");
	v->pad = named_token(l, "pad_token");
	v->sep = named_token(l, "sep_token");
	if (v->unk < 0)
		v->unk = v->model == WORD_BPE ? -1 : named_token(l, "unk_token");
	v->eot = vocab_guess_eot(v);
	vocab_add_end(v, v->eos);
	vocab_add_end(v, v->eot);
	vocab_find_fim(v);
	vocab_add_fim_ends(v);
	int rc = tj_bool(l->config, "add_bos_token", "tokenizer_config.json", false, &bos, l->err);
	if (!rc)
		rc = tj_bool(l->config, "add_eos_token", "tokenizer_config.json", false, &eos, l->err);
	if (rc || template)
		return rc;
	if (bos && v->bos >= 0 && !ids_add(&v->pipeline->prefix, (uint32_t)v->bos))
		return no_memory(l->err);
	if (eos && v->eos >= 0 && !ids_add(&v->pipeline->suffix, (uint32_t)v->eos))
		return no_memory(l->err);
	return 0;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

static int set_decoder(const struct loading *l, const json_t *j)
{
	struct decoder d = {0};
	int rc = tj_decoder(l->v, &d, j, l->err);
	if (!rc)
		rc = decode_build(l->v, &d, l->err);
	decoder_release(&d);
	return rc;
}

static int load(struct loading *l, const json_t *root)
{
	bool template;
	int rc;
	l->model = json_object_get(root, "model");
	l->added = json_object_get(root, "added_tokens");
	if (!json_is_object(l->model))
		return tj_malformed("model", "missing: this is no tokenizer.json", l->err);
	if ((rc = set_tokens(l)) || (rc = set_model(l)) ||
	    (rc = tj_normalizer(l->v->pipeline, json_object_get(root, "normalizer"), l->err)) ||
	    (rc = tj_pre_tokenizer(l->v->pipeline, json_object_get(root, "pre_tokenizer"), l->err)) ||
	    (rc = add_specials(l)) ||
	    (rc = tj_post_processor(l->v, json_object_get(root, "post_processor"), &template, l->err)) ||
	    (rc = set_config(l, template)))
		return rc;
	return set_decoder(l, json_object_get(root, "decoder"));
}

static json_t *parse(const char *text, size_t bytes, size_t flags, const char *name, struct kvik_err *err)
{
	json_error_t e;
	json_t *j = json_loadb(text ? text : "", bytes, JSON_ALLOW_NUL | flags, &e);
	if (!j || !json_is_object(j)) {
		err_set(err, KVIK_ERR_FORMAT, "%s: not a JSON object: %s (line %d); fetch the file again", name,
			j ? "another value" : e.text, j ? 1 : e.line);
		json_decref(j);
		return NULL;
	}
	return j;
}

int vocab_from_json(struct vocab **out, const char *tokenizer_json, size_t bytes, const char *tokenizer_config_json,
		    size_t config_bytes, const char *name, struct kvik_err *err)
{
	struct loading l = {.err = err};
	json_t *root = parse(tokenizer_json, bytes, 0, name, err), *config = NULL;
	*out = NULL;
	if (!root)
		return KVIK_ERR_FORMAT;
	if (tokenizer_config_json)
		config = parse(tokenizer_config_json, config_bytes, JSON_DECODE_INT_AS_REAL, "tokenizer_config.json",
			       err); /* model_max_length is often 1e30, written out */
	l.config = config;
	int rc = tokenizer_config_json && !config ? KVIK_ERR_FORMAT : load(&l, root);
	json_decref(root);
	json_decref(config);
	if (rc) {
		err_prefix(err, "%s", name);
		vocab_free(l.v);
	} else {
		*out = l.v;
	}
	return rc;
}
