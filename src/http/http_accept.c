/* http_accept.c: see http_accept.h. */
#include "http/http_accept.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/hash.h"
#include "base/os.h"
#include "http/http_log.h"

static const struct timeval a_second = {1, 0};

static void pause_listener(struct http_accept *a, bool pause)
{
	if (a->paused != pause && a->listener)
		(void)(pause ? evconnlistener_disable(a->listener) : evconnlistener_enable(a->listener));
	a->paused = pause;
}

void http_accept_check(struct http_accept *a)
{
	if (a->listener && !evtimer_pending(a->again, NULL))
		pause_listener(a, a->conns->n >= a->max);
}

/* Clients of one address are one group. */
static uint32_t group_of(const struct sockaddr *from)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;
	if (from->sa_family == AF_INET)
		return (uint32_t)hash_bytes(&v4->sin_addr, sizeof v4->sin_addr);
	return from->sa_family == AF_INET6 ? (uint32_t)hash_bytes(&v6->sin6_addr, sizeof v6->sin6_addr) : 0;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int n, void *ctx)
{
	struct http_accept *a = ctx;
	(void)l;
	(void)n;
	http_conns_add(a->conns, fd, group_of(from));
	http_accept_check(a);
}

/* Descriptors or memory ran out. The listening socket stays readable, so that trying on at once would be a loop that
 * never sleeps: the next try is in a second, and the log says so once a second. */
static void on_failure(struct evconnlistener *l, void *ctx)
{
	struct http_accept *a = ctx;
	int failed = EVUTIL_SOCKET_ERROR();
	(void)l;
	a->failures++;
	pause_listener(a, true);
	evtimer_add(a->again, &a_second);
	if (os_clock_ns() - a->said_ns < UINT64_C(1000000000))
		return;
	http_log_event("accept", "no more connections for now: %s; %u are open (ulimit -n)", strerror(failed),
		       a->conns->n);
	a->said_ns = os_clock_ns();
}

static void on_again(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	http_accept_check(ctx);
}

static struct evconnlistener *listen_on(struct http_accept *a, struct event_base *base, const struct addrinfo *at)
{
	enum { BACKLOG = 4096 };
	struct evconnlistener *l = evconnlistener_new_bind(
		base, on_accept, a, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG,
		at->ai_addr, (int)at->ai_addrlen);
	if (!l)
		return NULL;
	/* Connections inherit it: a token is not held back until the one before is acknowledged. */
	(void)setsockopt(evconnlistener_get_fd(l), IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	evconnlistener_set_error_cb(l, on_failure);
	return l;
}

int http_accept_open(struct http_accept *a, struct event_base *base, const char *host, uint16_t port,
		     struct kvik_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
	char service[8];
	a->again = evtimer_new(base, on_again, a);
	if (!a->again)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the server");
	snprintf(service, sizeof service, "%u", port);
	int bad = getaddrinfo(host, service, &hints, &found);
	if (bad)
		return err_set(err, KVIK_ERR_IO, "cannot listen on %s: %s", host, gai_strerror(bad));
	for (const struct addrinfo *at = found; at && !a->listener; at = at->ai_next)
		a->listener = listen_on(a, base, at);
	int failed = errno;
	freeaddrinfo(found);
	return a->listener ? 0
			   : err_set(err, KVIK_ERR_IO, "cannot listen on %s port %u: %s; choose another with --port",
				     host, port, strerror(failed));
}

uint16_t http_accept_port(const struct http_accept *a)
{
	struct sockaddr_storage s;
	socklen_t n = sizeof s;
	char port[16];
	unsigned p = 0;
	if (a->listener && getsockname(evconnlistener_get_fd(a->listener), (struct sockaddr *)&s, &n) == 0 &&
	    getnameinfo((struct sockaddr *)&s, n, NULL, 0, port, sizeof port, NI_NUMERICSERV) == 0)
		sscanf(port, "%u", &p);
	return (uint16_t)p;
}

void http_accept_close(struct http_accept *a)
{
	if (a->again)
		event_free(a->again);
	if (a->listener)
		evconnlistener_free(a->listener);
	a->again = NULL;
	a->listener = NULL;
}
