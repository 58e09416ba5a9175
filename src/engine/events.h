/* events.h: what the engine's owner has to say to callers, on its way to a thread that does nothing but call them: the
 * consumer; or to whoever polls. What callers make of an event (JSON, lines of a socket) never keeps a step waiting.
 *
 * A ring of fixed size between the two: putting an event copies it and allocates nothing. When the ring is full the
 * owner waits: nothing is lost and nothing grows.
 *
 * Nobody waits for ever for a call back that does not return. The owner looks at the consumer now and then
 * (events_watch); one that is seen EVENTS_LOOKS times in the same call, EVENTS_LOOK_MS apart, while other events wait,
 * is replaced: a new thread goes on behind that event. The old one keeps its stream: of that what comes is dropped but
 * for the last record, which it delivers once the call has returned. */
#ifndef KVIK_ENGINE_EVENTS_H
#define KVIK_ENGINE_EVENTS_H

#include "base/err.h"

#define EVENTS_RECORD_MAX 16384 /* bytes of one record */
#define EVENTS_LAST_MAX 128     /* of the last one of a stream */
#define EVENTS_LOOK_MS 250
#define EVENTS_LOOKS 4
#define EVENTS_STUCK_MAX 16 /* replaced consumers at a time; beyond that the owner waits */

struct events;

struct events_config {
	size_t bytes; /* of the ring; at least 4 EVENTS_RECORD_MAX */
	bool polled;  /* no consumer: events_poll takes */
	void *ctx;
	void (*deliver)(void *ctx, const void *record); /* the consumer's; of one stream in the order of events_put */
	void (*idle)(void *ctx);                   /* the consumer's or poller's: all that was put has been taken */
	void (*stuck)(void *ctx, uint64_t stream); /* the owner's: its consumer was replaced */
};

/* NOMEM, IO. */
int events_new(struct events **out, const struct events_config *c, struct kvik_err *err) MUST_CHECK;
/* Delivers what was put (of a polled one too), waits for calls that have not returned, ends the consumers. NULL is fine. */
void events_free(struct events *e);

/* Room for the next record of a stream, aligned to 8, n <= EVENTS_RECORD_MAX; waits while the ring is full. last: none
 * follows, and n <= EVENTS_LAST_MAX. The owner's. */
void *events_put(struct events *e, uint64_t stream, bool last, size_t n);
/* The records put so far may be delivered. The owner's. */
void events_flush(struct events *e);
/* Looks whether the consumer gets on; returns after how many milliseconds to look again, 0: there is no need until more
 * is put. The owner's. */
uint32_t events_watch(struct events *e);
/* All that was flushed has been delivered, but for calls of replaced consumers. Any thread. */
bool events_idle(struct events *e);

/* Of a polled one: the next record, valid until the next call; NULL: there is none. One thread at a time. */
const void *events_poll(struct events *e);
/* Readable while there are records to poll for; -1: not polled. */
int events_fd(const struct events *e);
/* Nobody will poll any more: a consumer delivers what is left, and what comes. */
void events_unpoll(struct events *e);

#endif
