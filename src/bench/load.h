/* load.h: a load on a server or an engine: planned beforehand, driven by one event loop, measured per request.
 *
 * A conversation is one or more turns; a request is one of them. Times are in seconds since the run began. Latency
 * counts from the planned time of a request, not from when it could be sent: a server that falls behind cannot hide it
 * by making its clients wait (no coordinated omission). A turn after the first is planned when the answer before it
 * has been read and thought about. Owner: one thread, but for load_engine's events. */
#ifndef KVIK_BENCH_LOAD_H
#define KVIK_BENCH_LOAD_H

#include <kvik.h>

#include "base/buf.h"
#include "base/err.h"

struct event_base;

/* ---- The plan (load_plan.c) -------------------------------------------------------------------------------------- */

struct load_shape {
	uint64_t seed;
	uint32_t conversations; /* at most */
	double rate;            /* conversations per second, Poisson; 0: a closed loop, each starts when another ends */
	double duration_s;      /* none arrives (or starts) later; 0 = no end */
	uint32_t turns;         /* of a conversation */
	double think_s;         /* mean of the pause before a further turn, exponential */
	uint32_t prompt, output; /* means in tokens: of what is new in a turn; of an answer */
	float spread;            /* sigma of their lognormal distributions; 0: all are alike */
	uint32_t length_max;     /* longer ones are cut to it */
	uint32_t prefix;         /* tokens that the conversations of a group begin with; 0 = none */
	uint32_t prefixes;       /* groups */
};

struct load_turn {
	uint32_t prompt, output; /* tokens */
	double think_s;          /* pause before it */
};

struct load_conversation {
	double arrival;               /* of an open loop */
	uint32_t prefix;              /* 0..prefixes-1 */
	const struct load_turn *turn; /* [shape.turns] */
};

struct load_plan {
	struct load_shape shape;
	struct load_conversation *conversation; /* [n] */
	size_t n;
	struct load_turn *turns; /* [n * shape.turns] */
};

/* The same shape gives the same plan. Errors: NOMEM, ARG. */
int load_plan_make(struct load_plan *p, const struct load_shape *s, struct kvik_err *err) MUST_CHECK;
void load_plan_release(struct load_plan *p);

/* A well mixed number; a pure function. */
uint64_t load_mix(uint64_t seed, uint64_t counter);
/* n words, each behind a blank, of about a token each; the same for the same seed. */
bool load_words(struct buf *to, uint64_t seed, size_t n);

/* ---- Runs (load_run.c) ------------------------------------------------------------------------------------------- */

enum load_outcome {
	LOAD_UNFINISHED, /* the run was stopped */
	LOAD_OK,
	LOAD_REFUSED, /* 429 or 503: the server is full */
	LOAD_FAILED
};

struct load_record {
	double planned, sent, first, last, end; /* first, last: pieces of text; NAN: there was none */
	uint32_t turn;
	uint32_t pieces; /* of text that arrived: tokens, or a few at once */
	uint32_t new_tokens, prompt_tokens, cached_tokens;
	bool counted;      /* the three above were told by the server; else new_tokens is pieces */
	bool knows_cached; /* cached_tokens was told */
	enum load_outcome outcome;
};

enum { LOAD_FAILURES = 8, LOAD_FAILURE_TEXT = 200 };

struct load_result {
	struct load_record *record; /* [n], in the order of their sending */
	size_t n, cap;
	float *gap; /* [gaps]: seconds between pieces of text, of all requests */
	size_t gaps, gaps_cap;
	double seconds; /* from the first planned time to the last end */
	uint32_t peak;  /* conversations under way at once */
	size_t unsent;  /* planned, but the run was stopped or the turn before failed */
	struct {
		char text[LOAD_FAILURE_TEXT];
		size_t count;
	} failure[LOAD_FAILURES]; /* [failures], different ones */
	size_t failures;
};
void load_result_release(struct load_result *r);

struct load_run;

/* A conversation under way. */
struct load_flight {
	struct load_flight *prev, *next;
	struct load_run *run;
	const struct load_conversation *plan;
	uint32_t turn;      /* the one that is answered, or thought about */
	size_t record;      /* of the request; index */
	struct event *wait; /* for thinking */
	void *state;        /* of the target */
};

/* What is loaded. Answers by load_piece any number of times, then load_end once, both in the loop and never from
 * within send. */
struct load_target {
	/* Before a run: its texts are made from the seed. */
	void (*prepare)(struct load_target *t, const struct load_plan *p, uint64_t seed);
	/* Sends the flight's turn; the target keeps what was said before, and the answer, in f->state. */
	int (*send)(struct load_target *t, struct load_flight *f, struct kvik_err *err);
	void (*forget)(struct load_target *t, struct load_flight *f); /* frees f->state; cancels what is running */
};

/* One piece of an answer, which arrived at `now` (bench_now). */
void load_piece(struct load_flight *f, double now);

struct load_end {
	enum load_outcome outcome;
	double now;
	const char *failure; /* of LOAD_FAILED */
	bool counted, knows_cached;
	uint32_t prompt_tokens, cached_tokens, new_tokens;
};
/* The answer is over. f may be gone afterwards. */
void load_end(struct load_flight *f, const struct load_end *e);

struct load_options {
	uint32_t concurrency; /* conversations under way at most; of an open loop 0 = no limit */
	const char *name;     /* for the line of progress */
};

/* Runs the plan to its end, or until SIGINT. The caller releases *r in every case. Errors: NOMEM, and what send says of
 * the target as a whole. */
int load_run(const struct load_plan *p, struct load_target *t, struct event_base *base, const struct load_options *o,
	     struct load_result *r, struct kvik_err *err) MUST_CHECK;

/* ---- Targets ----------------------------------------------------------------------------------------------------- */

struct load_http_config {
	const char *url, *key, *ca, *model; /* model: NULL = the first of /v1/models */
	uint32_t timeout_s;
	bool completions; /* /v1/completions instead of /v1/chat/completions */
	bool stop_at_end; /* the model may end its answer early */
	float temperature;
};
/* Over HTTP; asks the server for its model, and measures how many tokens our words are. */
int load_http_new(struct load_target **out, struct event_base *base, const struct load_http_config *c,
		  struct kvik_err *err) MUST_CHECK;
void load_http_free(struct load_target *t);
const char *load_http_model(const struct load_target *t);
double load_http_tokens_per_word(const struct load_target *t); /* NAN: the server does not count its tokens */

/* An engine of this process, over random token ids. */
int load_engine_new(struct load_target **out, struct event_base *base, struct kvik_engine *e, bool stop_at_end,
		    struct kvik_err *err) MUST_CHECK;
void load_engine_free(struct load_target *t); /* after the engine */

/* ---- Figures (load_report.c) ------------------------------------------------------------------------------------- */

struct report;

struct load_goal {
	double ttft_s, itl_s; /* 0 = none */
};

struct load_case {
	const char *name; /* "2/s", "8 at once" */
	double load;      /* x of the charts */
	const struct load_result *result;
};

/* Sections of throughput and latency, one row or a few for each case. */
void load_report(struct report *r, const struct load_case *cases, size_t n, const struct load_goal *goal);

#endif
