/* test_events.c: the ring between the owner and the consumer: everything arrives once, whole and in order, whatever the
 * sizes and the paces; a full ring makes the owner wait; a call back that does not return is told of. */
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

static void stuck(void *ctx)
{
	struct check *c = ctx;
	atomic_fetch_add(&c->stuck, 1);
	atomic_store(&c->shut, false);
}

static void put_all(struct events *e, uint32_t flush_every)
{
	uint32_t random = 1;
	for (uint32_t i = 0; i < RECORDS; i++) {
		size_t n = record_bytes(&random);
		unsigned char *bytes = events_put(e, n);
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

/* The ring holds a part of the records only: the owner waits, says so after a while, and goes on when it may. */
static void a_call_back_that_blocks_is_told_of(void **state)
{
	(void)state;
	struct check c = {.shut = true};
	run(&c, 64);
	assert_int_equal(atomic_load(&c.stuck), 1);
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
		cmocka_unit_test(a_call_back_that_blocks_is_told_of),
		cmocka_unit_test(putting_allocates_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
