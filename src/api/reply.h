/* reply.h: what a generating call collects from the engine's events, and how a dialect writes it.
 *
 * Owner: the call. Filled by the engine's consumer thread once the request is submitted. */
#ifndef KVIK_API_REPLY_H
#define KVIK_API_REPLY_H

#include <kvik.h>

#include "api/call.h"
#include "api/sampling.h"
#include "api/structured.h"
#include "api/tool_choice.h"
#include "base/buf.h"
#include "chat/answer.h"

struct reply_choice {
	struct buf text;          /* NUL-terminated */
	struct answer answer;     /* of a chat: reads the text as it comes */
	struct buf said, thought; /* of a chat: what it read; NUL-terminated */
	json_t *calls;            /* array, of a chat; owned */
	struct buf arguments;     /* of the call at hand: what no stream has sent yet */
	size_t call_index;        /* of it */
	bool leaves_out;          /* it is one more than the request wants */
	struct api_call *call;    /* whose answer it is, and its number there */
	uint32_t index;
	uint32_t thought_tokens;
	size_t sent;      /* bytes that a stream has sent as content */
	json_t *logprobs; /* array of one entry per token, in the dialect's form; owned; NULL = not wanted */
	size_t logprobs_sent;
	uint32_t tokens;
	json_t *ids; /* array; owned; NULL = not wanted */
	size_t ids_sent;
	enum kvik_finish finish;
	const char *stop; /* [stop_bytes] the stop string that ended it, borrowed from the body; NULL: none did */
	size_t stop_bytes;
	bool ended;
	uint64_t first_token_ns, token_ns; /* when the first and the last token came; 0: none yet */
};

/* One prompt of a call: the engine's request for it, and its answers. */
struct reply_prompt {
	struct api_call *call; /* for the engine's events */
	uint32_t first_choice; /* of its answers: choices[first_choice .. + n) of the reply */
	uint32_t *ids;         /* [n_ids]; kvik_free */
	size_t n_ids;
	uint32_t marks[KVIK_MARKS_MAX]; /* [n_marks] of a chat: where its last messages begin */
	size_t n_marks;
	char *text; /* [text_bytes] rendered or given, owned; may be NULL */
	size_t text_bytes;
	char *echo; /* [echo_bytes] text put before the answers, owned; NULL = none */
	size_t echo_bytes;
	json_t *logprobs; /* of the prompt's own tokens, like those of a choice; owned; NULL = not wanted */
	json_t *by_id;    /* the same as vLLM's prompt_logprobs; owned; NULL = not wanted */
	float *embedding; /* [dim], owned */
	struct kvik_constrained *constrained; /* its answers, where the request gives them a form; owned */
	struct infill_end *infill_end;        /* and may end by time or indentation; owned */
	struct after_thoughts *after;         /* which may begin behind thoughts; owned */
	uint64_t engine_id;                   /* of the running request, 0 = none; under the call's lock */
	bool ended;                           /* usage is there; under the call's lock */
	struct kvik_usage usage;
	struct kvik_prefix prefix;
	enum nonce nonce; /* where the cache goes on with another token: what stands there */
};

struct reply;

/* How a dialect writes; everything runs on the engine's consumer thread. */
struct dialect {
	/* One token's entry of logprobs; NULL: the dialect has none. */
	json_t *(*logprob)(const struct api_call *c, const struct kvik_token *t);
	/* Stream: something new has come for a choice (c->reply->choices[i]); logprobs: of the new tokens, or NULL. */
	void (*delta)(struct api_call *c, uint32_t i, const char *text, size_t bytes, json_t *logprobs);
	void (*choice_end)(struct api_call *c, uint32_t i); /* stream */
	void (*end)(struct api_call *c);                    /* stream: what comes last */
	void (*whole)(struct api_call *c);                  /* no stream: everything */
	/* Stream of a chat: thoughts; and what is told of a call: CALL_BEGIN, ARGUMENTS, CALL or LOST. */
	void (*thought)(struct api_call *c, uint32_t i, const char *text, size_t bytes);
	void (*call)(struct api_call *c, uint32_t i, const struct answer_part *p);
	void (*release)(struct reply *r); /* of what state owns; NULL: nothing */
};

