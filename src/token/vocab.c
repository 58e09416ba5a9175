/* vocab.c: a vocabulary from a GGUF file's description; encoding at the top: special tokens are cut out, what lies
 * between goes to the encoder of the kind; look-ups. Any thread. */
#include "token/vocab.h"

#include <math.h>
#include <stdlib.h>

#include "token/decode.h"
#include "token/pipeline.h"
#include "token/vocab_impl.h"

int sink_add(struct sink *s, uint32_t id)
{
	return ids_add(&s->ids, id) ? 0 : err_set(s->err, KVIK_ERR_NOMEM, "no memory for %zu token ids", s->ids.n + 1);
}

int sink_add_bytes(struct sink *s, const char *text, size_t bytes)
{
	int rc = 0;
	for (size_t i = 0; i < bytes && !rc; i++)
		rc = sink_add(s, (uint32_t)s->v->byte_ids[(uint8_t)text[i]]);
	return rc;
}

/* ---- Encoding ---------------------------------------------------------------------------------------------------- */

static int encode_plain(void *ctx, const char *text, size_t bytes, bool at_start)
{
	struct sink *out = ctx;
	switch (out->v->kind) { /* of a GGUF file, every stretch gets its leading blank, as llama.cpp does it */
	case VOCAB_SP: return sp_encode(out->v, text, bytes, at_start, out);
	case VOCAB_SPM: return spm_encode(out->v, text, bytes, out);
	case VOCAB_UNIGRAM: return unigram_encode(out->v, text, bytes, out);
	default: return bpe_encode(out->v, text, bytes, out);
	}
}

static int add_if(struct sink *out, bool wanted, int64_t id)
{
	return wanted && id >= 0 ? sink_add(out, (uint32_t)id) : 0;
}

static int encode(const struct vocab *v, const char *text, size_t bytes, unsigned flags, struct sink *out)
{
	bool special = flags & VOCAB_ADD_SPECIAL;
	int rc = add_if(out, special && v->add_bos, v->bos);
	if (!rc && v->pipeline)
		rc = pipeline_encode(v, text, bytes, flags, out);
	else if (!rc)
		rc = special_split(&v->raw, text, bytes, flags, encode_plain, out);
	if (!rc)
		rc = add_if(out, special && v->add_sep, v->sep);
	return rc ? rc : add_if(out, special && v->add_eos, v->eos);
}

int vocab_encode(const struct vocab *v, const char *text, size_t bytes, unsigned flags, uint32_t **ids, size_t *n,
		 struct kvik_err *err)
{
	return vocab_encode_data(v, text, bytes, flags, NULL, 0, ids, n, err);
}

int vocab_encode_data(const struct vocab *v, const char *text, size_t bytes, unsigned flags, const struct span *data,
		      size_t n_data, uint32_t **ids, size_t *n, struct kvik_err *err)
{
	struct sink out = {.v = v, .text = text, .data = data, .n_data = n_data, .err = err};
	*ids = NULL;
	*n = 0;
	if (bytes > VOCAB_TEXT_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "a text of %zu bytes; at most %zu are taken", bytes,
			       VOCAB_TEXT_MAX);
	int rc = encode(v, text, bytes, flags, &out);
	if (rc) {
		ids_release(&out.ids);
		return rc;
	}
	*ids = out.ids.data;
	*n = out.ids.n;
	return 0;
}

/* ---- From a description ------------------------------------------------------------------------------------------ */

int vocab_kind_from_gguf(const char *model)
{
	static const struct {
		const char *name;
		enum vocab_kind kind;
	} known[] = {{"llama", VOCAB_SPM},
		     {"gpt2", VOCAB_BPE},
		     {"gemma4", VOCAB_BPE},
		     {"t5", VOCAB_UNIGRAM},
		     {"bert", VOCAB_WPM}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(model, known[i].name) == 0)
			return (int)known[i].kind;
	return -1;
}

static void default_bpe(struct vocab_desc *d, unsigned traits)
{
	d->bos = d->eos = 11;
	if (traits & (PRETOK_NO_BOS | PRETOK_PLAIN))
		d->bos = -1;
	d->escape_whitespaces = traits & PRETOK_PLAIN;
	d->add_bos = traits & PRETOK_ADD_BOS;
	d->add_sep = traits & PRETOK_ADD_SEP;
	d->ignore_merges = traits & PRETOK_IGNORE_MERGES;
}

void vocab_desc_default(struct vocab_desc *d, enum vocab_kind kind, const char *pre)
{
	*d = (struct vocab_desc){.kind = kind, .pre = pre, .escape_whitespaces = true};
	d->bos = d->eos = d->unk = d->sep = d->pad = d->cls = d->eot = d->eom = -1;
	for (size_t i = 0; i < VOCAB_FIM_COUNT; i++)
		d->fim[i] = -1;
	if (kind == VOCAB_SPM) {
		d->bos = 1;
		d->eos = 2;
		d->unk = 0;
		d->add_space_prefix = d->add_bos = true;
	} else if (kind == VOCAB_BPE) {
		default_bpe(d, pretok_traits(pre));
	} else if (kind == VOCAB_UNIGRAM) {
		d->eos = 1;
		d->unk = 2;
		d->pad = 0;
		d->add_space_prefix = d->add_eos = true;
	} else if (kind == VOCAB_WPM) {
		d->bos = 101;
		d->unk = 100;
		d->sep = 102;
		d->pad = 0;
		d->add_bos = d->add_sep = d->lowercase = d->strip_accents = true;
	}
}

