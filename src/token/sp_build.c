/* sp_build.c: a vocabulary from a SentencePiece model (tokenizer.model) and the small files beside it. Pieces have the types
 * of GGUF's tokens; control pieces are recognised in a text only where special tokens are. Thread: the builder's. */
#include <ctype.h>
#include <math.h>

#include "token/sp_model.h"
#include "token/tokenizer_load.h"

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for the vocabulary");
}

static int set_pieces(struct loading *l, const struct sp_model *m)
{
	uint64_t highest = m->n - 1;
	int rc = added_highest(l, m->n, &highest);
	if (!rc)
		rc = vocab_alloc(&l->v, (size_t)highest + 1, l->err);
	for (size_t i = 0; i < m->n && !rc; i++) {
		const struct sp_piece *p = &m->pieces[i];
		rc = vocab_set_token(l->v, (uint32_t)i, p->text.text, p->text.bytes, VOCAB_ATTR(p->type),
				     (double)p->score, l->err);
		if (p->type == 2)
			l->v->unk = (int64_t)i;
		l->v->has_unused |= p->type == 5;
	}
	return rc ? rc : vocab_index(l->v, l->err);
}

/* The scores that are not in the file: an unknown character is worse than the worst piece, a symbol of the user better
 * than any. */
static void set_score_range(struct vocab *v, const struct sp_model *m)
{
	float least = INFINITY, most = -INFINITY;
	for (size_t i = 0; i < m->n; i++)
		if (m->pieces[i].type == 1) {
			least = fminf(least, m->pieces[i].score);
			most = fmaxf(most, m->pieces[i].score);
		}
	v->unk_score = (double)(least - (float)UNIGRAM_UNK_PENALTY);
	v->best_score = most;
}

static int set_symbols(struct vocab *v, const struct sp_model *m, struct kvik_err *err)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->pieces[i].type == 4 && m->pieces[i].text.bytes > 0 &&
		    !trie_add(&v->user_symbols, m->pieces[i].text.text, m->pieces[i].text.bytes, (int32_t)i))
			return no_memory(err);
	return 0;
}

static int set_model(struct vocab *v, const struct sp_model *m, struct kvik_err *err)
{
	v->kind = VOCAB_SP;
	v->byte_fallback = m->byte_fallback;
	v->fuse_unk = true;
	v->add_space_prefix = m->dummy_prefix;
	v->remove_extra_whitespaces = m->remove_extra_spaces;
	v->escape_whitespaces = m->escape_spaces;
	if (m->kind != SP_UNIGRAM && m->kind != SP_BPE)
		return tj_unsupported("tokenizer.model", "of words or characters", err);
	if (m->space_suffix)
		return tj_unsupported("tokenizer.model", "with white space behind words", err);
	int rc = charsmap_open(&v->charsmap, (const uint8_t *)m->charsmap.text, m->charsmap.bytes, err);
	if (!rc)
		rc = set_symbols(v, m, err);
	v->model = m->kind == SP_BPE ? WORD_BPE : WORD_UNIGRAM;
	if (rc || m->kind == SP_BPE)
		return rc;
	set_score_range(v, m);
	return vocab_index_pieces(v, VOCAB_ATTR_NORMAL | VOCAB_ATTR_USER_DEFINED, err);
}

/* Behind the added tokens, whose flags win. */
static int set_specials(struct vocab *v, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t id = 0; id < v->n_tokens && !rc; id++) {
		const struct token *t = &v->tokens[id];
		struct special s = {.id = id, .control = true};
		if (t->attrs & (VOCAB_ATTR_CONTROL | VOCAB_ATTR_UNKNOWN) && !(t->attrs & TOKEN_ADDED))
			rc = vocab_add_special(v, &s, v->text.data + t->start, t->bytes, err);
	}
	return rc;
}

/* As the configuration names it, else as the model does. */
static int64_t named(const struct loading *l, const char *key, struct vocab_str otherwise)
{
	int64_t id = added_named(l, key);
	if (id >= 0)
		return id;
	id = vocab_find(l->v, otherwise.text, otherwise.bytes);
	return id >= 0 && vocab_is_control(l->v, (uint32_t)id) ? id : -1;
}

static bool class_is(const struct loading *l, const char *name)
{
	const char *class = json_string_value(json_object_get(l->config, "tokenizer_class"));
	return class && strncmp(class, name, strlen(name)) == 0;
}

/* T5's classes end every text; those of chat models begin it, unless the configuration says otherwise. After a special
 * token comes no blank, but for the older behaviour. */
static int set_config(struct loading *l, const struct sp_model *m)
{
	const char *where = "tokenizer_config.json";
	struct vocab *v = l->v;
	bool t5 = class_is(l, "T5"), legacy;
	int rc;
	v->bos = named(l, "bos_token", m->bos);
	v->eos = named(l, "eos_token", m->eos);
	v->pad = named(l, "pad_token", m->pad);
	v->sep = added_named(l, "sep_token");
	if ((rc = tj_bool(l->config, "add_bos_token", where, !t5, &v->add_bos, l->err)) ||
	    (rc = tj_bool(l->config, "add_eos_token", where, t5, &v->add_eos, l->err)) ||
	    (rc = tj_bool(l->config, "add_prefix_space", where, v->add_space_prefix, &v->add_space_prefix, l->err)) ||
	    (rc = tj_bool(l->config, "legacy", where, false, &legacy, l->err)))
		return rc;
	v->prefix_after_special = t5 || legacy;
	v->eot = vocab_guess_eot(v);
	vocab_add_end(v, v->eos);
	vocab_add_end(v, v->eot);
	vocab_find_fim(v);
	vocab_add_fim_ends(v);
	if (m->denormal_charsmap.bytes > 0)
		rc = warn_add(l->files->warnings, l->err, "%s: the model has a map for decoded text, which is not used",
			      l->files->name);
	return rc;
}

/* Other files have this name, too: lines of a token in base 64 and its rank. */
static bool is_tiktoken(struct vocab_str file)
{
	size_t n = 0;
	while (n < file.bytes && (isalnum((unsigned char)file.text[n]) || memchr("+/=", file.text[n], 3)))
		n++;
	return n > 0 && n + 1 < file.bytes && file.text[n] == ' ' && isdigit((unsigned char)file.text[n + 1]);
}

int vocab_load_sp(struct loading *l)
{
	struct sp_model m;
	if (is_tiktoken(l->files->sentencepiece))
		return tj_unsupported("tokenizer.model: a tiktoken file", "", l->err);
	int rc = sp_model_read(&m, l->files->sentencepiece.text, l->files->sentencepiece.bytes, l->err);
	if (!rc)
		rc = set_pieces(l, &m);
	if (!rc)
		rc = set_model(l->v, &m, l->err);
	if (!rc)
		rc = added_load(l);
	if (!rc)
		rc = added_make_special(l);
	if (!rc)
		rc = set_specials(l->v, l->err);
	if (!rc)
		rc = set_config(l, &m);
	if (!rc)
		rc = decode_for_gguf(l->v, l->err);
	sp_model_release(&m);
	return rc;
}
