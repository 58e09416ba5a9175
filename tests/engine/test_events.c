/* test_events.c: the ring between the owner and the consumer: everything arrives once, whole and in order, whatever the
 * sizes and the paces; a full ring makes the owner wait; a call back that does not return keeps nobody but its own waiting. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/events.h"

enum { RING = 4 * EVENTS_RECORD_MAX, RECORDS = 20000 };

struct check {
	uint32_t random; /* of sizes, as the owner draws them */
	atomic_uint delivered, idle, stuck;
	atomic_bool wrong, shut;
	uint32_t pause_one_in; /* 0: never */
};

static uint32_t draw(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* The bytes of a record: its number, its size, then bytes that follow from both. */
static size_t record_bytes(uint32_t *random)
{
	uint32_t r = draw(random);
	return 8 + (r % 50 == 0 ? draw(random) % (EVENTS_RECORD_MAX - 8) : draw(random) % 300);
}

static void deliver(void *ctx, const void *record)
{
	struct check *c = ctx;
	const unsigned char *bytes = record;
	uint32_t head[2], number = atomic_load(&c->delivered);
	size_t n = record_bytes(&c->random);
	memcpy(head, bytes, sizeof head);
	bool right = head[0] == number && head[1] == n;
	for (size_t i = 8; i < n && right; i++)
		right = bytes[i] == (unsigned char)(number + i);
	if (!right)
		atomic_store(&c->wrong, true);
	while (atomic_load(&c->shut))
		usleep(1000);
	if (c->pause_one_in && number % c->pause_one_in == 0)
		usleep(200);
	atomic_fetch_add(&c->delivered, 1);
}

static void idle(void *ctx)
{
	atomic_fetch_add(&((struct check *)ctx)->idle, 1);
}

static void stuck(void *ctx, uint64_t stream)
{
	struct check *c = ctx;
	(void)stream;
	atomic_fetch_add(&c->stuck, 1);
	atomic_store(&c->shut, false);
}

static void put_all(struct events *e, uint32_t flush_every)
{
	uint32_t random = 1;
	for (uint32_t i = 0; i < RECORDS; i++) {
		size_t n = record_bytes(&random);
		unsigned char *bytes = events_put(e, 1, false, n);
		memcpy(bytes, (uint32_t[2]){i, (uint32_t)n}, 8);
		for (size_t k = 8; k < n; k++)
			bytes[k] = (unsigned char)(i + k);
		if (i % flush_every == 0)
			events_flush(e);
	}
}

static void run(struct check *c, uint32_t flush_every)
{
	struct events *e;
	struct events_config config = {.bytes = RING, .ctx = c, .deliver = deliver, .idle = idle, .stuck = stuck};
	c->random = 1;
	assert_int_equal(events_new(&e, &config, NULL), 0);
	assert_true(events_idle(e));
	put_all(e, flush_every);
	events_free(e); /* delivers what is left */
	assert_int_equal(atomic_load(&c->delivered), RECORDS);
	assert_false(atomic_load(&c->wrong));
	assert_true(atomic_load(&c->idle) > 0);
}

static void everything_arrives_in_order(void **state)
{
	static const uint32_t flush_every[] = {1, 7, 64, RECORDS + 1};
	(void)state;
	for (size_t i = 0; i < sizeof flush_every / sizeof *flush_every; i++) {
		struct check c = {.pause_one_in = i % 2 ? 500 : 0};
		run(&c, flush_every[i]);
		assert_int_equal(atomic_load(&c.stuck), 0);
	}
}

/* ---- A call that does not return ----------------------------------------------------------------------------------- */

enum { STREAMS = 6 };

/* A record here is its stream and its number there. */
struct streams {
	struct events *events;
	atomic_uint delivered[STREAMS], lasts[STREAMS], stuck[STREAMS];
	atomic_bool shut[STREAMS]; /* calls for it do not return */
	atomic_bool wrong;
};

static void deliver_stream(void *ctx, const void *record)
{
	struct streams *s = ctx;
	uint32_t head[3], copy[3];
	memcpy(head, record, sizeof head);
	uint32_t stream = head[0], before = atomic_load(&s->delivered[stream]);
	atomic_fetch_add(&s->delivered[stream], 1);
	while (atomic_load(&s->shut[stream]) && !head[2])
		usleep(1000);
	memcpy(copy, record, sizeof copy); /* it is still there, wherever the ring is by now */
	bool cut = atomic_load(&s->stuck[stream]) > 0;
	if (memcmp(copy, head, sizeof head) != 0 || (!cut && head[1] != before))
		atomic_store(&s->wrong, true);
	if (head[2])
		atomic_fetch_add(&s->lasts[stream], 1);
}

static void ignore_idle(void *ctx)
{
	(void)ctx;
}

static void note_stuck(void *ctx, uint64_t stream)
{
	struct streams *s = ctx;
	atomic_fetch_add(&s->stuck[stream], 1);
}

static void put_round(struct streams *s, uint32_t number, bool last)
{
	for (uint32_t i = 0; i < STREAMS; i++)
		memcpy(events_put(s->events, i, last, 12), (uint32_t[3]){i, number, last}, 12);
	events_flush(s->events);
}

/* Two of six never return: they alone lose events, all get their last one, and nobody else waits for them. The ring
 * being full, or not full: both times the owner goes on. */
static void a_call_that_does_not_return_is_left_behind(void **state)
{
	(void)state;
	for (uint32_t rounds = 100; rounds <= 1000; rounds *= 10) {
		struct streams s = {.shut = {[1] = true, [4] = true}};
		struct events_config config = {
			.bytes = RING, .ctx = &s, .deliver = deliver_stream, .idle = ignore_idle, .stuck = note_stuck};
		assert_int_equal(events_new(&s.events, &config, NULL), 0);
		for (uint32_t n = 0; n < rounds; n++)
			put_round(&s, n, false);
		put_round(&s, rounds, true);
		while (!events_idle(s.events)) {
			assert_true(events_watch(s.events) <= EVENTS_LOOK_MS);
			usleep(1000);
		}
		for (uint32_t i = 0; i < STREAMS; i++) {
			bool cut = i == 1 || i == 4;
			assert_int_equal(atomic_load(&s.stuck[i]), cut);
			assert_int_equal(atomic_load(&s.lasts[i]), !cut);
			assert_int_equal(atomic_load(&s.delivered[i]), cut ? 1 : rounds + 1);
			atomic_store(&s.shut[i], false);
		}
		events_free(s.events); /* waits for the two */
		for (uint32_t i = 0; i < STREAMS; i++)
			assert_int_equal(atomic_load(&s.lasts[i]), 1);
		assert_false(atomic_load(&s.wrong));
	}
}

/* ---- Polled ------------------------------------------------------------------------------------------------------ */

static void *put_in_thread(void *events)
{
	put_all(events, 7);
	events_flush(events);
	return NULL;
}

static bool is_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	return poll(&p, 1, 0) == 1;
}

