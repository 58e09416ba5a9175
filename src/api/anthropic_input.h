/* anthropic_input.h: what a request of Anthropic's Messages says, in the words that chat templates know (OpenAI's). Any thread. */
#ifndef KVIK_API_ANTHROPIC_INPUT_H
#define KVIK_API_ANTHROPIC_INPUT_H

#include "api/fields.h"

/* *out: a new list of messages. system: a text, a list of blocks, or NULL. *nonce: a block of the system text was left out, which
 * differs in every request and says nothing to a model: it would keep all that follows it out of the cache. */
int anthropic_messages(json_t **out, const json_t *messages, const json_t *system, bool *nonce,
		       struct field_error *e) MUST_CHECK;
/* *out: a new list of tools. */
int anthropic_tools(json_t **out, const json_t *tools, struct field_error *e) MUST_CHECK;
/* tool_choice as Chat Completions has it, a new reference, NULL: none is given; *parallel: the same of parallel_tool_calls. */
int anthropic_tool_choice(json_t **out, json_t **parallel, const json_t *choice, struct field_error *e) MUST_CHECK;

#endif
