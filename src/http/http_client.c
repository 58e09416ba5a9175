/* http_client.c: the client over evhttp.
 *
 * An exchange is in the client's list from http_client_send until evhttp has called back for the last time; its
 * connection frees itself then. */
#include "http/http_client.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/ssl.h>

#include "base/list.h"
#include "base/mem.h"

struct http_exchange {
	struct http_exchange *prev, *next;
	struct http_client *client;
	struct evhttp_connection *connection; /* NULL: over */
	struct event *tell;                   /* calls the listener's end, from the loop */
	struct http_listener to;
	const char *failure; /* static; NULL = none so far */
	int status;          /* 0: no answer yet */
};

struct http_client {
	struct event_base *base; /* borrowed */
	char *host, *path;       /* as in the URL; path without a slash at its end */
	char address[64];        /* numeric */
	char *authorization;     /* header's value; NULL = none */
	uint16_t port;
	int timeout_s;
	SSL_CTX *tls; /* NULL: plain */
	struct http_exchange *first;
};

/* ---- Life -------------------------------------------------------------------------------------------------------- */

static int resolve(struct http_client *c, struct kvik_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	int bad = getaddrinfo(c->host, NULL, &hints, &found);
	if (!bad)
		bad = getnameinfo(found->ai_addr, found->ai_addrlen, c->address, sizeof c->address, NULL, 0,
				  NI_NUMERICHOST);
	if (found)
		freeaddrinfo(found);
	return bad ? err_set(err, KVIK_ERR_IO, "%s: %s", c->host, gai_strerror(bad)) : 0;
}

static int start_tls(struct http_client *c, const char *ca, struct kvik_err *err)
{
	c->tls = SSL_CTX_new(TLS_client_method());
	if (!c->tls)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for TLS");
	SSL_CTX_set_verify(c->tls, SSL_VERIFY_PEER, NULL);
	if (ca ? SSL_CTX_load_verify_locations(c->tls, ca, NULL) != 1 : SSL_CTX_set_default_verify_paths(c->tls) != 1)
		return err_set(err, KVIK_ERR_IO, "%s: no certificates could be read from it", ca ? ca : "the system");
	return 0;
}

/* The host without the brackets of an IPv6 address, and the path without what all our paths begin with. */
static int take_url(struct http_client *c, const char *url, bool *secure, struct kvik_err *err)
{
	struct evhttp_uri *uri = evhttp_uri_parse(url);
	const char *scheme = uri ? evhttp_uri_get_scheme(uri) : NULL, *host = uri ? evhttp_uri_get_host(uri) : NULL;
	*secure = scheme && strcmp(scheme, "https") == 0;
	int rc = 0;
	if (!host || !*host || (!*secure && (!scheme || strcmp(scheme, "http") != 0)))
		rc = err_set(err, KVIK_ERR_ARG, "'%s' is no URL of a server: write http://HOST:PORT", url);
	if (!rc) {
		const char *path = evhttp_uri_get_path(uri);
		size_t n = strlen(path), h = strlen(host), bracket = host[0] == '[';
		int port = evhttp_uri_get_port(uri);
		while (n > 0 && path[n - 1] == '/')
			n--;
		if (n >= 3 && memcmp(path + n - 3, "/v1", 3) == 0)
			n -= 3;
		c->port = (uint16_t)(port > 0 ? port : *secure ? 443 : 80);
		c->host = mem_strndup(host + bracket, h - 2 * bracket);
		c->path = mem_strndup(path, n);
		if (!c->host || !c->path)
			rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the URL");
	}
	if (uri)
		evhttp_uri_free(uri);
	return rc;
}

static int take_key(struct http_client *c, const char *key, struct kvik_err *err)
{
	static const char bearer[] = "Bearer ";
	if (!key)
		return 0;
	size_t bytes = sizeof bearer + strlen(key);
	c->authorization = mem_alloc(bytes);
	if (!c->authorization)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the key");
	snprintf(c->authorization, bytes, "%s%s", bearer, key);
	return 0;
}

int http_client_new(struct http_client **out, struct event_base *base, const struct http_client_config *config,
		    struct kvik_err *err)
{
	struct http_client *c = mem_zalloc(1, sizeof *c);
	bool secure = false;
	*out = NULL;
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for an HTTP client");
	c->base = base;
	c->timeout_s = (int)config->timeout_s;
	int rc = take_url(c, config->url, &secure, err);
	if (!rc)
		rc = take_key(c, config->key, err);
	if (!rc)
		rc = resolve(c, err);
	if (!rc && secure)
		rc = start_tls(c, config->ca, err);
	if (rc)
		http_client_free(c);
	else
		*out = c;
	return rc;
}

static void drop(struct http_exchange *x)
{
	LIST_REMOVE(x->client->first, x);
	event_free(x->tell);
	mem_free(x);
}

void http_exchange_drop(struct http_exchange *x)
{
	if (x->connection)
		evhttp_connection_free(x->connection);
	drop(x);
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	while (c->first) {
		http_exchange_drop(c->first);
	}
	SSL_CTX_free(c->tls);
	mem_free(c->host);
	mem_free(c->path);
	mem_free(c->authorization);
	mem_free(c);
}

/* ---- Exchanges --------------------------------------------------------------------------------------------------- */

