/* detok.c: token texts to bytes, bytes to whole characters.
 *
 * The text of a token becomes bytes as its vocabulary says (U+2581 is a blank, "<0x0A>" is a byte, GPT-2's characters
 * are bytes); the bytes run through a UTF-8 assembler that holds back at most three. Owner: one thread. */
#include "token/detok.h"

#include "token/utf8.h"
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

static void out_text(struct out *o, const void *text, size_t bytes)
{
	if (bytes > sizeof o->room - o->n)
		out_flush(o);
	memcpy(o->room + o->n, text, bytes);
	o->n += bytes;
	o->d->started = true;
}

/* Takes one byte of text. What cannot become a character is replaced, once per longest piece that began one. */
static void out_byte(struct out *o, uint8_t b)
{
	struct detok *d = o->d;
	if (d->utf8_bytes > 0 && !utf8_continues(d->utf8[0], d->utf8_bytes, b)) {
		out_text(o, replacement, 3);
		d->utf8_bytes = 0;
	}
	if (d->utf8_bytes == 0 && utf8_expected(b) == 0) {
		out_text(o, replacement, 3);
		return;
	}
	d->utf8[d->utf8_bytes++] = b;
	if (d->utf8_bytes == utf8_expected(d->utf8[0])) {
		out_text(o, d->utf8, d->utf8_bytes);
		d->utf8_bytes = 0;
	}
}

/* A blank at the very beginning may be one that the encoder put there. */
static void out_blank(struct out *o)
{
	struct detok *d = o->d;
	if (!d->started && d->utf8_bytes == 0 && d->v->strip_first_space && !(d->flags & DETOK_CONTINUE))
		d->started = true;
	else
		out_byte(o, ' ');
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
				      : -1;
}

/* "<0x0A>" -> 10, or -1 */
static int byte_token(const char *s, size_t n)
{
	if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>' || hex(s[3]) < 0 || hex(s[4]) < 0)
		return -1;
	return hex(s[3]) * 16 + hex(s[4]);
}

static void decode_spm(struct out *o, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		if (n - i >= 3 && memcmp(s + i, "\xE2\x96\x81", 3) == 0) {
			out_blank(o);
			i += 3;
		} else if (s[i] == ' ') {
			out_blank(o);
			i++;
		} else {
			out_byte(o, (uint8_t)s[i++]);
		}
	}
}

static void decode_bytes(struct out *o, const char *s, size_t n)
{
	for (size_t i = 0, length; i < n; i += length) {
		length = utf8_length((const uint8_t *)s + i, n - i);
		int b = length ? bpe_char_byte(utf8_decode((const uint8_t *)s + i, (unsigned)length)) : -1;
		if (length == 0)
			length = 1;
		if (b >= 0)
			out_byte(o, (uint8_t)b);
		else
			for (size_t k = 0; k < length; k++)
				out_byte(o, (uint8_t)s[i + k]);
	}
}

static void decode_plain(struct out *o, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out_byte(o, (uint8_t)s[i]);
}

void detok_init(struct detok *d, const struct vocab *v, unsigned flags)
{
	*d = (struct detok){.v = v, .flags = flags};
}

int detok_feed(struct detok *d, uint32_t id, detok_emit_fn *emit, void *user, struct kvik_err *err)
{
	struct out o = {.d = d, .emit = emit, .user = user};
	if (id >= d->v->n_tokens)
		return err_set(err, KVIK_ERR_ARG, "token %u is outside the vocabulary of %zu", id, d->v->n_tokens);
	const struct token *t = &d->v->tokens[id];
	const char *text = d->v->text.data + t->start;
	const unsigned literal = VOCAB_ATTR_CONTROL | VOCAB_ATTR_UNKNOWN | VOCAB_ATTR_USER_DEFINED;
	if (vocab_is_control(d->v, id) && !(d->flags & DETOK_KEEP_SPECIAL))
		return 0;
	int byte = d->v->decode == DECODE_SPM && !(t->attrs & literal) ? byte_token(text, t->bytes) : -1;
	if (byte >= 0)
		out_byte(&o, (uint8_t)byte);
	else if (d->v->decode == DECODE_PLAIN || (t->attrs & literal && d->v->decode == DECODE_BYTES))
		decode_plain(&o, text, t->bytes);
	else if (d->v->decode == DECODE_SPM)
		decode_spm(&o, text, t->bytes);
	else
		decode_bytes(&o, text, t->bytes);
	out_flush(&o);
	return 0;
}

void detok_flush(struct detok *d, detok_emit_fn *emit, void *user)
{
	struct out o = {.d = d, .emit = emit, .user = user};
	if (d->utf8_bytes > 0)
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
