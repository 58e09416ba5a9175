/* ollama_input.h: what a request of Ollama's says, in the words that the other dialects share. Any thread. */
#ifndef KVIK_API_OLLAMA_INPUT_H
#define KVIK_API_OLLAMA_INPUT_H

#include "api/fields.h"

/* The body with what stands in "options" beside the rest, less what says how a process is to run. Takes body, which is an object
 * or anything else; a new reference, NULL: no memory. */
json_t *ollama_flat(json_t *body);
/* *out: a new list of messages: those of a chat, or a prompt and its system text, each of which may be NULL. Calls that have
 * no ids get some, and the results behind them the same ones, in order. */
int ollama_messages(json_t **out, const json_t *messages, const char *system, const char *prompt,
		    struct field_error *e) MUST_CHECK;
/* "think": true, false, or how much: into the variables of the template. */
int ollama_think(json_t *words, const json_t *think, struct field_error *e) MUST_CHECK;
/* "format": "json" or a schema, as response_format has it: a new reference, NULL: none. */
int ollama_format(json_t **out, json_t *format, struct field_error *e) MUST_CHECK;

#endif
