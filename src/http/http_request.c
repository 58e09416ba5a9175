/* http_request.c: what is done with a request: who may ask, what is answered here, what goes to src/api.
 *
 * Everything that can be said by its head (the key, its rate, the path, the method) is said then, before any of its
 * body is kept. Thread: the event loop. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/os.h"
#include "http/http_log.h"
#include "http/http_server.h"

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static void answer(struct http_reply *r, int status, const char *type, const char *text, size_t bytes, uint32_t retry_s)
{
	struct api_sink s = http_reply_sink(r);
	s.head(s.ctx, status, type, false, retry_s);
	if (bytes)
		s.body(s.ctx, text, bytes);
	s.end(s.ctx);
}

/* text: of plain characters. */
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
	struct api_account *only = r->sees_all ? NULL : r->account;
	struct buf text = {0};
	text.data = api_metrics(h->api, only, &text.n);
	text.cap = text.n;
	h->figures.active = h->outbox.n_active;
	h->figures.connections = h->conns.n;
	h->figures.connections_cut = h->conns.cut;
	h->figures.waiting = http_work_waiting(h->work);
	h->figures.held = h->conns.held + h->orphaned;
	h->figures.held_peak = h->conns.held_peak;
	if (text.data && (only || http_metrics_print(&h->figures, &text)))
		answer(r, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.n, 0);
	else
		refuse(r, 500, "server_error", "out of memory", 0);
	buf_release(&text);
}

/* ---- Names ------------------------------------------------------------------------------------------------------- */

/* A word of the request for the log; what is not plain becomes "?". */
static void copy_plain(char *to, size_t bytes, const char *from)
{
	snprintf(to, bytes, "%s", from ? from : "-");
	for (char *c = to; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
}

/* The client's own name for the request, if it is a word, so that its logs and ours can be laid side by side. */
static void name_request(struct http *h, struct http_reply *r, const char *given)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:";
	size_t n = given ? strlen(given) : 0;
	if (n > 0 && n < sizeof r->id && strspn(given, plain) == n)
		memcpy(r->id, given, n + 1);
	else
		snprintf(r->id, sizeof r->id, "%08llx%08llx", (unsigned long long)(uint32_t)time(NULL),
			 (unsigned long long)++h->next_id);
}

static bool is_list_of_names(const char *s)
{
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i++)
		if (!http_is_token_char(s[i]) && s[i] != ',' && s[i] != ' ')
			return false;
	return n > 0 && n < 2048;
}

/* What a page of the origin may send: whatever its browser asks for, because client libraries have names of their
 * own. */
static void set_cors(const struct http *h, struct http_reply *r, const struct http_head *head)
{
	const char *asked = http_head_field(head, HTTP_CORS_HEADERS);
	if (!h->config.cors_origin)
		return;
	http_reply_field(r, "Access-Control-Allow-Origin", h->config.cors_origin);
	http_reply_field(r, "Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
	if (strcmp(r->method, "OPTIONS") != 0)
		return;
	http_reply_field(r, "Access-Control-Allow-Headers",
			 asked && is_list_of_names(asked) ? asked : "Authorization, Content-Type, X-Api-Key");
	http_reply_field(r, "Access-Control-Allow-Methods", "GET, HEAD, POST, OPTIONS");
	http_reply_field(r, "Access-Control-Max-Age", "86400");
	if (http_head_field(head, HTTP_CORS_PRIVATE))
		http_reply_field(r, "Access-Control-Allow-Private-Network", "true");
	http_reply_field(r, "Vary", "Access-Control-Request-Headers");
}

/* A reply with the names that the log wants. NULL: no memory. */
static struct http_reply *begin(struct http *h, struct http_conn *c, bool has_head)
{
	struct http_reply *r = http_reply_new(&h->outbox, c);
	if (!r)
		return NULL;
	name_request(h, r, has_head ? http_head_field(&c->head, HTTP_X_REQUEST_ID) : NULL);
	copy_plain(r->method, sizeof r->method, has_head ? c->head.method : NULL);
	copy_plain(r->path, sizeof r->path, has_head ? c->head.path : NULL);
	r->head_only = has_head && strcmp(c->head.method, "HEAD") == 0;
	return r;
}

/* ---- By the head ------------------------------------------------------------------------------------------------- */

static bool is_open_path(const char *path)
{
	return strcmp(path, "/health") == 0 || strcmp(path, "/v1/health") == 0 || strcmp(path, "/ready") == 0;
}

/* May this request be made? Else it is answered. */
static bool admit(struct http *h, struct http_conn *c)
{
	struct http_reply *r = c->reply;
	uint32_t retry_s;
	if (h->keys.n == 0 || is_open_path(c->head.path))
		return true;
	struct http_key *key = http_keys_find(&h->keys, http_head_field(&c->head, HTTP_AUTHORIZATION),
					      http_head_field(&c->head, HTTP_X_API_KEY));
	if (!key) {
		refuse(r, 401, "authentication_error",
		       "a valid API key is needed: Authorization: Bearer KEY, or x-api-key: KEY", 0);
		return false;
	}
	r->who = key->name;
	r->tenant = key->tenant;
	r->scope = key->scope;
	r->account = key->account;
	r->sees_all = key->sees_all;
	api_account_hold(r->account);
	c->group = (uint32_t)key->scope;
	if (strcmp(c->head.method, "POST") == 0 && !http_key_take(key, os_clock_ns() / 1000000, &retry_s)) {
		refuse(r, 429, "rate_limit_error", "this key has used up its requests per minute", retry_s);
		return false;
	}
	return true;
}

static bool is_known_method(const char *method)
{
	static const char *const all[] = {"GET",    "HEAD",  "POST",  "OPTIONS", "PUT",
					  "DELETE", "PATCH", "TRACE", "CONNECT"};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(method, all[i]) == 0)
			return true;
	return false;
}

