/* http_client.h: an HTTP/1.1 client for measuring servers: any number of exchanges at once in one event loop, bodies
 * handed on as they arrive. Each exchange has a connection of its own.
 *
 * Owner and thread: whoever runs the loop. */
#ifndef KVIK_HTTP_HTTP_CLIENT_H
#define KVIK_HTTP_HTTP_CLIENT_H

#include "base/err.h"

struct event_base;
struct http_client;
struct http_exchange;

struct http_client_config {
	/* "http://host:port" or https, with an optional path that all paths follow; a "/v1" at its end is left out */
	const char *url;
	const char *key;    /* sent as "Authorization: Bearer KEY"; NULL = none */
	const char *ca;     /* PEM file of who may vouch for the server; NULL: the system's */
	uint32_t timeout_s; /* of silence */
};

/* Resolves the name. Errors: ARG (the URL), IO (the name), NOMEM. */
int http_client_new(struct http_client **out, struct event_base *base, const struct http_client_config *c,
		    struct kvik_err *err) MUST_CHECK;
void http_client_free(struct http_client *c); /* exchanges under way are dropped without a call */

/* Who is told; body any number of times, then end once. Neither is called from http_client_send itself. */
struct http_listener {
	void *ctx;
	void (*body)(void *ctx, int status, const char *bytes, size_t n);
	void (*end)(void *ctx, int status, const char *failure); /* failure: what went wrong; NULL: a whole answer */
};

/* body: NULL for GET; copied. *out: valid until end is called. Errors: NOMEM, IO. */
int http_client_send(struct http_client *c, const char *path, const char *body, size_t n,
		     const struct http_listener *to, struct http_exchange **out, struct kvik_err *err) MUST_CHECK;
/* Gives an exchange up: its listener hears no more. Not from inside body. */
void http_exchange_drop(struct http_exchange *x);

#endif
