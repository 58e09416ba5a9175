/* http_conn.c: see http_conn.h.
 *
 *     READ_HEAD -> READ_BODY -> READ_DONE -> (answered) -> READ_HEAD ...
 *         |            |
 *         +------------+--> READ_STOP: refused, and the connection ends with the answer
 *
 * The end of a connection that we close: the output is taken, we say that nothing follows (shutdown), and drop what
 * still comes for a moment, because closing a socket with unread input would destroy the answer on its way.
 *
 * A client that closes its side may have gone or may still listen: TCP cannot say which. It is answered; while it waits
 * it is sent "100 Continue" now and then, which every HTTP/1.1 client reads over and to which the system of one that
 * has gone answers with a reset. */
#include "http/http_conn.h"

#include <sys/socket.h>

#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/os.h"

enum {
	READ_AHEAD = 16 << 10, /* bytes taken from a client while its request is served */
	BACKLOG_MAX =
		64 << 10,    /* bytes of answers not taken, beyond which no further request of a client is looked at */
	DROP_MAX = 64 << 10, /* bytes of a refused request's body that are read rather than to close the connection */
	LINGER_S = 2,
	PROBE_FIRST_S = 1,
	PROBE_S = 5
};

static const uint64_t second = UINT64_C(1000000000);

static struct evbuffer *input_of(const struct http_conn *c)
{
	return bufferevent_get_input(c->bev);
}