/* Is there something at this path, for this method? Else it is answered. HEAD is GET without a body. */
static bool route(struct http_conn *c)
{
	struct http_reply *r = c->reply;
	const char *method = r->head_only ? "GET" : c->head.method;
	const char *there = strcmp(c->head.path, "/metrics") == 0 ? "GET" : api_method(c->head.path);
	char text[320], allow[64];
	if (!is_known_method(method)) {
		snprintf(text, sizeof text, "the method %s is not known here", r->method);
		refuse(r, 501, "invalid_request_error", text, 0);
		return false;
	}
	if (there && strcmp(there, method) == 0)
		return true;
	if (!there) {
		snprintf(text, sizeof text,
			 "there is no %s %.150s here; OpenAI's API is, at /v1/chat/completions and beside it, and "
			 "llama-server's, at /completion",
			 r->method, r->path);
		refuse(r, 404, "invalid_request_error", text, 0);
		return false;
	}
	snprintf(text, sizeof text, "%s is not the method of %s: %s is", r->method, r->path, there);
	snprintf(allow, sizeof allow, "%s%s, OPTIONS", there, strcmp(there, "GET") == 0 ? ", HEAD" : "");
	http_reply_field(r, "Allow", allow);
	refuse(r, 405, "invalid_request_error", text, 0);
	return false;
}

static struct api_request api_request_of(const struct http_conn *c)
{
	const struct http_reply *r = c->reply;
	return (struct api_request){.method = r->head_only ? "GET" : c->head.method,
				    .path = c->head.path,
				    .query = c->head.query,
				    .tenant = r->tenant,
				    .scope = r->scope,
				    .account = r->account,
				    .sees_all = r->sees_all,
				    .request_id = r->id};
}

static void on_head(void *ctx, struct http_conn *c)
{
	struct http *h = ctx;
	struct http_reply *r = begin(h, c, true);
	bool is_post = strcmp(c->head.method, "POST") == 0;
	if (!r)
		return;
	set_cors(h, r, &c->head);
	if (strcmp(c->head.method, "OPTIONS") == 0) {
		http_reply_field(r, "Allow", "GET, HEAD, POST, OPTIONS");
		answer(r, 204, "text/plain", "", 0, 0);
	} else if (!admit(h, c) || !route(c)) {
		/* answered */
	} else if (h->stopping && is_post) {
		refuse(r, 503, "server_error", "the server is shutting down", 5);
	} else if (is_post) {
		return; /* when its body is here */
	} else if (strcmp(c->head.path, "/metrics") == 0) {
		answer_metrics(h, r);
	} else {
		struct api_request q = api_request_of(c);
		struct api_sink sink = http_reply_sink(r);
		api_handle(h->api, &q, &sink, &r->call);
	}
	http_conn_drop_body(c);
}

/* ---- By the body ------------------------------------------------------------------------------------------------- */

static void on_whole(void *ctx, struct http_conn *c)
{
	struct http *h = ctx;
	struct http_reply *r = c->reply;
	struct api_request q = api_request_of(c);
	struct api_sink sink = http_reply_sink(r);
	struct http_job *job = mem_zalloc(1, sizeof *job);
	if (!job) {
		refuse(r, 503, "server_error", "out of memory", 1);
		return;
	}
	r->call = api_call_new(h->api, &q, &sink);
	if (!r->call) { /* answered */
		mem_free(job);
		return;
	}
	api_call_hold(r->call);
	*job = (struct http_job){.call = r->call,
				 .body = c->content,
				 .group = c->group,
				 .bytes = c->content.cap + c->weight.bytes,
				 .owner = r};
	c->content = (struct buf){0};
	c->weight = (struct weigh){0};
	c->reply_bytes = job->bytes;
	r->job = job;
	http_work_submit(h->work, job);
}

void http_request_worked(void *ctx, struct http_job *job)
{
	struct http *h = ctx;
	struct http_reply *r = job->owner;
	if (r) {
		r->job = NULL;
		r->conn->reply_bytes = api_call_bytes(r->call);
		http_conn_count(r->conn);
	} else {
		h->orphaned -= job->bytes;
	}
	http_job_free(job);
}

/* The job's answer is not wanted, or written already; a job that has not begun never will. */
static void give_up(struct http *h, struct http_job *job)
{
	job->owner = NULL;
	if (http_work_take_back(h->work, job))
		http_job_free(job);
	else
		h->orphaned += job->bytes;
}

static void on_bad(void *ctx, struct http_conn *c, int status, const char *why)
{
	struct http_reply *r = c->reply ? c->reply : begin(ctx, c, c->head.method != NULL);
	if (r)
		refuse(r, status, status >= 500 ? "server_error" : "invalid_request_error", why, status == 503);
}

static void on_gone(void *ctx, struct http_conn *c)
{
	struct http_job *job = c->reply->job;
	c->reply->job = NULL;
	http_reply_gone(c->reply);
	if (job)
		give_up(ctx, job);
}

static uint64_t on_holds(void *ctx, const struct http_conn *c)
{
	const struct http_reply *r = c->reply;
	(void)ctx;
	return r->job ? r->job->bytes : r->call ? api_call_bytes(r->call) : 0;
}

void http_request_done(struct http *h, struct http_reply *r)
{
	h->figures.statuses[r->status / 100 < 6 ? r->status / 100 : 5]++;
	if (h->config.log_requests)
		http_log_request(r);
	if (r->job)
		give_up(h, r->job);
}

struct http_handler http_request_handler(struct http *h)
{
	return (struct http_handler){h, on_head, on_whole, on_bad, on_gone, on_holds};
}
