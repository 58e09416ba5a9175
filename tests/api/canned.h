/* canned.h: calls of the api against an engine that computes nothing and says what the table tells it: a request in,
 * the exact bytes of the answer out, per endpoint. No model, no threads, no sockets; the vocabulary and the chat
 * template are kvik-mini's.
 *
 * What the canned engine says of a token follows from its place i in the answer and its id, so that a table can be
 * checked by eye: log-probability -0.5; the n most probable ones are "A", "B", "C", ... (where i is even,
 * the token itself instead of "A") with -0.25, -0.5, ... Tokens of a prompt: the first has none, the others -1 and
 * rank 3.
 *
 * In tables ` stands for ", and figures that come from a clock are 0 in what is compared. */
#ifndef TESTS_API_CANNED_H
#define TESTS_API_CANNED_H

#include <kvik.h>

#include "base/err.h"

struct api_case {
	const char *name;
	const char *request; /* "POST /v1/completions" */
	const char *body;
	const char *says;   /* tokens of every answer with | between them, each one of the vocabulary: "Hel|lo" */
	const char *end;    /* the stop string that ended it; NULL: see finish */
	size_t end_bytes;   /* 0: end ends with a NUL */
	const char *answer; /* "200 application/json\n" and the body; all events of a stream */
	const char *file; /* the body is this file below ../shared/cases/api instead; the case is skipped without it */
	const char *chat_template; /* instead of kvik-mini's */
	const char *vocab;         /* the same of its vocabulary: a tokenizer.json */
	enum kvik_finish finish;
};

/* Runs every case as a test of its own; returns the count of failures. With KVIK_SHOW=1 set it prints what came, as a
 * table would have it. */
int canned_run(const struct api_case *cases, size_t n);

#endif
