/* http_log.c: see http_log.h. */
#include "http/http_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/os.h"

enum { LINE_BYTES = 2048 };

struct line {
	char text[LINE_BYTES];
	size_t n;
};

static void add(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(l->text + l->n, sizeof l->text - l->n, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < sizeof l->text - l->n)
		l->n += (size_t)n;
}

/* A text in quotes; what JSON does not take as it is becomes an escape. */
static void add_quoted(struct line *l, const char *text)
{
	add(l, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			add(l, "\\%c", c);
		else if (c < ' ' || c == 127)
			add(l, "\\u%04x", c);
		else
			add(l, "%c", c);
	}
	add(l, "\"");
}

static void begin(struct line *l)
{
	struct timespec now;
	struct tm tm;
	char when[32];
	l->n = 0;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	add(l, "{\"time\":\"%s.%03ldZ\"", when, now.tv_nsec / 1000000);
}

static void end(struct line *l)
{
	add(l, "}\n");
	fwrite(l->text, 1, l->n, stderr);
}

void http_log_request(const struct http_reply *r)
{
	struct line l;
	struct kvik_usage u;
	struct kvik_prefix p;
	const char *nonce;
	begin(&l);
	add(&l, ",\"id\":\"%s\",\"method\":\"%s\",\"path\":", r->id, r->method);
	add_quoted(&l, r->path);
	add(&l, ",\"status\":%d,\"ms\":%.1f,\"bytes\":%llu,\"key\":", r->status,
	    (double)(os_clock_ns() - r->start_ns) / 1e6, (unsigned long long)r->bytes);
	add_quoted(&l, r->who ? r->who : "");
	if (r->call && api_call_usage(r->call, &u))
		add(&l,
		    ",\"prompt_tokens\":%u,\"cached_tokens\":%u,\"new_tokens\":%u,\"queue_ms\":%.1f,"
		    "\"first_token_ms\":%.1f",
		    u.prompt_tokens, u.cached_tokens, u.new_tokens, u.queue_ms, u.first_token_ms);
	if (r->call && api_call_prefix(r->call, &p, &nonce)) {
		add(&l, ",\"miss\":\"%s\",\"miss_at\":%u", kvik_miss_name(p.miss), p.matched_tokens);
		if (nonce)
			add(&l, ",\"nonce\":\"%s\"", nonce);
	}
	end(&l);
}

void http_log_event(const char *event, const char *fmt, ...)
{
	struct line l;
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	begin(&l);
	add(&l, ",\"event\":\"%s\",\"text\":", event);
	add_quoted(&l, text);
	end(&l);
}
