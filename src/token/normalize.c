/* normalize.c: Unicode forms and graphemes by utf8proc; the rest by hand. Input is valid UTF-8 (the pipeline sees to
 * it). Source: the behaviour of the Hugging Face tokenizers library, its oddities included. */
#include "token/normalize.h"

#include <stdlib.h>

#include "token/bytemap.h"
#include "token/unicode.h"

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory to normalise the text");
}

static int unicode_form(struct buf *text, int options, struct kvik_err *err)
{
	utf8proc_uint8_t *to = NULL;
	utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text->data, (utf8proc_ssize_t)text->n, &to,
					  (utf8proc_option_t)options);
	if (n < 0)
		return no_memory(err);
	text->n = 0;
	bool ok = buf_add(text, to, (size_t)n);
	free(to); /* utf8proc's own allocation */
	return ok ? 0 : no_memory(err);
}

/* ---- Character by character -------------------------------------------------------------------------------------- */

static bool put(struct buf *out, uint32_t c)
{
	uint8_t utf8[4];
	return buf_add(out, utf8, utf8_encode(c, utf8));
}

/* Writes what becomes of c; false: no memory. */
typedef bool map_fn(uint32_t c, struct buf *out);

static int map_characters(struct buf *text, map_fn *fn, bool *front, struct kvik_err *err)
{
	struct buf out = {0};
	unsigned n;
	bool ok = buf_reserve(&out, text->n);
	for (size_t i = 0; i < text->n && ok; i += n) {
		uint32_t c = uni_next(text->data + i, text->n - i, &n);
		ok = fn(c, &out);
		*front &= out.n > 0;
	}
	if (!ok) {
		buf_release(&out);
		return no_memory(err);
	}
	buf_release(text);
	*text = out;
	return 0;
}

static bool lower(uint32_t c, struct buf *out)
{
	if (c == 0x130) /* the one character whose lower case is two */
		return buf_add(out, "i\xCC\x87", 3);
	return put(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
}

static bool without_marks(uint32_t c, struct buf *out)
{
	return uni_bit(c) & UNI_MARK ? true : put(out, c);
}

static bool without_nonspacing(uint32_t c, struct buf *out)
{
	return uni_bit(c) & UNI(MN) ? true : put(out, c);
}

static bool nmt(uint32_t c, struct buf *out)
{
	if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F)
		return true;
	bool blank = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
		     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
	return put(out, blank ? ' ' : c);
}

static bool bert_clean(uint32_t c, struct buf *out)
{
	if (c == '\t' || c == '\n' || c == '\r')
		return put(out, ' ');
	if (c == 0 || c == 0xFFFD || uni_bit(c) & (UNI(CC) | UNI(CF) | UNI(CO)))
		return true;
	return put(out, uni_white(c) ? ' ' : c);
}

