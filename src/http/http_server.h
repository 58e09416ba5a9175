/* http_server.h: the server's parts, for http.c, which puts them together, and http_request.c, which serves. */
#ifndef KVIK_HTTP_HTTP_SERVER_H
#define KVIK_HTTP_HTTP_SERVER_H

#include <stdatomic.h>

#include "http/http.h"
#include "http/http_accept.h"
#include "http/http_conn.h"
#include "http/http_keys.h"
#include "http/http_metrics.h"
#include "http/http_reply.h"
#include "http/http_work.h"

struct http {
	struct http_config config;
	struct kvik_engine *engine;
	struct api *api;
	struct event_base *base;
	SSL_CTX *tls;
	struct http_accept accept;
	struct http_conns conns;
	struct http_outbox outbox;
	struct http_work *work;
	struct http_keys keys;
	struct event *signals[3], *tick;
	uint64_t next_id;
	uint64_t orphaned; /* bytes of jobs whose clients have gone while a thread worked on them */
	struct http_figures figures;
	pthread_t drainer;
	bool stopping, drainer_started;
	atomic_bool drained;
	uint64_t drained_ns; /* when the loop saw it; 0: not yet */
};

/* What is done with requests; ctx is the struct http. */
struct http_handler http_request_handler(struct http *h);
/* An answer is over: it is counted and logged. */
void http_request_done(struct http *h, struct http_reply *r);
/* The job of a request has ended. */
void http_request_worked(void *ctx, struct http_job *job);

#endif
