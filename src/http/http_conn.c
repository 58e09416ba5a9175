/* http_conn.c: see http_conn.h.
 *
 * libevent's server neither tells of new bytes nor of closed connections. The bytes are seen by a callback on the input
 * buffer. Of a connection's end its bufferevent tells: the server takes its own callbacks off when it frees it. The
 * reference held here keeps the memory and the number of the socket until that is noticed; the client was told at once
 * (shutdown). */
#include "http/http_conn.h"

#include <stdio.h>
#include <sys/socket.h>

#include <event2/buffer.h>

#include "base/mem.h"
#include "base/os.h"

struct http_conn {
	struct http_conn *prev, *next;
	struct http_conns *conns;
	struct bufferevent *bev; /* held */
	uint64_t since_ns;       /* first byte of the request that is being read; 0: none is */
	uint64_t bytes;          /* of it */
};

static void unlink_conn(struct http_conns *c, struct http_conn *k)
{
	*(k->prev ? &k->prev->next : &c->first) = k->next;
	*(k->next ? &k->next->prev : &c->last) = k->prev;
}

static void link_first(struct http_conns *c, struct http_conn *k)
{
	k->prev = NULL;
	k->next = c->first;
	*(k->next ? &k->next->prev : &c->last) = k;
	c->first = k;
}

static void pause_listener(struct http_conns *c, bool pause)
{
	if (c->paused != pause && c->listener)
		(void)(pause ? evconnlistener_disable(c->listener) : evconnlistener_enable(c->listener));
	c->paused = pause;
}

static void stop_reading(struct http_conn *k)
{
	k->conns->bytes -= k->bytes;
	k->bytes = k->since_ns = 0;
}

/* The server sees the end of the stream and frees the connection. */
static void cut(struct http_conn *k, const char *status)
{
	char text[128];
	evutil_socket_t fd = bufferevent_getfd(k->bev);
	int n = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status);
	if (!k->conns->tls) /* as much as the kernel takes */
		(void)!send(fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_RDWR);
	k->conns->cut++;
	stop_reading(k);
}

static void on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *ctx)
{
	struct http_conn *k = ctx;
	struct http_conns *c = k->conns;
	(void)in;
	if (info->n_added == 0)
		return;
	if (!k->since_ns)
		k->since_ns = os_clock_ns();
	k->bytes += info->n_added;
	c->bytes += info->n_added;
	if (k != c->first) {
		unlink_conn(c, k);
		link_first(c, k);
	}
	if (c->bytes > c->bytes_max)
		cut(k, "503 Service Unavailable");
}

int http_conns_add(struct http_conns *c, struct bufferevent *bev)
{
	struct http_conn *k = mem_zalloc(1, sizeof *k);
	if (!k || !evbuffer_add_cb(bufferevent_get_input(bev), on_input, k)) {
		mem_free(k);
		return KVIK_ERR_NOMEM;
	}
	k->conns = c;
	k->bev = bev;
	bufferevent_incref(bev);
	link_first(c, k);
	pause_listener(c, ++c->n >= c->max);
	return 0;
}

void http_conns_got_request(struct http_conns *c, const struct bufferevent *bev)
{
	struct http_conn *k = c->first; /* its last byte has just come */
	while (k && k->bev != bev)
		k = k->next;
	if (k)
		stop_reading(k);
}

static void drop(struct http_conns *c, struct http_conn *k)
{
	stop_reading(k);
	unlink_conn(c, k);
	bufferevent_decref(k->bev);
	mem_free(k);
	c->n--;
}

static bool is_freed(struct http_conn *k)
{
	bufferevent_event_cb on_event;
	bufferevent_getcb(k->bev, NULL, NULL, &on_event, NULL);
	return !on_event;
}

static bool is_slow(const struct http_conns *c, const struct http_conn *k, uint64_t now_ns)
{
	return k->since_ns && now_ns - k->since_ns > (c->request_s + k->bytes / c->byte_rate) * 1000000000;
}

void http_conns_check(struct http_conns *c)
{
	uint64_t now_ns = os_clock_ns();
	for (struct http_conn *k = c->first, *next; k; k = next) {
		next = k->next;
		if (is_freed(k))
			drop(c, k);
		else if (is_slow(c, k, now_ns))
			cut(k, "408 Request Timeout");
	}
	pause_listener(c, c->n >= c->max);
}

uint64_t http_conns_unsent(const struct http_conns *c)
{
	uint64_t bytes = 0;
	for (struct http_conn *k = c->first; k; k = k->next)
		bytes += is_freed(k) ? 0 : evbuffer_get_length(bufferevent_get_output(k->bev));
	return bytes;
}

void http_conns_release(struct http_conns *c)
{
	while (c->first)
		drop(c, c->first);
}
