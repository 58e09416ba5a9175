/* http_work.h: threads that make work for the engine out of requests: JSON, chat templates, tokens. None of it runs in
 * the event loop.
 *
 * Requests are sorted into lanes by their size, each with threads of its own, so that no large one is ever before a
 * small one; those of the larger lanes give way to everything else on the machine. In a lane the clients take turns by
 * what they have asked for so far (start-time fair queueing; Goyal, Vin, Cheng 1996), and each client's own come in
 * order.
 *
 * Threads: everything here is called by the event loop; api_call_run by the lanes' threads. */
#ifndef KVIK_HTTP_HTTP_WORK_H
#define KVIK_HTTP_HTTP_WORK_H

#include <event2/event.h>

#include "api/api.h"
#include "base/heap.h"

struct http_job {
	struct api_call *call; /* held */
	struct buf body;       /* owned */
	uint32_t group;        /* of the client */
	uint64_t bytes;        /* that it holds while it waits and is worked on */
	void *owner;           /* the loop's; NULL: nobody waits for it any more */

	/* Of http_work.c. */
	struct heap_link link;
	int lane;
	struct http_job *next;
	uint64_t start_tag, finish_tag;
};

struct http_work;

/* ended: called in the loop for each job that was worked on; the job is the caller's then. Errors: NOMEM. */
int http_work_new(struct http_work **out, struct event_base *base, void (*ended)(void *ctx, struct http_job *job),
		  void *ctx, struct kvik_err *err) MUST_CHECK;
/* Takes the job until it has ended. */
void http_work_submit(struct http_work *w, struct http_job *job);
/* Takes a job back that nobody waits for any more. False: a thread has it already; it comes by `ended`. */
bool http_work_take_back(struct http_work *w, struct http_job *job) MUST_CHECK;
void http_job_free(struct http_job *job);        /* NULL is fine */
uint32_t http_work_waiting(struct http_work *w); /* jobs that no thread has yet */
/* Waits for what is being worked on; what waits is freed. */
void http_work_free(struct http_work *w);

#endif
