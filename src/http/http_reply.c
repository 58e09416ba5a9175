/* http_reply.c: see http_reply.h.
 *
 * A reply is freed in the loop, once its `end` has come through and the call is released. When the client goes first,
 * the call is aborted: no sink function runs after that, so the reply can go at once. */
#include "http/http_reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/bufferevent.h>

#include "base/mem.h"
#include "base/os.h"

/* ---- The engine's side ------------------------------------------------------------------------------------------- */

/* Under the lock. */
static void make_ready(struct http_reply *r)
{
	struct http_outbox *o = r->outbox;
	if (r->is_ready)
		return;
	r->is_ready = true;
	r->next_ready = o->ready;
	o->ready = r;
	event_active(o->wake, EV_READ, 0);
}

static void sink_head(void *ctx, int status, const char *type, bool stream, uint32_t retry_s)
{
	struct http_reply *r = ctx;
	pthread_mutex_lock(&r->outbox->lock);
	r->has_head = true;
	r->status = status;
	r->stream = stream;
	r->retry_s = retry_s;
	snprintf(r->type, sizeof r->type, "%s", type);
	if (stream)
		make_ready(r);
	pthread_mutex_unlock(&r->outbox->lock);
}

static void sink_body(void *ctx, const char *text, size_t bytes)
{
	struct http_reply *r = ctx;
	pthread_mutex_lock(&r->outbox->lock);
	evbuffer_add(r->pending, text, bytes);
	if (r->stream)
		make_ready(r);
	pthread_mutex_unlock(&r->outbox->lock);
}

static void sink_end(void *ctx)
{
	struct http_reply *r = ctx;
	pthread_mutex_lock(&r->outbox->lock);
	r->ended = true;
	make_ready(r);
	pthread_mutex_unlock(&r->outbox->lock);
}

struct api_sink http_reply_sink(struct http_reply *r)
{
	return (struct api_sink){r, sink_head, sink_body, sink_end};
}

/* ---- The loop's side --------------------------------------------------------------------------------------------- */

/* Takes r off the ready list, if it is there. */
static void unready(struct http_reply *r)
{
	struct http_outbox *o = r->outbox;
	pthread_mutex_lock(&o->lock);
	for (struct http_reply **at = &o->ready; *at; at = &(*at)->next_ready)
		if (*at == r) {
			*at = r->next_ready;
			break;
		}
	r->is_ready = false;
	pthread_mutex_unlock(&o->lock);
}

/* Nobody writes to r any more. */
static void free_reply(struct http_reply *r)
{
	struct http_outbox *o = r->outbox;
	unready(r); /* what ended it may have come after it was taken off the list */
	o->done(o->ctx, r);
	if (r->prev)
		r->prev->next = r->next;
	else
		o->active = r->next;
	if (r->next)
		r->next->prev = r->prev;
	o->n_active--;
	api_call_release(r->call);
	evbuffer_free(r->pending);
	mem_free(r);
}

static void client_gone(struct http_reply *r)
{
	/* A request that libevent took off its failed connection is ours to free; else the connection frees it. */
	if (!evhttp_request_get_connection(r->req))
		evhttp_request_free(r->req);
	r->req = NULL;
	if (r->call)
		api_call_abort(r->call); /* after this the engine's thread does not touch r */
	r->status = 499;
	free_reply(r);
}

static void on_close(struct evhttp_connection *conn, void *ctx)
{
	(void)conn;
	client_gone(ctx);
}

struct http_reply *http_reply_new(struct http_outbox *o, struct evhttp_request *req)
{
	struct http_reply *r = mem_zalloc(1, sizeof *r);
	if (r)
		r->pending = evbuffer_new();
	if (!r || !r->pending) {
		mem_free(r);
		return NULL;
	}
	r->outbox = o;
	r->req = req;
	r->start_ns = os_clock_ns();
	r->next = o->active;
	if (r->next)
		r->next->prev = r;
	o->active = r;
	o->n_active++;
	evhttp_connection_set_closecb(evhttp_request_get_connection(req), on_close, r);
	return r;
}

