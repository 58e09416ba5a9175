/* call.c: see call.h. */
#include "api/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/reply.h"
#include "base/mem.h"

void api_call_hold(struct api_call *c)
{
	atomic_fetch_add(&c->refs, 1);
}

bool call_is_over(struct api_call *c)
{
	pthread_mutex_lock(&c->lock);
	bool over = c->aborted || c->over;
	pthread_mutex_unlock(&c->lock);
	return over;
}

void call_count(struct api_call *c, uint64_t bytes)
{
	atomic_fetch_add(&c->bytes, bytes);
}

uint64_t api_call_bytes(const struct api_call *c)
{
	return atomic_load(&c->bytes);
}

void api_call_release(struct api_call *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	reply_free(c->reply);
	api_account_release(c->account);
	pthread_mutex_destroy(&c->lock);
	mem_free(c);
}

struct kvik_engine_stats call_engine_stats(const struct api_call *c)
{
	const struct api_engine *e = &c->api->config.engine;
	return e->stats(e->ctx);
}

void call_cancel(struct api_call *c)
{
	const struct api_engine *e = &c->api->config.engine;
	for (uint32_t i = 0; c->started && i < c->reply->n_prompts; i++)
		if (c->reply->prompts[i].engine_id)
			e->cancel(e->ctx, c->reply->prompts[i].engine_id);
}

void api_call_abort(struct api_call *c)
{
	pthread_mutex_lock(&c->lock);
	c->aborted = true;
	call_cancel(c);
	pthread_mutex_unlock(&c->lock);
}

bool api_call_usage(struct api_call *c, struct kvik_usage *u)
{
	pthread_mutex_lock(&c->lock);
	bool ended = c->started;
	for (uint32_t i = 0; ended && i < c->reply->n_prompts; i++)
		ended = ended && c->reply->prompts[i].ended;
	if (ended)
		*u = reply_total(c->reply);
	pthread_mutex_unlock(&c->lock);
	return ended;
}

bool api_call_prefix(struct api_call *c, struct kvik_prefix *p, const char **nonce)
{
	pthread_mutex_lock(&c->lock);
	bool ended = c->started && c->reply->n_prompts > 0 && c->reply->prompts[0].ended;
	if (ended) {
		*p = c->reply->prompts[0].prefix;
		*nonce = nonce_name(c->reply->prompts[0].nonce);
	}
	pthread_mutex_unlock(&c->lock);
	return ended;
}

/* ---- Writing; all under the lock --------------------------------------------------------------------------------- */

static bool is_open(const struct api_call *c)
{
	return !c->aborted && !c->over;
}

static void head(struct api_call *c, int status, const char *type, bool stream, uint32_t retry_s)
{
	if (is_open(c) && !c->headed)
		c->sink.head(c->sink.ctx, status, type, stream, retry_s);
	c->headed = true;
}

static void body(struct api_call *c, const char *text, size_t bytes)
{
	if (is_open(c) && bytes > 0)
		c->sink.body(c->sink.ctx, text, bytes);
}

static void end(struct api_call *c)
{
	if (is_open(c))
		c->sink.end(c->sink.ctx);
	c->over = true;
}

static void whole(struct api_call *c, int status, const char *type, const char *text, size_t bytes, uint32_t retry_s)
{
	pthread_mutex_lock(&c->lock);
	head(c, status, type, false, retry_s);
	body(c, text, bytes);
	end(c);
	pthread_mutex_unlock(&c->lock);
}

void call_text(struct api_call *c, int status, const char *type, const char *text, size_t bytes)
{
	whole(c, status, type, text, bytes, 0);
}

static const char no_memory[] =
	"{\"error\":{\"message\":\"out of memory\",\"type\":\"server_error\",\"param\":null,\"code\":null}}";

static char *dump(json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
	json_decref(o);
	return text;
}

