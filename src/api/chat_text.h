/* chat_text.h: messages through a chat template, with the variables that published templates expect. Any thread. */
#ifndef KVIK_API_CHAT_TEXT_H
#define KVIK_API_CHAT_TEXT_H

#include <jansson.h>

#include "base/err.h"

struct tmpl;

struct chat_vars {
	json_t *messages;           /* array of {"role", "content", ...}; borrowed, as are the others */
	json_t *tools;              /* NULL = none */
	json_t *more;               /* object of further variables, which win over all others; NULL = none */
	bool add_generation_prompt; /* the text ends where the assistant begins to speak */
};

/* *text: [*bytes] and a NUL, freed with mem_free. v: whose begin and end tokens the template may name. Errors as of
 * tmpl_render. */
int chat_text(const struct tmpl *t, const struct kvik_vocab *v, const struct chat_vars *vars, char **text,
	      size_t *bytes, struct kvik_err *err) MUST_CHECK;

#endif
