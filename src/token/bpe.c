/* bpe.c: byte-level BPE: the text is cut into words by the pre-tokenizer, bytes become the printable characters of
 * GPT-2's table, and adjacent tokens are merged by rank within a word. Source: "Language Models are Unsupervised
 * Multitask Learners" and the encoder published with it. Any thread. */
#include "token/utf8.h"
#include "token/vocab_impl.h"

/* Bytes that stand for themselves; the others follow U+0100 in order. */
static bool printable(unsigned b)
{
	return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
}

static uint32_t byte_char(unsigned b)
{
	uint32_t next = 256;
	if (printable(b))
		return b;
	for (unsigned i = 0; i < b; i++)
		next += !printable(i);
	return next;
}

int bpe_char_byte(uint32_t c)
{
	uint32_t next = 256;
	if (c < 256)
		return printable(c) ? (int)c : -1;
	for (int b = 0; b < 256; b++) {
		if (printable((unsigned)b))
			continue;
		if (next++ == c)
			return b;
	}
	return -1;
}

bool bpe_map_bytes(const char *bytes, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t utf8[4];
		unsigned length = utf8_encode(byte_char((uint8_t)bytes[i]), utf8);
		if (!buf_add(out, utf8, length))
			return false;
	}
	return true;
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

/* A character that is no token: its bytes where the vocabulary has all of them, else unk (adjacent ones fused where the
 * vocabulary says so). */
static int add_unknown(const struct vocab *v, const char *text, size_t bytes, bool after_unk, bool *unk,
		       struct sink *out)
{
	int rc = 0;
	bool all = v->byte_fallback;
	for (size_t i = 0; i < bytes; i++)
		all &= v->byte_ids[(uint8_t)text[i]] >= 0;
	*unk = !all;
	for (size_t i = 0; i < bytes && all && !rc; i++)
		rc = sink_add(out, (uint32_t)v->byte_ids[(uint8_t)text[i]]);
	if (!all && v->unk >= 0 && !(after_unk && v->fuse_unk))
		rc = sink_add(out, (uint32_t)v->unk);
	return rc;
}

int bpe_word(const struct vocab *v, struct merger *m, const char *word, size_t bytes, struct sink *out)
{
	int64_t whole = v->ignore_merges ? vocab_find(v, word, bytes) : -1;
	int rc = 0;
	bool unk = false;
	if (whole >= 0)
		return sink_add(out, (uint32_t)whole);
	m->n = 0;
	for (size_t i = 0, n; i < bytes; i += n) {
		n = utf8_length((const uint8_t *)word + i, bytes - i);
		if (n == 0)
			n = 1;
		if (!merger_add(m, i, n, vocab_find(v, word + i, n)))
			return err_set(out->err, KVIK_ERR_NOMEM, "no memory to tokenize a word of %zu bytes", bytes);
	}
	if (!merger_run(m, pair_of, v))
		return err_set(out->err, KVIK_ERR_NOMEM, "no memory to tokenize a word of %zu bytes", bytes);
	for (size_t i = 0; i < m->n && !rc; i++) {
		const struct symbol *s = &m->symbols[i];
		bool after = unk;
		unk = false;
		rc = s->id >= 0 ? sink_add(out, (uint32_t)s->id)
				: add_unknown(v, word + s->start, s->bytes, after, &unk, out);
	}
	return rc;
}

struct words {
	const struct vocab *v;
	struct merger m;
	struct buf mapped;
	struct sink *out;
};

static int encode_word(void *ctx, const char *word, size_t bytes)
{
	struct words *w = ctx;
	w->mapped.n = 0;
	if (!bpe_map_bytes(word, bytes, &w->mapped))
		return err_set(w->out->err, KVIK_ERR_NOMEM, "no memory to tokenize a word of %zu bytes", bytes);
	return bpe_word(w->v, &w->m, w->mapped.data, w->mapped.n, w->out);
}

int bpe_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out)
{
	struct words w = {.v = v, .out = out};
	int rc = pretok_split(v->pretok, text, bytes, encode_word, &w, out->err);
	merger_release(&w.m);
	buf_release(&w.mapped);
	return rc;
}
