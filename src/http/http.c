/* http.c: the event loop: connections, who may ask, what is answered here and what goes to src/api, logs, signals.
 *
 * Thread: everything runs in http_run's, but for the drain of a shutdown, which waits in a thread of its own so that
 * the loop can go on writing answers. */
#include "http/http.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <event2/thread.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "base/os.h"
#include "http/http_conn.h"
#include "http/http_keys.h"
#include "http/http_log.h"
#include "http/http_metrics.h"
#include "http/http_reply.h"

struct http {
	struct http_config config;
	struct kvik_engine *engine;
	struct api *api;
	struct event_base *base;
	struct evhttp *server;
	struct evhttp_bound_socket *socket;
	SSL_CTX *tls;
	struct http_conns conns;
	struct http_outbox outbox;
	struct http_keys keys;
	struct event *signals[3], *tick;
	uint64_t next_id;
	struct http_figures figures;
	pthread_t drainer;
	bool stopping, drainer_started;
	atomic_bool drained;
	uint64_t drained_ns; /* when the loop saw it; 0: not yet */
};

struct http_config http_config_default(void)
{
	return (struct http_config){.host = "127.0.0.1",
				    .port = 8080,
				    .tenants = 64,
				    .body_bytes_max = 32u << 20,
				    .header_bytes_max = 64 << 10,
				    .connections_max = 16384,
				    .idle_s = 60,
				    .request_s = 30,
				    .output_bytes_max = 8u << 20,
				    .grace_s = 30,
				    .log_requests = true};
}

static void on_done(void *ctx, const struct http_reply *r)
{
	struct http *h = ctx;
	h->figures.statuses[r->status / 100 < 6 ? r->status / 100 : 5]++;
	if (h->config.log_requests)
		http_log_request(r);
}

/* ---- Requests ---------------------------------------------------------------------------------------------------- */

static const char *method_name(enum evhttp_cmd_type m)
{
	switch (m) {
	case EVHTTP_REQ_GET: return "GET";
	case EVHTTP_REQ_HEAD: return "HEAD";
	case EVHTTP_REQ_POST: return "POST";
	case EVHTTP_REQ_OPTIONS: return "OPTIONS";
	default: return "OTHER";
	}
}

/* Path without the query; what is not plain becomes "?". */
static void copy_path(struct http_reply *r, const struct evhttp_uri *uri)
{
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	snprintf(r->path, sizeof r->path, "%s", path && *path ? path : "/");
	for (char *c = r->path; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
}

/* The client's own name for the request, if it is a word, so that its logs and ours can be laid side by side. */
static void name_request(struct http *h, struct http_reply *r)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:";
	const char *given = evhttp_find_header(evhttp_request_get_input_headers(r->req), "X-Request-Id");
	size_t n = given ? strlen(given) : 0;
	if (n > 0 && n < sizeof r->id && strspn(given, plain) == n)
		memcpy(r->id, given, n + 1);
	else
		snprintf(r->id, sizeof r->id, "%08llx%08llx", (unsigned long long)(uint32_t)time(NULL),
			 (unsigned long long)++h->next_id);
}

static void answer(struct http_reply *r, int status, const char *type, const char *text, size_t bytes, uint32_t retry_s)
{
	struct api_sink s = http_reply_sink(r);
	s.head(s.ctx, status, type, false, retry_s);
	s.body(s.ctx, text, bytes);
	s.end(s.ctx);
}

static void refuse(struct http_reply *r, int status, const char *type, const char *text, uint32_t retry_s)
{
	char body[512];
	int n = snprintf(
		body, sizeof body,
		"{\"error\":{\"message\":\"%s\",\"type\":\"%s\",\"param\":null,\"code\":%d,\"request_id\":\"%s\"}}",
		text, type, status, r->id);
	answer(r, status, "application/json", body, (size_t)n, retry_s);
}

static void answer_metrics(struct http *h, struct http_reply *r)
{
	struct buf text = {0};
	text.data = api_metrics(h->api, &text.n);
	text.cap = text.n;
	h->figures.active = h->outbox.n_active;
	h->figures.connections = h->conns.n;
	h->figures.connections_cut = h->conns.cut + h->outbox.cut;
	if (text.data && http_metrics_print(&h->figures, &text))
		answer(r, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.n, 0);
	else
		refuse(r, 500, "server_error", "out of memory", 0);
	buf_release(&text);
}

static bool is_open_path(const char *path)
{
	return strcmp(path, "/health") == 0 || strcmp(path, "/v1/health") == 0 || strcmp(path, "/ready") == 0;
}

