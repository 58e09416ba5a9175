/* toolcall.h: tool calls in the text of a model, and back into OpenAI's form. Which form a model writes is read off its
 * chat template. Any thread. */
#ifndef KVIK_API_TOOLCALL_H
#define KVIK_API_TOOLCALL_H

#include <jansson.h>

#include "base/err.h"

enum toolcall_format {
	TOOLCALL_NONE,
	TOOLCALL_HERMES,   /* <tool_call>{"name": .., "arguments": {..}}</tool_call>: Qwen, Hermes, ... */
	TOOLCALL_MISTRAL,  /* [TOOL_CALLS][{"name": .., "arguments": {..}}], or [TOOL_CALLS]name[ARGS]{..} */
	TOOLCALL_FUNCTION, /* <function=name>{..}</function>: functionary and Llama 3.1's custom calls */
	TOOLCALL_JSON      /* the whole text is {"name": .., "parameters": {..}}: Llama 3.x, and what is unknown */
};

enum toolcall_format toolcall_format_of(const char *chat_template);

/* Bytes at the beginning of the text that are no tool call. final: no more text comes; else what may still become the
 * beginning of a call is left out. */
size_t toolcall_text_bytes(enum toolcall_format f, const char *text, size_t bytes, bool final);

/* An array of {"id", "type": "function", "function": {"name", "arguments"}} out of the whole text; NULL: there are
 * none. id: what ids begin with. */
json_t *toolcall_parse(enum toolcall_format f, const char *text, size_t bytes, const char *id);

#endif
