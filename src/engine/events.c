/* events.c: see events.h.
 *
 *     [ ... | flushed, not taken | put, not flushed | free ... ]     positions count bytes since the beginning;
 *           ^ taken               ^ flushed          ^ put            a record lies at position % bytes
 *
 * A record is a head (its size rounded up to 8, its stream) and its bytes; it does not wrap: what is left before the end
 * of the ring is skipped, told by a size of 0. A consumer copies a record out before it delivers it, so that the ring
 * does not wait for the call.
 *
 * Invariants: 1. taken <= flushed <= put <= taken + bytes. 2. put is the owner's alone; all else is under lock. 3. A
 * record is read only before flushed, written only behind put. 4. Exactly one consumer takes: `now`. */
#include "engine/events.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"

#define LOOK_NS (EVENTS_LOOK_MS * UINT64_C(1000000))

struct head {
	uint64_t size; /* of what follows; 0: nothing, skip to the end of the ring */
	uint64_t stream;
	uint64_t last; /* 1: the last record of its stream */
};

struct consumer {
	struct events *events;
	struct consumer *next; /* of the list of all */
	pthread_t thread;
	struct head in_hand; /* of the record that is being delivered; size 0: none */
	bool replaced;       /* while it delivered that one: it owes only the last record of the stream, */
	bool owes_last;      /* unless that was it */
	bool has_last;       /* which is there */
	bool done;           /* its thread has ended */
	_Alignas(8) uint8_t record[EVENTS_RECORD_MAX];
	_Alignas(8) uint8_t last_record[EVENTS_LAST_MAX];
};

struct events {
	struct events_config c;
	uint8_t *ring;          /* [c.bytes] */
	uint64_t put, room_end; /* the owner's; room_end: taken + bytes as it was last seen */
	uint64_t look_ns;       /* the owner's: when to look at the consumer again, */
	uint64_t looked_at;     /* at which record it was then, */
	uint32_t looks;         /* and how often it was seen there */
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t more, room;
	uint64_t flushed, taken, n_taken; /* n_taken: records */
	struct consumer *now, *all;
	uint32_t n_replaced;
	bool waits; /* the owner, for room */
	bool polled;
	bool stop;
};

static struct head *head_at(const struct events *e, uint64_t position)
{
	return (struct head *)(void *)(e->ring + position % e->c.bytes);
}

/* Moves the next record that somebody wants into c; false: there is none. Under lock. */
static bool take(struct events *e, struct consumer *c)
{
	while (e->taken != e->flushed) {
		const struct head *h = head_at(e, e->taken);
		struct consumer *other = e->n_replaced > 0 ? e->all : NULL;
		if (e->c.bytes - e->taken % e->c.bytes < sizeof *h || h->size == 0) {
			e->taken += e->c.bytes - e->taken % e->c.bytes;
			continue;
		}
		while (other && !(other->replaced && other->owes_last && other->in_hand.stream == h->stream))
			other = other->next;
		e->taken += sizeof *h + h->size;
		e->n_taken++;
		if (!other) {
			c->in_hand = *h;
			memcpy(c->record, h + 1, h->size);
			return true;
		}
		if (h->last) {
			memcpy(other->last_record, h + 1, h->size);
			other->has_last = true;
			pthread_cond_broadcast(&e->more);
		}
	}
	return false;
}

/* An owner that waits goes on when half the ring is free, and not for every record. Under lock. */
static void give_room(struct events *e)
{
	if (e->waits && e->flushed - e->taken <= e->c.bytes / 2)
		pthread_cond_signal(&e->room);
}

/* All is taken: nobody waits for the lock that `idle` may take. Under lock. */
static void tell_idle(struct events *e)
{
	pthread_mutex_unlock(&e->lock);
	e->c.idle(e->c.ctx);
	pthread_mutex_lock(&e->lock);
}

/* Until there is a record in c; false: the end. Under lock. */
static bool next(struct events *e, struct consumer *c)
{
	bool told = c->in_hand.size == 0;
	c->in_hand.size = 0;
	for (;;) {
		if (!e->polled && take(e, c)) {
			give_room(e);
			return true;
		}
		if (e->stop)
			return false;
		if (!told)
			tell_idle(e);
		else
			pthread_cond_wait(&e->more, &e->lock);
		told = true;
	}
}

/* What is owed by a consumer that was replaced. Under lock. */
static void pay(struct events *e, struct consumer *c)
{
	while (c->owes_last && !c->has_last)
		pthread_cond_wait(&e->more, &e->lock);
	pthread_mutex_unlock(&e->lock);
	if (c->has_last)
		e->c.deliver(e->c.ctx, c->last_record);
	pthread_mutex_lock(&e->lock);
	c->owes_last = false;
}

static void *consume(void *consumer)
{
	struct consumer *c = consumer;
	struct events *e = c->events;
	pthread_mutex_lock(&e->lock);
	while (!c->replaced && next(e, c)) {
		pthread_mutex_unlock(&e->lock);
		e->c.deliver(e->c.ctx, c->record);
		pthread_mutex_lock(&e->lock);
	}
	if (c->replaced)
		pay(e, c);
	c->done = true;
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* NULL: no memory, no thread. Under lock, or before anybody else knows e. */
static struct consumer *consumer_new(struct events *e)
{
	struct consumer *c = mem_zalloc(1, sizeof *c);
	if (!c)
		return NULL;
	c->events = e;
	if (os_thread_new(&c->thread, consume, c) != 0) {
		mem_free(c);
		return NULL;
	}
	c->next = e->all;
	e->all = c;
	return c;
}

static void init_lock(struct events *e)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->more, NULL);
	pthread_cond_init(&e->room, &attr);
	pthread_condattr_destroy(&attr);
}