/* May this request be made? Else it is answered. */
static bool admit(struct http *h, struct http_reply *r, struct http_key **key)
{
	uint32_t retry_s;
	*key = NULL;
	if (h->keys.n == 0 || is_open_path(r->path))
		return true;
	const struct evkeyvalq *in = evhttp_request_get_input_headers(r->req);
	*key = http_keys_find(&h->keys, evhttp_find_header(in, "Authorization"), evhttp_find_header(in, "X-Api-Key"));
	if (!*key) {
		refuse(r, 401, "authentication_error",
		       "a valid API key is needed: Authorization: Bearer KEY, or x-api-key: KEY", 0);
		return false;
	}
	if (strcmp(r->method, "POST") == 0 && !http_key_take(*key, os_clock_ns() / 1000000, &retry_s)) {
		refuse(r, 429, "rate_limit_error", "this key has used up its requests per minute", retry_s);
		return false;
	}
	return true;
}

static void to_api(struct http *h, struct http_reply *r, const struct http_key *key)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(r->req);
	size_t bytes = evbuffer_get_length(in);
	const char *body = bytes ? (const char *)evbuffer_pullup(in, -1) : "";
	struct api_request q = {.method = r->method,
				.path = r->path,
				.body = body ? body : "",
				.bytes = body ? bytes : 0,
				.tenant = key ? key->tenant : 0,
				.scope = key ? key->scope : 0,
				.request_id = r->id};
	struct api_sink sink = http_reply_sink(r);
	api_handle(h->api, &q, &sink, &r->call);
}

