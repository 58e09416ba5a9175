/* reply.h: what a generating call collects from the engine's events, and how a dialect writes it.
 *
 * Owner: the call. Filled by the engine's thread once the request is submitted. */
#ifndef KVIK_API_REPLY_H
#define KVIK_API_REPLY_H

#include "api/call.h"
#include "api/sampling.h"
#include "api/toolcall.h"
#include "base/buf.h"

struct reply_choice {
	struct buf text;  /* NUL-terminated */
	size_t sent;      /* bytes that a stream has sent as content */
	json_t *logprobs; /* array of one entry per token, in the dialect's form; owned; NULL = not wanted */
	size_t logprobs_sent;
	uint32_t tokens;
	json_t *ids; /* array; owned; NULL = not wanted */
	enum kvik_finish finish;
	bool ended;
	uint64_t token_ns; /* when the last token came; 0: none yet */
};

struct reply;

/* How a dialect writes; everything runs on the engine's thread. */
struct dialect {
	/* One token's entry of logprobs. */
	json_t *(*logprob)(const struct api_call *c, const struct kvik_token *t);
	/* Stream: something new has come for a choice (c->reply->choices[i]); logprobs: of the new tokens, or NULL. */
	void (*delta)(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs);
	void (*choice_end)(struct api_call *c, uint32_t i); /* stream */
	void (*end)(struct api_call *c);                    /* stream: what comes last */
	void (*whole)(struct api_call *c);                  /* no stream: everything */
};

struct reply {
	const struct dialect *dialect;
	json_t *body; /* owned: the request, into which sampling points */
	struct sampling sampling;
	bool stream, include_usage, wants_logprobs, wants_ids, explain;
	bool no_memory;             /* a choice's text could not grow: the request ends as an error */
	enum toolcall_format tools; /* TOOLCALL_NONE: text is text */
	char *prompt;               /* rendered or given text, owned; may be NULL */
	char *echo;                 /* text put before the answer, owned; NULL = none */
	uint32_t *ids;              /* [n_ids], of the prompt; kvik_free */
	size_t n_ids;
	enum kvik_pooling pooling;
	float *embedding;  /* [dim], owned */
	const char *model; /* as the caller named it; borrowed from body */
	char id[API_ID_BYTES];
	int64_t created;
	uint64_t start_ns; /* of the submission */
	struct kvik_usage usage;
	bool has_usage; /* the request has ended; with usage under the call's lock */
	void *state;    /* of the dialect, freed with mem_free */
	uint32_t n_choices;
	struct reply_choice *choices; /* [n_choices] */
};

/* NULL: no memory. Takes body's reference. prefix: of the id ("chatcmpl-"). */
struct reply *reply_new(struct api_call *c, const struct dialect *d, json_t *body, const char *prefix);
void reply_free(struct reply *r);
void reply_drop_choices(struct reply *r); /* before another reply_start of the same call */

/* Reads the body by the sampling fields and n more of the dialect's own, then the sampling parameters. */
int reply_read(struct api_call *c, const struct field *own, size_t n, struct field_error *e) MUST_CHECK;
/* r->ids from a list of token ids; false: it is none, or there is no memory. */
bool reply_take_ids(struct reply *r, const json_t *list);

/* Submits the prompt r->ids; answers come by the dialect. On an error the call is answered at once. */
void reply_start(struct api_call *c);

/* {"prompt_tokens": ..., "cached_tokens": ...} as OpenAI has it. */
json_t *reply_usage(const struct api_call *c);
const char *reply_finish(const struct reply *r, uint32_t choice); /* "stop", "length", "tool_calls" */
/* What request "x_kvik": true adds to an answer: how the prompt met the cache, and what waiting and computing took. */
json_t *reply_explain(const struct api_call *c);

#endif
