/* tool_choice.h: which tools an answer may call, and whether it must: in the words of Chat Completions and of Responses.
 *
 *   "none" | "auto" | "required" (or "any")
 *   {"type": "function", "function": {"name": N}}, {"type": "function", "name": N}
 *   {"type": "allowed_tools", "allowed_tools": {"mode": M, "tools": [..]}}, {"type": "allowed_tools", "mode": M, "tools": [..]}
 *
 * Any thread. */
#ifndef KVIK_API_TOOL_CHOICE_H
#define KVIK_API_TOOL_CHOICE_H

#include "api/fields.h"

struct tool_choice {
	json_t *shown;   /* the tools that the prompt has; owned, NULL = none */
	json_t *allowed; /* those that may be called; owned, NULL = none */
	bool must;       /* one of them must be called */
	bool many;       /* or several: it was asked for */
	bool one;        /* no more than one */
};

/* tools, choice and parallel as the request has them, borrowed; NULL: not given. The caller releases *out in any case. A
 * choice that cannot be made with these tools is an error. */
int tool_choice_read(struct tool_choice *out, const json_t *tools, const json_t *choice, const json_t *parallel,
		     struct field_error *e) MUST_CHECK;
void tool_choice_release(struct tool_choice *t);
/* The parameters of a tool, closed: where they name members and say nothing of others, there are none, for models that do not know
 * when to stop. A new reference. */
json_t *tool_parameters(const json_t *tool);
/* The schema of an answer that is a call: {"name": .., "arguments": {..}}, or a list of such where there may be many. A new
 * reference; NULL: no memory. */
json_t *tool_choice_schema(const struct tool_choice *t);

#endif
