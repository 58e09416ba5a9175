/* unigram.c: the sequence of tokens with the best sum of scores (Viterbi), and SentencePiece's own normalisation before
 * it, which GGUF files leave to the reader. Source: "Subword Regularization" (arXiv 1804.10959). Any thread. */
#include <math.h>

#include "base/utf8.h"
#include "token/vocab_impl.h"

/* The best way to cover the text up to here. */
struct best {
	double score;
	size_t from; /* where the last token begins */
	int32_t id;  /* of the last token; UNKNOWN */
};

enum { UNKNOWN = -1 };

/* SentencePiece's library keeps sums in single precision: where two paths are nearly equal, that decides. */
static double kept(const struct vocab *v, double sum)
{
	return v->kind == VOCAB_SP ? (double)(float)sum : sum;
}

static void offer(const struct vocab *v, struct best *b, double score, size_t from, int32_t id)
{
	if (score > b->score)
		*b = (struct best){kept(v, score), from, id};
}

/* A symbol of SentencePiece's user is better than whatever else covers the same bytes. */
static double score_of(const struct vocab *v, int32_t id, size_t bytes)
{
	if (v->kind == VOCAB_SP && v->tokens[id].attrs & VOCAB_ATTR_USER_DEFINED)
		return (double)((float)bytes * v->best_score) - 0.1;
	return v->tokens[id].score;
}

static void forward(const struct vocab *v, const char *text, size_t bytes, struct best *best)
{
	for (size_t i = 1; i <= bytes; i++)
		best[i].score = -INFINITY;
	best[0].score = 0;
	for (size_t at = 0, n; at < bytes; at += n) {
		bool covered = false;
		uint32_t node = 0;
		n = utf8_length((const uint8_t *)text + at, bytes - at);
		n = n ? n : 1;
		for (size_t end = at + 1; end <= bytes; end++) {
			const struct trie_edge *e = trie_step(&v->pieces, node, (uint8_t)text[end - 1]);
			if (!e)
				break;
			node = e->to;
			if (e->value < 0)
				continue;
			offer(v, &best[end], best[at].score + score_of(v, e->value, end - at), at, e->value);
			covered |= end - at == n;
		}
		if (!covered)
			offer(v, &best[at + n], kept(v, best[at].score + v->unk_score), at, UNKNOWN);
	}
}

/* Turns the chain round: afterwards best[at].from is where the token that begins at `at` ends, best[at].id which. */
static void backward(size_t bytes, struct best *best)
{
	size_t end = bytes, next = bytes;
	int32_t id = UNKNOWN;
	for (;;) {
		struct best here = best[end];
		best[end].from = next;
		best[end].id = id;
		if (end == 0)
			return;
		next = end;
		id = here.id;
		end = here.from;
	}
}

static int add_unknown(const struct vocab *v, const char *text, size_t bytes, struct sink *out)
{
	if (v->byte_fallback && vocab_has_bytes(v, text, bytes))
		return sink_add_bytes(out, text, bytes);
	return v->unk >= 0 ? sink_add(out, (uint32_t)v->unk) : 0;
}

static bool is_unknown(const struct vocab *v, const struct best *b)
{
	return b->id == UNKNOWN || b->id == v->unk;
}

int unigram_word(const struct vocab *v, const char *text, size_t bytes, struct sink *out)
{
	struct best *best = mem_zalloc(bytes + 1, sizeof *best);
	int rc = 0;
	if (!best)
		return err_set(out->err, KVIK_ERR_NOMEM, "no memory to tokenize %zu bytes", bytes);
	forward(v, text, bytes, best);
	backward(bytes, best);
	for (size_t at = 0, end; at < bytes && !rc; at = end) {
		end = best[at].from;
		bool unknown = is_unknown(v, &best[at]);
		while (unknown && v->fuse_unk && end < bytes && is_unknown(v, &best[end]))
			end = best[end].from;
		rc = unknown ? add_unknown(v, text + at, end - at, out) : sink_add(out, (uint32_t)best[at].id);
	}
	mem_free(best);
	return rc;
}

/* ---- SentencePiece's normalisation ------------------------------------------------------------------------------- */

struct normal {
	const struct vocab *v;
	struct buf out;
	bool in_word, begun;
};

static bool add_blank(struct normal *n)
{
	return n->v->escape_whitespaces ? buf_add(&n->out, "\xE2\x96\x81", 3) : buf_add(&n->out, " ", 1);
}

/* Blanks stay, or runs of them become one between words and none at the ends; one more comes in front of the text. */
static bool add_byte(struct normal *n, char c)
{
	bool merge = n->v->remove_extra_whitespaces, ok = true;
	if (c == ' ' && merge) {
		n->in_word = false;
		return true;
	}
	if (!n->begun)
		ok = !n->v->add_space_prefix || add_blank(n);
	else if (merge && !n->in_word)
		ok = add_blank(n);
	n->begun = n->in_word = true;
	return ok && (c == ' ' ? add_blank(n) : buf_add(&n->out, &c, 1));
}

static bool add_normal(struct normal *n, const char *text, size_t bytes)
{
	bool ok = true;
	for (size_t i = 0, taken; i < bytes && ok; i += taken) {
		const char *to = charsmap_find(&n->v->charsmap, text + i, bytes - i, true, &taken);
		size_t length = to ? strlen(to) : 0;
		if (!to) {
			taken = length = utf8_length((const uint8_t *)text + i, bytes - i);
			to = length ? text + i : "\xEF\xBF\xBD";
			taken = length ? length : 1;
			length = length ? length : 3;
		}
		for (size_t k = 0; k < length && ok; k++)
			ok = add_byte(n, to[k]);
	}
	return ok;
}

int unigram_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out)
{
	struct normal n = {.v = v};
	int rc = 0;
	if (!add_normal(&n, text, bytes))
		rc = err_set(out->err, KVIK_ERR_NOMEM, "no memory to normalise %zu bytes", bytes);
	else if (n.out.n > 0)
		rc = unigram_word(v, n.out.data, n.out.n, out);
	buf_release(&n.out);
	return rc;
}
