/* chat_text.h: messages through a chat template, with the variables that published templates expect. Any thread. */
#ifndef KVIK_CHAT_CHAT_TEXT_H
#define KVIK_CHAT_CHAT_TEXT_H

#include <jansson.h>

#include "base/err.h"
#include "tmpl/tmpl.h"

struct chat_vars {
	const json_t *messages;            /* array of {"role", "content", ...}; borrowed, as are the others */
	const json_t *tools;               /* NULL = none */
	const json_t *more;                /* object of further variables, which win over all others; NULL = none */
	const char *bos, *eos, *unk, *pad; /* texts of these tokens; NULL = none */
	bool add_generation_prompt;        /* the text ends where the assistant begins to speak */
	const struct tmpl_limits *limits;  /* NULL = the defaults */
};

/* Everything the variables say is data, but for the roles that templates make tokens of. The caller releases *text.
 * Errors as of tmpl_render_text. */
int chat_text(const struct tmpl *t, const struct chat_vars *vars, struct tmpl_text *text,
	      struct kvik_err *err) MUST_CHECK;

#endif
