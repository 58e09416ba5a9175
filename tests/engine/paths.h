/* paths.h: what the tests of promise P1 through whole engines share: requests that hash every row of logits that a
 * token was sampled from, the same request alone as the oracle, engines and sessions to send them through. Failures end
 * the test. */
#ifndef KVIK_TESTS_ENGINE_PATHS_H
#define KVIK_TESTS_ENGINE_PATHS_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <kvik.h>

#include "base/hash.h"

#define SHARE .size = sizeof(struct kvik_share)

enum { NEW = 12, PROMPT_MAX = 480, CHOICES = 3, BATCH_MAX = 32, CONTEXT = 256 };

/* ---- One request ------------------------------------------------------------------------------------------------- */

/* Where requests report their ends, and where one can be held up until all others have been submitted. */
struct desk {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t open; /* requests that have not ended */
	bool gate_shut;
	uint64_t submitted;
	struct kvik_engine *e;
};

struct job {
	struct desk *desk;
	uint32_t ids[PROMPT_MAX], n, new_tokens, choices, n_vocab;
	uint32_t marks[KVIK_MARKS_MAX];
	size_t n_marks;
	uint64_t scope;
	bool read_public;
	bool holds_up;                          /* waits at the gate with its first token */
	uint32_t text[PROMPT_MAX + 64], n_text; /* prompt and answer, as far as they were computed */
	uint64_t hash[CHOICES];
	uint32_t tokens[CHOICES];
	uint32_t answer[NEW], n_answer; /* of choice 0, its first tokens */
	uint32_t together;              /* most sequences that were being computed at one of its tokens */
	struct kvik_usage usage;
	struct kvik_prefix prefix; /* how the cache met it */
	int code;
};

static inline void wait_at_gate(struct desk *d)
{
	pthread_mutex_lock(&d->lock);
	while (d->gate_shut)
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

static inline void hash_row(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *logits, size_t n_vocab)
{
	struct job *j = user;
	uint32_t running = kvik_engine_get_stats(j->desk->e).running;
	if (choice == 0 && n <= sizeof j->text / sizeof *j->text) {
		memcpy(j->text, ids, n * sizeof *ids);
		j->n_text = (uint32_t)n;
	}
	j->hash[choice] = hash_chain(j->hash[choice], logits, n_vocab * sizeof(float));
	j->tokens[choice]++;
	pthread_mutex_lock(&j->desk->lock);
	j->together = running > j->together ? running : j->together;
	pthread_mutex_unlock(&j->desk->lock);
	if (j->holds_up)
		wait_at_gate(j->desk);
}

static inline void on_event(void *user, const struct kvik_event *e)
{
	struct job *j = user;
	if (e->kind == KVIK_EVENT_TOKEN && e->choice == 0 && e->token->id != KVIK_NO_ID && j->n_answer < NEW)
		j->answer[j->n_answer++] = e->token->id;
	if (e->kind != KVIK_EVENT_END)
		return;
	j->usage = *e->usage;
	if (e->prefix)
		j->prefix = *e->prefix;
	j->code = e->error ? e->error->code : 0;
	pthread_mutex_lock(&j->desk->lock);
	j->desk->open--;
	pthread_cond_broadcast(&j->desk->changed);
	pthread_mutex_unlock(&j->desk->lock);
}

/* draw: room for how. */
static inline struct kvik_generate_params sampled(uint32_t new_tokens, uint64_t seed, struct kvik_sampling *draw)
{
	struct kvik_generate_params g = kvik_generate_params_default();
	g.max_tokens = new_tokens;
	g.ignore_end = true;
	*draw = kvik_sampling_default();
	draw->temperature = 0.8f;
	draw->seed = seed;
	g.sampling = draw;
	return g;
}

static inline void submit(struct desk *d, struct job *j)
{
	struct kvik_request_params p = kvik_request_params_default();
	struct kvik_err err;
	uint64_t id;
	struct kvik_sampling draw;
	struct kvik_generate_params g = sampled(j->new_tokens, j->n, &draw);
	struct kvik_processor hasher = {.size = sizeof hasher, .user = j, .process = hash_row};
	struct kvik_share share = {SHARE, .scope = j->scope, .read_public = j->read_public};
	g.processor = &hasher;
	p.ids = j->ids;
	p.n_ids = j->n;
	p.marks = j->marks;
	p.n_marks = j->n_marks;
	p.generate = &g;
	p.choices = j->choices;
	p.share = &share;
	p.on_event = on_event;
	p.user = j;
	j->desk = d;
	pthread_mutex_lock(&d->lock);
	d->open++;
	d->submitted++;
	pthread_mutex_unlock(&d->lock);
	if (kvik_engine_submit(d->e, &p, &id, &err))
		fail_msg("%s", err.text);
}

/* The figures once all requests have ended. */
static inline struct kvik_engine_stats settle(struct desk *d)
{
	struct kvik_engine_stats s;
	pthread_mutex_lock(&d->lock);
	while (d->open > 0)
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);
	do /* the last step's figures follow its last event */
		s = kvik_engine_get_stats(d->e);
	while (s.finished < d->submitted);
	return s;
}

/* Several that the engine finds in its queue at once: it is held up meanwhile. */
static inline struct kvik_engine_stats run_together(struct desk *d, struct job *jobs, uint32_t n)
{
	struct job first = {.ids = {1},
			    .n = 1,
			    .new_tokens = 1,
			    .choices = 1,
			    .n_vocab = jobs->n_vocab,
			    .scope = 99,
			    .holds_up = true};
	d->gate_shut = true;
	submit(d, &first);
	for (uint32_t i = 0; i < n; i++)
		submit(d, &jobs[i]);
	pthread_mutex_lock(&d->lock);
	d->gate_shut = false;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	return settle(d);
}