/* The descriptor is readable whenever there is something, and the owner waits while the ring is full. */
static void whoever_polls_gets_everything(void **state)
{
	(void)state;
	struct check c = {.random = 1};
	struct events *e;
	struct events_config config = {
		.bytes = RING, .polled = true, .ctx = &c, .deliver = deliver, .idle = idle, .stuck = stuck};
	pthread_t owner;
	assert_int_equal(events_new(&e, &config, NULL), 0);
	assert_null(events_poll(e));
	assert_false(is_readable(events_fd(e)));
	assert_int_equal(pthread_create(&owner, NULL, put_in_thread, e), 0);
	while (atomic_load(&c.delivered) < RECORDS / 2) {
		struct pollfd p = {.fd = events_fd(e), .events = POLLIN};
		const void *record;
		assert_int_equal(poll(&p, 1, 10000), 1);
		while (atomic_load(&c.delivered) < RECORDS / 2 && (record = events_poll(e)))
			deliver(&c, record);
	}
	events_unpoll(e); /* the rest is called for */
	assert_int_equal(pthread_join(owner, NULL), 0);
	assert_null(events_poll(e));
	events_free(e);
	assert_int_equal(atomic_load(&c.delivered), RECORDS);
	assert_false(atomic_load(&c.wrong));
	assert_int_equal(atomic_load(&c.stuck), 0);
}

static void putting_allocates_nothing(void **state)
{
	(void)state;
	struct check c = {.random = 1};
	struct events *e;
	struct events_config config = {.bytes = RING, .ctx = &c, .deliver = deliver, .idle = idle, .stuck = stuck};
	assert_int_equal(events_new(&e, &config, NULL), 0);
	mem_fail_at(1);
	put_all(e, 64);
	mem_fail_at(0);
	events_free(e);
	assert_int_equal(atomic_load(&c.delivered), RECORDS);
	for (long n = 1;; n++) {
		mem_fail_at(n);
		int rc = events_new(&e, &config, NULL);
		mem_fail_at(0);
		if (rc == 0)
			break;
		assert_int_equal(rc, KVIK_ERR_NOMEM);
		assert_null(e);
	}
	events_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_arrives_in_order),
		cmocka_unit_test(a_call_that_does_not_return_is_left_behind),
		cmocka_unit_test(whoever_polls_gets_everything),
		cmocka_unit_test(putting_allocates_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
