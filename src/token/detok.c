/* detok.c: bytes to whole characters.
 *
 * What each token becomes has been worked out before (decode.c). Two ways lead from there to characters: bytes of a
 * text without bounds between tokens, of which at most three wait inside (GGUF, byte-level BPE); or texts that are
 * whole by themselves, between which runs of byte tokens stand (tokenizer.json with ByteFallback). Of a run that is not
 * UTF-8 from its beginning to its end, each byte becomes U+FFFD, so the whole run waits; only one longer than
 * DETOK_RUN_MAX is given out before its end. Owner: one thread. */
#include "token/detok.h"

#include "base/utf8.h"
#include "token/vocab_impl.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* Characters that are ready, handed on in pieces. */
struct out {
	struct detok *d;
	detok_emit_fn *emit;
	void *user;
	char room[256];
	size_t n;
};

static void out_flush(struct out *o)
{
	if (o->n > 0)
		o->emit(o->user, o->room, o->n);
	o->n = 0;
}

/* Takes whole characters; the one that the vocabulary strips from the beginning of a text goes. */
static void out_text(struct out *o, const char *text, size_t bytes)
{
	size_t strip = strlen(o->d->v->strip);
	for (; o->d->strip_left > 0 && bytes > 0; o->d->strip_left--) {
		if (bytes < strip || memcmp(text, o->d->v->strip, strip) != 0) {
			o->d->strip_left = 0;
			break;
		}
		text += strip;
		bytes -= strip;
	}
	if (bytes > sizeof o->room - o->n)
		out_flush(o);
	if (bytes > sizeof o->room) {
		o->emit(o->user, text, bytes);
		return;
	}
	memcpy(o->room + o->n, text, bytes);
	o->n += bytes;
}

/* ---- Bytes without bounds ---------------------------------------------------------------------------------------- */

/* What cannot become a character is replaced, once per longest piece that began one. */
static void out_byte(struct out *o, uint8_t b)
{
	struct detok *d = o->d;
	if (d->flags & DETOK_RAW) {
		out_text(o, (const char *)&b, 1);
		return;
	}
	if (d->n_bytes > 0 && !utf8_continues(d->bytes[0], d->n_bytes, b)) {
		out_text(o, replacement, 3);
		d->n_bytes = 0;
	}
	if (d->n_bytes == 0 && utf8_expected(b) == 0) {
		out_text(o, replacement, 3);
		return;
	}
	d->bytes[d->n_bytes++] = b;
	if (d->n_bytes == utf8_expected(d->bytes[0])) {
		out_text(o, (const char *)d->bytes, d->n_bytes);
		d->n_bytes = 0;
	}
}

/* ---- Runs of byte tokens ----------------------------------------------------------------------------------------- */

/* Bytes from the beginning that are whole characters; the rest is a character's beginning, or *valid is false. */
static size_t whole_characters(const uint8_t *s, size_t n, bool *valid)
{
	size_t at = 0;
	for (unsigned length; at < n; at += length) {
		length = utf8_length(s + at, n - at);
		if (length == 0)
			break;
	}
	*valid = true;
	for (size_t i = at; i < n && *valid; i++)
		*valid = i == at ? utf8_expected(s[at]) > n - at : utf8_continues(s[at], (unsigned)(i - at), s[i]);
	return at;
}

static void out_replaced(struct out *o)
{
	for (; o->d->n_bytes > 0; o->d->n_bytes--)
		out_text(o, replacement, 3);
}

static void run_end(struct out *o)
{
	bool valid;
	if (o->d->n_bytes > 0 && whole_characters(o->d->bytes, o->d->n_bytes, &valid) == o->d->n_bytes) {
		out_text(o, (const char *)o->d->bytes, o->d->n_bytes);
		o->d->n_bytes = 0;
	}
	out_replaced(o);
}

static void run_byte(struct out *o, uint8_t b)
{
	struct detok *d = o->d;
	bool valid;
	if (d->n_bytes == DETOK_RUN_MAX) {
		size_t n = whole_characters(d->bytes, d->n_bytes, &valid);
		if (!valid) {
			out_replaced(o);
		} else {
			out_text(o, (const char *)d->bytes, n);
			memmove(d->bytes, d->bytes + n, d->n_bytes - n);
			d->n_bytes = (uint8_t)(d->n_bytes - n);
		}
	}
	d->bytes[d->n_bytes++] = b;
}

/* ---- Tokens ------------------------------------------------------------------------------------------------------ */

static void out_piece(struct out *o, const char *text, size_t bytes, bool is_byte)
{
	if (!o->d->v->whole_pieces) {
		for (size_t i = 0; i < bytes; i++)
			out_byte(o, (uint8_t)text[i]);
	} else if (is_byte) {
		run_byte(o, (uint8_t)text[0]);
	} else {
		run_end(o);
		out_text(o, text, bytes);
	}
}

void detok_init(struct detok *d, const struct vocab *v, unsigned flags)
{
	bool begins = !(flags & DETOK_CONTINUE);
	*d = (struct detok){.v = v, .flags = flags, .first = begins, .strip_left = begins ? v->strip_count : 0};
}

int detok_feed(struct detok *d, uint32_t id, detok_emit_fn *emit, void *user, struct kvik_err *err)
{
	struct out o = {.d = d, .emit = emit, .user = user};
	if (id >= d->v->n_tokens)
		return err_set(err, KVIK_ERR_ARG, "token %u is outside the vocabulary of %zu", id, d->v->n_tokens);
	bool hidden = vocab_is_control(d->v, id) && !(d->flags & DETOK_KEEP_SPECIAL);
	if (hidden || d->v->tokens[id].attrs == 0)
		return 0;
	const struct piece *p = &d->v->decode[id];
	if (d->blank)
		out_piece(&o, " ", 1, false);
	if (d->first)
		out_piece(&o, d->v->decoded.data + p->first, p->first_bytes, p->flags & PIECE_BYTE);
	else
		out_piece(&o, d->v->decoded.data + p->rest, p->rest_bytes, p->flags & PIECE_BYTE);
	d->first = false;
	d->blank = p->flags & PIECE_BLANK_AFTER;
	out_flush(&o);
	return 0;
}

void detok_flush(struct detok *d, detok_emit_fn *emit, void *user)
{
	struct out o = {.d = d, .emit = emit, .user = user};
	if (d->v->whole_pieces)
		run_end(&o);
	else if (d->n_bytes > 0)
		out_text(&o, replacement, 3);
	out_flush(&o);
	detok_init(d, d->v, d->flags);
}

/* ---- All at once ------------------------------------------------------------------------------------------------- */

struct collect {
	struct buf text;
	bool failed;
};

static void collect(void *user, const char *text, size_t bytes)
{
	struct collect *c = user;
	if (!c->failed && !buf_add(&c->text, text, bytes))
		c->failed = true;
}

int vocab_decode(const struct vocab *v, const uint32_t *ids, size_t n, unsigned flags, char **text, size_t *bytes,
		 struct kvik_err *err)
{
	struct collect c = {0};
	struct detok d;
	int rc = 0;
	*text = NULL;
	*bytes = 0;
	detok_init(&d, v, flags);
	for (size_t i = 0; i < n && !rc; i++)
		rc = detok_feed(&d, ids[i], collect, &c, err);
	if (!rc)
		detok_flush(&d, collect, &c);
	if (!rc && (c.failed || !buf_add(&c.text, "", 1)))
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the text of %zu tokens", n);
	if (rc) {
		buf_release(&c.text);
		return rc;
	}
	*text = c.text.data;
	*bytes = c.text.n - 1;
	return 0;
}
