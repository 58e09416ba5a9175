/* sse.h: the data of server-sent events (WHATWG HTML, 9.2) out of bytes that arrive in any pieces. Owner: one
 * thread. */
#ifndef KVIK_HTTP_SSE_H
#define KVIK_HTTP_SSE_H

#include "base/buf.h"

#define SSE_EVENT_MAX ((size_t)4 << 20) /* bytes of one event's data; more of it is an error */

/* Zeroed = at the beginning of a stream. */
struct sse {
	struct buf line, data;
	bool has_data, after_cr;
};

/* data: [n] and a NUL; of one event, its lines joined by line feeds. */
typedef void sse_event_fn(void *user, const char *data, size_t n);

/* Calls on_event for each event that has become whole. false: an event is too long, or there is no memory. */
bool sse_feed(struct sse *s, const char *bytes, size_t n, sse_event_fn *on_event, void *user);
void sse_release(struct sse *s);

#endif
