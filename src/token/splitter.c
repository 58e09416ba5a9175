/* splitter.c: the text is seen as pieces, matched and unmatched by turns; the behavior says which of them make a word
 * together. Source: the documentation and the behaviour of the Hugging Face tokenizers library. Any thread. */
#include "token/splitter.h"

#include "token/bytemap.h"

void words_release(struct words *w)
{
	buf_release(&w->text);
	mem_free(w->ends);
	*w = (struct words){0};
}

bool words_end(struct words *w)
{
	if (w->text.n == (w->n ? w->ends[w->n - 1] : 0))
		return true;
	size_t *ends = mem_grow(w->ends, &w->cap, w->n, sizeof *ends);
	if (!ends)
		return false;
	w->ends = ends;
	w->ends[w->n++] = w->text.n;
	return true;
}

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory to tokenize the text");
}

/* ---- Patterns ---------------------------------------------------------------------------------------------------- */

struct splitting {
	const struct splitter *s;
	const char *text;
	size_t done;           /* pieces up to here have been taken */
	size_t start, end;     /* of the word that may still grow */
	bool pending, matched; /* is there one; was the last piece a match */
	bool at_start;         /* of the whole text */
	struct words *out;
};

static bool flush(struct splitting *p)
{
	if (!p->pending)
		return true;
	if (p->out->n == 0 && p->end > p->start)
		p->out->at_start = p->at_start && p->start == 0;
	p->pending = false;
	return buf_add(&p->out->text, p->text + p->start, p->end - p->start) && words_end(p->out);
}

/* Does this piece join the word before it? */
static bool joins(const struct splitting *p, bool match)
{
	switch (p->s->behavior) {
	case SPLIT_CONTIGUOUS: return match == p->matched;
	case SPLIT_WITH_PREVIOUS: return match && !p->matched;
	case SPLIT_WITH_NEXT: return !match && p->matched;
	default: return false;
	}
}

static bool piece(struct splitting *p, size_t end, bool match)
{
	bool ok = true;
	match ^= p->s->invert;
	if (p->pending && joins(p, match)) {
		p->end = end;
	} else {
		ok = flush(p);
		p->start = p->done;
		p->end = end;
		p->pending = !(match && p->s->behavior == SPLIT_REMOVED);
	}
	p->matched = match;
	p->done = end;
	return ok;
}

static int on_match(void *ctx, size_t start, size_t end)
{
	struct splitting *p = ctx;
	bool ok = (start == p->done || piece(p, start, false)) && piece(p, end, true);
	return ok ? 0 : KVIK_ERR_NOMEM;
}

static int split_pattern(const struct splitter *s, struct regex_work *work, const char *text, size_t bytes,
			 bool at_start, struct words *out, struct kvik_err *err)
{
	struct splitting p = {.s = s, .text = text, .at_start = at_start, .out = out};
	int rc = regex_each(s->pattern, work, text, bytes, on_match, &p, err);
	if (!rc && !((bytes == p.done || piece(&p, bytes, false)) && flush(&p)))
		rc = KVIK_ERR_NOMEM;
	return rc == KVIK_ERR_NOMEM ? no_memory(err) : rc;
}

/* ---- Those that change the text ---------------------------------------------------------------------------------- */

/* Words of the pattern (or the whole), each byte as its character. */
static int split_byte_level(const struct splitter *s, struct regex_work *work, const char *text, size_t bytes,
			    bool at_start, struct words *out, struct kvik_err *err)
{
	struct buf spaced = {0};
	struct words raw = {0};
	bool ok = true;
	int rc = 0;
	if (s->add_prefix_space && bytes > 0 && text[0] != ' ')
		ok = buf_add(&spaced, " ", 1);
	ok = ok && buf_add(&spaced, text, bytes);
	if (ok && s->pattern) {
		struct splitter isolate = {.kind = SPLITTER_PATTERN, .pattern = s->pattern, .behavior = SPLIT_ISOLATED};
		rc = split_pattern(&isolate, work, spaced.data, spaced.n, at_start, &raw, err);
	} else if (ok) {
		ok = buf_add(&raw.text, spaced.data, spaced.n) && words_end(&raw);
	}
	if (out->n == 0)
		out->at_start = at_start;
	for (size_t i = 0, at = 0; i < raw.n && ok && !rc; at = raw.ends[i++])
		ok = bytemap_add(raw.text.data + at, raw.ends[i] - at, &out->text) && words_end(out);
	words_release(&raw);
	buf_release(&spaced);
	return rc ? rc : ok ? 0 : no_memory(err);
}

static bool mark_at(const struct splitter *s, const char *text, size_t bytes)
{
	size_t n = strlen(s->mark);
	return text[0] == ' ' || (bytes >= n && memcmp(text, s->mark, n) == 0);
}

static int split_metaspace(const struct splitter *s, const char *text, size_t bytes, bool at_start, struct words *out,
			   struct kvik_err *err)
{
	size_t mark = strlen(s->mark);
	bool prepend = s->prepend == PREPEND_ALWAYS || (s->prepend == PREPEND_FIRST && at_start);
	bool ok = !prepend || (bytes > 0 && mark_at(s, text, bytes)) || buf_add(&out->text, s->mark, mark);
	if (out->n == 0)
		out->at_start = at_start;
	for (size_t i = 0; i < bytes && ok; i++) {
		if (s->split && i > 0 && mark_at(s, text + i, bytes - i))
			ok = words_end(out);
		ok = ok && (text[i] == ' ' ? buf_add(&out->text, s->mark, mark) : buf_add(&out->text, text + i, 1));
	}
	return ok && words_end(out) ? 0 : no_memory(err);
}

int splitter_run(const struct splitter *s, struct regex_work *work, const struct words *in, struct words *out,
		 struct kvik_err *err)
{
	int rc = 0;
	for (size_t i = 0, at = 0; i < in->n && !rc; at = in->ends[i++]) {
		const char *text = in->text.data + at;
		size_t bytes = in->ends[i] - at;
		bool at_start = in->at_start && i == 0;
		switch (s->kind) {
		case SPLITTER_PATTERN: rc = split_pattern(s, work, text, bytes, at_start, out, err); break;
		case SPLITTER_BYTE_LEVEL: rc = split_byte_level(s, work, text, bytes, at_start, out, err); break;
		case SPLITTER_METASPACE: rc = split_metaspace(s, text, bytes, at_start, out, err); break;
		}
	}
	return rc;
}

void splitter_release(struct splitter *s)
{
	regex_free(s->pattern);
	s->pattern = NULL;
}