static void set_cors(const struct http *h, struct evhttp_request *req)
{
	struct evkeyvalq *out = evhttp_request_get_output_headers(req);
	if (!h->config.cors_origin)
		return;
	evhttp_add_header(out, "Access-Control-Allow-Origin", h->config.cors_origin);
	evhttp_add_header(out, "Access-Control-Allow-Headers", "Authorization, Content-Type");
	evhttp_add_header(out, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
}

static void on_request(struct evhttp_request *req, void *ctx)
{
	struct http *h = ctx;
	struct http_key *key;
	struct evhttp_connection *conn = evhttp_request_get_connection(req);
	http_conns_got_request(&h->conns, evhttp_connection_get_bufferevent(conn));
	struct http_reply *r = http_reply_new(&h->outbox, req);
	if (!r) {
		evhttp_send_error(req, 503, "Out of memory");
		return;
	}
	name_request(h, r);
	r->method = method_name(evhttp_request_get_command(req));
	copy_path(r, evhttp_request_get_evhttp_uri(req));
	set_cors(h, req);
	if (strcmp(r->method, "OPTIONS") == 0) {
		answer(r, 200, "text/plain", "", 0, 0);
		return;
	}
	if (!admit(h, r, &key))
		return;
	r->who = key ? key->name : NULL;
	if (strcmp(r->path, "/metrics") == 0 && strcmp(r->method, "GET") == 0)
		answer_metrics(h, r);
	else if (h->stopping && strcmp(r->method, "POST") == 0)
		refuse(r, 503, "server_error", "the server is shutting down", 5);
	else
		to_api(h, r, key);
}

/* ---- Signals and shutdown ---------------------------------------------------------------------------------------- */

static void *drain(void *ctx)
{
	struct http *h = ctx;
	kvik_engine_drain(h->engine, (uint64_t)h->config.grace_s * 1000);
	h->drained = true;
	return NULL;
}

static void on_stop(evutil_socket_t sig, short what, void *ctx)
{
	struct http *h = ctx;
	(void)what;
	if (h->stopping)
		return;
	h->stopping = true;
	/* From here on the system does with these signals what it does by itself, so that a second one ends the process
	 * whatever its threads are at. */
	event_del(h->signals[0]);
	event_del(h->signals[1]);
	http_log_event("shutdown", "%s: no new requests; %u running get up to %u s",
		       sig == SIGTERM ? "SIGTERM" : "SIGINT", h->outbox.n_active, h->config.grace_s);
	h->conns.listener = NULL;
	evhttp_del_accept_socket(h->server, h->socket);
	h->drainer_started = os_thread_new(&h->drainer, drain, h) == 0;
	if (!h->drainer_started)
		event_base_loopbreak(h->base);
}

static void on_reload(evutil_socket_t sig, short what, void *ctx)
{
	struct http *h = ctx;
	struct http_keys fresh;
	struct kvik_err err;
	(void)sig;
	(void)what;
	if (!h->config.keys_path)
		return;
	if (http_keys_load(&fresh, h->config.keys_path, h->config.tenants, &err)) {
		http_log_event("reload", "keys stay as they were: %s", err.text);
		return;
	}
	/* A key that stays keeps its namespace, so that its cached prefixes stay reachable. */
	for (size_t i = 0; i < fresh.n; i++)
		for (size_t k = 0; k < h->keys.n; k++)
			if (strcmp(fresh.list[i].text, h->keys.list[k].text) == 0)
				fresh.list[i].scope = h->keys.list[k].scope;
	for (struct http_reply *r = h->outbox.active; r; r = r->next)
		r->who = NULL; /* the names go with the old list */
	http_keys_release(&h->keys);
	h->keys = fresh;
	http_log_event("reload", "%zu keys read again", h->keys.n);
}

/* Everything is answered: clients get a moment to take what is still on its way to them. */
static void finish_stop(struct http *h)
{
	enum { LAST_BYTES_S = 5 };
	uint64_t now_ns = os_clock_ns();
	if (!h->drained_ns)
		h->drained_ns = now_ns;
	bool late = now_ns - h->drained_ns > LAST_BYTES_S * UINT64_C(1000000000);
	if (late || (h->outbox.n_active == 0 && http_conns_unsent(&h->conns) == 0))
		event_base_loopexit(h->base, NULL);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct http *h = ctx;
	(void)fd;
	(void)what;
	http_conns_check(&h->conns);
	http_outbox_check(&h->outbox);
	if (h->stopping && h->drained)
		finish_stop(h);
}

/* ---- Setting up -------------------------------------------------------------------------------------------------- */

static struct bufferevent *new_bev(struct http *h)
{
	if (!h->tls)
		return bufferevent_socket_new(h->base, -1, BEV_OPT_CLOSE_ON_FREE);
	SSL *ssl = SSL_new(h->tls);
	struct bufferevent *bev =
		ssl ? bufferevent_openssl_socket_new(h->base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE)
		    : NULL;
	if (ssl && !bev)
		SSL_free(ssl);
	return bev;
}

/* A client has come. Without memory for it libevent tries by itself, and has none either. */
static struct bufferevent *on_connection(struct event_base *base, void *ctx)
{
	struct http *h = ctx;
	struct bufferevent *bev = new_bev(h);
	(void)base;
	if (bev && http_conns_add(&h->conns, bev)) {
		bufferevent_free(bev);
		bev = NULL;
	}
	return bev;
}

static int init_tls(struct http *h, struct kvik_err *err)
{
	const struct http_config *c = &h->config;
	if (!c->tls_cert && !c->tls_key)
		return 0;
	if (!c->tls_cert || !c->tls_key)
		return err_set(err, KVIK_ERR_ARG, "TLS needs both a certificate and a key (--tls-cert, --tls-key)");
	h->tls = SSL_CTX_new(TLS_server_method());
	if (!h->tls)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for TLS");
	SSL_CTX_set_min_proto_version(h->tls, TLS1_2_VERSION);
	if (SSL_CTX_use_certificate_chain_file(h->tls, c->tls_cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(h->tls, c->tls_key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(h->tls) != 1)
		return err_set(err, KVIK_ERR_IO, "TLS: %s and %s: %s", c->tls_cert, c->tls_key,
			       ERR_reason_error_string(ERR_peek_last_error()));
	return 0;
}

static int add_events(struct http *h, struct kvik_err *err)
{
	static const struct timeval often = {0, 250000};
	h->signals[0] = evsignal_new(h->base, SIGTERM, on_stop, h);
	h->signals[1] = evsignal_new(h->base, SIGINT, on_stop, h);
	h->signals[2] = evsignal_new(h->base, SIGHUP, on_reload, h);
	h->tick = event_new(h->base, -1, EV_PERSIST, on_tick, h);
	for (int i = 0; i < 3; i++)
		if (!h->signals[i] || event_add(h->signals[i], NULL))
			return err_set(err, KVIK_ERR_NOMEM, "no memory for the server");
	return h->tick && event_add(h->tick, &often) == 0 ? 0
							  : err_set(err, KVIK_ERR_NOMEM, "no memory for the server");
}

static int listen_on(struct http *h, struct kvik_err *err)
{
	enum { BACKLOG = 4096 };
	const struct http_config *c = &h->config;
	evhttp_set_gencb(h->server, on_request, h);
	evhttp_set_allowed_methods(h->server, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS |
						      EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH);
	evhttp_set_max_body_size(h->server, (ev_ssize_t)c->body_bytes_max);
	evhttp_set_max_headers_size(h->server, c->header_bytes_max);
	evhttp_set_timeout(h->server, (int)c->idle_s);
	evhttp_set_bevcb(h->server, on_connection, h);
	h->socket = evhttp_bind_socket_with_handle(h->server, c->host, c->port);
	if (h->socket) {
		h->conns.listener = evhttp_bound_socket_get_listener(h->socket);
		/* libevent asks for 128: a burst beyond it waits a second for its next try. */
		(void)!listen(evhttp_bound_socket_get_fd(h->socket), BACKLOG);
		/* Connections inherit it: a token is not held back until the one before is acknowledged. */
		(void)setsockopt(evhttp_bound_socket_get_fd(h->socket), IPPROTO_TCP, TCP_NODELAY, &(int){1},
				 sizeof(int));
	}
	return h->socket ? 0
			 : err_set(err, KVIK_ERR_IO, "cannot listen on %s port %u: %s; choose another with --port",
				   c->host, c->port, strerror(errno));
}

/* As many connections as are asked for need as many files. Returns how many there can be. */
static uint32_t raise_file_limit(uint32_t connections)
{
	enum { OTHER_FILES = 256 };
	struct rlimit l;
	rlim_t want = connections + OTHER_FILES;
	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= want)
		return connections;
	l.rlim_cur = l.rlim_max == RLIM_INFINITY || l.rlim_max >= want ? want : l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	uint32_t most = l.rlim_cur > 2 * OTHER_FILES ? (uint32_t)l.rlim_cur - OTHER_FILES : OTHER_FILES;
	if (most >= connections)
		return connections;
	http_log_event("limits", "%u connections, not %u: the process may open %llu files (ulimit -n)", most,
		       connections, (unsigned long long)l.rlim_cur);
	return most;
}

static void init_limits(struct http *h)
{
	const struct http_config *c = &h->config;
	h->outbox.output_bytes_max = c->output_bytes_max;
	h->conns = (struct http_conns){.max = raise_file_limit(c->connections_max),
				       .request_s = c->request_s,
				       .byte_rate = 16 << 10,
				       .bytes_max = 8 * (c->body_bytes_max + c->header_bytes_max),
				       .tls = h->tls};
}

int http_new(struct http **out, const struct http_config *c, struct kvik_engine *engine, struct api *api,
	     struct kvik_err *err)
{
	*out = NULL;
	struct http *h = mem_zalloc(1, sizeof *h);
	if (!h)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the server");
	h->config = *c;
	h->engine = engine;
	h->api = api;
	h->outbox.done = on_done;
	h->outbox.ctx = h;
	evthread_use_pthreads();
	signal(SIGPIPE, SIG_IGN);
	h->base = event_base_new();
	h->server = h->base ? evhttp_new(h->base) : NULL;
	int rc = h->server ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the server");
	if (!rc && c->keys_path)
		rc = http_keys_load(&h->keys, c->keys_path, c->tenants, err);
	if (!rc)
		rc = http_outbox_init(&h->outbox, h->base, err);
	if (!rc)
		rc = init_tls(h, err);
	init_limits(h);
	if (!rc)
		rc = add_events(h, err);
	if (!rc)
		rc = listen_on(h, err);
	if (rc)
		http_free(h);
	else
		*out = h;
	return rc;
}

uint16_t http_port(const struct http *h)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof a;
	char port[16];
	unsigned p = 0;
	if (getsockname(evhttp_bound_socket_get_fd(h->socket), (struct sockaddr *)&a, &n) == 0 &&
	    getnameinfo((struct sockaddr *)&a, n, NULL, 0, port, sizeof port, NI_NUMERICSERV) == 0)
		sscanf(port, "%u", &p);
	return (uint16_t)p;
}

int http_run(struct http *h, struct kvik_err *err)
{
	int rc = event_base_dispatch(h->base);
	return rc < 0 ? err_set(err, KVIK_ERR_IO, "the event loop failed: %s", strerror(errno)) : 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->drainer_started)
		pthread_join(h->drainer, NULL);
	kvik_engine_drain(h->engine, 0); /* no event reaches a reply after this */
	if (h->server)
		evhttp_free(h->server); /* closes every connection: their replies are freed */
	http_conns_release(&h->conns);
	for (int i = 0; i < 3; i++)
		if (h->signals[i])
			event_free(h->signals[i]);
	if (h->tick)
		event_free(h->tick);
	http_outbox_release(&h->outbox);
	if (h->base)
		event_base_free(h->base);
	SSL_CTX_free(h->tls);
	http_keys_release(&h->keys);
	mem_free(h);
}
