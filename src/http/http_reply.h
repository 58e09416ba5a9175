/* http_reply.h: one answer on its way from a thread that makes it to a connection of the event loop. */
#ifndef KVIK_HTTP_HTTP_REPLY_H
#define KVIK_HTTP_HTTP_REPLY_H

#include <pthread.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "api/api.h"
#include "http/http_conn.h"

struct http_job;
struct http_reply;

/* What waits for the loop. */
struct http_outbox {
	pthread_mutex_t lock;
	struct http_reply *ready, **ready_end; /* under lock: have something to write */
	struct event *wake;                    /* of the loop; active when ready is not empty */
	struct http_reply *active;             /* loop only: all that have not ended */
	uint32_t n_active;
	/* Called in the loop when an answer is over, for the log. */
	void (*done)(void *ctx, struct http_reply *r);
	void *ctx;
	struct http_conns *conns; /* borrowed */
};
int http_outbox_init(struct http_outbox *o, struct event_base *base, struct kvik_err *err) MUST_CHECK;
void http_outbox_release(struct http_outbox *o);

struct http_reply {
	struct http_reply *prev, *next; /* of active */
	struct http_reply *next_ready;
	struct http_outbox *outbox;
	struct http_conn *conn;
	struct api_call *call; /* held; NULL: none was made */
	struct http_job *job;  /* that is to make the answer; NULL: none, or it has ended */
	bool is_ready;         /* under the outbox's lock, like the next five */
	bool ended;
	int status;
	uint32_t retry_s;
	char type[64];
	bool stream;
	struct evbuffer *pending;  /* under lock: body to be written */
	bool started;              /* loop: the head has been written */
	bool head_only;            /* the answer to HEAD: no body */
	struct buf fields;         /* more header fields, as they are sent; owned */
	char id[48];               /* the client's X-Request-Id where it is plain, else ours */
	char method[16], path[96]; /* for the log; plain */
	const char *who;           /* name of the key; NULL: none */
	uint32_t tenant;           /* of the key */
	uint64_t scope;
	struct api_account *account; /* of the key, held; NULL: no keys */
	bool sees_all;
	uint64_t start_ns, bytes;
};

/* The reply of conn, in o->active; NULL: no memory. */
struct http_reply *http_reply_new(struct http_outbox *o, struct http_conn *conn);
/* Adds a header field. name and value: of characters that may stand there. */
void http_reply_field(struct http_reply *r, const char *name, const char *value);
struct api_sink http_reply_sink(struct http_reply *r);
/* The client has gone: the call is aborted, *r is freed. */
void http_reply_gone(struct http_reply *r);

#endif