struct reply {
	const struct dialect *dialect;
	json_t *body; /* owned: the request, into which sampling points */
	struct sampling sampling;
	struct structured structured;
	struct structured_cache *constraints; /* of the server */
	bool stream, wants_logprobs, wants_ids, explain, timings_per_token;
	bool include_usage, usage_in_chunks; /* of a stream */
	uint32_t top_logprobs;               /* most probable tokens shown of each of an answer, or of an echo */
	bool echo_logprobs, prompt_by_id;    /* the prompt's tokens are shown, in one way or the other */
	uint32_t by_id_top;                  /* the most probable ones beside each, with prompt_by_id */
	bool no_answer;                      /* only the prompt is wanted: what is generated is not shown */
	bool no_memory;                      /* a text could not grow: the call ends as an error */
	bool failed;                         /* an error was answered; under the call's lock */
	bool is_chat;                        /* answers are read in this style: */
	struct answer_style style;
	bool thinks, called; /* the prompt has opened the thoughts, or a call */
	bool keeps_special;  /* special tokens that are no marks are shown */
	const char *form_opens,
		*form_closes; /* the form of an answer begins behind thoughts between these marks; NULL: at once */
	json_t *tools;        /* owned; NULL = none */
	bool must_call;       /* an answer is a call, in the generic form */
	uint32_t predict_ms, indent; /* infill_end.h; 0: no such limit */
	bool form_whole;             /* the form has a place for thoughts itself */
	bool one_call;               /* of an answer only the first tool call is told */
	enum kvik_pooling pooling;
	bool bare;        /* prompts get no token that begins a text */
	json_t *x_kvik;   /* borrowed from body; NULL: it says nothing. retain.c makes of it: */
	uint64_t session; /* that the pins belong to; 0: none */
	uint8_t keep_priority;
	uint64_t keep_ttl_ms;                       /* of prompt and answer; 0: no end */
	struct kvik_retain retain[KVIK_RETAIN_MAX]; /* [n_retain] */
	size_t n_retain;
	int64_t slot;      /* id_slot, -1: none; the text of the first answer is kept there: */
	struct ids text;   /* its prompt and tokens; owned */
	const char *model; /* as the caller named it; borrowed from body */
	char id[API_ID_BYTES];
	int64_t created;
	uint64_t start_ns;            /* of the submission */
	void *state;                  /* of the dialect, freed with mem_free */
	struct reply_prompt *prompts; /* [n_prompts], owned; fixed once submitted */
	uint32_t n_prompts, n_open;   /* open: not ended; under the call's lock */
	uint32_t n_choices;
	struct reply_choice *choices; /* [n_choices], owned: those of the first prompt, of the second, ... */
};

#define REPLY_PROMPTS_MAX 2048

/* NULL: no memory. Takes body's reference. prefix: of the id ("chatcmpl-"). */
struct reply *reply_new(struct api_call *c, const struct dialect *d, json_t *body, const char *prefix);
void reply_free(struct reply *r);

/* Reads the body by the sampling fields and n more of the dialect's own, then the sampling parameters. */
int reply_read(struct api_call *c, const struct field *own, size_t n, struct field_error *e) MUST_CHECK;

/* What streams, prompt_logprobs and cache_salt ask for; NULL: nothing. */
int reply_read_stream_options(struct reply *r, const json_t *options, struct field_error *e) MUST_CHECK;
int reply_read_prompt_logprobs(struct reply *r, const json_t *top, struct field_error *e) MUST_CHECK;
int reply_read_cache_salt(struct api_call *c, const json_t *salt, struct field_error *e) MUST_CHECK;

/* What x_kvik says: true, or how long what is kept of this request (retain.c). */
int reply_read_x_kvik(struct reply *r, struct field_error *e) MUST_CHECK;

/* How many tokens an answer may have, by the field `name`: NULL or below 0 is as many as fit. 0, where zero_ok: only
 * the prompt is wanted. */
int reply_read_max_tokens(struct api_call *c, const char *name, const json_t *v, bool zero_ok,
			  struct field_error *e) MUST_CHECK;

/* One more prompt, empty; NULL: the call was answered (too many, no memory). Valid until the next is added. */
struct reply_prompt *reply_add_prompt(struct api_call *c);
/* Prompts from what callers write: a text, token ids, texts and ids mixed, or a list of such. field: its name, for
 * errors. 0, or -1: the call was answered. */
int reply_read_prompts(struct api_call *c, json_t *prompt, const char *field) MUST_CHECK;

/* Submits all prompts; answers come by the dialect. On an error the call is answered at once. */
void reply_start(struct api_call *c);

/* The prompt that a choice answers. */
const struct reply_prompt *reply_prompt_of(const struct reply *r, uint32_t choice);
/* Of all prompts: tokens added up, times of the slowest. */
struct kvik_usage reply_total(const struct reply *r);
/* {"prompt_tokens": ..., "cached_tokens": ...} as OpenAI has it. */
json_t *reply_usage(const struct api_call *c);
/* The same of a choice, so far. */
json_t *reply_usage_so_far(const struct api_call *c, uint32_t choice);
/* A token's entry of vLLM's prompt_logprobs. */
json_t *reply_logprobs_by_id(const struct api_call *c, const struct kvik_token *t);
/* As llama-server has them: tokens and milliseconds of a choice and its prompt, so far or in all. */
json_t *reply_timings(const struct api_call *c, uint32_t choice);
/* Ids of a choice that no delta has carried yet, as a list. */
json_t *reply_unsent_ids(struct reply *r, uint32_t choice);
/* A parameter as it was written: 0.8, not 0.800000012. */
double reply_number(float x);
/* The name under which the answer goes: as the caller called the model, else its own. */
const char *reply_model(const struct api_call *c);
/* [n] numbers as a list; a new reference. */
json_t *reply_floats(const float *v, size_t n);
/* A call's arguments, which are the text of a JSON object, as that object; a new reference. */
json_t *reply_arguments(const char *text);
const char *reply_finish(const struct reply *r, uint32_t choice); /* "stop", "length", "tool_calls" */
/* What request "x_kvik": true adds to an answer: how the prompt met the cache, and what waiting and computing took; of
 * several prompts a list. */
json_t *reply_explain(const struct api_call *c);

#endif
