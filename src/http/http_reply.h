/* http_reply.h: one answer on its way from the engine's thread to a connection of the event loop. */
#ifndef KVIK_HTTP_REPLY_H
#define KVIK_HTTP_REPLY_H

#include <pthread.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include "api/api.h"

struct http_reply;

/* What waits for the loop. */
struct http_outbox {
	pthread_mutex_t lock;
	struct http_reply *ready;  /* under lock: have something to write */
	struct event *wake;        /* of the loop; active when ready is not empty */
	struct http_reply *active; /* loop only: all that have not ended */
	uint32_t n_active;
	uint64_t output_bytes_max;
	uint64_t cut; /* clients that were cut off because they did not read */
	/* Called in the loop when an answer is over, for the log. */
	void (*done)(void *ctx, const struct http_reply *r);
	void *ctx;
};
int http_outbox_init(struct http_outbox *o, struct event_base *base, struct kvik_err *err) MUST_CHECK;
void http_outbox_release(struct http_outbox *o);
/* Cuts off clients that have gone or do not read; call it a few times a second. */
void http_outbox_check(struct http_outbox *o);

struct http_reply {
	struct http_reply *prev, *next; /* of active */
	struct http_reply *next_ready;
	struct http_outbox *outbox;
	struct evhttp_request *req; /* NULL: the client has gone */
	struct api_call *call;      /* held */
	bool is_ready;              /* under the outbox's lock, like the next four */
	bool has_head, ended;
	int status;
	uint32_t retry_s;
	char type[64];
	bool stream;
	struct evbuffer *pending; /* under lock: body to be written */
	bool started;             /* loop: the head has been sent */
	char id[48];              /* the client's X-Request-Id where it is plain, else ours */
	char path[96];
	const char *method, *who;
	uint64_t start_ns, bytes;
};

/* A reply to req, in o->active; NULL: no memory. */
struct http_reply *http_reply_new(struct http_outbox *o, struct evhttp_request *req);
struct api_sink http_reply_sink(struct http_reply *r);

#endif