static const char *failure_text(enum evhttp_request_error e)
{
	switch (e) {
	case EVREQ_HTTP_TIMEOUT: return "no answer within the time (--timeout)";
	case EVREQ_HTTP_EOF: return "the connection was closed before the answer had ended";
	case EVREQ_HTTP_INVALID_HEADER: return "the answer is no HTTP";
	case EVREQ_HTTP_BUFFER_ERROR: return "reading or writing failed";
	case EVREQ_HTTP_REQUEST_CANCEL: return "cancelled";
	case EVREQ_HTTP_DATA_TOO_LONG: return "the answer is too long";
	}
	return "the request failed";
}

static void on_failure(enum evhttp_request_error e, void *user)
{
	struct http_exchange *x = user;
	struct bufferevent *b = x->client->tls ? evhttp_connection_get_bufferevent(x->connection) : NULL;
	SSL *tls = b ? bufferevent_openssl_get_ssl(b) : NULL;
	long trust = tls ? SSL_get_verify_result(tls) : X509_V_OK;
	x->failure = trust == X509_V_OK ? failure_text(e) : X509_verify_cert_error_string(trust);
}

static void on_body(struct evhttp_request *req, void *user)
{
	struct http_exchange *x = user;
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t n = evbuffer_get_length(in);
	x->status = evhttp_request_get_response_code(req);
	const char *bytes = n > 0 ? (const char *)evbuffer_pullup(in, -1) : NULL;
	if (bytes)
		x->to.body(x->to.ctx, x->status, bytes, n);
}

static void tell_end(evutil_socket_t fd, short what, void *user)
{
	struct http_exchange *x = user;
	struct http_listener to = x->to;
	int status = x->status;
	const char *failure = x->failure;
	(void)fd, (void)what;
	drop(x);
	to.end(to.ctx, status, failure);
}

/* The end in every case; req is NULL or without a code when there was no whole answer. evhttp may call it from inside
 * evhttp_make_request. */
static void on_end(struct evhttp_request *req, void *user)
{
	struct http_exchange *x = user;
	int status = req ? evhttp_request_get_response_code(req) : 0;
	if (!x->failure && status == 0)
		x->failure = x->status ? failure_text(EVREQ_HTTP_EOF) : "the server cannot be reached";
	if (status)
		x->status = status;
	x->connection = NULL; /* frees itself */
	event_active(x->tell, EV_TIMEOUT, 0);
}

/* A connection to the server; NULL: no memory. */
static struct evhttp_connection *connect_to(struct http_client *c)
{
	struct bufferevent *b = NULL;
	if (c->tls) {
		SSL *tls = SSL_new(c->tls);
		if (!tls)
			return NULL;
		SSL_set_tlsext_host_name(tls, c->host);
		SSL_set1_host(tls, c->host);
		b = bufferevent_openssl_socket_new(c->base, -1, tls, BUFFEREVENT_SSL_CONNECTING,
						   BEV_OPT_CLOSE_ON_FREE); /* which owns tls now */
		if (!b) {
			SSL_free(tls);
			return NULL;
		}
		bufferevent_openssl_set_allow_dirty_shutdown(b, 1);
	}
	return evhttp_connection_base_bufferevent_new(c->base, NULL, b, c->address, c->port);
}

static void add_headers(const struct http_client *c, struct evhttp_request *req, bool has_body)
{
	struct evkeyvalq *h = evhttp_request_get_output_headers(req);
	char host[320];
	snprintf(host, sizeof host, strchr(c->host, ':') ? "[%s]:%u" : "%s:%u", c->host, c->port);
	evhttp_add_header(h, "Host", host);
	evhttp_add_header(h, "Connection", "close");
	if (has_body)
		evhttp_add_header(h, "Content-Type", "application/json");
	if (c->authorization)
		evhttp_add_header(h, "Authorization", c->authorization);
}

int http_client_send(struct http_client *c, const char *path, const char *body, size_t n,
		     const struct http_listener *to, struct http_exchange **out, struct kvik_err *err)
{
	char whole[1024];
	struct http_exchange *x = mem_zalloc(1, sizeof *x);
	struct event *tell = x ? evtimer_new(c->base, tell_end, x) : NULL;
	struct evhttp_request *req = tell ? evhttp_request_new(on_end, x) : NULL;
	struct evhttp_connection *connection = req ? connect_to(c) : NULL;
	if (!connection || (body && evbuffer_add(evhttp_request_get_output_buffer(req), body, n)) ||
	    snprintf(whole, sizeof whole, "%s%s", c->path, path) >= (int)sizeof whole) {
		if (connection)
			evhttp_connection_free(connection);
		if (req)
			evhttp_request_free(req);
		if (tell)
			event_free(tell);
		mem_free(x);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a request (or its path is too long)");
	}
	*x = (struct http_exchange){.client = c, .connection = connection, .tell = tell, .to = *to};
	LIST_PUSH(x->client->first, x);
	evhttp_connection_set_timeout(connection, c->timeout_s);
	evhttp_connection_free_on_completion(connection);
	evhttp_request_set_chunked_cb(req, on_body);
	evhttp_request_set_error_cb(req, on_failure);
	add_headers(c, req, body != NULL);
	*out = x;
	if (evhttp_make_request(connection, req, body ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, whole) == 0)
		return 0;
	http_exchange_drop(x);
	return err_set(err, KVIK_ERR_IO, "%s: a connection could not be opened", c->host);
}
