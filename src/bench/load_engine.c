/* load_engine.c: the target that is an engine of this process: no sockets, no text, random token ids.
 *
 * The engine's consumer thread notes what happens, with the time, and wakes the loop through a pipe; the loop takes the notes.
 * A state whose conversation was given up stays until its request has ended, as its notes point to it. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/load.h"

struct engine_target;

/* A conversation. */
struct engine_state {
	struct engine_target *target;
	struct load_flight *flight; /* NULL: given up */
	struct ids ids;             /* all tokens so far */
	uint64_t request;
	bool busy; /* its end is still to come */
	/* The end, noted by the engine's consumer thread, which needs no memory for it: no end may be lost. */
	struct engine_state *next_ended; /* under the target's lock */
	struct load_end end;
	char failure[LOAD_FAILURE_TEXT];
};

/* A token. */
struct note {
	struct engine_state *state;
	double now;
	uint32_t id;
};

struct notes {
	struct note *list; /* [n] */
	size_t n, cap;
};

struct engine_target {
	struct load_target target; /* first */
	struct kvik_engine *engine;
	const struct load_plan *plan;
	uint64_t seed;
	uint32_t n_vocab;
	bool stop_at_end;
	int pipe[2];
	struct event *ready;
	pthread_mutex_t lock;
	struct notes notes;         /* under lock */
	struct engine_state *ended; /* under lock; their tokens are in notes, or were taken before */
};

static struct engine_target *target_of(struct load_target *t)
{
	return (struct engine_target *)(void *)t;
}

/* ---- The engine's consumer thread -------------------------------------------------------------------------------- */

static bool is_empty(const struct engine_target *t)
{
	return t->notes.n == 0 && !t->ended;
}

/* Where memory ends, a token goes unnoticed. */
static void note_token(struct engine_target *t, const struct note *note)
{
	struct notes *n = &t->notes;
	struct note *list = mem_grow(n->list, &n->cap, n->n, sizeof *list);
	if (!list)
		return;
	n->list = list;
	n->list[n->n++] = *note;
}

static void note_end(struct engine_state *s, const struct kvik_event *e)
{
	s->end = (struct load_end){
		.outcome = LOAD_OK, .now = bench_now(), .counted = true, .knows_cached = true, .failure = s->failure};
	if (e->usage) {
		s->end.prompt_tokens = e->usage->prompt_tokens;
		s->end.cached_tokens = e->usage->cached_tokens;
		s->end.new_tokens = e->usage->new_tokens;
	}
	if (e->error) {
		s->end.outcome = e->error->code == KVIK_ERR_FULL ? LOAD_REFUSED : LOAD_FAILED;
		snprintf(s->failure, sizeof s->failure, "%.*s", LOAD_FAILURE_TEXT - 1, e->error->text);
	}
	s->next_ended = s->target->ended;
	s->target->ended = s;
}

static void on_event(void *user, const struct kvik_event *e)
{
	struct engine_state *s = user;
	struct engine_target *t = s->target;
	if (e->kind == KVIK_EVENT_CHOICE || (e->kind == KVIK_EVENT_TOKEN && e->token->id == KVIK_NO_ID))
		return;
	pthread_mutex_lock(&t->lock);
	bool wake = is_empty(t);
	if (e->kind == KVIK_EVENT_END)
		note_end(s, e);
	else
		note_token(t, &(struct note){s, bench_now(), e->token->id});
	pthread_mutex_unlock(&t->lock);
	if (wake && write(t->pipe[1], "", 1) < 0) {
		/* the pipe is full, so that the loop is awake */
	}
}

/* ---- The loop ---------------------------------------------------------------------------------------------------- */

static void free_state(struct engine_state *s)
{
	ids_release(&s->ids);
	mem_free(s);
}

static void take_token(const struct note *note)
{
	struct engine_state *s = note->state;
	if (!s->flight)
		return;
	load_piece(s->flight, note->now);
	(void)ids_add(&s->ids, note->id); /* a missing one makes the next prompt shorter by a token */
}

static void take_end(struct engine_state *s)
{
	s->busy = false;
	if (s->flight)
		load_end(s->flight, &s->end);
	else
		free_state(s);
}

