/* infill.h: the prompt of a text with a hole ("fill in the middle"): llama-server's /infill, and `suffix` of
 * /v1/completions. Only models that were trained for it have the tokens. */
#ifndef KVIK_API_INFILL_H
#define KVIK_API_INFILL_H

#include "api/call.h"

/* All borrowed from the body. */
struct infill {
	const json_t *prefix, *suffix; /* texts before and behind the hole; NULL: empty */
	const json_t *prompt; /* text between prefix and hole, or NULL: llama-server's clients send a line apart */
	const json_t *extra;  /* other files, [{"filename", "text"}], or NULL */
};

/* One more prompt of c->reply. 0, or -1: the call was answered. */
int infill_prompt(struct api_call *c, const struct infill *q) MUST_CHECK;

#endif
