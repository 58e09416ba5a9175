/* pipeline.c: runs the steps of a tokenizer.json: added tokens are cut out of the raw text, the rest is normalised,
 * added tokens are cut out of that, splitters cut the rest into words, and the model makes ids of each word. Source:
 * the documentation of the Hugging Face tokenizers library. Any thread. */
#include "token/pipeline.h"

#include "token/utf8.h"

static const char lower_eighth_block[] = "\xE2\x96\x81"; /* U+2581 */

/* Words as ranges of one text. */
struct words {
	struct buf text;
	size_t *ends; /* [n] */
	size_t n, cap;
};

static void words_release(struct words *w)
{
	buf_release(&w->text);
	mem_free(w->ends);
	*w = (struct words){0};
}

/* Ends the word that was being added; an empty one is dropped. */
static bool words_end(struct words *w)
{
	if (w->text.n == (w->n ? w->ends[w->n - 1] : 0))
		return true;
	if (w->n == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 32;
		size_t *ends = mem_realloc(w->ends, cap, sizeof *ends);
		if (!ends)
			return false;
		w->ends = ends;
		w->cap = cap;
	}
	w->ends[w->n++] = w->text.n;
	return true;
}

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory to tokenize the text");
}

/* ---- Splitters --------------------------------------------------------------------------------------------------- */

struct splitting {
	const struct splitter *s;
	const char *text;
	size_t done;
	struct words *out;
	bool last_was_match;
	struct kvik_err *err;
};

static bool take(struct splitting *p, size_t end, bool as_word)
{
	bool ok = buf_add(&p->out->text, p->text + p->done, end - p->done);
	p->done = end;
	return ok && (!as_word || words_end(p->out));
}

/* A delimiter from start to end; what lies before it since `done` is no delimiter. */
static bool split_at(struct splitting *p, size_t start, size_t end)
{
	bool touching = start == p->done && p->last_was_match;
	bool ok = true;
	switch (p->s->behavior) {
	case SPLIT_REMOVED:
		ok = take(p, start, true);
		p->done = end;
		break;
	case SPLIT_ISOLATED: ok = take(p, start, true) && take(p, end, true); break;
	case SPLIT_WITH_PREVIOUS: ok = take(p, end, true); break;
	case SPLIT_WITH_NEXT: ok = take(p, start, true) && take(p, end, false); break;
	case SPLIT_CONTIGUOUS: /* the run is ended by the next thing that is no delimiter */
		ok = (touching || (take(p, start, true) && words_end(p->out))) && take(p, end, false);
		break;
	}
	p->last_was_match = true;
	return ok;
}

static int on_match(void *ctx, size_t start, size_t end)
{
	struct splitting *p = ctx;
	bool ok = true;
	if (!p->s->invert) {
		if (p->s->behavior == SPLIT_CONTIGUOUS && start > p->done)
			ok = words_end(p->out);
		ok = ok && split_at(p, start, end);
	} else { /* the gap before the match is the delimiter */
		if (start > p->done)
			ok = split_at(p, p->done, start);
		ok = ok && take(p, end, true);
		p->last_was_match = false;
	}
	return ok ? 0 : no_memory(p->err);
}

static int split_pattern(const struct splitter *s, const char *text, size_t bytes, struct words *out,
			 struct kvik_err *err)
{
	struct splitting p = {.s = s, .text = text, .out = out, .err = err};
	int rc = pretok_matches(s->pattern, text, bytes, on_match, &p, err);
	if (rc)
		return rc;
	bool ok = true;
	if (s->behavior == SPLIT_CONTIGUOUS && bytes > p.done)
		ok = words_end(out);
	if (s->invert && p.done < bytes)
		ok = ok && split_at(&p, p.done, bytes);
	ok = ok && take(&p, bytes, true) && words_end(out);
	return ok ? 0 : no_memory(err);
}

/* Words of the pattern (or the whole), each byte as its character. */
static int split_byte_level(const struct splitter *s, const char *text, size_t bytes, struct words *out,
			    struct kvik_err *err)
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
		rc = split_pattern(&isolate, spaced.data, spaced.n, &raw, err);
	} else if (ok) {
		ok = buf_add(&raw.text, spaced.data, spaced.n) && words_end(&raw);
	}
	for (size_t i = 0, at = 0; i < raw.n && ok && !rc; at = raw.ends[i++])
		ok = bpe_map_bytes(raw.text.data + at, raw.ends[i] - at, &out->text) && words_end(out);
	words_release(&raw);
	buf_release(&spaced);
	return rc ? rc : ok ? 0 : no_memory(err);
}

