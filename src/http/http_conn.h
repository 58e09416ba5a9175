/* http_conn.h: the connections of the server, watched: how many there may be, and how long a client may take to say
 * what it wants. libevent's HTTP server has no such limits of its own but a time without any byte.
 *
 * Owner: the event loop. */
#ifndef KVIK_HTTP_CONN_H
#define KVIK_HTTP_CONN_H

#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/err.h"

struct http_conn;

struct http_conns {
	uint32_t max;                    /* open at once; who comes then waits in the kernel's queue */
	uint32_t request_s;              /* a request, header and body, must be here so long after its first byte ... */
	uint32_t byte_rate;              /* ... plus a second for each so many bytes of it */
	uint64_t bytes_max;              /* of requests that are being read, all connections together */
	bool tls;                        /* then nothing is said in plain text before a connection is cut */
	struct evconnlistener *listener; /* borrowed */
	struct http_conn *first, *last;  /* the one that sent the last byte first */
	uint32_t n;
	uint64_t bytes; /* of requests that are being read */
	uint64_t cut;   /* connections closed for being too slow or too large */
	bool paused;    /* no more are accepted for now */
};

/* bev is about to get a socket; *c watches it until it is freed. NOMEM. */
int http_conns_add(struct http_conns *c, struct bufferevent *bev) MUST_CHECK;
/* The request that bev was reading is complete. */
void http_conns_got_request(struct http_conns *c, const struct bufferevent *bev);
/* Forgets closed connections and closes slow ones; a few times a second. */
void http_conns_check(struct http_conns *c);
/* Bytes that clients have still to take, all connections together. */
uint64_t http_conns_unsent(const struct http_conns *c);
void http_conns_release(struct http_conns *c); /* after the server that uses the connections is freed */

#endif
