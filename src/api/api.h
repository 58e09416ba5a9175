/* api.h: the JSON dialects people's programs speak, over an engine and without sockets: a call comes in as method, path
 * and body, and goes out through a sink.
 *
 * Threads: api_handle in any thread; what needs the engine is answered later from the engine's consumer thread. A sink's
 * functions are called in order, never two at a time, and must not block. */
#ifndef KVIK_API_API_H
#define KVIK_API_API_H

#include <kvik.h>

#include "base/buf.h"
#include "base/err.h"

/* Who answers: an engine, or what stands in for one in tests. ctx and vocab are borrowed and outlive the api. */
struct api_engine {
	void *ctx;
	/* As kvik_engine_submit, kvik_engine_cancel and kvik_engine_get_stats have it. */
	int (*submit)(void *ctx, const struct kvik_request_params *p, uint64_t *id, struct kvik_err *err);
	void (*cancel)(void *ctx, uint64_t id);
	struct kvik_engine_stats (*stats)(void *ctx);
	/* As kvik_engine_save_file and kvik_engine_restore_file. */
	int (*save)(void *ctx, const struct kvik_share *share, const uint32_t *ids, size_t n, const char *path,
		    size_t *saved, uint64_t *bytes, struct kvik_err *err);
	int (*restore)(void *ctx, const struct kvik_share *share, const char *path, uint32_t **ids, size_t *n,
		       uint64_t *bytes, struct kvik_err *err);
	const struct kvik_vocab *vocab; /* NULL: the model has none */
	struct kvik_model_info model;
	uint32_t context;   /* most tokens of a prompt with its answer */
	uint32_t sequences; /* computed together at most */
};
struct api_engine api_engine_of(struct kvik_engine *e);

struct api_config {
	struct api_engine engine;
	const char *model_name;                /* what /v1/models shows */
	const char *model_path;                /* what /props shows; NULL: the name */
	const char *chat_template;             /* Jinja; NULL: the model has none, and chat answers 400 */
	const struct call_format *tool_format; /* how tool calls are written; NULL: as the template shows */
	const char *tool_template;             /* another one, for chats with tools; NULL: there is none */
	const char *template_name;             /* for error texts */
	uint32_t choices_max;                  /* most n of a request */
	/* How tokens are drawn where a request does not say; seed and biases are not used. */
	struct kvik_sampling sampling;
	int64_t seed;             /* of requests that name none; -1: each draws anew */
	uint32_t tokens_max;      /* most tokens of an answer; 0: as many as fit */
	const char *slots_folder; /* of the files of /slots/ID?action=save; NULL: there are none */
	/* What operators should know of what clients ask for, each once; any thread; NULL: nobody wants to. */
	void (*warn)(const char *text);
};

/* What a server draws with when neither the request, nor the command line, nor the model's makers say: temperature 0.8,
 * top_k 40, top_p 0.95, min_p 0.05. */
struct kvik_sampling api_sampling_default(void);

struct api;
int api_new(struct api **out, const struct api_config *c, struct kvik_err *err) MUST_CHECK;
void api_free(struct api *a); /* after its last call has ended */

/* What one key has asked for: those who may not see everything see this alone. Held by its key and its calls. */
struct api_account;
struct api_account *api_account_new(struct api *a); /* NULL: no memory */
void api_account_hold(struct api_account *x);
void api_account_release(struct api_account *x); /* NULL is fine */

struct api_request {
	const char *method, *path; /* "POST", "/v1/chat/completions": without query */
	const char *query;         /* "action=save", as written; NULL: none */
	const char *body;          /* [bytes] */
	size_t bytes;
	uint32_t tenant;             /* of the key */
	uint64_t scope;              /* prefix namespace of the key; 0 = public */
	const char *request_id;      /* copied */
	struct api_account *account; /* NULL: there are no keys */
	bool sees_all;               /* of /slots: what all do, not its account alone; true without an account */
};

/* Where an answer goes. head once, then body any number of times, then end once; all from one thread at a time. */
struct api_sink {
	void *ctx;
	/* stream: body pieces are server-sent events, to be passed on as they come. retry_s: of 429 and 503; 0: none */
	void (*head)(void *ctx, int status, const char *content_type, bool stream, uint32_t retry_s);
	void (*body)(void *ctx, const char *text, size_t bytes);
	void (*end)(void *ctx);
};

/* The method of what is at this path ("GET", "POST"); NULL: nothing is. */
const char *api_method(const char *path);

struct api_call;
/* Answers through the sink, mostly later. *call: the caller's reference, to be given back with api_call_release after
 * end, or when the client has gone. */
void api_handle(struct api *a, const struct api_request *q, const struct api_sink *sink, struct api_call **call);
/* The same in two halves, of which the first is quick and looks at no body, and the second may take long and is for a
 * thread of its own; who calls it holds the call, and one that was aborted is not begun. body is released as soon as it
 * is parsed. NULL: no memory; answered. */
struct api_call *api_call_new(struct api *a, const struct api_request *q, const struct api_sink *sink);
void api_call_run(struct api_call *call, struct buf *body);
void api_call_hold(struct api_call *call); /* one more reference */
/* Bytes that the call holds: its prompt, what it has of an answer. An estimate; any thread. */
uint64_t api_call_bytes(const struct api_call *call);
/* The client has gone: the request is cancelled. The sink is not called after this returns. */
void api_call_abort(struct api_call *call);
void api_call_release(struct api_call *call);

/* What a generating call has taken so far, for logs; after `end`. False: it generated nothing. */
bool api_call_usage(struct api_call *call, struct kvik_usage *u);

/* Why its prompt (of several the first) was not found further in the cache, and the word for what looks like a nonce there, or
 * NULL. False: as above. */
bool api_call_prefix(struct api_call *call, struct kvik_prefix *p, const char **nonce);

/* The text of /metrics (Prometheus) as far as requests and the engine go, or, with an account, of its requests alone:
 * [*bytes], freed with mem_free; NULL: no memory. */
char *api_metrics(struct api *a, struct api_account *only, size_t *bytes);

#endif