static int split_metaspace(const struct splitter *s, const char *text, size_t bytes, bool at_start, struct words *out,
			   struct kvik_err *err)
{
	bool prepend = s->prepend == PREPEND_ALWAYS || (s->prepend == PREPEND_FIRST && at_start);
	bool begins = bytes > 0 && (text[0] == ' ' || (bytes >= 3 && memcmp(text, lower_eighth_block, 3) == 0));
	bool ok = !prepend || begins || buf_add(&out->text, lower_eighth_block, 3);
	for (size_t i = 0; i < bytes && ok; i++) {
		bool mark = bytes - i >= 3 && memcmp(text + i, lower_eighth_block, 3) == 0;
		if (s->split && i > 0 && (text[i] == ' ' || mark))
			ok = words_end(out);
		ok = ok &&
		     (text[i] == ' ' ? buf_add(&out->text, lower_eighth_block, 3) : buf_add(&out->text, text + i, 1));
	}
	return ok && words_end(out) ? 0 : no_memory(err);
}

static int run_splitter(const struct splitter *s, const struct words *in, bool at_start, struct words *out,
			struct kvik_err *err)
{
	int rc = 0;
	for (size_t i = 0, at = 0; i < in->n && !rc; at = in->ends[i++]) {
		const char *text = in->text.data + at;
		size_t bytes = in->ends[i] - at;
		switch (s->kind) {
		case SPLITTER_PATTERN: rc = split_pattern(s, text, bytes, out, err); break;
		case SPLITTER_BYTE_LEVEL: rc = split_byte_level(s, text, bytes, out, err); break;
		case SPLITTER_METASPACE: rc = split_metaspace(s, text, bytes, at_start && i == 0, out, err); break;
		}
	}
	return rc;
}

/* ---- The whole --------------------------------------------------------------------------------------------------- */

struct run {
	const struct pipeline *p;
	unsigned flags;
	bool at_start; /* of the whole text */
	struct merger m;
};

static int encode_words(struct sink *out, struct run *r, const struct words *w)
{
	int rc = 0;
	for (size_t i = 0, at = 0; i < w->n && !rc; at = w->ends[i++]) {
		const char *word = w->text.data + at;
		size_t bytes = w->ends[i] - at;
		rc = r->p->model == PIPELINE_UNIGRAM ? unigram_encode(out->v, word, bytes, out)
						     : bpe_word(out->v, &r->m, word, bytes, out);
	}
	return rc;
}

static int split_and_encode(void *ctx, const char *text, size_t bytes, bool at_start)
{
	struct sink *out = ctx;
	struct run *r = out->ctx;
	struct words in = {0}, next = {0};
	int rc = buf_add(&in.text, text, bytes) && words_end(&in) ? 0 : no_memory(out->err);
	for (size_t i = 0; i < r->p->n_splitters && !rc; i++) {
		rc = run_splitter(&r->p->splitters[i], &in, r->at_start && at_start, &next, out->err);
		words_release(&in);
		in = next;
		next = (struct words){0};
	}
	if (!rc)
		rc = encode_words(out, r, &in);
	words_release(&in);
	words_release(&next);
	return rc;
}

/* Text without raw special tokens: bytes that are not UTF-8 become U+FFFD, then the normalizers. */
static bool copy_valid(const char *text, size_t bytes, struct buf *out)
{
	bool ok = true;
	for (size_t i = 0, n; i < bytes && ok; i += n) {
		n = utf8_length((const uint8_t *)text + i, bytes - i);
		ok = n ? buf_add(out, text + i, n) : buf_add(out, "\xEF\xBF\xBD", 3);
		if (n == 0)
			n = 1;
	}
	return ok;
}

static int normalize_and_encode(void *ctx, const char *text, size_t bytes, bool at_start)
{
	struct sink *out = ctx;
	struct run *r = out->ctx;
	struct buf b = {0};
	int rc = copy_valid(text, bytes, &b) ? 0 : no_memory(out->err);
	r->at_start = at_start;
	for (size_t i = 0; i < r->p->n_normalizers && !rc; i++)
		rc = normalize(&r->p->normalizers[i], &b, out->err);
	if (!rc && b.n > 0)
		rc = special_split(out->v, b.data, b.n, SPECIAL_NORMALIZED, r->flags, split_and_encode, out);
	buf_release(&b);
	return rc;
}

static int add_all(struct sink *out, const struct ids *ids)
{
	int rc = 0;
	for (size_t i = 0; i < ids->n && !rc; i++)
		rc = sink_add(out, ids->data[i]);
	return rc;
}

int pipeline_encode(const struct vocab *v, const char *text, size_t bytes, unsigned flags, struct sink *out)
{
	struct run r = {.p = v->pipeline, .flags = flags};
	int rc = 0;
	out->ctx = &r;
	if (flags & VOCAB_ADD_SPECIAL)
		rc = add_all(out, &r.p->prefix);
	if (!rc)
		rc = special_split(v, text, bytes, SPECIAL_RAW, flags, normalize_and_encode, out);
	if (!rc && flags & VOCAB_ADD_SPECIAL)
		rc = add_all(out, &r.p->suffix);
	merger_release(&r.m);
	out->ctx = NULL;
	return rc;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_normalizers; i++)
		normalizer_release(&p->normalizers[i]);
	for (size_t i = 0; i < p->n_splitters; i++)
		pretok_free(p->splitters[i].pattern);
	ids_release(&p->prefix);
	ids_release(&p->suffix);
	mem_free(p);
}
