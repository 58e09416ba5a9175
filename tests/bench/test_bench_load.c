/* test_bench_load.c: the load tool's plan (seeded, with the means it names), its percentiles, and its loop over a
 * target whose speed is known: waiting counts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <event2/event.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/load.h"

static const struct load_shape shape = {.seed = 7,
					.conversations = 20000,
					.rate = 4,
					.turns = 2,
					.think_s = 3,
					.prompt = 161,
					.output = 338,
					.spread = 1,
					.length_max = 1000000,
					.prefixes = 5};

static void means_are_as_named(void **state)
{
	(void)state;
	struct load_plan p;
	double prompt = 0, output = 0, think = 0;
	size_t groups[5] = {0};
	assert_int_equal(load_plan_make(&p, &shape, NULL), 0);
	assert_int_equal(p.n, shape.conversations);
	for (size_t i = 0; i < p.n; i++) {
		prompt += p.conversation[i].turn[0].prompt;
		output += p.conversation[i].turn[1].output;
		think += p.conversation[i].turn[1].think_s;
		groups[p.conversation[i].prefix]++;
		assert_true(i == 0 || p.conversation[i].arrival > p.conversation[i - 1].arrival);
		assert_true(p.conversation[i].turn[0].think_s == 0);
	}
	double n = (double)p.n;
	assert_true(fabs(prompt / n - 161) < 161 * 0.03);
	assert_true(fabs(output / n - 338) < 338 * 0.03);
	assert_true(fabs(think / n - 3) < 0.1);
	assert_true(fabs(p.conversation[p.n - 1].arrival / n - 0.25) < 0.01);
	for (int g = 0; g < 5; g++)
		assert_true(fabs((double)groups[g] / n - 0.2) < 0.02);
	load_plan_release(&p);
}

static void a_seed_is_a_plan(void **state)
{
	(void)state;
	struct load_shape s = shape;
	struct load_plan a, b, c;
	s.conversations = 50;
	assert_int_equal(load_plan_make(&a, &s, NULL), 0);
	s.rate = 8; /* half the time, the same lengths */
	s.conversations = 60;
	assert_int_equal(load_plan_make(&b, &s, NULL), 0);
	s.seed = 8;
	assert_int_equal(load_plan_make(&c, &s, NULL), 0);
	for (size_t i = 0; i < a.n; i++) {
		assert_memory_equal(a.conversation[i].turn, b.conversation[i].turn, 2 * sizeof(struct load_turn));
		assert_true(fabs(a.conversation[i].arrival - 2 * b.conversation[i].arrival) < 1e-9);
	}
	assert_memory_not_equal(b.turns, c.turns, 100 * sizeof(struct load_turn));
	load_plan_release(&a);
	load_plan_release(&b);
	load_plan_release(&c);
}

static void limits_hold(void **state)
{
	(void)state;
	struct load_shape s = shape;
	struct load_plan p;
	s.length_max = 100;
	s.duration_s = 10;
	assert_int_equal(load_plan_make(&p, &s, NULL), 0);
	assert_true(p.n > 10 && p.n < 100); /* 40 are expected */
	for (size_t i = 0; i < p.n; i++)
		assert_true(p.conversation[i].arrival <= 10 && p.conversation[i].turn[1].output <= 100 &&
			    p.conversation[i].turn[1].output >= 1);
	load_plan_release(&p);
	s.spread = 0;
	s.prompt = 64;
	assert_int_equal(load_plan_make(&p, &s, NULL), 0);
	for (size_t i = 0; i < p.n; i++)
		assert_int_equal(p.conversation[i].turn[0].prompt, 64);
	load_plan_release(&p);
	s.turns = 0;
	assert_int_equal(load_plan_make(&p, &s, NULL), KVIK_ERR_ARG);
}

static void percentiles_are_by_nearest_rank(void **state)
{
	(void)state;
	double v[] = {50, 20, 40, 15, 35};
	assert_true(bench_percentile(v, 5, 0.05) == 15 && bench_percentile(v, 5, 0.3) == 20);
	assert_true(bench_percentile(v, 5, 0.4) == 20 && bench_percentile(v, 5, 0.5) == 35);
	assert_true(bench_percentile(v, 5, 1) == 50 && bench_percentile(v, 1, 0.99) == 15);
	assert_true(isnan(bench_percentile(v, 0, 0.5)));
}

/* ---- The loop over a target that answers after ANSWER_MS, with two pieces; or refuses every fifth ----------- */

enum { ANSWER_MS = 5 };

struct fake {
	struct load_target target; /* first */
	struct event_base *base;
	bool refuses;
	uint32_t sent, forgotten, at_once, peak, turns_seen;
};

struct fake_state {
	struct fake *fake;
	struct load_flight *flight;
	struct event *timer;
};

