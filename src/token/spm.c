/* spm.c: SentencePiece-style BPE: characters are joined in the order of the scores of what they become; what is no
 * token falls back to its bytes, or to unk in a vocabulary without byte tokens. Source: SentencePiece (arXiv
 * 1808.06226), its bpe model. Any thread. */
#include "token/unicode.h"
#include "token/vocab_impl.h"

static const char lower_eighth_block[] = "\xE2\x96\x81"; /* U+2581 */

struct text {
	const struct vocab *v;
	const char *data;
};

static bool pair_of(const void *ctx, const struct symbol *a, const struct symbol *b, double *priority, int64_t *id)
{
	const struct text *t = ctx;
	*id = vocab_own(t->v, t->data + a->start, a->bytes + b->bytes);
	if (*id < 0)
		return false;
	*priority = -t->v->tokens[*id].score;
	return true;
}

/* Blanks become U+2581, with one in front where the vocabulary wants it. */
static bool escape(const struct vocab *v, const char *text, size_t bytes, struct buf *out)
{
	bool ok = true;
	if (v->add_space_prefix)
		ok = v->escape_whitespaces ? buf_add(out, lower_eighth_block, 3) : buf_add(out, " ", 1);
	for (size_t i = 0; i < bytes && ok; i++)
		ok = v->escape_whitespaces && text[i] == ' ' ? buf_add(out, lower_eighth_block, 3)
							     : buf_add(out, text + i, 1);
	return ok;
}

static int add_symbol(const struct text *t, const struct symbol *s, struct sink *out)
{
	if (s->id >= 0)
		return sink_add(out, (uint32_t)s->id);
	if (vocab_has_bytes(t->v, t->data + s->start, s->bytes))
		return sink_add_bytes(out, t->data + s->start, s->bytes);
	return t->v->unk >= 0 ? sink_add(out, (uint32_t)t->v->unk) : 0;
}

/* Merges what has been added, and gives it out. */
static int merge_added(const struct text *t, struct merger *m, struct sink *out)
{
	int rc = merger_run(m, pair_of, t) ? 0 : KVIK_ERR_NOMEM;
	for (size_t i = 0; i < m->n && !rc; i++)
		rc = add_symbol(t, &m->symbols[i], out);
	m->n = 0;
	return rc;
}

/* Where two characters meet that no token holds side by side, the text is cut: short stretches merge faster. */
static int merge_characters(const struct text *t, size_t bytes, struct merger *m, struct sink *out)
{
	uint32_t before = 0;
	int rc = 0;
	for (size_t i = 0; i < bytes && !rc;) {
		unsigned n;
		uint32_t c = uni_next(t->data + i, bytes - i, &n);
		if (i > 0 && !vocab_neighbours(t->v, before, c))
			rc = merge_added(t, m, out);
		if (!rc && !merger_add(m, i, n, vocab_char(t->v, t->data + i, n)))
			rc = KVIK_ERR_NOMEM;
		before = c;
		i += n;
	}
	return rc ? rc : merge_added(t, m, out);
}

int spm_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out)
{
	struct buf escaped = {0};
	struct merger m = {0};
	int rc = KVIK_ERR_NOMEM;
	if (escape(v, text, bytes, &escaped))
		rc = merge_characters(&(struct text){v, escaped.data}, escaped.n, &m, out);
	merger_release(&m);
	buf_release(&escaped);
	return rc == KVIK_ERR_NOMEM ? err_set(out->err, rc, "no memory to tokenize %zu bytes", bytes) : rc;
}
