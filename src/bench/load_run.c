/* load_run.c: the loop that sends what is planned when it is due, and notes what happens.
 *
 *     planned --(open loop: arrived, waiting for room)--> in flight: answered, thinking, answered, ... --> over
 *
 * are the states of a conversation. `next` is the first that has not started; in an open loop those before `arrived`
 * are due. */
#include <event2/event.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "bench/bench.h"
#include "bench/load.h"

struct load_run {
	const struct load_plan *plan;
	struct load_target *target;
	const struct load_options *options;
	struct load_result *result;
	struct event_base *base;
	struct event *arrival, *progress, *interrupt;
	double start; /* bench_now at time 0 */
	size_t next, arrived, over;
	struct load_flight *flights;
	uint32_t in_flight;
	bool stopped;
	int rc; /* what ended the run, with its text in err */
	struct kvik_err *err;
};

static double clock_of(const struct load_run *r)
{
	return bench_now() - r->start;
}

static void break_off(struct load_run *r, int rc)
{
	if (!r->rc)
		r->rc = rc;
	r->stopped = true;
	event_base_loopbreak(r->base);
}

/* ---- Records ----------------------------------------------------------------------------------------------------- */

static struct load_record *add_record(struct load_run *r)
{
	struct load_result *to = r->result;
	struct load_record *record = mem_grow(to->record, &to->cap, to->n, sizeof *record);
	if (!record)
		return NULL;
	to->record = record;
	to->record[to->n] = (struct load_record){.first = NAN, .last = NAN, .end = NAN};
	return &to->record[to->n++];
}

static bool add_gap(struct load_result *to, double seconds)
{
	float *gap = mem_grow(to->gap, &to->gaps_cap, to->gaps, sizeof *gap);
	if (!gap)
		return false;
	to->gap = gap;
	to->gap[to->gaps++] = (float)seconds;
	return true;
}

static void add_failure(struct load_result *to, const char *text)
{
	size_t i = 0;
	while (i < to->failures && strncmp(to->failure[i].text, text, LOAD_FAILURE_TEXT - 1) != 0)
		i++;
	if (i == LOAD_FAILURES)
		return;
	if (i == to->failures)
		snprintf(to->failure[to->failures++].text, LOAD_FAILURE_TEXT, "%s", text);
	to->failure[i].count++;
}

void load_result_release(struct load_result *r)
{
	mem_free(r->record);
	mem_free(r->gap);
	*r = (struct load_result){0};
}

/* ---- Conversations ----------------------------------------------------------------------------------------------- */

static void start_due(struct load_run *r);

static void send_turn(struct load_flight *f, double planned)
{
	struct load_run *r = f->run;
	struct load_record *record = add_record(r);
	if (!record) {
		break_off(r, err_set(r->err, KVIK_ERR_NOMEM, "no memory for another request"));
		return;
	}
	f->record = r->result->n - 1;
	record->planned = planned;
	record->turn = f->turn;
	record->sent = clock_of(r);
	int rc = r->target->send(r->target, f, r->err);
	if (rc)
		break_off(r, rc);
}

static void on_thought(evutil_socket_t fd, short what, void *user)
{
	struct load_flight *f = user;
	struct load_run *r = f->run;
	(void)fd, (void)what;
	const struct load_record *before = &r->result->record[f->record];
	double planned = before->end + f->plan->turn[f->turn].think_s;
	send_turn(f, planned);
}

/* A conversation that is over, or given up: its target's state goes too. */
static void land(struct load_flight *f)
{
	struct load_run *r = f->run;
	r->target->forget(r->target, f);
	LIST_REMOVE(r->flights, f);
	if (f->wait)
		event_free(f->wait);
	mem_free(f);
	r->in_flight--;
}

static void start_next(struct load_run *r, double planned)
{
	struct load_flight *f = mem_zalloc(1, sizeof *f);
	if (f)
		f->wait = evtimer_new(r->base, on_thought, f);
	if (!f || !f->wait) {
		mem_free(f);
		break_off(r, err_set(r->err, KVIK_ERR_NOMEM, "no memory for another conversation"));
		return;
	}
	f->run = r;
	f->plan = &r->plan->conversation[r->next++];
	LIST_PUSH(r->flights, f);
	r->in_flight++;
	if (r->in_flight > r->result->peak)
		r->result->peak = r->in_flight;
	send_turn(f, planned);
}

static void wait_for_arrival(struct load_run *r)
{
	double delay = r->plan->conversation[r->arrived].arrival - clock_of(r);
	delay = delay > 0 ? delay : 0;
	struct timeval tv = {.tv_sec = (time_t)delay, .tv_usec = (suseconds_t)(fmod(delay, 1) * 1e6)};
	evtimer_add(r->arrival, &tv);
}