static void json_with_retry(struct api_call *c, int status, json_t *o, uint32_t retry_s)
{
	char *text = dump(o);
	if (text)
		whole(c, status, "application/json", text, strlen(text), retry_s);
	else
		whole(c, 500, "application/json", no_memory, sizeof no_memory - 1, 0);
	free(text);
}

void call_json(struct api_call *c, int status, json_t *o)
{
	json_with_retry(c, status, o, 0);
}

static void stream_head(struct api_call *c)
{
	head(c, 200, c->wire->lines ? "application/x-ndjson" : "text/event-stream", true, 0);
}

void call_stream_begin(struct api_call *c)
{
	pthread_mutex_lock(&c->lock);
	stream_head(c);
	pthread_mutex_unlock(&c->lock);
}

void call_stream_json(struct api_call *c, const char *event, json_t *o)
{
	char *text = dump(o);
	pthread_mutex_lock(&c->lock);
	stream_head(c);
	if (event && !c->wire->lines) {
		body(c, "event: ", 7);
		body(c, event, strlen(event));
		body(c, "\n", 1);
	}
	if (!c->wire->lines)
		body(c, "data: ", 6);
	body(c, text ? text : no_memory, text ? strlen(text) : sizeof no_memory - 1);
	body(c, "\n\n", c->wire->lines ? 1 : 2);
	pthread_mutex_unlock(&c->lock);
	free(text);
}

void call_stream_end(struct api_call *c, bool done_mark)
{
	static const char done[] = "data: [DONE]\n\n";
	pthread_mutex_lock(&c->lock);
	if (done_mark)
		body(c, done, sizeof done - 1);
	end(c);
	pthread_mutex_unlock(&c->lock);
}

/* ---- Errors ------------------------------------------------------------------------------------------------------ */

static json_t *error_json(const struct api_call *c, int status, const char *type, const char *param, const char *text)
{
	return json_pack("{s:{s:s, s:s, s:s?, s:i, s:s}}", "error", "message", text, "type", type, "param", param,
			 "code", status, "request_id", c->request_id);
}

const struct wire wire_openai = {error_json, NULL, false};

static void send_error(struct api_call *c, int status, const char *type, const char *param, const char *text,
		       uint32_t retry_s)
{
	json_t *o = c->wire->error(c, status, type, param, text);
	pthread_mutex_lock(&c->lock);
	bool headed = c->headed;
	pthread_mutex_unlock(&c->lock);
	if (!headed) {
		json_with_retry(c, status, o, retry_s);
		return;
	}
	call_stream_json(c, c->wire->error_event, o);
	call_stream_end(c, false);
}

void call_error(struct api_call *c, int status, const char *type, const char *param, const char *fmt, ...)
{
	struct kvik_err err; /* its text is never cut inside a character */
	char text[sizeof err.text];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_set(&err, KVIK_ERR_ARG, "%s", text);
	send_error(c, status, type, param, err.text, 0);
}

void call_bad_field(struct api_call *c, const struct field_error *e)
{
	call_error(c, 400, "invalid_request_error", e->param[0] ? e->param : NULL, "%s", e->text);
}

void call_kvik_error(struct api_call *c, const struct kvik_err *err, uint64_t retry_ms)
{
	switch (err->code) {
	case KVIK_ERR_ARG: send_error(c, 400, "invalid_request_error", NULL, err->text, 0); break;
	case KVIK_ERR_LIMIT: send_error(c, 400, "invalid_request_error", NULL, err->text, 0); break;
	case KVIK_ERR_FORMAT: send_error(c, 400, "invalid_request_error", NULL, err->text, 0); break;
	case KVIK_ERR_FULL:
		send_error(c, 429, "rate_limit_error", NULL, err->text, (uint32_t)((retry_ms + 999) / 1000));
		break;
	case KVIK_ERR_CANCELLED: send_error(c, 503, "server_error", NULL, err->text, 1); break;
	default: send_error(c, 500, "server_error", NULL, err->text, 0);
	}
}
