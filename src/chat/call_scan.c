/* call_scan.c: see call_scan.h. */
#include "chat/call_scan.h"

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
