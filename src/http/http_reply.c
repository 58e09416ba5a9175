/* http_reply.c: see http_reply.h.
 *
 * A reply is freed in the loop, once its `end` has come through and the call is released. When the client goes first,
 * the call is aborted: no sink function runs after that, so the reply can go at once. */
#include "http/http_reply.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/os.h"

/* ---- The side of who answers ------------------------------------------------------------------------------------- */

/* Under the lock. */
static void make_ready(struct http_reply *r)
{
	struct http_outbox *o = r->outbox;
	if (r->is_ready)
		return;
	r->is_ready = true;
	r->next_ready = NULL;
	*o->ready_end = r;
	o->ready_end = &r->next_ready;
	event_active(o->wake, EV_READ, 0);
}

static void sink_head(void *ctx, int status, const char *type, bool stream, uint32_t retry_s)
{
	struct http_reply *r = ctx;
	pthread_mutex_lock(&r->outbox->lock);
	r->status = status;
	r->stream = stream;
	r->retry_s = retry_s;
	snprintf(r->type, sizeof r->type, "%s", type);
	if (stream)
		make_ready(r);
	pthread_mutex_unlock(&r->outbox->lock);
}

/* Many megabytes are copied before the lock is taken, for which the loop and all other answers wait. */
static void sink_body(void *ctx, const char *text, size_t bytes)
{
	enum { SMALL = 16 << 10 };
	struct http_reply *r = ctx;
	struct evbuffer *large = bytes > SMALL ? evbuffer_new() : NULL;
	if (large)
		evbuffer_add(large, text, bytes);
	pthread_mutex_lock(&r->outbox->lock);
	if (large)
		evbuffer_add_buffer(r->pending, large);
	else
		evbuffer_add(r->pending, text, bytes);
	if (r->stream)
		make_ready(r);
	pthread_mutex_unlock(&r->outbox->lock);
	if (large)
		evbuffer_free(large);
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
	for (struct http_reply **at = &o->ready; r->is_ready && *at; at = &(*at)->next_ready) {
		if (*at != r)
			continue;
		*at = r->next_ready;
		if (!*at)
			o->ready_end = at;
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
	LIST_REMOVE(o->active, r);
	o->n_active--;
	api_call_release(r->call);
	api_account_release(r->account);
	evbuffer_free(r->pending);
	buf_release(&r->fields);
	mem_free(r);
}

void http_reply_gone(struct http_reply *r)
{
	if (r->call)
		api_call_abort(r->call); /* after this nobody else touches r */
	r->status = 499;
	free_reply(r);
}

struct http_reply *http_reply_new(struct http_outbox *o, struct http_conn *conn)
{
	struct http_reply *r = mem_zalloc(1, sizeof *r);
	if (r)
		r->pending = evbuffer_new();
	if (!r || !r->pending) {
		mem_free(r);
		return NULL;
	}
	r->outbox = o;
	r->conn = conn;
	r->start_ns = os_clock_ns();
	LIST_PUSH(o->active, r);
	o->n_active++;
	conn->reply = r;
	return r;
}

void http_reply_field(struct http_reply *r, const char *name, const char *value)
{
	size_t n = strlen(name) + strlen(value) + 4;
	if (!buf_reserve(&r->fields, n + 1))
		return; /* a field less */
	snprintf(r->fields.data + r->fields.n, n + 1, "%s: %s\r\n", name, value);
	r->fields.n += n;
}

static const char *reason(int status)
{
	switch (status) {
	case 200: return "OK";
	case 204: return "No Content";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 417: return "Expectation Failed";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	case 505: return "HTTP Version Not Supported";
	default: return "Error";
	}
}

static void print_date(struct evbuffer *out)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = time(NULL);
	struct tm t;
	gmtime_r(&now, &t);
	evbuffer_add_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[t.tm_wday], t.tm_mday,
			    months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/* How the body ends: by its length, by a last chunk, or, for HTTP/1.0, with the connection. */
static void print_framing(struct http_reply *r, struct evbuffer *out, size_t body_bytes)
{
	struct http_conn *c = r->conn;
	bool bare = r->stream && c->head.old;
	if (bare || c->conns->closing)
		c->keep = false;
	if (r->stream && !bare)
		evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n");
	else if (!r->stream && r->status != 204)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", body_bytes);
	if (!c->keep)
		evbuffer_add_printf(out, "Connection: close\r\n");
	else if (c->head.old)
		evbuffer_add_printf(out, "Connection: keep-alive\r\n");
}

static void print_head(struct http_reply *r, struct evbuffer *out, size_t body_bytes)
{
	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", r->status, reason(r->status));
	print_date(out);
	if (r->status != 204)
		evbuffer_add_printf(out, "Content-Type: %s\r\n", r->type);
	evbuffer_add_printf(out, "X-Request-Id: %s\r\n", r->id);
	if (r->stream)
		evbuffer_add_printf(out, "Cache-Control: no-cache\r\n");
	if (r->retry_s)
		evbuffer_add_printf(out, "Retry-After: %u\r\n", r->retry_s);
	if (r->status == 401)
		evbuffer_add_printf(out, "WWW-Authenticate: Bearer\r\n");
	evbuffer_add(out, r->fields.data, r->fields.n);
	print_framing(r, out, body_bytes);
	evbuffer_add(out, "\r\n", 2);
}

static void print_body(const struct http_reply *r, struct evbuffer *out, struct evbuffer *body, bool ended)
{
	size_t n = evbuffer_get_length(body);
	bool chunked = r->stream && !r->conn->head.old;
	if (r->head_only)
		return;
	if (chunked && n > 0)
		evbuffer_add_printf(out, "%zx\r\n", n);
	evbuffer_add_buffer(out, body);
	if (chunked && n > 0)
		evbuffer_add(out, "\r\n", 2);
	if (chunked && ended)
		evbuffer_add(out, "0\r\n\r\n", 5);
}

/* Writes what has come; the answer may end here. */
static void write_reply(struct http_reply *r, struct evbuffer *out, struct evbuffer *body)
{
	struct http_conn *c = r->conn;
	pthread_mutex_lock(&r->outbox->lock);
	bool ended = r->ended;
	evbuffer_add_buffer(body, r->pending);
	pthread_mutex_unlock(&r->outbox->lock);
	if (!r->stream && !ended)
		return;
	r->bytes += evbuffer_get_length(body);
	if (!r->started)
		print_head(r, out, evbuffer_get_length(body));
	r->started = true;
	c->streams = r->stream;
	print_body(r, out, body, ended);
	http_conn_write(c, out);
	if (ended) {
		free_reply(r);
		http_conn_answered(c);
	}
}

static struct http_reply *take_ready(struct http_outbox *o)
{
	pthread_mutex_lock(&o->lock);
	struct http_reply *r = o->ready;
	if (r) {
		o->ready = r->next_ready;
		if (!o->ready)
			o->ready_end = &o->ready;
		r->is_ready = false;
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
	enum { AT_ONCE = 256 }; /* then the loop looks at its sockets */
	struct http_outbox *o = ctx;
	struct http_reply *r = NULL;
	(void)fd;
	(void)what;
	for (int i = 0; i < AT_ONCE && (r = take_ready(o)); i++) {
		struct evbuffer *out = evbuffer_new(), *body = evbuffer_new();
		if (out && body)
			write_reply(r, out, body);
		else
			http_conn_free(r->conn, false); /* no memory */
		if (out)
			evbuffer_free(out);
		if (body)
			evbuffer_free(body);
	}
	if (r)
		event_active(o->wake, EV_READ, 0);
	http_conns_make_room(o->conns);
}

int http_outbox_init(struct http_outbox *o, struct event_base *base, struct kvik_err *err)
{
	pthread_mutex_init(&o->lock, NULL);
	o->ready_end = &o->ready;
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