static void set_headers(struct http_reply *r)
{
	struct evkeyvalq *h = evhttp_request_get_output_headers(r->req);
	char retry[16];
	evhttp_add_header(h, "Content-Type", r->type);
	evhttp_add_header(h, "X-Request-Id", r->id);
	if (r->stream)
		evhttp_add_header(h, "Cache-Control", "no-cache");
	if (r->retry_s) {
		snprintf(retry, sizeof retry, "%u", r->retry_s);
		evhttp_add_header(h, "Retry-After", retry);
	}
	if (r->status == 401)
		evhttp_add_header(h, "WWW-Authenticate", "Bearer");
}

static const char *reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 429: return "Too Many Requests";
	case 503: return "Service Unavailable";
	default: return "Error";
	}
}

/* Until the last byte of a stream has been added nothing is to happen when its output drains. Over TLS libevent calls
 * back some time after the output was empty, by when the end may have been added: it would then take an answer for sent
 * whose last bytes are not, and close the connection. Each evhttp_send_* sets its callback anew. */
static void ignore_drained(struct evhttp_request *req)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(evhttp_request_get_connection(req));
	bufferevent_data_cb on_read;
	bufferevent_event_cb on_event;
	void *ctx;
	bufferevent_getcb(bev, &on_read, NULL, &on_event, &ctx);
	bufferevent_setcb(bev, on_read, NULL, on_event, ctx);
}

/* Writes what has come; the answer may end here. */
static void write_reply(struct http_reply *r)
{
	struct evbuffer *body = evbuffer_new();
	pthread_mutex_lock(&r->outbox->lock);
	bool ended = r->ended;
	if (body)
		evbuffer_add_buffer(body, r->pending);
	pthread_mutex_unlock(&r->outbox->lock);
	struct evhttp_request *req = r->req;
	if (!body) {
		evhttp_connection_free(evhttp_request_get_connection(req)); /* no memory: calls on_close */
		return;
	}
	r->bytes += evbuffer_get_length(body);
	if (!r->started)
		set_headers(r);
	if (r->stream) {
		if (!r->started)
			evhttp_send_reply_start(req, r->status, reason(r->status));
		r->started = true;
		if (evbuffer_get_length(body) > 0)
			evhttp_send_reply_chunk(req, body);
		ignore_drained(req);
	}
	if (ended) {
		evhttp_connection_set_closecb(evhttp_request_get_connection(req), NULL, NULL);
		if (r->stream)
			evhttp_send_reply_end(req);
		else
			evhttp_send_reply(req, r->status, reason(r->status), body);
		free_reply(r);
	}
	evbuffer_free(body);
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
	struct http_outbox *o = ctx;
	(void)fd;
	(void)what;
	for (;;) {
		pthread_mutex_lock(&o->lock);
		struct http_reply *r = o->ready;
		if (r) {
			o->ready = r->next_ready;
			r->is_ready = false;
		}
		pthread_mutex_unlock(&o->lock);
		if (!r)
			return;
		write_reply(r);
	}
}

int http_outbox_init(struct http_outbox *o, struct event_base *base, struct kvik_err *err)
{
	*o = (struct http_outbox){.output_bytes_max = o->output_bytes_max, .done = o->done, .ctx = o->ctx};
	pthread_mutex_init(&o->lock, NULL);
	o->wake = event_new(base, -1, EV_READ | EV_PERSIST, on_wake, o);
	return o->wake ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the server");
}

void http_outbox_release(struct http_outbox *o)
{
	if (!o->wake)
		return;
	event_free(o->wake);
	pthread_mutex_destroy(&o->lock);
}

/* While an answer is being made nothing is read from its connection, so a close is only seen by asking. */
static bool has_gone(struct evhttp_request *req)
{
	char byte;
	evutil_socket_t fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp_request_get_connection(req)));
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

void http_outbox_check(struct http_outbox *o)
{
	for (struct http_reply *r = o->active, *next; r; r = next) {
		next = r->next;
		struct evhttp_connection *conn = evhttp_request_get_connection(r->req);
		size_t waiting = evbuffer_get_length(bufferevent_get_output(evhttp_connection_get_bufferevent(conn)));
		o->cut += waiting > o->output_bytes_max;
		if (has_gone(r->req) || waiting > o->output_bytes_max)
			evhttp_connection_free(conn); /* calls on_close */
	}
}
