/* http_conn.h: connections: bytes come in and requests come out, answers go in and bytes go out. How many there may be,
 * how long a client may take to say what it wants and to read what it gets, and how much memory all may hold.
 *
 * One request of a connection is served at a time; what a client sends meanwhile waits in the connection's input.
 * Owner and thread: the event loop. */
#ifndef KVIK_HTTP_HTTP_CONN_H
#define KVIK_HTTP_HTTP_CONN_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <openssl/ssl.h>

#include "api/weigh.h"
#include "http/http_body.h"

struct http_conn;
struct http_reply;

/* Who serves. */
struct http_handler {
	void *ctx;
	/* A head has come (c->head): makes c->reply. It may answer at once, with http_conn_drop_body, before any of the
	 * body is kept. */
	void (*head)(void *ctx, struct http_conn *c);
	/* The request is complete: c->content is its body. */
	void (*whole)(void *ctx, struct http_conn *c);
	/* What came, or how it came, is no request that can be served: to be answered with this; nothing more is
	 * read. */
	void (*bad)(void *ctx, struct http_conn *c, int status, const char *why);
	/* The client of c->reply has gone. */
	void (*gone)(void *ctx, struct http_conn *c);
	/* Bytes that c->reply holds. */
	uint64_t (*holds)(void *ctx, const struct http_conn *c);
};

struct http_conns {
	struct http_handler handler;
	uint32_t idle_s;           /* silence between two requests */
	uint32_t request_s;        /* a request must be here so long after its first byte, and an answer be taken ... */
	uint32_t byte_rate;        /* ... plus a second for each so many bytes of it */
	uint32_t head_bytes_max;   /* of a request's head */
	uint64_t body_bytes_max;   /* of a request's body */
	uint64_t output_bytes_max; /* of a stream that its client does not read */
	uint64_t request_bytes_max; /* of a request's body together with what it becomes once it is parsed */
	uint64_t held_max;          /* bytes of all requests and answers together */
	struct event_base *base;    /* borrowed */
	SSL_CTX *tls;               /* borrowed; NULL: plain */
	bool closing;               /* no connection goes on after its answer */

	struct http_conn *first;
	uint32_t n;
	uint64_t held; /* bytes of requests and answers, now */
	uint64_t held_peak;
	uint64_t cut; /* connections closed for what their clients did: too slow, too much, not read */
};

struct http_conn {
	struct http_conn *prev, *next;
	struct http_conns *conns;
	struct bufferevent *bev;
	struct http_reply *reply; /* being made; NULL: none */
	enum {
		READ_HEAD,
		READ_BODY,
		READ_DONE, /* the request is here, its answer is not */
		READ_STOP  /* what comes is dropped */
	} reading;
	struct http_head head; /* of the request that is being read or served */
	struct http_body body;
	struct buf content;    /* body so far */
	struct weigh weight;   /* of its JSON */
	bool drop;             /* the body is read and not kept: the request was answered already */
	bool keep;             /* another request may follow */
	bool streams;          /* the answer is a stream */
	bool ended;            /* the last byte of the last answer was added */
	bool eof;              /* the client says nothing more; it may still listen */
	bool lingers;          /* we say nothing more */
	uint32_t group;        /* whose it is: a hash of the client's address, or its key */
	uint64_t since_ns;     /* first byte of the request; 0: none has begun */
	uint64_t last_ns;      /* when the connection fell silent, or the client or we said the last word */
	uint64_t probe_ns;     /* when a client that says nothing more is asked whether it is there */
	uint64_t read_bytes;   /* of the request */
	uint64_t output_ns;    /* since when there is output that has not been taken */
	uint64_t window_ns;    /* when it was last looked at how much of it is taken, */
	uint64_t output_bytes; /* what there was then, and was added since */
	uint64_t reply_bytes;  /* that c->reply holds */
	uint64_t held;
};

/* Takes fd. group: see above. Without memory the connection is closed. */
void http_conns_add(struct http_conns *s, evutil_socket_t fd, uint32_t group);
/* What happens with time; a few times a second. */
void http_conns_check(struct http_conns *s);
/* Cuts connections until all together hold no more than they may: of the group that holds most, who holds most for the
 * longest time. Not while a connection is in hand. */
void http_conns_make_room(struct http_conns *s);
/* Bytes that clients have still to take, all connections together. */
uint64_t http_conns_unsent(const struct http_conns *s);
/* Closes all. */
void http_conns_release(struct http_conns *s);

/* The request was answered before its body was read: the body is dropped; if that is too much the connection ends. */
void http_conn_drop_body(struct http_conn *c);
/* Moves bytes into the output. */
void http_conn_write(struct http_conn *c, struct evbuffer *bytes);
/* The answer's last byte was written: c->reply is no more. */
void http_conn_answered(struct http_conn *c);
/* Counts anew what c holds. */
void http_conn_count(struct http_conn *c);
/* Closes it without another word. cut: it is the client's fault. */
void http_conn_free(struct http_conn *c, bool cut);

#endif
