/* unigram.c: the segmentation with the highest sum of scores, by dynamic programming over character positions.
 * Source: "Subword Regularization" (arXiv 1804.10959). Any thread. */
#include <math.h>

#include "token/utf8.h"
#include "token/vocab_impl.h"

struct best {
	double score;
	size_t from; /* where the last piece begins */
	int64_t id;  /* of the last piece; -1 = unknown */
};

static void offer(struct best *b, double score, size_t from, int64_t id)
{
	if (score > b->score)
		*b = (struct best){score, from, id};
}

static void forward(const struct vocab *v, const char *text, size_t bytes, struct best *best)
{
	for (size_t i = 1; i <= bytes; i++)
		best[i].score = -INFINITY;
	best[0].score = 0;
	for (size_t at = 0, n; at < bytes; at += n) {
		bool covered = false;
		n = utf8_length((const uint8_t *)text + at, bytes - at);
		if (n == 0)
			n = 1;
		for (size_t length = n; length <= bytes - at && length <= v->longest;) {
			int64_t id = vocab_find(v, text + at, length);
			if (id >= 0) {
				offer(&best[at + length], best[at].score + (double)v->tokens[id].score, at, id);
				covered |= length == n;
			}
			size_t next = at + length < bytes
					      ? utf8_length((const uint8_t *)text + at + length, bytes - at - length)
					      : 1;
			length += next ? next : 1;
		}
		if (!covered)
			offer(&best[at + n], best[at].score + (double)v->unk_score, at, -1);
	}
}

static int add_unknown(const struct vocab *v, const char *text, size_t bytes, struct sink *out)
{
	bool all = v->byte_fallback;
	int rc = 0;
	for (size_t i = 0; i < bytes; i++)
		all &= v->byte_ids[(uint8_t)text[i]] >= 0;
	for (size_t i = 0; i < bytes && all && !rc; i++)
		rc = sink_add(out, (uint32_t)v->byte_ids[(uint8_t)text[i]]);
	return all || v->unk < 0 ? rc : sink_add(out, (uint32_t)v->unk);
}

/* Turns the chain round: afterwards from[] leads forwards. Adjacent unknown pieces are one. */
static int backward(const struct vocab *v, const char *text, size_t bytes, struct best *best, struct sink *out)
{
	size_t next = bytes;
	for (size_t at = bytes; at > 0;) { /* best[at].from := where the piece after `at` ends */
		size_t from = best[at].from;
		int64_t id = best[at].id;
		best[at].from = next;
		best[at].id = -2; /* end of chain markers are overwritten below */
		next = at;
		best[from].score = (double)id;
		at = from;
	}
	int rc = 0;
	for (size_t at = 0, end = next; at < bytes && !rc; at = end, end = best[at].from) {
		int64_t id = (int64_t)best[at].score;
		while (id < 0 && end < bytes && best[end].score < 0)
			end = best[end].from;
		rc = id >= 0 ? sink_add(out, (uint32_t)id) : add_unknown(v, text + at, end - at, out);
	}
	return rc;
}

int unigram_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out)
{
	struct best *best = mem_zalloc(bytes + 1, sizeof *best);
	if (!best)
		return err_set(out->err, KVIK_ERR_NOMEM, "no memory to tokenize %zu bytes", bytes);
	forward(v, text, bytes, best);
	int rc = backward(v, text, bytes, best, out);
	mem_free(best);
	return rc;
}
