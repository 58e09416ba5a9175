/* http_log.h: the log: one JSON object per line on standard error, for requests and for what happens to the server. A
 * line is written by one call, so that lines of several threads do not mix. Any thread. */
#ifndef KVIK_HTTP_LOG_H
#define KVIK_HTTP_LOG_H

#include "http/http_reply.h"

/* A request that has ended: {"time", "id", "method", "path", "status", "ms", "bytes", "key"}, and of those that
 * generate {"prompt_tokens", "cached_tokens", "new_tokens", "queue_ms", "first_token_ms"}. */
void http_log_request(const struct http_reply *r);
/* {"time", "event", "text"}; event: a plain word. */
void http_log_event(const char *event, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