static size_t unread(const struct http_conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

/* ---- What is held ------------------------------------------------------------------------------------------------ */

void http_conn_count(struct http_conn *c)
{
	uint64_t now = c->head.text.cap + c->content.cap + c->weight.bytes + c->reply_bytes +
		       evbuffer_get_length(input_of(c)) + unread(c);
	c->conns->held += now - c->held;
	c->held = now;
	if (c->conns->held > c->conns->held_peak)
		c->conns->held_peak = c->conns->held;
}

/* Bytes by seconds: what holding them has cost so far. */
static double cost(const struct http_conn *c, uint64_t now_ns)
{
	uint64_t since_ns = unread(c) > 0 ? c->output_ns : c->since_ns;
	double age_s = since_ns ? (double)(now_ns - since_ns) / (double)second : 0;
	return (double)c->held * (age_s + 1);
}

static struct http_conn *worst(const struct http_conns *s)
{
	enum { GROUPS = 256 };
	uint64_t held[GROUPS] = {0}, now_ns = os_clock_ns();
	struct http_conn *found = NULL;
	uint32_t most = 0;
	for (struct http_conn *c = s->first; c; c = c->next)
		held[c->group % GROUPS] += c->held;
	for (uint32_t g = 1; g < GROUPS; g++)
		if (held[g] > held[most])
			most = g;
	for (struct http_conn *c = s->first; c; c = c->next)
		if (c->group % GROUPS == most && (!found || cost(c, now_ns) > cost(found, now_ns)))
			found = c;
	return found;
}

static void drop_content(struct http_conn *c)
{
	buf_release(&c->content);
	c->weight = (struct weigh){0};
}

static void stop_reading(struct http_conn *c)
{
	c->reading = READ_STOP;
	c->keep = false;
	c->since_ns = 0;
	drop_content(c);
	evbuffer_drain(input_of(c), evbuffer_get_length(input_of(c)));
	http_conn_count(c);
}

/* Everything was said: the client hears so. */
static void linger(struct http_conn *c)
{
	SSL *ssl = c->conns->tls ? bufferevent_openssl_get_ssl(c->bev) : NULL;
	if (c->lingers)
		return;
	if (ssl)
		SSL_shutdown(ssl);
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	c->lingers = true;
	c->last_ns = os_clock_ns();
}

/* The connection ends when its output was taken. */
static void begin_end(struct http_conn *c)
{
	c->ended = true;
	http_head_reset(&c->head);
	stop_reading(c);
	if (unread(c) == 0)
		linger(c);
}

static void refuse(struct http_conn *c, int status, const char *why)
{
	stop_reading(c);
	c->conns->handler.bad(c->conns->handler.ctx, c, status, why);
	if (!c->reply)
		begin_end(c);
}

/* The client's time or room is over: who has not been answered yet is told. */
static void cut(struct http_conn *c, int status, const char *why)
{
	bool is_reading = c->reading == READ_HEAD || (c->reading == READ_BODY && !c->drop);
	if (is_reading && c->since_ns) {
		c->conns->cut++;
		refuse(c, status, why);
	} else {
		http_conn_free(c, true);
	}
}

void http_conns_make_room(struct http_conns *s)
{
	while (s->held > s->held_max && s->first)
		cut(worst(s), 503,
		    "the server holds too many requests, and this one the most of it for the longest time");
}

/* ---- Reading ----------------------------------------------------------------------------------------------------- */

static void end_body(struct http_conn *c)
{
	c->reading = READ_DONE;
	if (!c->drop)
		c->conns->handler.whole(c->conns->handler.ctx, c);
	else if (!c->reply)
		http_conn_answered(c);
}

static void send_continue(struct http_conn *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct evbuffer *b = evbuffer_new();
	if (b && evbuffer_add(b, text, sizeof text - 1) == 0)
		http_conn_write(c, b);
	if (b)
		evbuffer_free(b);
}

/* The head is here. more: bytes of the body follow it already. */
static void end_head(struct http_conn *c, bool more)
{
	c->keep = c->head.keep_alive && !c->conns->closing;
	c->drop = false;
	c->reading = READ_BODY;
	c->conns->handler.head(c->conns->handler.ctx, c);
	if (!c->reply)
		begin_end(c);
	if (c->reading != READ_BODY)
		return;
	switch (http_body_begin(&c->body, &c->head, c->drop ? DROP_MAX : c->conns->body_bytes_max)) {
	case HTTP_DONE: end_body(c); break;
	case HTTP_BAD: refuse(c, c->body.status, c->body.why); break;
	case HTTP_MORE:
		if (c->head.expects && !more)
			send_continue(c);
	}
}

void http_conn_drop_body(struct http_conn *c)
{
	c->drop = true;
	if (c->head.expects || c->head.chunked || c->head.length > DROP_MAX)
		stop_reading(c);
}

/* No more room is taken than twice what came: a client that announces much and sends little holds little. */
static bool add_content(struct http_conn *c, const char *data, size_t n)
{
	enum { FIRST = 4096 };
	struct buf *to = &c->content;
	size_t need = to->n + n, cap = 2 * to->cap > FIRST ? 2 * to->cap : FIRST;
	if (!c->head.chunked && cap > c->head.length)
		cap = (size_t)c->head.length;
	if (need > to->cap) {
		char *grown = mem_realloc(to->data, need > cap ? need : cap, 1);
		if (!grown)
			return false;
		to->data = grown;
		to->cap = need > cap ? need : cap;
	}
	return buf_add(to, data, n);
}

static enum http_parsed bad_body(struct http_conn *c, int status, const char *why)
{
	c->body.status = status;
	c->body.why = why;
	return HTTP_BAD;
}

static enum http_parsed keep_content(struct http_conn *c, const char *data, size_t n)
{
	if (c->drop || n == 0)
		return HTTP_MORE;
	weigh_feed(&c->weight, data, n);
	if (c->weight.bytes + c->content.n + n > c->conns->request_bytes_max)
		return bad_body(c, 413,
				"the body would take too much memory once its JSON is parsed (--request-memory)");
	return add_content(c, data, n) ? HTTP_MORE : bad_body(c, 503, "out of memory");
}

static size_t take_body(struct http_conn *c, const char *bytes, size_t n)
{
	size_t used, got;
	const char *data;
	enum http_parsed rc = http_body_next(&c->body, bytes, n, &used, &data, &got);
	if (rc != HTTP_BAD && keep_content(c, data, got) == HTTP_BAD)
		rc = HTTP_BAD;
	if (rc == HTTP_BAD)
		refuse(c, c->body.status, c->body.why);
	else if (rc == HTTP_DONE)
		end_body(c);
	return used;
}

static size_t take_head(struct http_conn *c, const char *bytes, size_t n)
{
	size_t used;
	if (!c->since_ns)
		c->since_ns = os_clock_ns();
	switch (http_head_feed(&c->head, bytes, n, &used)) {
	case HTTP_DONE: end_head(c, used < n); break;
	case HTTP_BAD: refuse(c, c->head.status, c->head.why); break;
	case HTTP_MORE:
		if (c->head.text.n == 0) /* empty lines */
			c->since_ns = 0;
	}
	return used;
}

static bool wants_bytes(const struct http_conn *c)
{
	return c->reading == READ_HEAD ? !c->reply && unread(c) < BACKLOG_MAX : c->reading != READ_DONE;
}

/* Looks at what has come, until there is no more or a request is to be served first. */
static void advance(struct http_conn *c)
{
	struct evbuffer *in = input_of(c);
	struct evbuffer_iovec v;
	while (wants_bytes(c) && evbuffer_get_length(in) > 0 && evbuffer_peek(in, -1, NULL, &v, 1) > 0) {
		size_t used = v.iov_len;
		if (c->reading == READ_HEAD)
			used = take_head(c, v.iov_base, v.iov_len);
		else if (c->reading == READ_BODY)
			used = take_body(c, v.iov_base, v.iov_len);
		c->read_bytes += used;
		if (c->reading == READ_STOP) /* its input may have been dropped already */
			used = evbuffer_get_length(in);
		evbuffer_drain(in, used);
	}
	http_conn_count(c);
}

/* Nothing more will come, of a client that may still listen. */
static void end_input(struct http_conn *c)
{
	bool is_partial = (c->reading == READ_BODY && !c->drop) || (c->reading == READ_HEAD && c->since_ns);
	bool has_more = c->reading == READ_HEAD && evbuffer_get_length(input_of(c)) > 0; /* looked at later */
	if (is_partial)
		refuse(c, 400, "the request is incomplete");
	else if (c->reading == READ_BODY)
		stop_reading(c);
	else if (c->reading == READ_HEAD && !has_more && !c->reply)
		begin_end(c);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	struct http_conn *c = ctx;
	struct http_conns *s = c->conns;
	(void)bev;
	advance(c);
	if (c->eof)
		end_input(c);
	http_conns_make_room(s);
}

/* ---- Writing -------------------------------------------------------------------------------------------- */

static void on_write(struct bufferevent *bev, void *ctx)
{
	struct http_conn *c = ctx;
	http_conn_count(c);
	if (c->ended)
		begin_end(c);
	else if (c->reading == READ_HEAD && !c->reply && evbuffer_get_length(input_of(c)) > 0)
		bufferevent_trigger(bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

void http_conn_write(struct http_conn *c, struct evbuffer *bytes)
{
	if (unread(c) == 0) {
		c->output_ns = c->window_ns = os_clock_ns();
		c->output_bytes = 0;
	}
	c->output_bytes += evbuffer_get_length(bytes);
	bufferevent_write_buffer(c->bev, bytes);
	http_conn_count(c);
}

void http_conn_answered(struct http_conn *c)
{
	c->reply = NULL;
	c->reply_bytes = 0;
	c->streams = false;
	if (!c->keep) {
		begin_end(c);
		return;
	}
	if (c->reading != READ_DONE)
		return; /* the rest of its body is dropped first */
	http_head_reset(&c->head);
	drop_content(c);
	c->reading = READ_HEAD;
	c->since_ns = c->read_bytes = 0;
	c->last_ns = os_clock_ns();
	http_conn_count(c);
	/* Later: so that a client with many small requests at once does not keep the loop from the others. */
	if (c->eof || evbuffer_get_length(input_of(c)) > 0)
		bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS | BEV_TRIG_DEFER_CALLBACKS);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	struct http_conn *c = ctx;
	(void)bev;
	if (what & BEV_EVENT_CONNECTED)
		return;
	c->eof = true;
	c->probe_ns = os_clock_ns() + PROBE_FIRST_S * second;
	if (!(what & BEV_EVENT_EOF) || c->lingers || (!c->reply && !c->since_ns && unread(c) == 0))
		http_conn_free(c, false);
	else if (!c->ended)
		end_input(c);
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static struct bufferevent *new_bev(struct http_conns *s, evutil_socket_t fd)
{
	if (!s->tls)
		return bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	SSL *ssl = SSL_new(s->tls);
	struct bufferevent *bev =
		ssl ? bufferevent_openssl_socket_new(s->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
		    : NULL;
	if (ssl && !bev)
		SSL_free(ssl);
	if (bev)
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

void http_conns_add(struct http_conns *s, evutil_socket_t fd, uint32_t group)
{
	struct http_conn *c = mem_zalloc(1, sizeof *c);
	struct bufferevent *bev = c ? new_bev(s, fd) : NULL;
	if (!bev) {
		mem_free(c);
		evutil_closesocket(fd);
		return;
	}
	c->conns = s;
	c->bev = bev;
	c->group = group;
	c->head.bytes_max = s->head_bytes_max;
	c->last_ns = os_clock_ns();
	LIST_PUSH(s->first, c);
	s->n++;
	bufferevent_setcb(bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(bev, EV_READ, 0, READ_AHEAD);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

void http_conn_free(struct http_conn *c, bool is_cut)
{
	struct http_conns *s = c->conns;
	if (c->reply)
		s->handler.gone(s->handler.ctx, c);
	LIST_REMOVE(s->first, c);
	s->n--;
	s->cut += is_cut;
	s->held -= c->held;
	http_head_reset(&c->head);
	buf_release(&c->content);
	bufferevent_free(c->bev);
	mem_free(c);
}

void http_conns_release(struct http_conns *s)
{
	while (s->first)
		http_conn_free(s->first, false);
}

uint64_t http_conns_unsent(const struct http_conns *s)
{
	uint64_t bytes = 0;
	for (const struct http_conn *c = s->first; c; c = c->next)
		bytes += unread(c);
	return bytes;
}

/* ---- With time --------------------------------------------------------------------------------------------------- */

static bool is_late(const struct http_conns *s, uint64_t since_ns, uint64_t bytes, uint64_t now_ns)
{
	return now_ns > since_ns + (s->request_s + bytes / s->byte_rate) * second;
}

/* Has the client of an answer that is being made closed both its sides? */
static bool has_gone(struct http_conn *c, uint64_t now_ns)
{
	int failed = 0;
	socklen_t n = sizeof failed;
	if (getsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_ERROR, &failed, &n) == 0 && failed)
		return true;
	if (!c->head.old && !c->streams && now_ns > c->probe_ns) {
		send_continue(c);
		c->probe_ns = now_ns + PROBE_S * second;
	}
	return false;
}

/* Of an answer some bytes must be taken in each space of time; the kernel takes a first few megabytes at once, of which
 * one cannot say whether the client has read them. */
static bool reads_too_slowly(struct http_conn *c, uint64_t now_ns)
{
	const struct http_conns *s = c->conns;
	uint64_t left = unread(c), taken = c->output_bytes - left;
	if (left == 0 || c->streams)
		return left > s->output_bytes_max;
	if (now_ns < c->window_ns + s->request_s * second)
		return false;
	c->window_ns = now_ns;
	c->output_bytes = left;
	return taken < (uint64_t)s->request_s * s->byte_rate;
}

static void recount(struct http_conn *c)
{
	if (c->reply)
		c->reply_bytes = c->conns->handler.holds(c->conns->handler.ctx, c);
	http_conn_count(c);
}

static void check(struct http_conn *c, uint64_t now_ns)
{
	const struct http_conns *s = c->conns;
	bool is_reading = c->reading == READ_HEAD || c->reading == READ_BODY, is_idle = !c->reply && !c->since_ns;
	if (c->lingers ? c->eof || now_ns > c->last_ns + LINGER_S * second : c->eof && c->reply && has_gone(c, now_ns))
		http_conn_free(c, false);
	else if (is_reading && c->since_ns && is_late(s, c->since_ns, c->read_bytes, now_ns))
		cut(c, 408, "the request took too long to arrive");
	else if (reads_too_slowly(c, now_ns))
		http_conn_free(c, true);
	else if (is_idle && !c->lingers && unread(c) == 0 && now_ns > c->last_ns + s->idle_s * second)
		http_conn_free(c, false);
	else
		recount(c);
}

void http_conns_check(struct http_conns *s)
{
	uint64_t now_ns = os_clock_ns();
	for (struct http_conn *c = s->first, *next; c; c = next) {
		next = c->next;
		check(c, now_ns);
	}
	http_conns_make_room(s);
}
