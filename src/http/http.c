/* http.c: the server's life: its parts put together, the event loop, signals and shutdown.
 *
 * Thread: everything runs in http_run's, but for the drain of a shutdown, which waits in a thread of its own so that
 * the loop can go on writing answers. */
#include "http/http.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include <event2/thread.h>
#include <openssl/err.h>

#include "base/mem.h"
#include "base/os.h"
#include "http/http_log.h"
#include "http/http_server.h"

enum {
	REQUESTS_AT_LEAST = 4,           /* a request may hold so much of what all may hold */
	REQUEST_MEMORY_LEAST = 64 << 20, /* of the default */
	LARGE_BLOCK = 1 << 20
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

static void on_done(void *ctx, struct http_reply *r)
{
	http_request_done(ctx, r);
}

/* ---- Signals and shutdown ---------------------------------------------------------------------------------------- */

static void *drain(void *ctx)
{
	struct http *h = ctx;
	kvik_engine_drain(h->engine, (uint64_t)h->config.grace_s * 1000);
	h->drained = true;
	event_active(h->tick, EV_TIMEOUT, 0);
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
	h->conns.closing = true;
	http_accept_close(&h->accept);
	h->drainer_started = os_thread_new(&h->drainer, drain, h) == 0;
	if (!h->drainer_started)
		event_base_loopbreak(h->base);
}

/* A key that stays keeps its figures. */
static void keep_known(struct http_keys *fresh, const struct http_keys *known)
{
	for (size_t i = 0; i < fresh->n; i++)
		for (size_t k = 0; k < known->n; k++) {
			if (strcmp(fresh->list[i].text, known->list[k].text) != 0)
				continue;
			fresh->list[i].account = known->list[k].account;
			api_account_hold(fresh->list[i].account);
		}
}

/* Reads the file into *keys, which are not h's own; on an error it is empty. */
static int load_keys(struct http *h, struct http_keys *keys, struct kvik_err *err)
{
	const char *operator_name = h->config.operator_name;
	bool found = operator_name == NULL;
	int rc = http_keys_load(keys, h->config.keys_path, h->config.tenants, err);
	if (rc)
		return rc;
	keep_known(keys, &h->keys);
	for (size_t i = 0; i < keys->n && !rc; i++) {
		struct http_key *k = &keys->list[i];
		k->sees_all = operator_name && strcmp(k->name, operator_name) == 0;
		found |= k->sees_all;
		if (!k->account)
			k->account = api_account_new(h->api);
		if (!k->account)
			rc = err_set(err, KVIK_ERR_NOMEM, "no memory for %zu keys", keys->n);
	}
	if (!rc && !found)
		rc = err_set(err, KVIK_ERR_ARG, "%s: no key has the name '%s' (--operator)", h->config.keys_path,
			     operator_name);
	if (rc)
		http_keys_release(keys);
	return rc;
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
	if (load_keys(h, &fresh, &err)) {
		http_log_event("reload", "keys stay as they were: %s", err.text);
		return;
	}
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
	http_accept_check(&h->accept);
	if (h->stopping && h->drained)
		finish_stop(h);
}

/* ---- Setting up -------------------------------------------------------------------------------------------------- */

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

/* The least that is useful holds the largest body and its text beside it, for a few at once. */
static int set_request_memory(struct http *h, struct kvik_err *err)
{
	struct http_config *c = &h->config;
	const uint64_t usual = 8 * c->body_bytes_max, least = 2 * REQUESTS_AT_LEAST * c->body_bytes_max;
	if (!c->request_memory)
		c->request_memory = usual > REQUEST_MEMORY_LEAST ? usual : REQUEST_MEMORY_LEAST;
	if (c->request_memory < least)
		return err_set(err, KVIK_ERR_ARG, "--request-memory must be at least %llu (%d times --body-max)",
			       (unsigned long long)least, 2 * REQUESTS_AT_LEAST);
	return 0;
}

static void init_conns(struct http *h)
{
	const struct http_config *c = &h->config;
	h->conns = (struct http_conns){.handler = http_request_handler(h),
				       .idle_s = c->idle_s,
				       .request_s = c->request_s,
				       .byte_rate = 16 << 10,
				       .head_bytes_max = c->header_bytes_max,
				       .body_bytes_max = c->body_bytes_max,
				       .output_bytes_max = c->output_bytes_max,
				       .request_bytes_max = h->config.request_memory / REQUESTS_AT_LEAST,
				       .held_max = h->config.request_memory,
				       .base = h->base,
				       .tls = h->tls};
	h->accept = (struct http_accept){.max = raise_file_limit(c->connections_max), .conns = &h->conns};
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
	h->outbox = (struct http_outbox){.done = on_done, .ctx = h, .conns = &h->conns};
	evthread_use_pthreads();
	signal(SIGPIPE, SIG_IGN);
	/* Blocks of this size go back to the system when they are freed, whatever glibc has seen before. */
	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	h->base = event_base_new();
	struct http_keys keys = {0};
	int rc = h->base ? set_request_memory(h, err) : err_set(err, KVIK_ERR_NOMEM, "no memory for the server");
	if (!rc && c->keys_path)
		rc = load_keys(h, &keys, err);
	h->keys = keys;
	if (!rc)
		rc = http_outbox_init(&h->outbox, h->base, err);
	if (!rc)
		rc = init_tls(h, err);
	init_conns(h);
	if (!rc)
		rc = http_work_new(&h->work, h->base, http_request_worked, h, err);
	if (!rc)
		rc = add_events(h, err);
	if (!rc)
		rc = http_accept_open(&h->accept, h->base, c->host, c->port, err);
	if (rc)
		http_free(h);
	else
		*out = h;
	return rc;
}

uint16_t http_port(const struct http *h)
{
	return http_accept_port(&h->accept);
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
	http_accept_close(&h->accept);
	http_conns_release(&h->conns); /* their replies are freed, and calls that are still being made aborted */
	http_work_free(h->work);
	kvik_engine_drain(h->engine, 0); /* of what was just being submitted */
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
