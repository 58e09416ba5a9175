/* sp.c: encoding as the SentencePiece library does it: its normalisation, then pairs merged by score or the best path. What
 * its users see is that white space belongs to the text: a blank is the character U+2581, and one is put in front.
 *
 * Symbols that the trainer's user defined are neither normalised nor merged. Pieces of type "unused" may arise while
 * merging, but fall apart again at the end. Source: sentencepiece's normalizer.cc, bpe_model.cc and unigram_model.cc; the
 * ids are equal to the library's (tests/token/test_sp.c). Any thread. */
#include "token/unicode.h"
#include "token/vocab_impl.h"

static const char mark[] = "\xE2\x96\x81"; /* U+2581 */
enum { MARK = 3 };

/* Bytes of the longest symbol of the user at text; 0: none. */
static size_t user_symbol(const struct vocab *v, const char *text, size_t bytes, int32_t *id)
{
	uint32_t node = 0;
	size_t n = 0;
	for (size_t i = 0; i < bytes && v->user_symbols.n > 0; i++) {
		const struct trie_edge *e = trie_step(&v->user_symbols, node, (uint8_t)text[i]);
		if (!e)
			break;
		node = e->to;
		if (e->value >= 0) {
			n = i + 1;
			*id = e->value;
		}
	}
	return n;
}

/* ---- Normalisation ----------------------------------------------------------------------------------------------- */

/* What the beginning of text becomes; *taken: how much of it. A byte that is no UTF-8 becomes U+FFFD. */
static struct vocab_str normal_prefix(const struct vocab *v, const char *text, size_t bytes, size_t *taken)
{
	int32_t id;
	*taken = user_symbol(v, text, bytes, &id);
	if (*taken)
		return (struct vocab_str){text, *taken};
	const char *to = charsmap_find(&v->charsmap, text, bytes, true, taken);
	if (to)
		return (struct vocab_str){to, strlen(to)};
	*taken = utf8_length((const uint8_t *)text, bytes);
	if (*taken)
		return (struct vocab_str){text, *taken};
	*taken = 1;
	return (struct vocab_str){"\xEF\xBF\xBD", 3};
}

static bool add_blank(const struct vocab *v, struct buf *out)
{
	return v->escape_whitespaces ? buf_add(out, mark, MARK) : buf_add(out, " ", 1);
}

static bool add_normal(const struct vocab *v, struct vocab_str s, struct buf *out)
{
	bool ok = true;
	for (size_t i = 0; i < s.bytes && ok; i++)
		ok = s.text[i] == ' ' ? add_blank(v, out) : buf_add(out, s.text + i, 1);
	return ok;
}

static void trim_end(const struct vocab *v, struct buf *out)
{
	const char *blank = v->escape_whitespaces ? mark : " ";
	size_t n = v->escape_whitespaces ? MARK : 1;
	while (out->n >= n && memcmp(out->data + out->n - n, blank, n) == 0)
		out->n -= n;
}

/* prefix: a blank comes in front. False: no memory. */
static bool normalize_text(const struct vocab *v, const char *text, size_t bytes, bool prefix, struct buf *out)
{
	bool merge = v->remove_extra_whitespaces, after_blank = merge, ok = true;
	size_t at = 0, taken;
	for (; merge && at < bytes; at += taken) {
		struct vocab_str s = normal_prefix(v, text + at, bytes - at, &taken);
		if (s.bytes != 1 || s.text[0] != ' ')
			break;
	}
	if (at == bytes)
		return true;
	ok = !prefix || add_blank(v, out);
	for (; at < bytes && ok; at += taken) {
		struct vocab_str s = normal_prefix(v, text + at, bytes - at, &taken);
		while (after_blank && s.bytes > 0 && s.text[0] == ' ')
			s = (struct vocab_str){s.text + 1, s.bytes - 1};
		ok = add_normal(v, s, out);
		if (s.bytes > 0)
			after_blank = merge && s.text[s.bytes - 1] == ' ';
	}
	if (merge)
		trim_end(v, out);
	return ok;
}

/* ---- Pairs by score ---------------------------------------------------------------------------------------------- */

struct merging {
	const struct vocab *v;
	const char *text;
	struct merger m;
	uint32_t
		*halves; /* [n_tokens] of an unused token: bytes of its left half, as last seen; NULL: there are none */
	bool unknown;    /* the last id was unk: a run of unknown symbols is one */
	struct sink *out;
};

