/* http.h: the server: sockets, TLS, keys, logs and figures around src/api. One event loop in the thread of http_run.
 *
 * Answers come from the engine's consumer thread and are handed to the loop through a queue (http_reply.c). */
#ifndef KVIK_HTTP_HTTP_H
#define KVIK_HTTP_HTTP_H

#include <kvik.h>

#include "api/api.h"

struct http_config {
	const char *host;               /* "127.0.0.1", "::1", "0.0.0.0" */
	uint16_t port;                  /* 0: any free one */
	const char *operator_name;      /* the keys of this name see the figures of all; NULL: none does */
	const char *keys_path;          /* NULL: everybody may ask; see http_keys.h for the format */
	uint32_t tenants;               /* of the engine: keys beyond share the last one */
	const char *tls_cert, *tls_key; /* PEM files; both or neither */
	const char *cors_origin;        /* NULL: no cross-origin requests; "*": from anywhere */
	uint64_t body_bytes_max;        /* of a request */
	uint64_t request_memory; /* bytes that all requests and answers hold together, one at most a quarter of it;
				    0: 8 times body_bytes_max, at least 64 MiB */
	uint32_t header_bytes_max;
	uint32_t connections_max; /* more wait until one is closed; bounded by the files that the process may open */
	uint32_t idle_s;          /* a connection on which nothing happens for so long is closed */
	uint32_t request_s; /* a request must be here so long after its first byte, and a second per 16 KiB; so must
			       an answer be taken */
	uint64_t output_bytes_max; /* of a stream, waiting for a client that does not read: then it is cut off */
	uint32_t grace_s;          /* of a shutdown */
	bool log_requests;
};
struct http_config http_config_default(void);

struct http;
/* Binds and listens. Errors: IO (the address is in use, a file cannot be read), FORMAT (keys), NOMEM. */
int http_new(struct http **out, const struct http_config *c, struct kvik_engine *engine, struct api *api,
	     struct kvik_err *err) MUST_CHECK;
uint16_t http_port(const struct http *h);
/* Serves until SIGTERM or SIGINT: then running answers get the grace period. SIGHUP reads the keys again. */
int http_run(struct http *h, struct kvik_err *err) MUST_CHECK;
void http_free(struct http *h);

#endif
