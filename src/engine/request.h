/* request.h: a request from submission to its last event: the engine's own copy of what the caller gave, the state of
 * its choices, and its events. Owner: the engine's thread, but before it is queued; from its END event on, the consumer
 * of events (events.h), which frees it. */
#ifndef KVIK_ENGINE_REQUEST_H
#define KVIK_ENGINE_REQUEST_H

#include <stdatomic.h>

#include <kvik.h>

#include "engine/emit.h"
#include "engine/events.h"
#include "kv/kv.h"

struct sched_req;

struct choice {
	struct emit emit;
	bool ended;
};

struct request {
	struct request *prev, *next; /* of the list it is in */
	uint64_t id;
	struct kvik_request_params params; /* pointers go to copies, and to these: */
	struct kvik_generate_params generate;
	struct kvik_sampling sampling;
	struct kvik_processor processor;
	char *copies; /* owned: ids, biases, strings: one block */
	uint64_t submitted_ns, first_token_ns;
	struct events *events;     /* borrowed; where what it has to say is put */
	struct sched_req *planned; /* while it is live */
	struct kv_share share;     /* who may start from what it computes, and for how long that is kept */
	bool isolated;             /* nobody, and it starts from nothing of others */
	atomic_bool cancelled;     /* set under the engine's lock */
	atomic_bool drained;       /* set before it: not the caller, the engine's end cancelled it */
	bool cancel_passed;        /* the scheduler knows */
	struct kvik_err failure;   /* code 0: none; of the END event too */
	uint64_t retry_ms;         /* of the END event */
	struct kvik_usage usage;
	struct kvik_prefix prefix;
	float *embedding; /* [dim], owned; sums first */
	/* Prompt tokens whose rows were pooled, or shown by request_prompt_token; those that a preempted request
	 * computes again are not taken twice. */
	size_t passed;
	uint32_t n_choices;
	struct choice choices[]; /* [n_choices] */
};

/* ARG, NOMEM. Freed with request_free. */
int request_new(struct request **out, const struct kvik_model *m, const struct kvik_request_params *p, bool polled,
		struct kvik_err *err) MUST_CHECK;
void request_free(struct request *r);

/* These put events; they may wait for the consumer. */
void request_token(struct request *r, uint32_t choice, const struct kvik_token *t);
/* What its text still held back, then its end. Once per choice. */
void request_choice_end(struct request *r, uint32_t choice, enum kvik_finish finish);
/* The last event: choices that have not ended are cancelled. error: NULL, or why. r is the consumer's then. */
void request_end(struct request *r, const struct kvik_err *error, uint64_t retry_ms);
/* The next token of the prompt, with its log-probability. */
void request_prompt_token(struct request *r, const struct kvik_token *t);

/* An event that was put, as callers see it; its token is part of it. */
struct request_event {
	struct kvik_event event;
	struct kvik_token token;
	kvik_event_fn *call; /* whom it is for; NULL in a polled engine */
};
/* Of the consumer, or whoever polls. False: nobody wants it, the request being cancelled. *ended: its request, which is
 * to be freed when the event has been looked at; NULL: it goes on. */
bool request_event(struct request_event *out, const void *record, struct request **ended);

/* Rows of hidden states, [n][dim], of the prompt's tokens from `position` on, into the embedding. */
void request_pool(struct request *r, const float *rows, size_t position, size_t n, size_t dim);

#endif