int events_new(struct events **out, const struct events_config *c, struct kvik_err *err)
{
	*out = NULL;
	struct events *e = mem_zalloc(1, sizeof *e);
	if (!e)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the events of an engine");
	e->c = *c;
	e->polled = c->polled;
	e->room_end = c->bytes;
	init_lock(e);
	int rc = 0;
	e->fd = c->polled ? os_signal_new() : -1;
	if (c->polled && e->fd < 0)
		rc = err_set(err, KVIK_ERR_IO, "no file descriptor for the events of an engine");
	e->ring = mem_alloc(c->bytes);
	if (!rc && !e->ring)
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the events of an engine");
	pthread_mutex_lock(&e->lock);
	e->now = rc ? NULL : consumer_new(e);
	pthread_mutex_unlock(&e->lock);
	if (!rc && !e->now)
		rc = err_set(err, KVIK_ERR_NOMEM, "no thread for the events of an engine");
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
	if (e->now) {
		events_flush(e);
		events_unpoll(e);
		pthread_mutex_lock(&e->lock);
		e->stop = true;
		pthread_cond_broadcast(&e->more);
		pthread_mutex_unlock(&e->lock);
	}
	while (e->all) {
		struct consumer *c = e->all;
		pthread_join(c->thread, NULL);
		e->all = c->next;
		mem_free(c);
	}
	pthread_cond_destroy(&e->more);
	pthread_cond_destroy(&e->room);
	pthread_mutex_destroy(&e->lock);
	if (e->fd >= 0)
		close(e->fd);
	mem_free(e->ring);
	mem_free(e);
}

/* ---- The owner --------------------------------------------------------------------------------------------------- */

/* Frees replaced consumers that have ended. Under lock. */
static void reap(struct events *e)
{
	for (struct consumer **at = &e->all; *at;) {
		struct consumer *c = *at;
		if (!c->done) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		pthread_join(c->thread, NULL);
		mem_free(c);
		e->n_replaced--;
	}
}

/* Another consumer goes on behind the event that `now` has in hand. Under lock. */
static bool replace(struct events *e)
{
	struct consumer *old = e->now, *c = e->n_replaced < EVENTS_STUCK_MAX ? consumer_new(e) : NULL;
	if (!c)
		return false;
	old->replaced = true;
	old->owes_last = !old->in_hand.last;
	e->n_replaced++;
	e->now = c;
	return true;
}

uint32_t events_watch(struct events *e)
{
	uint64_t now = os_clock_ns(), stream = 0;
	bool replaced = false;
	pthread_mutex_lock(&e->lock);
	if (e->n_replaced > 0)
		reap(e);
	/* A consumer that has not begun yet will be looked at too: it may be the next record that it never returns from. */
	bool waiting = !e->polled && e->taken != e->flushed;
	if (!waiting || e->now->in_hand.size == 0 || e->n_taken != e->looked_at) {
		e->looked_at = e->n_taken;
		e->looks = 0;
		e->look_ns = now + LOOK_NS;
	} else if (now >= e->look_ns) {
		e->look_ns = now + LOOK_NS;
		stream = e->now->in_hand.stream;
		replaced = ++e->looks >= EVENTS_LOOKS && replace(e);
	}
	pthread_mutex_unlock(&e->lock);
	if (replaced)
		e->c.stuck(e->c.ctx, stream);
	return waiting ? EVENTS_LOOK_MS : 0;
}

/* Until the ring has room up to `end`. */
static void wait_for_room(struct events *e, uint64_t end)
{
	events_flush(e); /* or the consumer may have nothing to do */
	pthread_mutex_lock(&e->lock);
	e->waits = true;
	while (e->taken + e->c.bytes < end) {
		uint64_t ns = os_clock_ns() + LOOK_NS;
		struct timespec until = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
		if (pthread_cond_timedwait(&e->room, &e->lock, &until) == 0)
			continue;
		pthread_mutex_unlock(&e->lock);
		events_watch(e);
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

void *events_put(struct events *e, uint64_t stream, bool last, size_t n)
{
	uint64_t size = (n + 7) / 8 * 8, whole = size + sizeof(struct head), left = e->c.bytes - e->put % e->c.bytes;
	assert(n > 0 && n <= (last ? EVENTS_LAST_MAX : EVENTS_RECORD_MAX));
	if (left < whole) {
		need_room(e, left);
		if (left >= sizeof(struct head))
			head_at(e, e->put)->size = 0;
		e->put += left;
	}
	need_room(e, whole);
	struct head *h = head_at(e, e->put);
	*h = (struct head){size, stream, last};
	e->put += whole;
	return h + 1;
}

void events_flush(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	bool more = e->flushed != e->put, was_empty = e->taken == e->flushed;
	e->flushed = e->put;
	if (more && e->polled && was_empty)
		os_signal_set(e->fd);
	else if (more)
		pthread_cond_broadcast(&e->more);
	pthread_mutex_unlock(&e->lock);
}

bool events_idle(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	bool idle = e->taken == e->flushed && (e->polled || e->now->in_hand.size == 0);
	pthread_mutex_unlock(&e->lock);
	return idle;
}

/* ---- Whoever polls ----------------------------------------------------------------------------------------------- */

const void *events_poll(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	bool taken = e->polled && take(e, e->now);
	if (taken)
		give_room(e);
	if (!taken && e->polled)
		os_signal_clear(e->fd);
	e->now->in_hand.size = 0;
	if (taken && e->taken == e->flushed)
		tell_idle(e);
	pthread_mutex_unlock(&e->lock);
	return taken ? e->now->record : NULL;
}

int events_fd(const struct events *e)
{
	return e->fd;
}

void events_unpoll(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	e->polled = false;
	pthread_cond_broadcast(&e->more);
	pthread_mutex_unlock(&e->lock);
}