/* Is the text one of the names, which end with NULL? */
static bool one_of(const char *text, size_t n, const char *const *names)
{
	for (; *names; names++)
		if (strlen(*names) == n && memcmp(*names, text, n) == 0)
			return true;
	return false;
}

static bool contains(const char *text, const char *const *names)
{
	for (; text && *names; names++)
		if (strcasestr(text, *names))
			return true;
	return false;
}

/* Attributes that GGUF files do not have, by the name of the model or pre-tokenizer. */
static void strip_by_model(const struct vocab_desc *d, const char *text, size_t n, struct special *s)
{
	static const char *const phi3[] = {"phi-3", "phi3", NULL};
	static const char *const phi3_not[] = {"<unk>", "<s>", "<|endoftext|>", NULL};
	static const char *const jina[] = {"jina-v2-de", "jina-v2-es", "jina-v2-code", NULL};
	static const char *const modern[] = {"modern-bert", NULL};
	static const char *const masks[] = {"<mask>", "[MASK]", NULL};
	if (contains(d->name, phi3))
		s->rstrip = !one_of(text, n, phi3_not);
	else if (contains(d->pre, jina) || contains(d->name, modern))
		s->lstrip = one_of(text, n, masks);
}

static int add_specials(struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	const uint32_t kinds = VOCAB_ATTR_CONTROL | VOCAB_ATTR_UNKNOWN | VOCAB_ATTR_USER_DEFINED;
	int rc = 0;
	for (uint32_t id = 0; id < v->n_tokens && !rc; id++) {
		const struct token *t = &v->tokens[id];
		const char *text = v->text.data + t->start;
		struct special s = {.id = id, .control = !(t->attrs & VOCAB_ATTR_USER_DEFINED)};
		if (!(t->attrs & kinds) || t->bytes == 0)
			continue;
		strip_by_model(d, text, t->bytes, &s);
		rc = vocab_add_special(v, &s, text, t->bytes, err);
	}
	return rc;
}

static int64_t checked(const struct vocab *v, int64_t id)
{
	return id >= 0 && (uint64_t)id < v->n_tokens ? id : -1;
}

static void copy_settings(struct vocab *v, const struct vocab_desc *d)
{
	unsigned traits = d->kind == VOCAB_BPE ? pretok_traits(d->pre) : 0;
	v->bos = checked(v, d->kind == VOCAB_WPM && checked(v, d->cls) >= 0 ? d->cls : d->bos);
	v->eos = checked(v, d->eos);
	v->unk = checked(v, d->unk);
	v->sep = checked(v, d->sep);
	v->pad = checked(v, d->pad);
	v->eot = checked(v, d->eot);
	v->eom = checked(v, d->eom);
	vocab_add_end(v, v->eos);
	vocab_add_end(v, v->eot);
	vocab_add_end(v, v->eom);
	vocab_add_known_ends(v);
	for (size_t i = 0; i < VOCAB_FIM_COUNT; i++)
		v->fim[i] = checked(v, d->fim[i]);
	vocab_find_fim(v);
	vocab_make_fim_control(v);
	vocab_add_fim_ends(v);
	if (v->eot < 0)
		v->eot = vocab_guess_eot(v);
	v->add_bos = d->add_bos;
	v->add_eos = d->add_eos;
	v->add_sep = d->add_sep;
	v->add_space_prefix = d->add_space_prefix;
	v->escape_whitespaces = d->escape_whitespaces;
	v->remove_extra_whitespaces = d->remove_extra_whitespaces;
	v->ignore_merges = d->ignore_merges;
	v->plain_bpe = traits & PRETOK_PLAIN;
	v->newline_words = traits & PRETOK_NEWLINES;
	v->byte_fallback = d->kind == VOCAB_SPM || v->plain_bpe;
	v->fuse_unk = d->kind == VOCAB_UNIGRAM;
	v->word_chars_max = UINT32_MAX;
}

/* What is to go around a text must be there. */
static int check_around(const struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	const struct {
		bool add;
		int64_t id;
		const char *name;
	} around[] = {{v->add_bos, v->bos, "begin"}, {v->add_eos, v->eos, "end"}, {v->add_sep, v->sep, "separator"}};
	int rc = 0;
	for (size_t i = 0; i < sizeof around / sizeof *around && !rc; i++)
		if (around[i].add && around[i].id < 0)
			rc = warn_add(d->warnings, err, "the vocabulary wants a %s token in every text, but has none",
				      around[i].name);
	return rc;
}

