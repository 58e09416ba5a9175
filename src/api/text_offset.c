/* text_offset.c: see text_offset.h. A vocabulary may have changed the text that it cut (a blank put in front, a normal
 * form), so tokens are compared with the text where it is there, and counted by their own bytes where it is not. */
#include "api/text_offset.h"

#include <string.h>

#include "api/routes.h"
#include "base/utf8.h"

static void pass_bytes(struct text_place *p, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char b = (unsigned char)s[i];
		if (p->needed > 0 && utf8_is_inner(s[i])) {
			p->chars += --p->needed == 0;
			continue;
		}
		p->chars += p->needed > 0; /* cut short: a replacement character stands there */
		p->needed = b < 0xC2 ? 0 : b < 0xE0 ? 1 : b < 0xF0 ? 2 : b < 0xF5 ? 3 : 0;
		p->chars += p->needed == 0;
	}
	p->at += n;
}

size_t text_characters(const char *text, size_t bytes)
{
	struct text_place p = {0};
	pass_bytes(&p, text, bytes);
	return p.chars + (p.needed > 0);
}

static bool is_silent(const struct api_call *c, uint32_t id)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	char *text = NULL;
	size_t n = 0;
	bool silent = kvik_detokenize(v, &id, 1, 0, &text, &n, NULL) == 0 && n == 0;
	kvik_free(text);
	return silent;
}

/* How many of the text's bytes the token token[0..n) stands for. */
static size_t bytes_of(const struct text_place *p, const struct api_call *c, uint32_t id, const char *token, size_t n)
{
	size_t left = p->at < p->bytes ? p->bytes - p->at : 0, first = n < left ? n : left;
	if (left == 0 && p->whole)
		return 0;
	if (first == 0 || memcmp(p->text + p->at, token, first) == 0)
		return n > left && (p->whole || (left == 0 && is_silent(c, id))) ? first : n;
	if (is_silent(c, id))
		return 0;
	bool blank = token[0] == ' ' && n - 1 <= left && memcmp(p->text + p->at, token + 1, n - 1) == 0;
	return blank ? n - 1 : first;
}

size_t text_place_pass(struct text_place *p, const struct api_call *c, uint32_t id)
{
	size_t offset = p->chars, n = 0;
	char *token = call_token_text(c, id, &n);
	size_t take = token && n > 0 ? bytes_of(p, c, id, token, n) : 0;
	bool known = p->at + take <= p->bytes;
	pass_bytes(p, known ? p->text + p->at : token, take);
	kvik_free(token);
	return offset;
}