static bool bert_chinese(uint32_t c, struct buf *out)
{
	bool ideograph = (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
			 (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
			 (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
			 (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
	return ideograph ? put(out, ' ') && put(out, c) && put(out, ' ') : put(out, c);
}

/* ---- Whole texts ------------------------------------------------------------------------------------------------- */

static void strip(const struct normalizer *s, struct buf *text, bool *front)
{
	size_t start = 0, end = text->n;
	unsigned n;
	while (s->left && start < end && uni_white(uni_next(text->data + start, end - start, &n)))
		start += n;
	while (s->right && end > start && uni_white(uni_previous(text->data + start, end - start, &n)))
		end -= n;
	*front &= start == 0;
	memmove(text->data, text->data + start, end - start);
	text->n = end - start;
}

static int prepend(const struct normalizer *s, struct buf *text, struct kvik_err *err)
{
	if (text->n == 0)
		return 0;
	if (!buf_reserve(text, s->text_bytes))
		return no_memory(err);
	memmove(text->data + s->text_bytes, text->data, text->n);
	memcpy(text->data, s->text, s->text_bytes);
	text->n += s->text_bytes;
	return 0;
}

struct replacing {
	const struct normalizer *s;
	const struct buf *from;
	struct buf out;
	size_t done;
	bool *front;
	struct kvik_err *err;
};

static int replace_match(void *ctx, size_t start, size_t end)
{
	struct replacing *r = ctx;
	bool ok = buf_add(&r->out, r->from->data + r->done, start - r->done) &&
		  buf_add(&r->out, r->s->text, r->s->text_bytes);
	r->done = end;
	*r->front &= end == 0 || r->out.n > 0;
	return ok ? 0 : no_memory(r->err);
}

static int replace(const struct normalizer *s, struct regex_work *work, struct buf *text, bool *front,
		   struct kvik_err *err)
{
	struct replacing r = {.s = s, .from = text, .front = front, .err = err};
	int rc = regex_each(s->pattern, work, text->data, text->n, replace_match, &r, err);
	if (!rc && !buf_add(&r.out, text->data + r.done, text->n - r.done))
		rc = no_memory(err);
	if (rc) {
		buf_release(&r.out);
		return rc;
	}
	buf_release(text);
	*text = r.out;
	return 0;
}

/* Bytes of the grapheme at text (n > 0 bytes left). */
static size_t grapheme(const char *text, size_t n)
{
	unsigned bytes;
	utf8proc_int32_t state = 0;
	uint32_t c = uni_next(text, n, &bytes);
	for (size_t at = bytes; at < n; at += bytes) {
		uint32_t next = uni_next(text + at, n - at, &bytes);
		if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)c, (utf8proc_int32_t)next, &state))
			return at;
		c = next;
	}
	return n;
}

static bool map_piece(const struct charsmap *m, const char *text, size_t n, struct buf *out)
{
	size_t taken;
	const char *to = charsmap_find(m, text, n, false, &taken);
	return to ? buf_add(out, to, strlen(to)) : buf_add(out, text, n);
}

/* As tokenizers does it: a short grapheme of which any beginning is in the map is replaced as a whole; else each of its
 * characters is looked up. */
static int map_graphemes(const struct charsmap *m, struct buf *text, bool *front, struct kvik_err *err)
{
	struct buf out = {0};
	bool ok = true;
	size_t n, taken;
	for (size_t i = 0; i < text->n && ok; i += n) {
		*front &= i == 0 || out.n > 0;
		n = grapheme(text->data + i, text->n - i);
		if (n < 6 && charsmap_find(m, text->data + i, n, false, &taken)) {
			ok = map_piece(m, text->data + i, n, &out);
			continue;
		}
		unsigned bytes;
		for (size_t k = 0; k < n && ok; k += bytes) {
			uni_next(text->data + i + k, n - k, &bytes);
			ok = map_piece(m, text->data + i + k, bytes, &out);
		}
	}
	if (!ok) {
		buf_release(&out);
		return no_memory(err);
	}
	buf_release(text);
	*text = out;
	return 0;
}

static int map_bytes(struct buf *text, struct kvik_err *err)
{
	struct buf out = {0};
	if (!bytemap_add(text->data, text->n, &out)) {
		buf_release(&out);
		return no_memory(err);
	}
	buf_release(text);
	*text = out;
	return 0;
}

int normalize(const struct normalizer *n, struct regex_work *work, struct buf *text, bool *front, struct kvik_err *err)
{
	if (text->n == 0)
		return 0;
	switch (n->kind) {
	case NORMALIZER_NFC: return unicode_form(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE, err);
	case NORMALIZER_NFD: return unicode_form(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, err);
	case NORMALIZER_NFKC: return unicode_form(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, err);
	case NORMALIZER_NFKD: return unicode_form(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, err);
	case NORMALIZER_LOWERCASE: return map_characters(text, lower, front, err);
	case NORMALIZER_STRIP_ACCENTS: return map_characters(text, without_marks, front, err);
	case NORMALIZER_STRIP: strip(n, text, front); return 0;
	case NORMALIZER_PREPEND: return prepend(n, text, err);
	case NORMALIZER_REPLACE: return replace(n, work, text, front, err);
	case NORMALIZER_BYTE_LEVEL: return map_bytes(text, err);
	case NORMALIZER_NMT: return map_characters(text, nmt, front, err);
	case NORMALIZER_CHARSMAP: return map_graphemes(&n->charsmap, text, front, err);
	case NORMALIZER_BERT_CLEAN: return map_characters(text, bert_clean, front, err);
	case NORMALIZER_BERT_CHINESE: return map_characters(text, bert_chinese, front, err);
	case NORMALIZER_BERT_ACCENTS: return map_characters(text, without_nonspacing, front, err);
	}
	return 0;
}

void normalizer_release(struct normalizer *n)
{
	mem_free(n->text);
	regex_free(n->pattern);
	charsmap_release(&n->charsmap);
	*n = (struct normalizer){0};
}