static int set_pairs(struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	struct vocab_str a, b;
	int rc = vocab_alloc_pairs(v, d->n_merges, err);
	for (size_t i = 0; i < d->n_merges && !rc; i++)
		if (vocab_split_merge(d->merges[i], &a, &b))
			rc = vocab_add_pair(v, a, b, (uint32_t)i, err);
	return rc;
}

static int set_bpe(struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	int rc = set_pairs(v, d, err);
	v->model = WORD_BPE;
	return rc ? rc : pretok_new(&v->pretok, d->pre, err);
}

static int set_unigram(struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	double lowest = INFINITY;
	v->model = WORD_UNIGRAM;
	for (size_t i = 0; i < v->n_tokens; i++) {
		if (v->tokens[i].attrs & VOCAB_ATTR_NORMAL && v->tokens[i].score < lowest)
			lowest = v->tokens[i].score;
		if (v->tokens[i].attrs & VOCAB_ATTR_USER_DEFINED)
			v->tokens[i].score = 0;
	}
	v->unk_score = lowest - UNIGRAM_UNK_PENALTY;
	int rc = vocab_index_pieces(v, VOCAB_ATTR_NORMAL | VOCAB_ATTR_USER_DEFINED | VOCAB_ATTR_UNUSED, err);
	return rc ? rc : charsmap_open(&v->charsmap, d->precompiled_charsmap, d->charsmap_bytes, err);
}

static int set_wordpiece(struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	v->model = WORD_PIECE;
	int rc = vocab_index_pieces(v, ~0u, err);
	return rc ? rc : pipeline_for_bert(&v->pipeline, d->lowercase, d->strip_accents, err);
}

static int set_tokens(struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	int rc = 0;
	v->kind = d->kind;
	for (uint32_t id = 0; id < d->n_tokens && !rc; id++) {
		int32_t type = d->types ? d->types[id] : 1;
		uint32_t attrs = VOCAB_ATTR(type >= 1 && type <= 6 ? type : 1);
		rc = vocab_set_token(v, id, d->tokens[id].text, d->tokens[id].bytes, attrs,
				     d->scores ? (double)d->scores[id] : 0, err);
	}
	return rc ? rc : vocab_index(v, err);
}

static int fill(struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	int rc = set_tokens(v, d, err);
	if (rc)
		return rc;
	switch (d->kind) {
	case VOCAB_BPE: rc = set_bpe(v, d, err); break;
	case VOCAB_UNIGRAM: rc = set_unigram(v, d, err); break;
	case VOCAB_WPM: rc = set_wordpiece(v, d, err); break;
	default: break;
	}
	if (rc)
		return rc;
	copy_settings(v, d);
	rc = check_around(v, d, err);
	if (!rc)
		rc = add_specials(v, d, err);
	return rc ? rc : decode_for_gguf(v, err);
}

int vocab_new(struct vocab **out, const struct vocab_desc *d, struct kvik_err *err)
{
	struct vocab *v;
	*out = NULL;
	if (d->kind == VOCAB_HF || d->kind == VOCAB_SP)
		return err_set(err, KVIK_ERR_ARG, "a vocabulary of this kind can only be read from its files");
	int rc = vocab_alloc(&v, d->n_tokens, err);
	if (!rc)
		rc = fill(v, d, err);
	if (rc)
		vocab_free(v);
	else
		*out = v;
	return rc;
}

/* ---- Look-ups ---------------------------------------------------------------------------------------------------- */

size_t vocab_size(const struct vocab *v)
{
	return v->n_tokens;
}

enum vocab_kind vocab_kind(const struct vocab *v)
{
	return v->kind;
}

struct vocab_str vocab_text(const struct vocab *v, uint32_t id)
{
	if (id >= v->n_tokens || v->tokens[id].attrs == 0)
		return (struct vocab_str){NULL, 0};
	return (struct vocab_str){v->text.data + v->tokens[id].start, v->tokens[id].bytes};
}

unsigned vocab_attrs(const struct vocab *v, uint32_t id)
{
	return id < v->n_tokens ? v->tokens[id].attrs & ~TOKEN_ADDED : 0;
}

bool vocab_is_control(const struct vocab *v, uint32_t id)
{
	return vocab_attrs(v, id) & (VOCAB_ATTR_CONTROL | VOCAB_ATTR_UNKNOWN);
}

bool vocab_is_end(const struct vocab *v, uint32_t id)
{
	for (size_t i = 0; i < v->n_ends; i++)
		if (v->ends[i] == id)
			return true;
	return false;
}

int64_t vocab_bos(const struct vocab *v)
{
	return v->bos;
}

int64_t vocab_eos(const struct vocab *v)
{
	return v->eos;
}

int64_t vocab_unk(const struct vocab *v)
{
	return v->unk;
}

int64_t vocab_pad(const struct vocab *v)
{
	return v->pad;
}

int64_t vocab_eot(const struct vocab *v)
{
	return v->eot;
}

bool vocab_adds_bos(const struct vocab *v)
{
	return v->add_bos && v->bos >= 0;
}

bool vocab_adds_eos(const struct vocab *v)
{
	return v->add_eos && v->eos >= 0;
}
