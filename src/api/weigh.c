/* weigh.c: see weigh.h. The figures are jansson's structs with malloc's own 16 bytes and the place in an array or
 * object, which grow by doubling; tests/api/test_weigh.c compares them with what is allocated. */
#include "api/weigh.h"

enum { OBJECT = 304, ARRAY = 192, STRING = 152, NUMBER = 72, WORD = 40 };

static uint64_t outside(struct weigh *w, char c)
{
	bool was_word = w->in_word;
	w->in_word = false;
	switch (c) {
	case '"': w->in_string = true; return STRING;
	case '{': return OBJECT;
	case '[': return ARRAY;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case ',':
	case ':':
	case ']':
	case '}': return 0;
	default: w->in_word = true; return was_word ? 0 : NUMBER;
	}
}

void weigh_feed(struct weigh *w, const char *text, size_t n)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < n; i++) {
		if (!w->in_string) {
			bytes += outside(w, text[i]);
			continue;
		}
		bytes++;
		if (!w->escaped && text[i] == '"')
			w->in_string = false;
		w->escaped = !w->escaped && text[i] == '\\';
	}
	w->bytes += bytes;
}

uint64_t weigh_json(const json_t *v)
{
	uint64_t bytes;
	const char *key;
	json_t *e;
	size_t i;
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		bytes = OBJECT;
		json_object_foreach((json_t *)v, key, e) bytes += STRING + weigh_json(e);
		return bytes;
	case JSON_ARRAY:
		bytes = ARRAY;
		json_array_foreach((json_t *)v, i, e) bytes += weigh_json(e);
		return bytes;
	case JSON_STRING: return STRING + json_string_length(v);
	case JSON_INTEGER:
	case JSON_REAL: return NUMBER;
	default: return WORD;
	}
}
