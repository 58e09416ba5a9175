/* events.h: what the engine's owner has to say to callers, on its way to a thread that does nothing but call them: the
 * consumer. What callers make of an event (JSON, lines of a socket) never keeps a step waiting.
 *
 * A ring of fixed size between the two: putting an event copies it and allocates nothing. When the ring is full the
 * owner waits for the consumer: nothing is lost and nothing grows. A call back that keeps the consumer for
 * EVENTS_STUCK_MS while the owner waits is told of by `stuck`, so that its request can be ended. */
#ifndef KVIK_ENGINE_EVENTS_H
#define KVIK_ENGINE_EVENTS_H

#include "base/err.h"

#define EVENTS_RECORD_MAX 16384 /* bytes of one record */
#define EVENTS_STUCK_MS 1000

struct events;

struct events_config {
	size_t bytes; /* of the ring; at least 4 EVENTS_RECORD_MAX */
	void *ctx;
	void (*deliver)(void *ctx, const void *record); /* the consumer's; in the order of events_put */
	void (*idle)(void *ctx);                        /* the consumer's: all that was put has been delivered */
	void (*stuck)(void *ctx);                       /* the owner's */
};

int events_new(struct events **out, const struct events_config *c, struct kvik_err *err) MUST_CHECK;
/* Delivers what was put, ends the consumer. NULL is fine. */
void events_free(struct events *e);

/* Room for the next record, aligned to 8, n <= EVENTS_RECORD_MAX; waits while the ring is full. The owner's. */
void *events_put(struct events *e, size_t n);
/* The records put so far may be delivered. The owner's. */
void events_flush(struct events *e);
/* All that was flushed has been delivered. Any thread. */
bool events_idle(struct events *e);

#endif
