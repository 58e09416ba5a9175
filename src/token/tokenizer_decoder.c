/* tokenizer_decoder.c: the decoders of a tokenizer.json. Those before the tokens are fused work on each token alone
 * and become steps of decode.c; after that, only stripping the beginning of the text is left to do. Thread: the
 * builder's. */
#include "token/tokenizer_steps.h"

#include "base/utf8.h"

enum { DEPTH_MAX = 16 };

struct decoding {
	struct vocab *v;
	struct decoder *d;
	bool fused;
};

/* NULL: there can be no further step, err says why. */
static struct decode_step *new_step(struct decoding *c, enum decode_kind kind, struct kvik_err *err)
{
	struct decode_step *s = &c->d->steps[c->d->n];
	if (c->fused || c->d->n == DECODE_STEPS_MAX) {
		(void)tj_unsupported("decoder", "with more than 16 steps, or one after Fuse or ByteLevel,", err);
		return NULL;
	}
	c->d->n++;
	s->kind = kind;
	return s;
}

static int set_text(struct decode_step *s, const char *text, size_t bytes, struct kvik_err *err)
{
	s->text_bytes = bytes;
	s->text = mem_strndup(text, bytes);
	return s->text ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the tokenizer");
}

static int character(const json_t *j, const char *key, const char *otherwise, char mark[5], struct kvik_err *err)
{
	const char *s;
	int rc = tj_string(j, key, "decoder", otherwise, &s, err);
	if (rc)
		return rc;
	size_t n = strlen(s);
	if (n == 0 || n > 4 || utf8_length((const uint8_t *)s, n) != n)
		return err_set(err, KVIK_ERR_FORMAT, "decoder: '%s' is not one character; fetch the file again", key);
	memcpy(mark, s, n + 1);
	return 0;
}

static int count(const json_t *j, const char *key, uint32_t *n, struct kvik_err *err)
{
	const json_t *m = json_object_get(j, key);
	json_int_t value = json_integer_value(m);
	*n = 0;
	if (!m)
		return 0;
	if (!json_is_integer(m) || value < 0 || value > 1000)
		return err_set(err, KVIK_ERR_FORMAT, "decoder: '%s' is not a small number; fetch the file again", key);
	*n = (uint32_t)value;
	return 0;
}

/* Of each token, or, once fused, of the whole text. */
static int strip(struct decoding *c, const json_t *j, struct kvik_err *err)
{
	struct decode_step s = {.kind = DECODE_STRIP};
	int rc = character(j, "content", " ", s.mark, err);
	if (!rc)
		rc = count(j, "start", &s.left, err);
	if (!rc)
		rc = count(j, "stop", &s.right, err);
	if (rc)
		return rc;
	if (!c->fused) {
		struct decode_step *to = new_step(c, DECODE_STRIP, err);
		if (to)
			*to = s;
		return to ? 0 : KVIK_ERR_UNSUPPORTED;
	}
	if (s.right > 0 || c->v->strip_count > 0)
		return tj_unsupported("decoder Strip", "of the end of the text, or twice,", err);
	memcpy(c->v->strip, s.mark, sizeof s.mark);
	c->v->strip_count = s.left;
	return 0;
}

static int replace(struct decoding *c, const json_t *j, struct kvik_err *err)
{
	const json_t *p = json_object_get(j, "pattern"), *to = json_object_get(j, "content");
	const json_t *string = json_object_get(p, "String"), *from = string ? string : json_object_get(p, "Regex");
	if (!json_is_string(from) || !json_is_string(to))
		return tj_malformed("decoder Replace", "'pattern' or 'content' is not text", err);
	struct decode_step *s = new_step(c, DECODE_REPLACE, err);
	int rc = s ? 0 : KVIK_ERR_UNSUPPORTED;
	if (!rc)
		rc = set_text(s, json_string_value(to), json_string_length(to), err);
	return rc ? rc : regex_new(&s->pattern, json_string_value(from), json_string_length(from), from == string, err);
}

