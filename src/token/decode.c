/* decode.c: runs the decoders of a tokenizer.json over the text of every token, twice: as the first token of a text and
 * as a later one. Source: the behaviour of the Hugging Face tokenizers library. Thread: the builder's. */
#include "token/decode.h"

#include "token/bytemap.h"
#include "base/utf8.h"

enum { DECODED_BYTES_MAX = 1 << 30 };

void decoder_release(struct decoder *d)
{
	for (size_t i = 0; i < d->n; i++) {
		mem_free(d->steps[i].text);
		regex_free(d->steps[i].pattern);
	}
	*d = (struct decoder){0};
}

/* One token on its way through the steps. */
struct decoding {
	const struct decode_step *s;
	struct regex_work *work;
	struct buf text, next;
	bool first;
	uint32_t flags;
	struct kvik_err *err;
};

static bool add(struct decoding *d, const char *text, size_t bytes)
{
	return buf_add(&d->next, text, bytes);
}

struct replacing {
	struct decoding *d;
	size_t done;
};

static int on_match(void *ctx, size_t start, size_t end)
{
	struct replacing *r = ctx;
	bool ok =
		add(r->d, r->d->text.data + r->done, start - r->done) && add(r->d, r->d->s->text, r->d->s->text_bytes);
	r->done = end;
	return ok ? 0 : KVIK_ERR_NOMEM;
}

static int replace(struct decoding *d)
{
	struct replacing r = {.d = d};
	int rc = regex_each(d->s->pattern, d->work, d->text.data, d->text.n, on_match, &r, d->err);
	if (!rc && !add(d, d->text.data + r.done, d->text.n - r.done))
		rc = KVIK_ERR_NOMEM;
	return rc;
}

static bool begins(const char *text, size_t bytes, const char *with, size_t n)
{
	return n > 0 && bytes >= n && memcmp(text, with, n) == 0;
}

static bool marks(struct decoding *d)
{
	size_t mark = strlen(d->s->mark), n;
	bool ok = true;
	for (size_t i = 0; i < d->text.n && ok; i += n) {
		bool is_mark = begins(d->text.data + i, d->text.n - i, d->s->mark, mark);
		n = is_mark ? mark : 1;
		if (!is_mark)
			ok = add(d, d->text.data + i, 1);
		else if (!(d->first && d->s->drop_first))
			ok = add(d, " ", 1);
	}
	return ok;
}

static bool strip(struct decoding *d)
{
	size_t mark = strlen(d->s->mark), start = 0, end = d->text.n;
	for (uint32_t i = 0; i < d->s->left && begins(d->text.data + start, end - start, d->s->mark, mark); i++)
		start += mark;
	for (uint32_t i = 0; i < d->s->right && end - start >= mark; i++, end -= mark)
		if (memcmp(d->text.data + end - mark, d->s->mark, mark) != 0)
			break;
	return add(d, d->text.data + start, end - start);
}

/* The first thing of this list that occurs at a place goes or is shortened. */
static bool clean(struct decoding *d, const char *text, size_t bytes)
{
	static const char *const from[] = {" .",  " ?",      " !",  " ,",   " ' ", " n't",
					   " 'm", " do not", " 's", " 've", " 're"};
	static const char *const to[] = {".", "?", "!", ",", "'", "n't", "'m", " don't", "'s", "'ve", "'re"};
	bool ok = true;
	for (size_t i = 0, n; i < bytes && ok; i += n) {
		size_t k = 0;
		while (k < sizeof from / sizeof *from && !begins(text + i, bytes - i, from[k], strlen(from[k])))
			k++;
		bool hit = k < sizeof from / sizeof *from;
		n = hit ? strlen(from[k]) : 1;
		ok = hit ? add(d, to[k], strlen(to[k])) : add(d, text + i, 1);
	}
	return ok;
}

static bool wordpiece(struct decoding *d)
{
	struct buf t = {0};
	bool later = begins(d->text.data, d->text.n, d->s->text, d->s->text_bytes);
	size_t skip = !d->first && later ? d->s->text_bytes : 0;
	bool ok = (d->first || later || buf_add(&t, " ", 1)) && buf_add(&t, d->text.data + skip, d->text.n - skip);
	ok = ok && (d->s->cleanup ? clean(d, t.data, t.n) : add(d, t.data, t.n));
	buf_release(&t);
	return ok;
}

static bool suffix(struct decoding *d)
{
	size_t n = d->s->text_bytes, end = d->text.n;
	bool ok = true;
	if (n > 0 && end >= n && memcmp(d->text.data + end - n, d->s->text, n) == 0) {
		end -= n;
		d->flags |= PIECE_BLANK_AFTER;
	}
	for (size_t i = 0; i < end && ok;) {
		bool hit = begins(d->text.data + i, end - i, d->s->text, n);
		ok = hit ? add(d, " ", 1) : add(d, d->text.data + i, 1);
		i += hit ? n : 1;
	}
	return ok;
}