static void take_all(struct engine_target *t)
{
	pthread_mutex_lock(&t->lock);
	struct notes n = t->notes;
	struct engine_state *ended = t->ended;
	t->notes = (struct notes){0};
	t->ended = NULL;
	pthread_mutex_unlock(&t->lock);
	for (size_t i = 0; i < n.n; i++)
		take_token(&n.list[i]);
	mem_free(n.list);
	while (ended) {
		struct engine_state *next = ended->next_ended;
		take_end(ended);
		ended = next;
	}
}

static void on_ready(evutil_socket_t fd, short what, void *user)
{
	char bytes[256];
	(void)what;
	while (read(fd, bytes, sizeof bytes) > 0)
		;
	take_all(user);
}

static bool add_ids(struct engine_state *s, uint64_t seed, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (!ids_add(&s->ids, (uint32_t)(load_mix(seed, i) % s->target->n_vocab)))
			return false;
	return true;
}

static bool add_turn(struct engine_state *s)
{
	const struct load_flight *f = s->flight;
	const struct load_plan *p = s->target->plan;
	uint64_t seed = s->target->seed, conversation = (uint64_t)(f->plan - p->conversation);
	if (f->turn == 0 && !add_ids(s, load_mix(seed + 1, f->plan->prefix), p->shape.prefix))
		return false;
	return add_ids(s, load_mix(seed + 2, conversation * p->shape.turns + f->turn), f->plan->turn[f->turn].prompt);
}

static int send_turn(struct load_target *target, struct load_flight *f, struct kvik_err *err)
{
	struct engine_target *t = target_of(target);
	struct engine_state *s = f->state;
	if (!s) {
		s = mem_zalloc(1, sizeof *s);
		if (!s)
			return err_set(err, KVIK_ERR_NOMEM, "no memory for a conversation");
		s->target = t;
		s->flight = f;
		f->state = s;
	}
	if (!add_turn(s))
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a prompt");
	struct kvik_request_params q = kvik_request_params_default();
	q.ids = s->ids.data;
	q.n_ids = s->ids.n;
	struct kvik_generate_params g = kvik_generate_params_default();
	g.max_tokens = f->plan->turn[f->turn].output;
	g.ignore_end = !t->stop_at_end;
	q.generate = &g;
	q.on_event = on_event;
	q.user = s;
	s->busy = true;
	int rc = kvik_engine_submit(t->engine, &q, &s->request, err);
	if (rc)
		s->busy = false;
	return rc;
}

static void forget(struct load_target *target, struct load_flight *f)
{
	struct engine_state *s = f->state;
	f->state = NULL;
	if (s && s->busy) {
		s->flight = NULL;
		kvik_engine_cancel(target_of(target)->engine, s->request);
	} else if (s) {
		free_state(s);
	}
}

static void prepare(struct load_target *target, const struct load_plan *p, uint64_t seed)
{
	struct engine_target *t = target_of(target);
	t->plan = p;
	t->seed = seed;
}

/* ---- Life -------------------------------------------------------------------------------------------------------- */

int load_engine_new(struct load_target **out, struct event_base *base, struct kvik_engine *e, bool stop_at_end,
		    struct kvik_err *err)
{
	struct engine_target *t = mem_zalloc(1, sizeof *t);
	*out = NULL;
	if (!t)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a client");
	if (pipe2(t->pipe, O_NONBLOCK | O_CLOEXEC)) {
		mem_free(t);
		return err_set(err, KVIK_ERR_IO, "a pipe: %s", strerror(errno));
	}
	pthread_mutex_init(&t->lock, NULL);
	t->target = (struct load_target){prepare, send_turn, forget};
	t->engine = e;
	t->n_vocab = kvik_model_get_info(kvik_engine_model(e)).vocab_size;
	t->stop_at_end = stop_at_end;
	t->ready = event_new(base, t->pipe[0], EV_READ | EV_PERSIST, on_ready, t);
	if (!t->ready || event_add(t->ready, NULL)) {
		load_engine_free(&t->target);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for an event");
	}
	*out = &t->target;
	return 0;
}

void load_engine_free(struct load_target *target)
{
	struct engine_target *t = target_of(target);
	if (!t)
		return;
	take_all(t); /* the ends of what was given up */
	if (t->ready)
		event_free(t->ready);
	close(t->pipe[0]);
	close(t->pipe[1]);
	pthread_mutex_destroy(&t->lock);
	mem_free(t);
}
