/* call_values.h: names and values of tool calls, by the schemas of the tools. Any thread. */
#ifndef KVIK_CHAT_CALL_VALUES_H
#define KVIK_CHAT_CALL_VALUES_H

#include <jansson.h>

#include "base/buf.h"

/* The function of that name among the tools of a request; NULL: there is none. Borrowed. */
const json_t *call_tool(const json_t *tools, const char *name, size_t bytes);

/* What a schema says of an argument that is written without quotes. */
enum call_type {
	CALL_ANY,    /* nothing, or that it may be a text or something else: JSON if it is, else a text */
	CALL_TEXT,   /* a text */
	CALL_NO_TEXT /* something else: JSON, or Python's True, False and None */
};
enum call_type call_type_of(const json_t *tools, const char *name, size_t name_bytes, const char *key,
			    size_t key_bytes);
/* A new reference; NULL: the text is no UTF-8, or no memory. */
json_t *call_tagged_value(const char *text, size_t bytes, enum call_type type);

/* {"name", "arguments"}, also under their other names, inside of "function", and with the arguments as a text. The name is
 * borrowed from o, *arguments a new reference; NULL: it is no call. A tool of the request may come without arguments. */
const char *call_of_json(const json_t *o, const json_t *tools, json_t **arguments);

/* As between the quotes of JSON. False: no memory. */
bool call_escape(struct buf *b, const char *text, size_t bytes);
void call_trim(const char **text, size_t *bytes);
void call_trim_lines(const char **text, size_t *bytes); /* one line break at each end */

#endif