static int metaspace(struct decoding *c, const json_t *j, struct kvik_err *err)
{
	struct decode_step *s = new_step(c, DECODE_MARKS, err);
	const char *scheme;
	bool prefix;
	int rc = s ? 0 : KVIK_ERR_UNSUPPORTED;
	if (!rc)
		rc = character(j, "replacement", "\xE2\x96\x81", s->mark, err);
	if (!rc)
		rc = tj_bool(j, "add_prefix_space", "decoder Metaspace", true, &prefix, err);
	if (!rc)
		rc = tj_string(j, "prepend_scheme", "decoder Metaspace", prefix ? "always" : "never", &scheme, err);
	if (!rc)
		s->drop_first = strcmp(scheme, "never") != 0;
	return rc;
}

static int wordpiece(struct decoding *c, const json_t *j, struct kvik_err *err)
{
	struct decode_step *s = new_step(c, DECODE_WORDPIECE, err);
	const char *prefix;
	int rc = s ? tj_string(j, "prefix", "decoder WordPiece", "##", &prefix, err) : KVIK_ERR_UNSUPPORTED;
	if (!rc)
		rc = tj_bool(j, "cleanup", "decoder WordPiece", true, &s->cleanup, err);
	return rc ? rc : set_text(s, prefix, strlen(prefix), err);
}

static int suffix(struct decoding *c, const json_t *j, struct kvik_err *err)
{
	struct decode_step *s = new_step(c, DECODE_SUFFIX, err);
	const char *text;
	int rc = s ? tj_string(j, "suffix", "decoder BPEDecoder", "</w>", &text, err) : KVIK_ERR_UNSUPPORTED;
	return rc ? rc : set_text(s, text, strlen(text), err);
}

static int step(struct decoding *c, const json_t *j, unsigned depth, struct kvik_err *err);

static int sequence(struct decoding *c, const json_t *list, unsigned depth, struct kvik_err *err)
{
	size_t i;
	json_t *j;
	int rc = 0;
	if (!json_is_array(list) || depth == DEPTH_MAX)
		return tj_malformed("decoder", "a sequence without steps, or nested too deeply", err);
	json_array_foreach(list, i, j)
	{
		if (!rc)
			rc = step(c, j, depth + 1, err);
	}
	return rc;
}

static int step(struct decoding *c, const json_t *j, unsigned depth, struct kvik_err *err)
{
	const char *type = json_string_value(json_object_get(j, "type"));
	if (!type)
		return tj_malformed("decoder", "a step without 'type'", err);
	if (strcmp(type, "Sequence") == 0)
		return sequence(c, json_object_get(j, "decoders"), depth, err);
	if (strcmp(type, "ByteLevel") == 0) {
		struct decode_step *s = new_step(c, DECODE_BYTES, err);
		c->fused = true;
		c->v->whole_pieces = false;
		return s ? 0 : KVIK_ERR_UNSUPPORTED;
	}
	if (strcmp(type, "ByteFallback") == 0)
		return new_step(c, DECODE_BYTE_TOKENS, err) ? 0 : KVIK_ERR_UNSUPPORTED;
	if (strcmp(type, "Fuse") == 0) {
		c->fused = true;
		return 0;
	}
	if (strcmp(type, "Strip") == 0)
		return strip(c, j, err);
	if (strcmp(type, "Replace") == 0)
		return replace(c, j, err);
	if (strcmp(type, "Metaspace") == 0)
		return metaspace(c, j, err);
	if (strcmp(type, "WordPiece") == 0)
		return wordpiece(c, j, err);
	if (strcmp(type, "BPEDecoder") == 0)
		return suffix(c, j, err);
	return tj_unsupported("decoder", type, err);
}

int tj_decoder(struct vocab *v, struct decoder *d, const json_t *j, struct kvik_err *err)
{
	struct decoding c = {.v = v, .d = d};
	v->whole_pieces = true;
	if (!j || json_is_null(j))
		return new_step(&c, DECODE_BLANKS, err) ? 0 : KVIK_ERR_UNSUPPORTED;
	return step(&c, j, 0, err);
}
