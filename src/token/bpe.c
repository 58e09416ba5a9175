/* bpe.c: byte-pair encoding: the characters of a word are tokens, and adjacent tokens are merged by rank. In GGUF's
 * byte-level kind the pre-tokenizer cuts the text into words and bytes become the printable characters of GPT-2's
 * table. Source: "Language Models are Unsupervised Multitask Learners" and the encoder published with it. Any
 * thread. */
#include "token/bytemap.h"
#include "token/unicode.h"
#include "token/vocab_impl.h"

static int no_memory(struct sink *out)
{
	return err_set(out->err, KVIK_ERR_NOMEM, "no memory to tokenize a word");
}

static bool pair_of(const void *ctx, const struct symbol *a, const struct symbol *b, double *priority, int64_t *id)
{
	const struct vocab *v = ctx;
	if (a->id < 0 || b->id < 0)
		return false;
	const struct pair *p = vocab_pair(v, (uint32_t)a->id, (uint32_t)b->id);
	if (!p)
		return false;
	*priority = p->rank;
	*id = p->merged;
	return true;
}

/* The token of the character at the word's [at, at + n), with the marks that its place asks for; -1 = none. */
static int64_t find_character(const struct vocab *v, struct word_work *w, const char *word, size_t at, unsigned n,
			      size_t bytes, struct vocab_str *text)
{
	const char *prefix = at > 0 ? v->prefix : NULL, *suffix = at + n == bytes ? v->suffix : NULL;
	*text = (struct vocab_str){word + at, n};
	if (!prefix && !suffix)
		return vocab_char(v, word + at, n);
	w->text.n = 0;
	if (!buf_add(&w->text, prefix ? prefix : "", prefix ? strlen(prefix) : 0) || !buf_add(&w->text, word + at, n) ||
	    !buf_add(&w->text, suffix ? suffix : "", suffix ? strlen(suffix) : 0))
		return -2;
	*text = (struct vocab_str){w->text.data, w->text.n};
	return vocab_own(v, w->text.data, w->text.n);
}

/* A character that is no token becomes its bytes where the vocabulary has all of them, else unk (adjacent ones fused
 * where the vocabulary says so); without unk it is dropped. */
static bool add_unknown(const struct vocab *v, struct merger *m, size_t at, unsigned n, struct vocab_str text,
			bool *unk)
{
	bool ok = true;
	if (v->byte_fallback && vocab_has_bytes(v, text.text, text.bytes)) {
		for (size_t i = 0; i < text.bytes && ok; i++)
			ok = merger_add(m, at + (i < n ? i : n - 1), 1, v->byte_ids[(uint8_t)text.text[i]]);
		*unk = false;
		return ok;
	}
	if (v->unk >= 0 && !(*unk && v->fuse_unk))
		ok = merger_add(m, at, n, v->unk);
	else if (v->unk >= 0)
		m->symbols[m->n - 1].bytes += n;
	*unk = v->unk >= 0;
	return ok;
}

/* Merges what has been added, and gives it out. */
static int merge_added(const struct vocab *v, struct merger *m, struct sink *out)
{
	int rc = merger_run(m, pair_of, v) ? 0 : no_memory(out);
	for (size_t i = 0; i < m->n && !rc; i++)
		rc = sink_add(out, (uint32_t)m->symbols[i].id);
	m->n = 0;
	return rc;
}

/* Where two tokens meet that no merge can join, the word is cut: short stretches merge faster than long ones. */
static int merge_characters(const struct vocab *v, struct word_work *w, const char *word, size_t bytes,
			    struct sink *out)
{
	bool unk = false, marks = v->prefix || v->suffix;
	uint32_t before = 0; /* the character before, where it is a token; 0 = it is none */
	int rc = 0;
	w->m.n = 0;
	for (size_t i = 0; i < bytes && !rc;) {
		struct vocab_str text;
		unsigned n;
		uint32_t c = uni_next(word + i, bytes - i, &n);
		int64_t id = find_character(v, w, word, i, n, bytes, &text);
		bool ok = id != -2;
		if (id >= 0) {
			if (before && !marks && !vocab_neighbours(v, before, c))
				rc = merge_added(v, &w->m, out);
			ok = merger_add(&w->m, i, n, id);
			unk = false;
		} else if (ok) {
			ok = add_unknown(v, &w->m, i, n, text, &unk);
		}
		before = id >= 0 ? c : 0;
		rc = rc || ok ? rc : no_memory(out);
		i += n;
	}
	return rc ? rc : merge_added(v, &w->m, out);
}

static bool only_newlines(const char *word, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (word[i] != '\n')
			return false;
	return true;
}

int bpe_word(const struct vocab *v, struct word_work *w, const char *word, size_t bytes, struct sink *out)
{
	bool try_whole = v->ignore_merges || (v->newline_words && only_newlines(word, bytes));
	int64_t whole = try_whole ? vocab_own(v, word, bytes) : -1;
	return whole >= 0 ? sink_add(out, (uint32_t)whole) : merge_characters(v, w, word, bytes, out);
}

/* ---- GGUF's kinds ------------------------------------------------------------------------------------------------ */

struct words {
	const struct vocab *v;
	struct word_work work;
	struct buf mapped;
	struct sink *out;
};

static int encode_word(void *ctx, const char *word, size_t bytes)
{
	struct words *w = ctx;
	if (w->v->plain_bpe)
		return bpe_word(w->v, &w->work, word, bytes, w->out);
	w->mapped.n = 0;
	if (!bytemap_add(word, bytes, &w->mapped))
		return no_memory(w->out);
	return bpe_word(w->v, &w->work, w->mapped.data, w->mapped.n, w->out);
}

static bool escape(const struct vocab *v, const char *text, size_t bytes, struct buf *out)
{
	bool ok = buf_reserve(out, bytes);
	for (size_t i = 0; i < bytes && ok; i++)
		ok = v->escape_whitespaces && text[i] == ' ' ? buf_add(out, "\xE2\x96\x81", 3)
							     : buf_add(out, text + i, 1);
	return ok;
}

int bpe_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out)
{
	struct words w = {.v = v, .out = out};
	struct buf escaped = {0};
	int rc = 0;
	if (v->plain_bpe) {
		rc = escape(v, text, bytes, &escaped) ? 0 : no_memory(out);
		text = escaped.data;
		bytes = escaped.n;
	}
	if (!rc)
		rc = pretok_split(v->pretok, text, bytes, encode_word, &w, out->err);
	word_work_release(&w.work);
	buf_release(&w.mapped);
	buf_release(&escaped);
	return rc;
}