static void on_time(evutil_socket_t fd, short what, void *user)
{
	struct fake_state *s = user;
	struct fake *f = s->fake;
	(void)fd, (void)what;
	f->at_once--;
	struct load_end end = {.outcome = LOAD_OK, .counted = true, .new_tokens = 2};
	if (f->refuses && f->sent % 5 == 0) {
		end.outcome = LOAD_REFUSED;
	} else {
		load_piece(s->flight, bench_now() - 0.001);
		load_piece(s->flight, bench_now());
	}
	end.now = bench_now();
	load_end(s->flight, &end);
}

static int fake_send(struct load_target *t, struct load_flight *flight, struct kvik_err *err)
{
	struct fake *f = (struct fake *)(void *)t;
	struct fake_state *s = flight->state;
	const struct timeval delay = {.tv_usec = ANSWER_MS * 1000};
	(void)err;
	if (!s) {
		s = mem_zalloc(1, sizeof *s);
		s->fake = f;
		s->flight = flight;
		s->timer = evtimer_new(f->base, on_time, s);
		flight->state = s;
	}
	f->sent++;
	f->turns_seen |= 1u << flight->turn;
	f->at_once++;
	if (f->at_once > f->peak)
		f->peak = f->at_once;
	evtimer_add(s->timer, &delay);
	return 0;
}

static void fake_forget(struct load_target *t, struct load_flight *flight)
{
	struct fake_state *s = flight->state;
	((struct fake *)(void *)t)->forgotten++;
	event_free(s->timer);
	mem_free(s);
}

static void run_fake(struct fake *f, const struct load_shape *s, uint32_t concurrency, struct load_result *r)
{
	struct load_plan p;
	const struct load_options o = {.concurrency = concurrency, .name = "test"};
	f->target = (struct load_target){.send = fake_send, .forget = fake_forget};
	f->base = event_base_new();
	assert_int_equal(load_plan_make(&p, s, NULL), 0);
	assert_int_equal(load_run(&p, &f->target, f->base, &o, r, NULL), 0);
	load_plan_release(&p);
	event_base_free(f->base);
}

static void waiting_counts(void **state)
{
	(void)state;
	/* 50 arrive within about 50 ms, one at a time takes 5 ms: the last waits for about 200 ms */
	const struct load_shape s = {.seed = 1,
				     .conversations = 50,
				     .rate = 1000,
				     .turns = 1,
				     .prompt = 1,
				     .output = 1,
				     .length_max = 1,
				     .prefixes = 1};
	struct fake f = {0};
	struct load_result r;
	run_fake(&f, &s, 1, &r);
	assert_int_equal(r.n, 50);
	assert_int_equal(f.peak, 1);
	const struct load_record *last = &r.record[49];
	assert_true(last->first - last->planned > 0.15);
	assert_true(last->sent - last->planned > 0.14 && last->end >= last->last);
	assert_int_equal(r.gaps, 50);
	load_result_release(&r);
	f = (struct fake){0};
	run_fake(&f, &s, 0, &r); /* without a limit nobody waits */
	assert_true(f.peak > 1 && r.peak == f.peak);
	assert_int_equal(f.forgotten, 50);
	load_result_release(&r);
}

static void turns_follow_and_refusals_end(void **state)
{
	(void)state;
	const struct load_shape s = {.seed = 1,
				     .conversations = 20,
				     .turns = 3,
				     .think_s = 0.001,
				     .prompt = 1,
				     .output = 1,
				     .length_max = 1,
				     .prefixes = 1};
	struct fake f = {0};
	struct load_result r;
	run_fake(&f, &s, 4, &r);
	assert_int_equal(r.n, 60);
	assert_int_equal(f.turns_seen, 7);
	assert_int_equal(f.peak, 4);
	assert_int_equal(r.unsent, 0);
	for (size_t i = 0; i < r.n; i++)
		assert_true(r.record[i].outcome == LOAD_OK && r.record[i].pieces == 2);
	load_result_release(&r);
	f = (struct fake){.refuses = true};
	run_fake(&f, &s, 4, &r);
	size_t refused = 0;
	for (size_t i = 0; i < r.n; i++)
		refused += r.record[i].outcome == LOAD_REFUSED;
	assert_true(refused > 0 && r.n < 60);
	assert_int_equal(r.n + r.unsent, 60);
	assert_int_equal(f.forgotten, 20);
	load_result_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(means_are_as_named), cmocka_unit_test(a_seed_is_a_plan),
		cmocka_unit_test(limits_hold),        cmocka_unit_test(percentiles_are_by_nearest_rank),
		cmocka_unit_test(waiting_counts),     cmocka_unit_test(turns_follow_and_refusals_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
