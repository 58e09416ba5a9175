/* sse.c: see sse.h. Lines end with CR, LF or both; fields other than data are not kept. */
#include "http/sse.h"

#include <string.h>

/* A line without its end. */
static bool take_line(struct sse *s, sse_event_fn *on_event, void *user)
{
	const char *line = s->line.data;
	size_t n = s->line.n, name = 4;
	bool ok = true;
	if (n == 0 && s->has_data) {
		on_event(user, s->data.data, s->data.n);
		s->data.n = 0;
		s->has_data = false;
	} else if (n >= name && memcmp(line, "data", name) == 0 && (n == name || line[name] == ':')) {
		size_t skip = n > name ? name + 1 : name;
		skip += n > skip && line[skip] == ' ';
		ok = (!s->has_data || buf_add_text(&s->data, "\n", 1)) && buf_add_text(&s->data, line + skip, n - skip);
		s->has_data = true;
	}
	s->line.n = 0;
	return ok && s->data.n <= SSE_EVENT_MAX;
}

bool sse_feed(struct sse *s, const char *bytes, size_t n, sse_event_fn *on_event, void *user)
{
	for (size_t at = 0; at < n;) {
		if (s->after_cr && bytes[at] == '\n') {
			s->after_cr = false;
			at++;
			continue;
		}
		s->after_cr = false;
		size_t end = at;
		while (end < n && bytes[end] != '\n' && bytes[end] != '\r')
			end++;
		if (s->line.n + (end - at) > SSE_EVENT_MAX || !buf_add_text(&s->line, bytes + at, end - at))
			return false;
		if (end == n)
			return true;
		s->after_cr = bytes[end] == '\r';
		if (!take_line(s, on_event, user))
			return false;
		at = end + 1;
	}
	return true;
}

void sse_release(struct sse *s)
{
	buf_release(&s->line);
	buf_release(&s->data);
}