/* A text with a character that stands for no byte stays as it is. */
static bool bytes(struct decoding *d)
{
	bool ok = true;
	for (size_t i = 0, n; i < d->text.n && ok; i += n) {
		n = utf8_length((const uint8_t *)d->text.data + i, d->text.n - i);
		int b = n ? bytemap_byte(utf8_decode((const uint8_t *)d->text.data + i, (unsigned)n)) : -1;
		if (b < 0) {
			d->next.n = 0;
			return add(d, d->text.data, d->text.n);
		}
		ok = add(d, &(char){(char)b}, 1);
	}
	return ok;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

static bool byte_token(struct decoding *d)
{
	const char *s = d->text.data;
	if (d->text.n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>' || hex(s[3]) < 0 || hex(s[4]) < 0)
		return add(d, s, d->text.n);
	d->flags |= PIECE_BYTE;
	return add(d, &(char){(char)(hex(s[3]) * 16 + hex(s[4]))}, 1);
}

static int step(struct decoding *d)
{
	bool ok = true;
	d->next.n = 0;
	switch (d->s->kind) {
	case DECODE_REPLACE: return replace(d);
	case DECODE_MARKS: ok = marks(d); break;
	case DECODE_STRIP: ok = strip(d); break;
	case DECODE_WORDPIECE: ok = wordpiece(d); break;
	case DECODE_SUFFIX: ok = suffix(d); break;
	case DECODE_BLANKS: ok = (d->first || add(d, " ", 1)) && add(d, d->text.data, d->text.n); break;
	case DECODE_BYTES: ok = bytes(d); break;
	case DECODE_BYTE_TOKENS: ok = byte_token(d); break;
	}
	return ok ? 0 : KVIK_ERR_NOMEM;
}

/* The token's text after all steps is in d->text. A byte is past all further steps. */
static int decode_one(const struct vocab *v, uint32_t id, const struct decoder *steps, struct decoding *d)
{
	const struct token *t = &v->tokens[id];
	int rc = 0;
	d->text.n = 0;
	d->flags = 0;
	if (!buf_add(&d->text, v->text.data + t->start, t->bytes) || !buf_reserve(&d->next, 8))
		return KVIK_ERR_NOMEM;
	for (size_t i = 0; i < steps->n && !rc && !(d->flags & PIECE_BYTE); i++) {
		d->s = &steps->steps[i];
		rc = step(d);
		struct buf swap = d->text;
		d->text = d->next;
		d->next = swap;
	}
	return rc;
}

static int store(struct vocab *v, const struct buf *text, uint32_t *start, uint32_t *length, struct kvik_err *err)
{
	if (text->n > DECODED_BYTES_MAX - v->decoded.n)
		return err_set(err, KVIK_ERR_LIMIT, "the decoded texts of all tokens take more than %d bytes",
			       DECODED_BYTES_MAX);
	*start = (uint32_t)v->decoded.n;
	*length = (uint32_t)text->n;
	return buf_add(&v->decoded, text->data, text->n) ? 0 : KVIK_ERR_NOMEM;
}

static int build_piece(struct vocab *v, uint32_t id, const struct decoder *steps, struct decoding *d)
{
	struct piece *p = &v->decode[id];
	d->first = false;
	int rc = decode_one(v, id, steps, d);
	if (!rc)
		rc = store(v, &d->text, &p->rest, &p->rest_bytes, d->err);
	p->flags = d->flags;
	p->first = p->rest;
	p->first_bytes = p->rest_bytes;
	d->first = true;
	if (!rc)
		rc = decode_one(v, id, steps, d);
	if (!rc && (d->text.n != p->rest_bytes || memcmp(d->text.data, v->decoded.data + p->rest, d->text.n) != 0))
		rc = store(v, &d->text, &p->first, &p->first_bytes, d->err);
	return rc;
}

/* Tokens with one of the attributes in `literal` stand for their text as it is. */
static int build(struct vocab *v, const struct decoder *steps, uint32_t literal, struct kvik_err *err)
{
	static const struct decoder none;
	struct regex_work work;
	struct decoding d = {.work = &work, .err = err};
	int rc = regex_work_init(&work, err);
	v->decode = rc ? NULL : mem_zalloc(v->n_tokens, sizeof *v->decode);
	/* Room from the first: places in them are compared and copied from also where all texts are empty. */
	bool room = buf_reserve(&d.text, 1) && buf_reserve(&d.next, 1) && buf_reserve(&v->decoded, 1);
	if (!rc && (!v->decode || !room))
		rc = KVIK_ERR_NOMEM;
	for (uint32_t id = 0; id < v->n_tokens && !rc; id++)
		if (v->tokens[id].attrs)
			rc = build_piece(v, id, v->tokens[id].attrs & literal ? &none : steps, &d);
	buf_release(&d.text);
	buf_release(&d.next);
	regex_work_release(&work);
	return rc == KVIK_ERR_NOMEM ? err_set(err, rc, "no memory for the texts of the tokens") : rc;
}

int decode_build(struct vocab *v, const struct decoder *steps, struct kvik_err *err)
{
	return build(v, steps, 0, err);
}

int decode_for_gguf(struct vocab *v, struct kvik_err *err)
{
	const uint32_t special = VOCAB_ATTR_CONTROL | VOCAB_ATTR_UNKNOWN;
	struct decoder bytes = {.n = 1, .steps = {{.kind = DECODE_BYTES}}};
	struct decoder marks = {
		.n = 2, .steps = {{.kind = DECODE_MARKS, .mark = "\xE2\x96\x81"}, {.kind = DECODE_BYTE_TOKENS}}};
	if (v->kind == VOCAB_BPE && !v->plain_bpe)
		return build(v, &bytes, special | VOCAB_ATTR_USER_DEFINED, err);
	strcpy(v->strip, " ");
	v->strip_count = v->kind == VOCAB_WPM || v->add_space_prefix;
	if (v->kind == VOCAB_SP && v->remove_extra_whitespaces)
		v->strip_count = UINT32_MAX;
	return build(v, &marks, special, err);
}
