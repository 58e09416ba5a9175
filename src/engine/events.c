/* events.c: see events.h.
 *
 *     [ ... | being delivered | flushed | put, not flushed | free ... ]     positions count bytes since the beginning;
 *           ^ taken            ^ (batch)  ^ flushed          ^ put          a record lies at position % bytes
 *
 * A record is its size, rounded up to 8, and its bytes; it does not wrap: what is left before the end of the ring is
 * skipped, told by a size of 0.
 *
 * Invariants: 1. taken <= flushed <= put <= taken + bytes. 2. put is the owner's alone; the other two are under lock.
 * 3. The consumer reads only before flushed, the owner writes only behind put. */
#include "engine/events.h"

#include <pthread.h>
#include <time.h>

#include "base/mem.h"
#include "base/os.h"

enum { BATCH = 64 }; /* events after which the consumer gives their room back */

struct events {
	struct events_config c;
	uint8_t *ring;          /* [c.bytes] */
	uint64_t put, room_end; /* the owner's; room_end: taken + bytes as it was last seen */
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	uint64_t flushed, taken;
	bool waits; /* the owner, for room */
	bool stop;
};

static uint64_t *size_at(const struct events *e, uint64_t position)
{
	return (uint64_t *)(void *)(e->ring + position % e->c.bytes);
}

/* Delivers up to BATCH records of [at, end); returns where it stopped. */
static uint64_t deliver(struct events *e, uint64_t at, uint64_t end)
{
	for (int i = 0; i < BATCH && at < end; i++) {
		uint64_t n = *size_at(e, at);
		if (n == 0) {
			at += e->c.bytes - at % e->c.bytes;
			continue;
		}
		e->c.deliver(e->c.ctx, size_at(e, at) + 1);
		at += sizeof n + n;
	}
	return at;
}

static void *consume(void *events)
{
	struct events *e = events;
	uint64_t at = 0;
	pthread_mutex_lock(&e->lock);
	for (;;) {
		uint64_t end = e->flushed;
		if (at == end && e->stop)
			break;
		if (at == end) {
			pthread_cond_wait(&e->more, &e->lock);
			continue;
		}
		pthread_mutex_unlock(&e->lock);
		at = deliver(e, at, end);
		pthread_mutex_lock(&e->lock);
		e->taken = at;
		if (e->waits)
			pthread_cond_signal(&e->room);
		if (at == e->flushed) {
			pthread_mutex_unlock(&e->lock);
			e->c.idle(e->c.ctx);
			pthread_mutex_lock(&e->lock);
		}
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

int events_new(struct events **out, const struct events_config *c, struct kvik_err *err)
{
	*out = NULL;
	struct events *e = mem_zalloc(1, sizeof *e);
	if (!e)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the events of an engine");
	e->c = *c;
	e->room_end = c->bytes;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->more, NULL);
	pthread_cond_init(&e->room, &attr);
	pthread_condattr_destroy(&attr);
	e->ring = mem_alloc(c->bytes);
	int rc = e->ring ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the events of an engine");
	if (!rc && os_thread_new(&e->thread, consume, e) != 0)
		rc = err_set(err, KVIK_ERR_NOMEM, "no thread for the events of an engine");
	e->started = !rc;
	if (rc)
		events_free(e);
	else
		*out = e;
	return rc;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	if (e->started) {
		events_flush(e);
		pthread_mutex_lock(&e->lock);
		e->stop = true;
		pthread_cond_signal(&e->more);
		pthread_mutex_unlock(&e->lock);
		pthread_join(e->thread, NULL);
	}
	pthread_cond_destroy(&e->more);
	pthread_cond_destroy(&e->room);
	pthread_mutex_destroy(&e->lock);
	mem_free(e->ring);
	mem_free(e);
}

/* Until the ring has room up to `end`. */
static void wait_for_room(struct events *e, uint64_t end)
{
	events_flush(e); /* or the consumer may have nothing to do */
	pthread_mutex_lock(&e->lock);
	e->waits = true;
	while (e->taken + e->c.bytes < end) {
		uint64_t ns = os_clock_ns() + EVENTS_STUCK_MS * UINT64_C(1000000);
		struct timespec until = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
		uint64_t before = e->taken;
		if (pthread_cond_timedwait(&e->room, &e->lock, &until) == 0 || e->taken != before)
			continue;
		pthread_mutex_unlock(&e->lock);
		e->c.stuck(e->c.ctx);
		pthread_mutex_lock(&e->lock);
	}
	e->waits = false;
	e->room_end = e->taken + e->c.bytes;
	pthread_mutex_unlock(&e->lock);
}

static void need_room(struct events *e, uint64_t n)
{
	if (e->put + n > e->room_end)
		wait_for_room(e, e->put + n);
}

void *events_put(struct events *e, size_t n)
{
	uint64_t size = (n + 7) / 8 * 8, whole = size + sizeof size, left = e->c.bytes - e->put % e->c.bytes;
	if (left < whole) {
		need_room(e, left);
		*size_at(e, e->put) = 0;
		e->put += left;
	}
	need_room(e, whole);
	uint64_t *at = size_at(e, e->put);
	*at = size;
	e->put += whole;
	return at + 1;
}

void events_flush(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	bool more = e->flushed != e->put;
	e->flushed = e->put;
	if (more)
		pthread_cond_signal(&e->more);
	pthread_mutex_unlock(&e->lock);
}

bool events_idle(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	bool idle = e->taken == e->flushed;
	pthread_mutex_unlock(&e->lock);
	return idle;
}
