/* normalize.c: Unicode forms by utf8proc; the rest by hand. Input is valid UTF-8 (the pipeline sees to it). */
#include "token/normalize.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "token/utf8.h"

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

/* Each character through fn; 0 drops it. */
static int map_characters(struct buf *text, int32_t (*fn)(int32_t), struct kvik_err *err)
{
	struct buf out = {0};
	bool ok = true;
	for (size_t i = 0, n; i < text->n && ok; i += n) {
		uint8_t utf8[4];
		n = utf8_length((const uint8_t *)text->data + i, text->n - i);
		if (n == 0)
			n = 1;
		int32_t c = fn((int32_t)utf8_decode((const uint8_t *)text->data + i, (unsigned)n));
		if (c > 0 || text->data[i] == 0)
			ok = buf_add(&out, utf8, utf8_encode((uint32_t)c, utf8));
	}
	buf_release(text);
	*text = out;
	return ok ? 0 : no_memory(err);
}

static int32_t lower(int32_t c)
{
	return utf8proc_tolower(c);
}

static int32_t without_marks(int32_t c)
{
	return utf8proc_category(c) == UTF8PROC_CATEGORY_MN ? 0 : c;
}

static bool space_at(const struct buf *b, size_t i, size_t *n)
{
	*n = utf8_length((const uint8_t *)b->data + i, b->n - i);
	if (*n == 0)
		return false;
	uint32_t c = utf8_decode((const uint8_t *)b->data + i, (unsigned)*n);
	utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
	return (c >= 9 && c <= 13) || c == 0x85 || k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL ||
	       k == UTF8PROC_CATEGORY_ZP;
}

static void strip(const struct normalizer *s, struct buf *text)
{
	size_t start = 0, end = text->n, n;
	while (s->left && start < end && space_at(text, start, &n))
		start += n;
	while (s->right && end > start) {
		size_t last = end - 1;
		while (last > start && ((uint8_t)text->data[last] & 0xC0) == 0x80)
			last--;
		if (!space_at(text, last, &n))
			break;
		end = last;
	}
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
	struct kvik_err *err;
};

static int replace_match(void *ctx, size_t start, size_t end)
{
	struct replacing *r = ctx;
	bool ok = buf_add(&r->out, r->from->data + r->done, start - r->done) &&
		  buf_add(&r->out, r->s->text, r->s->text_bytes);
	r->done = end;
	return ok ? 0 : no_memory(r->err);
}

static int replace(const struct normalizer *s, struct buf *text, struct kvik_err *err)
{
	struct replacing r = {.s = s, .from = text, .err = err};
	int rc = pretok_matches(s->pattern, text->data, text->n, replace_match, &r, err);
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

int normalize(const struct normalizer *n, struct buf *text, struct kvik_err *err)
{
	if (text->n == 0)
		return 0;
	switch (n->kind) {
	case NORMALIZER_NFC: return unicode_form(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE, err);
	case NORMALIZER_NFD: return unicode_form(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, err);
	case NORMALIZER_NFKC: return unicode_form(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, err);
	case NORMALIZER_NFKD: return unicode_form(text, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, err);
	case NORMALIZER_LOWERCASE: return map_characters(text, lower, err);
	case NORMALIZER_STRIP_ACCENTS: return map_characters(text, without_marks, err);
	case NORMALIZER_STRIP: strip(n, text); return 0;
	case NORMALIZER_PREPEND: return prepend(n, text, err);
	case NORMALIZER_REPLACE: return replace(n, text, err);
	}
	return 0;
}

void normalizer_release(struct normalizer *n)
{
	mem_free(n->text);
	pretok_free(n->pattern);
	*n = (struct normalizer){0};
}
