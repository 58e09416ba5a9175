/* tokenizer_json.c: a vocabulary from a tokenizer.json: the model's tables, the added tokens, the steps
 * (tokenizer_steps.c, tokenizer_decoder.c, tokenizer_post.c), the names of special tokens in tokenizer_config.json.
 * Source: the tokenizers library's serialisation. What cannot be honoured is an error that names the field. Thread: the
 * builder's.
 */
#include <math.h>

#include "token/tokenizer_load.h"

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for the vocabulary");
}

static bool is(const char *type, const char *name)
{
	return type && strcmp(type, name) == 0;
}

/* ---- Tokens ------------------------------------------------------------------------------------------------------ */

int tj_check_id(const json_t *id, size_t n_tokens, uint64_t *highest, struct kvik_err *err)
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
	size_t n = json_is_array(vocab) ? json_array_size(vocab) : json_object_size(vocab);
	const char *key;
	json_t *value;
	int rc = 0;
	*highest = 0;
	if (!json_is_array(vocab) && !json_is_object(vocab))
		return tj_malformed("model", "'vocab' is missing", l->err);
	if (json_is_array(vocab) && json_array_size(vocab) > 0)
		*highest = json_array_size(vocab) - 1;
	json_object_foreach((json_t *)(uintptr_t)(json_is_object(vocab) ? vocab : NULL), key, value)
	{
		if (!rc)
			rc = tj_check_id(value, n, highest, l->err);
	}
	return rc ? rc : added_highest(l, n, highest);
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
		rc = vocab_index(l->v, l->err);
	return rc ? rc : added_load(l);
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

/* ---- tokenizer_config.json --------------------------------------------------------------------------------------- */

/* The post-processor decides what goes around a text; without one, add_bos_token and add_eos_token do. */
static int set_config(const struct loading *l, bool template)
{
	struct vocab *v = l->v;
	bool bos, eos;
	v->bos = added_named(l, "bos_token");
	v->eos = added_named(l, "eos_token");
	v->pad = added_named(l, "pad_token");
	v->sep = added_named(l, "sep_token");
	if (v->eos < 0 && l->vocab) /* what both classes of such folders take */
		v->eos = vocab_find(v, "<|endoftext|>", 13);
	if (v->unk < 0)
		v->unk = v->model == WORD_BPE ? -1 : added_named(l, "unk_token");
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

/* What these files ask for and is not done. */
static int tell(const struct loading *l)
{
	struct warnings *w = l->files->warnings;
	const char *name = l->files->name;
	bool cleanup, split;
	int rc = tj_bool(l->config, "clean_up_tokenization_spaces", "tokenizer_config.json", false, &cleanup, l->err);
	if (!rc)
		rc = tj_bool(l->config, "split_special_tokens", "tokenizer_config.json", false, &split, l->err);
	if (!rc && cleanup && l->v->model != WORD_BPE) /* of BPE, transformers itself leaves it out */
		rc = warn_add(w, l->err,
			      "%s: 'clean_up_tokenization_spaces' is true; blanks before punctuation stay all the same",
			      name);
	if (!rc && split)
		rc = warn_add(
			w, l->err,
			"%s: 'split_special_tokens' is true; special tokens of a template stay special all the same",
			name);
	if (!rc && json_is_object(json_object_get(l->root, "truncation")))
		rc = warn_add(w, l->err, "%s: 'truncation' is set; texts are not cut all the same", name);
	if (!rc && json_is_object(json_object_get(l->root, "padding")))
		rc = warn_add(w, l->err, "%s: 'padding' is set; texts are not padded all the same", name);
	return rc;
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

static int load(struct loading *l)
{
	const json_t *root = l->root;
	bool template;
	int rc;
	l->model = json_object_get(root, "model");
	if (!json_is_object(l->model))
		return tj_malformed("model", "missing: this is no tokenizer.json", l->err);
	if ((rc = set_tokens(l)) || (rc = set_model(l)) ||
	    (rc = tj_normalizer(l->v->pipeline, json_object_get(root, "normalizer"), l->err)) ||
	    (rc = tj_pre_tokenizer(l->v->pipeline, json_object_get(root, "pre_tokenizer"), l->err)) ||
	    (rc = added_make_special(l)) ||
	    (rc = tj_post_processor(l->v, json_object_get(root, "post_processor"), &template, l->err)) ||
	    (rc = set_config(l, template)) || (rc = set_decoder(l, json_object_get(root, "decoder"))))
		return rc;
	return tell(l);
}

/* *j: an object, or NULL where there is no such file. */
static int parse(const json_t **j, const struct vocab_str *file, size_t flags, const char *name, struct kvik_err *err)
{
	json_error_t e;
	*j = NULL;
	if (!file->text)
		return 0;
	json_t *value = json_loadb(file->text, file->bytes, JSON_ALLOW_NUL | flags, &e);
	if (!json_is_object(value)) {
		err_set(err, KVIK_ERR_FORMAT, "%s: not a JSON object: %s (line %d); fetch the file again", name,
			value ? "another value" : e.text, value ? 1 : e.line);
		json_decref(value);
		return KVIK_ERR_FORMAT;
	}
	*j = value;
	return 0;
}

static void release(struct loading *l)
{
	const json_t *all[] = {l->root, l->config, l->special_map, l->added_map, l->added, l->vocab, l->model_config};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		json_decref((json_t *)(uintptr_t)all[i]);
}

/* vocab.json and merges.txt. */
static int load_pairs(struct loading *l)
{
	json_t *root = NULL;
	int rc = parse(&l->vocab, &l->files->vocab, 0, "vocab.json", l->err);
	if (!rc && (!l->vocab || !l->files->merges.text))
		rc = err_set(l->err, KVIK_ERR_FORMAT,
			     "there is neither a tokenizer.json nor a tokenizer.model, nor both of vocab.json and "
			     "merges.txt");
	if (!rc)
		rc = parse(&l->model_config, &l->files->model_config, JSON_DECODE_INT_AS_REAL, "config.json", l->err);
	if (!rc)
		rc = vocab_join_pairs(l, l->vocab, &root);
	l->root = root;
	return rc ? rc : load(l);
}

int vocab_from_files(struct vocab **out, const struct vocab_files *f, struct kvik_err *err)
{
	struct loading l = {.files = f, .err = err};
	int rc;
	*out = NULL;
	/* model_max_length is often 10^30, written out, which no integer holds */
	if ((rc = parse(&l.root, &f->tokenizer_json, 0, f->name, err)) ||
	    (rc = parse(&l.config, &f->tokenizer_config, JSON_DECODE_INT_AS_REAL, "tokenizer_config.json", err)) ||
	    (rc = parse(&l.special_map, &f->special_tokens_map, 0, "special_tokens_map.json", err)) ||
	    (rc = parse(&l.added_map, &f->added_tokens, 0, "added_tokens.json", err)) ||
	    (rc = l.root                  ? load(&l)
		  : f->sentencepiece.text ? vocab_load_sp(&l)
					  : load_pairs(&l))) {
		err_prefix(err, "%s", f->name);
		vocab_free(l.v);
	} else {
		*out = l.v;
	}
	release(&l);
	return rc;
}
