/* call_scan.c: see call_scan.h. */
#include "chat/call_scan.h"
#include "chat/json_read.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

void scan_blanks(struct scan *s)
{
	while (s->at < s->n && is_blank(s->s[s->at]))
		s->at++;
}

enum call_read scan_expect(struct scan *s, const char *mark)
{
	size_t bytes = mark ? strlen(mark) : 0, left = s->n - s->at;
	if (left >= bytes && memcmp(s->s + s->at, mark ? mark : "", bytes) == 0) {
		s->at += bytes;
		return CALL_READ;
	}
	bool begins = left < bytes && memcmp(s->s + s->at, mark, left) == 0;
	return begins && !s->final ? CALL_MORE : CALL_NONE;
}

enum call_read scan_until(struct scan *s, const char *mark, const char **from, size_t *n)
{
	const char *here = s->s + s->at, *found = memmem(here, s->n - s->at, mark, strlen(mark));
	if (!found)
		return s->final ? CALL_NONE : CALL_MORE;
	*from = here;
	*n = (size_t)(found - here);
	s->at += *n + strlen(mark);
	return CALL_READ;
}

/* Where the value at `at` that begins with a bracket ends, by its brackets and strings alone; SIZE_MAX: not yet. */
static size_t json_end(const struct scan *s)
{
	size_t depth = 0;
	bool in_string = false;
	for (size_t i = s->at; i < s->n; i++) {
		char c = s->s[i];
		if (in_string && c == '\\') {
			i++;
		} else if (c == '"') {
			in_string = !in_string;
		} else if (!in_string && (c == '{' || c == '[')) {
			depth++;
		} else if (!in_string && (c == '}' || c == ']')) {
			if (--depth == 0)
				return i + 1;
		}
	}
	return SIZE_MAX;
}

enum call_read scan_json(struct scan *s, json_t **value)
{
	*value = NULL;
	if (s->at == s->n)
		return s->final ? CALL_NONE : CALL_MORE;
	if (s->s[s->at] != '{' && s->s[s->at] != '[')
		return CALL_NONE;
	size_t end = json_end(s);
	if (end == SIZE_MAX)
		return s->final ? CALL_NONE : CALL_MORE;
	*value = json_read(s->s + s->at, end - s->at, JSON_ALLOW_NUL, NULL);
	if (!*value)
		return CALL_NONE;
	s->at = end;
	return CALL_READ;
}
