/* call_values.c: see call_values.h. */
#include "chat/call_values.h"

#include <stdio.h>
#include <string.h>

#include "chat/json_read.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

void call_trim(const char **text, size_t *n)
{
	while (*n > 0 && is_blank((*text)[*n - 1]))
		--*n;
	for (; *n > 0 && is_blank(**text); --*n)
		++*text;
}

void call_trim_lines(const char **text, size_t *n)
{
	if (*n > 0 && **text == '\n') {
		++*text;
		--*n;
	}
	if (*n > 0 && (*text)[*n - 1] == '\n')
		--*n;
}

const json_t *call_tool(const json_t *tools, const char *name, size_t bytes)
{
	size_t i;
	json_t *t;
	json_array_foreach((json_t *)(uintptr_t)tools, i, t)
	{
		const json_t *f = json_object_get(t, "function");
		const json_t *its = json_object_get(f ? f : t, "name");
		if (json_is_string(its) && json_string_length(its) == bytes &&
		    memcmp(json_string_value(its), name, bytes) == 0)
			return f ? f : t;
	}
	return NULL;
}

/* ---- Tagged values ----------------------------------------------------------------------------------------------- */

/* What a schema lets in, as bits: 1 texts, 2 others. */
static unsigned lets_in(const json_t *schema, unsigned depth)
{
	static const char *const unions[] = {"anyOf", "oneOf"};
	const json_t *type = json_object_get(schema, "type"), *values = json_object_get(schema, "enum");
	unsigned in = 0;
	size_t i;
	json_t *v;
	if (json_is_string(type))
		return strcmp(json_string_value(type), "string") == 0 ? 1 : 2;
	json_array_foreach((json_t *)(uintptr_t)(json_is_array(type) ? type : values), i, v)
	{
		bool text = json_is_array(type) ? json_is_string(v) && strcmp(json_string_value(v), "string") == 0
						: json_is_string(v);
		in |= text ? 1 : 2;
	}
	for (size_t k = 0; k < 2 && depth > 0; k++)
		json_array_foreach(json_object_get(schema, unions[k]), i, v) in |= lets_in(v, depth - 1);
	return in;
}

enum call_type call_type_of(const json_t *tools, const char *name, size_t name_bytes, const char *key, size_t key_bytes)
{
	enum { DEPTH = 4 };
	static const enum call_type types[] = {CALL_ANY, CALL_TEXT, CALL_NO_TEXT, CALL_ANY};
	const json_t *f = call_tool(tools, name, name_bytes), *parameters = json_object_get(f, "parameters");
	const json_t *all = json_object_get(parameters, "properties");
	return types[lets_in(json_object_getn(all, key, key_bytes), DEPTH)];
}

static json_t *python_word(const char *text, size_t n)
{
	if (n == 4 && memcmp(text, "True", 4) == 0)
		return json_true();
	if (n == 5 && memcmp(text, "False", 5) == 0)
		return json_false();
	return n == 4 && memcmp(text, "None", 4) == 0 ? json_null() : NULL;
}

json_t *call_tagged_value(const char *text, size_t n, enum call_type type)
{
	json_t *v = type == CALL_TEXT ? NULL : json_read(text, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!v && type == CALL_NO_TEXT)
		v = python_word(text, n);
	return v ? v : json_stringn(text, n);
}

/* ---- Calls of JSON ----------------------------------------------------------------------------------------------- */

static json_t *first_of(const json_t *o, const char *const *keys)
{
	for (; *keys; keys++) {
		json_t *v = json_object_get(o, *keys);
		if (v)
			return v;
	}
	return NULL;
}

/* Arguments may be told as the text of an object. */
static json_t *as_object(json_t *v)
{
	json_t *o = json_is_string(v) ? json_read(json_string_value(v), json_string_length(v), JSON_ALLOW_NUL, NULL)
				      : json_incref(v);
	if (json_is_object(o))
		return o;
	json_decref(o);
	return NULL;
}

const char *call_of_json(const json_t *o, const json_t *tools, json_t **arguments)
{
	static const char *const names[] = {"name", "tool_name", NULL};
	static const char *const keys[] = {"arguments", "parameters", NULL};
	const json_t *f = json_object_get(o, "function");
	o = json_is_object(f) ? f : o;
	const char *name = json_string_value(first_of(o, names));
	json_t *args = first_of(o, keys);
	bool none = !args || json_is_null(args);
	*arguments = NULL;
	if (name && none && call_tool(tools, name, strlen(name)))
		*arguments = json_object();
	else if (name && !none)
		*arguments = as_object(args);
	return *arguments ? name : NULL;
}

bool call_escape(struct buf *b, const char *text, size_t n)
{
	static const char letters[] = "\"\\\b\f\n\r\t", stand_for[] = "\"\\bfnrt";
	bool ok = buf_reserve(b, 1);
	for (size_t i = 0; i < n && ok; i++) {
		unsigned char c = (unsigned char)text[i];
		const char *at = c ? strchr(letters, c) : NULL;
		char code[8];
		if (at) {
			code[0] = '\\';
			code[1] = stand_for[at - letters];
			ok = buf_add(b, code, 2);
		} else if (c < 0x20) {
			snprintf(code, sizeof code, "\\u%04x", c);
			ok = buf_add(b, code, 6);
		} else {
			ok = buf_add(b, text + i, 1);
		}
	}
	return ok;
}