static inline struct kvik_engine_stats run(struct desk *d, struct job *j)
{
	submit(d, j);
	return settle(d);
}

/* ---- The world --------------------------------------------------------------------------------------------------- */

struct world {
	struct kvik_model *m;
	const char *name;
	uint32_t n_vocab;
	struct kvik_cache_params cache;
	uint32_t random;
};

static inline uint32_t below(struct world *w, uint32_t n)
{
	w->random = w->random * 1664525u + 1013904223u;
	return (w->random >> 8) % n;
}

static inline void random_ids(struct world *w, uint32_t *ids, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		ids[i] = below(w, w->n_vocab);
}

static inline struct job new_job(struct world *w, uint32_t n)
{
	struct job j = {.n = n, .new_tokens = NEW, .choices = 1, .n_vocab = w->n_vocab};
	random_ids(w, j.ids, 0, n);
	return j;
}

/* The first `shared` tokens of another, then its own. */
static inline struct job new_branch(struct world *w, const struct job *other, uint32_t shared, uint32_t n)
{
	struct job j = new_job(w, n);
	memcpy(j.ids, other->ids, shared * sizeof *j.ids);
	j.ids[shared] = (other->ids[shared] + 1) % w->n_vocab;
	return j;
}

static inline bool hash_token(void *user, const struct kvik_token *t)
{
	struct job *j = user;
	if (t->logits) {
		j->hash[0] = hash_chain(j->hash[0], t->logits, j->n_vocab * sizeof(float));
		j->tokens[0]++;
	}
	return true;
}

static inline struct kvik_session *open_session(struct kvik_cache **c, const struct world *w,
						const struct kvik_cache_params *params, const struct kvik_share *how)
{
	struct kvik_session *s = NULL;
	struct kvik_err err;
	if (kvik_cache_new(c, w->m, params, &err) || kvik_session_new(&s, *c, how, &err))
		fail_msg("%s", err.text);
	return s;
}

/* Goes on from where s is with the rest of the prompt of j, as its choice would. */
static inline uint64_t go_on(struct kvik_session *s, const struct job *j, uint32_t choice)
{
	struct kvik_sampling draw;
	struct kvik_generate_params g = sampled(j->new_tokens, j->n + choice, &draw);
	struct kvik_generation result = {.size = sizeof result};
	struct job got = {.n_vocab = j->n_vocab};
	struct kvik_err err;
	size_t at = kvik_session_tokens(s);
	if (kvik_generate(s, j->ids + at, j->n - at, &g, hash_token, &got, &result, &err))
		fail_msg("%s", err.text);
	assert_int_equal(got.tokens[0], j->new_tokens);
	return got.hash[0];
}

/* Alone in a cache of its own. */
static inline uint64_t alone(const struct world *w, const struct job *j, uint32_t choice)
{
	struct kvik_cache_params own = w->cache;
	struct kvik_cache *c;
	struct kvik_share isolated = {SHARE, .isolated = true};
	own.chunk = 5;
	struct kvik_session *s = open_session(&c, w, &own, &isolated);
	uint64_t hash = go_on(s, j, choice);
	kvik_session_free(s);
	kvik_cache_free(c);
	return hash;
}

static inline void same(const struct world *w, const struct job *j, const char *path)
{
	assert_int_equal(j->code, 0);
	for (uint32_t c = 0; c < j->choices; c++) {
		assert_int_equal(j->tokens[c], j->new_tokens);
		if (j->hash[c] != alone(w, j, c))
			fail_msg("%s, K %s, V %s: %s changes the bits", w->name, kvik_dtype_name(w->cache.k_dtype),
				 kvik_dtype_name(w->cache.v_dtype), path);
	}
}

/* sessions: how many of CONTEXT tokens the cache has room for. */
static inline void open_desk(struct desk *d, const struct world *w, uint32_t sessions, uint32_t sequences,
			     uint32_t chunk)
{
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_err err;
	*d = (struct desk){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	struct kvik_cache_params cache = w->cache;
	cache.sessions = sessions;
	cache.chunk = chunk;
	p.cache = &cache;
	p.sequences = sequences;
	p.itl_factor = 0;
	if (kvik_engine_new(&d->e, w->m, &p, &err))
		fail_msg("%s", err.text);
}

/* As if it had not run. */
static inline void reset(struct job *j)
{
	memset(j->hash, 0, sizeof j->hash);
	memset(j->tokens, 0, sizeof j->tokens);
	j->n_answer = 0;
}

/* The text goes on after `at` tokens as j says, which alone gives `want`. */
static inline void go_on_and_compare(const struct world *w, struct kvik_session *s, const struct job *j, uint64_t want,
				     const char *path)
{
	size_t at = kvik_session_tokens(s);
	if (go_on(s, j, 0) != want)
		fail_msg("%s, K %s, V %s: %s after %zu tokens changes the bits", w->name,
			 kvik_dtype_name(w->cache.k_dtype), kvik_dtype_name(w->cache.v_dtype), path, at);
}

static inline void fork_there(const struct world *w, struct kvik_session *s, uint32_t at, const struct job *j,
			      uint64_t want)
{
	struct kvik_session *f;
	struct kvik_err err;
	if (kvik_session_fork(&f, s, at, &err))
		fail_msg("%s", err.text);
	go_on_and_compare(w, f, j, want, "a fork");
	kvik_session_free(f);
}

static inline void roll_back(struct kvik_session *s, uint32_t to)
{
	struct kvik_err err;
	if (kvik_session_truncate(s, to, &err))
		fail_msg("%s", err.text);
}

#endif
