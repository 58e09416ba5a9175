/* tools.h: the tools of a chat as clients send them, as templates expect them. */
#ifndef KVIK_CHAT_TOOLS_H
#define KVIK_CHAT_TOOLS_H

#include <jansson.h>

#include "base/err.h"

/* A new list of {"type": "function", "function": {"name", ...}}: members that are null are left out, a function that
 * stands alone (as in OpenAI's Responses) is put into its place. NULL on an error: ARG (what is no function), NOMEM.
 * tools: a list. */
json_t *tools_form(const json_t *tools, struct kvik_err *err);

/* Takes the members that are null out of an object. */
void json_drop_nulls(json_t *object);

#endif
