/* call.h: one call in flight: who holds it, whether its client is still there, and how answers are written to its sink.
 *
 * A call is held by the caller of api_handle and, while a request of the engine runs for it, by the engine's events.
 * The sink is used under `lock` and never after api_call_abort. */
#ifndef KVIK_API_CALL_H
#define KVIK_API_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include <jansson.h>

#include <kvik.h>

#include "api/api.h"
#include "api/fields.h"
#include "api/metrics.h"
#include "api/slots.h"
#include "api/structured.h"

#define API_ID_BYTES 64

struct reply; /* what a generating call collects; reply.h */

/* How a family of paths writes what is not an answer. */
struct wire {
	json_t *(*error)(const struct api_call *c, int status, const char *type, const char *param, const char *text);
	const char *error_event; /* name of the event that an error in a stream is; NULL: none */
	bool lines;              /* a stream is a line of JSON after the other, instead of server-sent events */
};
extern const struct wire wire_openai, wire_anthropic, wire_ollama;

struct api {
	struct api_config config;
	struct chat_template *chat_template; /* NULL: none */
	int64_t created;                     /* seconds since 1970 */
	_Atomic uint32_t nonces_told;        /* kinds of nonces, of which `warn` was told */
	_Atomic uint64_t unread[8];          /* hashes of the template's variables of which `warn` was told; 0: free */
	struct structured_cache constraints; /* of answers that have a form */
	struct slots slots;                  /* texts that can be saved */
	struct metrics metrics;              /* of all */
};

struct api_account {
	atomic_uint refs;
	struct metrics metrics;
};

struct api_call {
	struct api *api;
	atomic_uint refs;
	pthread_mutex_t lock;
	struct api_sink sink; /* under lock; not used once aborted or over */
	bool aborted;         /* the client has gone */
	bool headed;          /* head was called */
	bool over;            /* end was called */
	bool started;         /* reply's prompts are all there; before, they are the handler's alone */
	void (*handle)(struct api_call *c, json_t *body); /* of its path; NULL: there is none */
	const struct wire *wire;
	bool has_body;
	_Atomic uint64_t bytes;      /* see api_call_bytes */
	struct api_account *account; /* held; NULL: none */
	struct metrics *metrics;     /* where its figures go */
	bool sees_all;               /* what others do too */
	uint32_t tenant;
	uint64_t scope;
	bool salted; /* the scope is the request's own too */
	char request_id[API_ID_BYTES];
	const char *path;    /* while the handler runs */
	const char *query;   /* the same; NULL: none */
	struct reply *reply; /* owned; NULL for calls that are answered at once */
};

/* Its client has gone, or it was answered: there is nothing left to do for it. */
bool call_is_over(struct api_call *c);
/* So many bytes more are held until the call is released. */
void call_count(struct api_call *c, uint64_t bytes);

struct kvik_engine_stats call_engine_stats(const struct api_call *c);
/* The engine's requests of the call's prompts end soon; under the lock. */
void call_cancel(struct api_call *c);

/* A whole answer; takes o's reference. */
void call_json(struct api_call *c, int status, json_t *o);
void call_text(struct api_call *c, int status, const char *content_type, const char *text, size_t bytes);

/* {"error": {...}} with the status that fits; param: the field at fault, or NULL. After a stream has begun it becomes
 * an event and ends the stream. */
void call_error(struct api_call *c, int status, const char *type, const char *param, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void call_bad_field(struct api_call *c, const struct field_error *e); /* 400 */
/* The same for an error of the library. */
void call_kvik_error(struct api_call *c, const struct kvik_err *err, uint64_t retry_ms);

/* Operators are told of this, the first time that it is said. */
void api_warn_once(struct api *a, const char *text);

/* Server-sent events, or lines of JSON (struct wire). event: its name, or NULL for data alone. Takes o's reference. */
void call_stream_begin(struct api_call *c);
void call_stream_json(struct api_call *c, const char *event, json_t *o);
void call_stream_end(struct api_call *c, bool done_mark);

#endif