/* A piece that may come out of merging: not a control token, a byte, or a token that another file added. */
static int64_t piece_of(const struct vocab *v, const char *text, size_t bytes)
{
	const uint32_t kinds = VOCAB_ATTR_NORMAL | VOCAB_ATTR_USER_DEFINED | VOCAB_ATTR_UNUSED;
	int64_t id = vocab_own(v, text, bytes);
	return id >= 0 && v->tokens[id].attrs & kinds ? id : -1;
}

static bool pair_of(const void *ctx, const struct symbol *a, const struct symbol *b, double *priority, int64_t *id)
{
	const struct merging *g = ctx;
	*id = piece_of(g->v, g->text + a->start, a->bytes + b->bytes);
	if (*id < 0)
		return false;
	*priority = -g->v->tokens[*id].score;
	if (g->halves && g->v->tokens[*id].attrs & VOCAB_ATTR_UNUSED)
		g->halves[*id] = (uint32_t)a->bytes;
	return true;
}

static int add_unknown(struct merging *g, const char *text, size_t bytes)
{
	const struct vocab *v = g->v;
	bool again = g->unknown;
	if (v->byte_fallback && vocab_has_bytes(v, text, bytes))
		return sink_add_bytes(g->out, text, bytes);
	g->unknown = true;
	return again || v->unk < 0 ? 0 : sink_add(g->out, (uint32_t)v->unk);
}

static int add_piece(struct merging *g, const char *text, size_t bytes)
{
	int64_t id = piece_of(g->v, text, bytes);
	if (id < 0)
		return add_unknown(g, text, bytes);
	uint32_t left = g->halves && g->v->tokens[id].attrs & VOCAB_ATTR_UNUSED ? g->halves[id] : 0;
	if (left > 0 && left < bytes) {
		int rc = add_piece(g, text, left);
		return rc ? rc : add_piece(g, text + left, bytes - left);
	}
	g->unknown = false;
	return sink_add(g->out, (uint32_t)id);
}

/* Merges what has been added, and gives it out. */
static int flush(struct merging *g)
{
	int rc = merger_run(&g->m, pair_of, g) ? 0 : KVIK_ERR_NOMEM;
	for (size_t i = 0; i < g->m.n && !rc; i++)
		rc = add_piece(g, g->text + g->m.symbols[i].start, g->m.symbols[i].bytes);
	g->m.n = 0;
	return rc;
}

/* Where two characters meet that no token holds side by side, the text is cut: short stretches merge faster. */
static int merge_characters(struct merging *g, size_t bytes)
{
	uint32_t before = 0;
	int rc = 0;
	for (size_t i = 0, n; i < bytes && !rc; i += n) {
		int32_t id;
		unsigned length;
		n = user_symbol(g->v, g->text + i, bytes - i, &id);
		if (n > 0) {
			rc = flush(g);
			g->unknown = false;
			rc = rc ? rc : sink_add(g->out, (uint32_t)id);
			continue;
		}
		uint32_t c = uni_next(g->text + i, bytes - i, &length);
		n = length;
		if (g->m.n > 0 && !vocab_neighbours(g->v, before, c))
			rc = flush(g);
		if (!rc && !merger_add(&g->m, i, n, 0))
			rc = KVIK_ERR_NOMEM;
		before = c;
	}
	return rc ? rc : flush(g);
}

static int encode_merging(const struct vocab *v, const struct buf *text, struct sink *out)
{
	struct merging g = {.v = v, .text = text->data, .out = out};
	int rc = 0;
	if (v->has_unused) {
		g.halves = mem_zalloc(v->n_tokens, sizeof *g.halves);
		rc = g.halves ? 0 : KVIK_ERR_NOMEM;
	}
	if (!rc)
		rc = merge_characters(&g, text->n);
	merger_release(&g.m);
	mem_free(g.halves);
	return rc;
}

int sp_encode(const struct vocab *v, const char *text, size_t bytes, bool at_start, struct sink *out)
{
	struct buf normal = {0};
	bool prefix = v->add_space_prefix && (at_start || v->prefix_after_special);
	int rc = normalize_text(v, text, bytes, prefix, &normal) ? 0 : KVIK_ERR_NOMEM;
	if (!rc && normal.n > 0)
		rc = v->model == WORD_BPE ? encode_merging(v, &normal, out)
					  : unigram_word(v, normal.data, normal.n, out);
	buf_release(&normal);
	return rc == KVIK_ERR_NOMEM ? err_set(out->err, rc, "no memory to tokenize %zu bytes", bytes) : rc;
}
