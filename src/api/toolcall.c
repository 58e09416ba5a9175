/* toolcall.c: see toolcall.h. What does not parse stays text: a model may say anything. */
#include "api/toolcall.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS_MAX = 64, NAME_MAX_BYTES = 128 };

static const char *const openers[] = {[TOOLCALL_HERMES] = "<tool_call>",
				      [TOOLCALL_MISTRAL] = "[TOOL_CALLS]",
				      [TOOLCALL_FUNCTION] = "<function=",
				      [TOOLCALL_JSON] = "{"};
static const char python_tag[] = "<|python_tag|>";

enum toolcall_format toolcall_format_of(const char *t)
{
	if (!t)
		return TOOLCALL_NONE;
	if (strstr(t, "[TOOL_CALLS]"))
		return TOOLCALL_MISTRAL;
	if (strstr(t, "<tool_call>"))
		return TOOLCALL_HERMES;
	return strstr(t, "<function=") ? TOOLCALL_FUNCTION : TOOLCALL_JSON;
}

static size_t skip_blanks(const char *text, size_t bytes, size_t at)
{
	while (at < bytes && isspace((unsigned char)text[at]))
		at++;
	return at;
}

static size_t find(const char *text, size_t bytes, size_t from, const char *what)
{
	const char *p = from <= bytes ? memmem(text + from, bytes - from, what, strlen(what)) : NULL;
	return p ? (size_t)(p - text) : bytes;
}

/* Where the last bytes may be the beginning of `what`. */
static size_t partial(const char *text, size_t bytes, const char *what)
{
	size_t n = strlen(what);
	for (size_t k = n - 1 < bytes ? n - 1 : bytes; k > 0; k--)
		if (memcmp(text + bytes - k, what, k) == 0)
			return bytes - k;
	return bytes;
}

size_t toolcall_text_bytes(enum toolcall_format f, const char *text, size_t bytes, bool final)
{
	if (f == TOOLCALL_NONE)
		return bytes;
	if (f == TOOLCALL_JSON) { /* only a text that is a call from its first character on */
		size_t at = skip_blanks(text, bytes, 0);
		size_t tag = sizeof python_tag - 1;
		if (bytes - at >= tag && memcmp(text + at, python_tag, tag) == 0)
			at = skip_blanks(text, bytes, at + tag);
		if (final) {
			json_t *calls = toolcall_parse(f, text, bytes, "");
			json_decref(calls);
			return calls ? 0 : bytes;
		}
		bool may = at == bytes || text[at] == '{' || partial(text + at, bytes - at, python_tag) == 0;
		return may ? 0 : bytes;
	}
	size_t at = find(text, bytes, 0, openers[f]);
	if (at == bytes && !final)
		at = partial(text, bytes, openers[f]);
	return at;
}

/* {"name", "arguments" or "parameters"} -> an entry; NULL: it is none. */
static json_t *entry(json_t *o, const char *id, size_t index)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	json_t *args = json_object_get(o, "arguments");
	char own[96];
	if (!args)
		args = json_object_get(o, "parameters");
	if (!name || !args)
		return NULL;
	char *text = json_is_string(args) ? strdup(json_string_value(args)) : json_dumps(args, JSON_COMPACT);
	snprintf(own, sizeof own, "call_%.64s_%zu", id, index);
	json_t *e = json_pack("{s:s, s:s, s:{s:s, s:s}}", "id", own, "type", "function", "function", "name", name,
			      "arguments", text ? text : "{}");
	free(text);
	return e;
}

static void add(json_t *calls, json_t *o, const char *id)
{
	json_t *e = json_array_size(calls) < CALLS_MAX ? entry(o, id, json_array_size(calls)) : NULL;
	if (e)
		json_array_append_new(calls, e);
}

/* The JSON value at `at`; *end is behind it. NULL: none. */
static json_t *value_at(const char *text, size_t bytes, size_t at, size_t *end)
{
	json_error_t e;
	json_t *o = json_loadb(text + at, bytes - at, JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &e);
	*end = o ? at + (size_t)e.position : bytes;
	return o;
}

static void parse_hermes(json_t *calls, const char *text, size_t bytes, const char *id)
{
	size_t opener = strlen(openers[TOOLCALL_HERMES]);
	for (size_t at = 0; (at = find(text, bytes, at, openers[TOOLCALL_HERMES])) < bytes;) {
		json_t *o = value_at(text, bytes, at + opener, &at);
		add(calls, o, id);
		json_decref(o);
	}
}

static void parse_mistral(json_t *calls, const char *text, size_t bytes, const char *id)
{
	static const char args[] = "[ARGS]";
	size_t opener = strlen(openers[TOOLCALL_MISTRAL]), i;
	json_t *v;
	for (size_t at = 0; (at = find(text, bytes, at, openers[TOOLCALL_MISTRAL])) < bytes;) {
		at = skip_blanks(text, bytes, at + opener);
		size_t split = find(text, bytes, at, args);
		if (at < bytes && text[at] != '[' && split < bytes) {
			json_t *a = value_at(text, bytes, split + sizeof args - 1, &i);
			json_t *o = json_pack("{s:s%, s:O?}", "name", text + at, split - at, "arguments", a);
			add(calls, o, id);
			json_decref(o);
			json_decref(a);
			at = i;
			continue;
		}
		json_t *list = value_at(text, bytes, at, &at);
		json_array_foreach(list, i, v) add(calls, v, id);
		json_decref(list);
	}
}

static void parse_function(json_t *calls, const char *text, size_t bytes, const char *id)
{
	size_t opener = strlen(openers[TOOLCALL_FUNCTION]);
	for (size_t at = 0; (at = find(text, bytes, at, openers[TOOLCALL_FUNCTION])) < bytes;) {
		size_t name = at + opener, close = find(text, bytes, name, ">");
		if (close == bytes || close - name > NAME_MAX_BYTES)
			return;
		json_t *a = value_at(text, bytes, close + 1, &at);
		json_t *o = json_pack("{s:s%, s:O?}", "name", text + name, close - name, "arguments", a);
		add(calls, o, id);
		json_decref(o);
		json_decref(a);
	}
}

/* One object, or several with ";" between them; nothing else. */
static void parse_json(json_t *calls, const char *text, size_t bytes, const char *id)
{
	size_t at = skip_blanks(text, bytes, 0), tag = sizeof python_tag - 1;
	if (bytes - at >= tag && memcmp(text + at, python_tag, tag) == 0)
		at = skip_blanks(text, bytes, at + tag);
	while (at < bytes && text[at] == '{') {
		json_t *o = value_at(text, bytes, at, &at);
		size_t before = json_array_size(calls);
		add(calls, o, id);
		json_decref(o);
		at = skip_blanks(text, bytes, at);
		if (at < bytes && text[at] == ';')
			at = skip_blanks(text, bytes, at + 1);
		if (json_array_size(calls) == before)
			break;
	}
	if (at < bytes)
		json_array_clear(calls);
}

json_t *toolcall_parse(enum toolcall_format f, const char *text, size_t bytes, const char *id)
{
	json_t *calls = json_array();
	switch (f) {
	case TOOLCALL_HERMES: parse_hermes(calls, text, bytes, id); break;
	case TOOLCALL_MISTRAL: parse_mistral(calls, text, bytes, id); break;
	case TOOLCALL_FUNCTION: parse_function(calls, text, bytes, id); break;
	case TOOLCALL_JSON: parse_json(calls, text, bytes, id); break;
	case TOOLCALL_NONE: break;
	}
	if (json_array_size(calls) > 0)
		return calls;
	json_decref(calls);
	return NULL;
}
