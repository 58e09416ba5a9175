/* doctor.c: see doctor.h.
 *
 * Where what is cached goes on with another token, the text around it says whether anything is meant by the difference: a time, a
 * number, an identifier that a client puts before its prompt makes every request compute what lies behind it. The operator is
 * told of each kind once, without the text. */
#include "api/doctor.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

enum { BEFORE = 128, BEHIND = 32 }; /* tokens */

char *doctor_text(const struct api_call *c, const struct reply_prompt *p, size_t *bytes, size_t *at)
{
	const struct kvik_vocab *v = c->api->config.engine.vocab;
	size_t place = p->prefix.matched_tokens, first = place > BEFORE ? place - BEFORE : 0;
	size_t end = p->n_ids - place > BEHIND ? place + BEHIND : p->n_ids;
	char *before = NULL, *all = NULL;
	*at = *bytes = 0;
	if (!v || p->prefix.miss != KVIK_MISS_DIFFERS || place >= p->n_ids)
		return NULL;
	int rc = kvik_detokenize(v, p->ids + first, place - first, KVIK_KEEP_SPECIAL, &before, at, NULL);
	if (!rc)
		rc = kvik_detokenize(v, p->ids + first, end - first, KVIK_KEEP_SPECIAL, &all, bytes, NULL);
	kvik_free(before);
	*at = *at < *bytes ? *at : *bytes;
	while (all && *at > 0 && *at < *bytes && utf8_is_inner(all[*at]))
		--*at; /* a character goes across the border */
	return rc ? NULL : all;
}

static void tell(struct api_call *c, const struct reply_prompt *p)
{
	char text[320];
	uint32_t bit = 1u << p->nonce;
	if (!c->api->config.warn || (atomic_fetch_or(&c->api->nonces_told, bit) & bit))
		return;
	snprintf(text, sizeof text,
		 "request %s: the prompt differs from a cached one at token %u of %zu in what looks like a nonce (%s): "
		 "what lies "
		 "behind it is computed each time; let the client leave it out, or put it at the end",
		 c->request_id, p->prefix.matched_tokens, p->n_ids, nonce_name(p->nonce));
	c->api->config.warn(text);
}

void doctor_see(struct api_call *c, struct reply_prompt *p)
{
	size_t bytes, at;
	uint32_t known = p->usage.cached_tokens, all = (uint32_t)p->n_ids;
	char *text = doctor_text(c, p, &bytes, &at);
	p->nonce = text ? nonce_at(text, bytes, at) : NONCE_NONE;
	kvik_free(text);
	metrics_miss(c->metrics, p->prefix.miss, all > known + 1 ? all - known - 1 : 0, p->nonce);
	if (p->nonce != NONCE_NONE)
		tell(c, p);
}