/* Starts what is due and has room; ends the loop when nothing is left to come. */
static void start_due(struct load_run *r)
{
	const struct load_shape *s = &r->plan->shape;
	bool open = s->rate > 0;
	uint32_t most = r->options->concurrency;
	if (!open && s->duration_s > 0 && clock_of(r) > s->duration_s)
		r->arrived = r->next;
	while (!r->stopped && r->next < r->arrived && (most == 0 || r->in_flight < most))
		start_next(r, open ? r->plan->conversation[r->next].arrival : clock_of(r));
	bool more = open ? r->next < r->plan->n : r->next < r->arrived;
	if (r->in_flight == 0 && !more)
		event_base_loopbreak(r->base);
}

static void on_arrival(evutil_socket_t fd, short what, void *user)
{
	struct load_run *r = user;
	(void)fd, (void)what;
	while (r->arrived < r->plan->n && r->plan->conversation[r->arrived].arrival <= clock_of(r))
		r->arrived++;
	if (r->arrived < r->plan->n)
		wait_for_arrival(r);
	start_due(r);
}

/* ---- What targets tell ------------------------------------------------------------------------------------------- */

void load_piece(struct load_flight *f, double now)
{
	struct load_run *r = f->run;
	struct load_record *record = &r->result->record[f->record];
	double at = now - r->start;
	if (record->pieces++ == 0)
		record->first = at;
	else if (!add_gap(r->result, at - record->last))
		break_off(r, err_set(r->err, KVIK_ERR_NOMEM, "no memory for another gap"));
	record->last = at;
}

void load_end(struct load_flight *f, const struct load_end *e)
{
	struct load_run *r = f->run;
	struct load_record *record = &r->result->record[f->record];
	record->end = e->now - r->start;
	record->outcome = e->outcome;
	record->counted = e->counted;
	record->knows_cached = e->knows_cached;
	record->prompt_tokens = e->prompt_tokens;
	record->cached_tokens = e->cached_tokens;
	record->new_tokens = e->counted ? e->new_tokens : record->pieces;
	if (e->outcome == LOAD_FAILED)
		add_failure(r->result, e->failure ? e->failure : "?");
	if (e->outcome == LOAD_OK && ++f->turn < r->plan->shape.turns) {
		double pause = f->plan->turn[f->turn].think_s;
		struct timeval tv = {.tv_sec = (time_t)pause, .tv_usec = (suseconds_t)(fmod(pause, 1) * 1e6)};
		evtimer_add(f->wait, &tv);
		return;
	}
	r->over++;
	land(f);
	start_due(r);
}

/* ---- The run ----------------------------------------------------------------------------------------------------- */

static void on_progress(evutil_socket_t fd, short what, void *user)
{
	struct load_run *r = user;
	char text[96];
	(void)fd, (void)what;
	snprintf(text, sizeof text, "%.0f s, %zu of %zu done, %u under way", clock_of(r), r->over, r->plan->n,
		 r->in_flight);
	bench_progress(r->options->name, text);
}

static void on_interrupt(evutil_socket_t fd, short what, void *user)
{
	(void)fd, (void)what;
	break_off(user, 0);
}

static int loop(struct load_run *r, struct kvik_err *err)
{
	const struct timeval second = {.tv_sec = 1};
	r->arrival = evtimer_new(r->base, on_arrival, r);
	r->progress = event_new(r->base, -1, EV_PERSIST, on_progress, r);
	r->interrupt = evsignal_new(r->base, SIGINT, on_interrupt, r);
	if (!r->arrival || !r->progress || !r->interrupt || evtimer_add(r->progress, &second) ||
	    evsignal_add(r->interrupt, NULL))
		return err_set(err, KVIK_ERR_NOMEM, "no memory for timers");
	bench_progress(r->options->name, "");
	r->start = bench_now();
	if (r->plan->shape.rate > 0) {
		wait_for_arrival(r);
	} else {
		r->arrived = r->plan->n;
		start_due(r);
	}
	if (!r->stopped)
		event_base_dispatch(r->base);
	return r->rc;
}

static void free_event(struct event *e)
{
	if (e)
		event_free(e);
}

/* What was not sent, and the time that all took. */
static void sum_up(struct load_run *r)
{
	struct load_result *to = r->result;
	size_t planned = (r->plan->shape.duration_s > 0 && !r->stopped ? r->next : r->plan->n) * r->plan->shape.turns;
	double first = INFINITY;
	to->unsent = planned > to->n ? planned - to->n : 0;
	for (size_t i = 0; i < to->n; i++) {
		first = fmin(first, to->record[i].planned);
		to->seconds = isnan(to->record[i].end) ? to->seconds : fmax(to->seconds, to->record[i].end);
	}
	to->seconds = to->n > 0 ? fmax(0, to->seconds - first) : 0;
}

int load_run(const struct load_plan *p, struct load_target *t, struct event_base *base, const struct load_options *o,
	     struct load_result *result, struct kvik_err *err)
{
	struct load_run r = {.plan = p, .target = t, .options = o, .result = result, .base = base, .err = err};
	*result = (struct load_result){0};
	int rc = p->n > 0 ? loop(&r, err) : err_set(err, KVIK_ERR_ARG, "nothing arrives: give a longer --duration");
	while (r.flights)
		land(r.flights);
	free_event(r.arrival);
	free_event(r.progress);
	free_event(r.interrupt);
	sum_up(&r);
	return rc;
}
