/* http_accept.h: the socket that listens. How many connections may be open, and what happens when the process has no
 * descriptors left. Owner and thread: the event loop. */
#ifndef KVIK_HTTP_HTTP_ACCEPT_H
#define KVIK_HTTP_HTTP_ACCEPT_H

#include <event2/event.h>
#include <event2/listener.h>

#include "base/err.h"
#include "http/http_conn.h"

struct http_accept {
	uint32_t max;                    /* connections open at once; who comes then waits in the kernel's queue */
	struct http_conns *conns;        /* borrowed: where they go */
	struct evconnlistener *listener; /* NULL: none any more */
	struct event *again;             /* when to try again after descriptors ran out */
	bool paused;
	uint64_t failures, said_ns; /* failures since the log last said so */
};

/* a->max and a->conns are set. Errors: IO (the name, the address is in use), NOMEM. */
int http_accept_open(struct http_accept *a, struct event_base *base, const char *host, uint16_t port,
		     struct kvik_err *err) MUST_CHECK;
uint16_t http_accept_port(const struct http_accept *a);
/* Pauses or goes on by how many connections there are; a few times a second. */
void http_accept_check(struct http_accept *a);
void http_accept_close(struct http_accept *a); /* no more connections */

#endif
