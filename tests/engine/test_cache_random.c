/* test_cache_random.c: random sessions of one small cache (feed, fork, roll back, pin, drop, scopes, lives) against a
 * twin that computes the same tokens alone, in a cache of its own: the logits after each feed have the same bits. After
 * each operation kv_check proves the cache's invariants.
 *
 * A failing run replays with the printed seed: KVIK_SEED=...; KVIK_ROUNDS sets the length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <kvik.h>

#include "engine/cache.h"
#include "support/seed.h"

#define SHARE .size = sizeof(struct kvik_share)

enum { ACTORS = 8, PINS = 3, TEXTS = 5, CONTEXT = 300, STEPS = 80, ROUNDS = 24, TOKENS_MAX = 200 };

static const char *const models[] = {"tests/model/data/llama-gqa.gguf", "tests/model/data/llama-odd.gguf",
				     "tests/model/data/mistral-window.gguf", "tests/model/data/qwen2-windows.gguf"};
enum { MODELS = sizeof models / sizeof *models };

struct actor {
	struct kvik_session *s; /* NULL: no session */
	struct kvik_share params;
	uint32_t ids[TOKENS_MAX]; /* that it has, then those that it will be fed */
};

struct world {
	struct kvik_model *m;
	const char *name;
	struct kvik_cache_params params;
	struct kvik_cache *c, *twin;
	uint32_t n_vocab, step;
	uint32_t texts[TEXTS][TOKENS_MAX];
	struct actor actors[ACTORS];
	struct kvik_pin *pins[PINS];
	uint64_t fed, cached, full, limit;
};

static uint64_t seed, random_state;

static uint32_t below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % n;
}

/* Fine: success, or a reason that this world can give. */
static bool went_well(struct world *w, int rc)
{
	w->full += rc == KVIK_ERR_FULL;
	w->limit += rc == KVIK_ERR_LIMIT; /* a window was given up */
	assert_true(rc == 0 || rc == KVIK_ERR_FULL || rc == KVIK_ERR_LIMIT);
	return rc == 0;
}

/* The logits of the last of the first n tokens of a, as the twin computes them. */
static void compare(struct world *w, const struct actor *a, size_t n)
{
	struct kvik_share alone = {SHARE, .isolated = true};
	struct kvik_session *s;
	struct kvik_err err;
	if (kvik_session_new(&s, w->twin, &alone, &err) || kvik_session_feed(s, a->ids, n, NULL, &err))
		fail_msg("the twin: %s", err.text);
	if (memcmp(kvik_session_logits(s), kvik_session_logits(a->s), w->n_vocab * sizeof(float)) != 0)
		fail_msg("step %u, %s, K %s, V %s, window %u: other bits after %zu tokens, %u of them cached", w->step,
			 w->name, kvik_dtype_name(w->params.k_dtype), kvik_dtype_name(w->params.v_dtype),
			 w->params.window, n, kvik_session_get_prefix(a->s).found_tokens);
	kvik_session_free(s);
}

/* Known texts, with a place where they go another way now and then. */
static void choose_text(struct world *w, struct actor *a, size_t from)
{
	const uint32_t *text = w->texts[below(TEXTS)];
	for (size_t i = from; i < TOKENS_MAX; i++)
		a->ids[i] = text[i];
	if (from < TOKENS_MAX && below(2))
		for (size_t i = from + below((uint32_t)(TOKENS_MAX - from)); i < TOKENS_MAX; i++)
			a->ids[i] = below(w->n_vocab);
}

static void begin(struct world *w, struct actor *a)
{
	a->params = (struct kvik_share){SHARE,
					.isolated = below(8) == 0,
					.scope = below(3),
					.read_public = below(2),
					.priority = (uint8_t)below(3),
					.ttl_ms = below(3) ? 0 : 1 + below(5)};
	choose_text(w, a, 0);
	if (!went_well(w, kvik_session_new(&a->s, w->c, &a->params, NULL)))
		a->s = NULL;
}

static void feed(struct world *w, struct actor *a)
{
	size_t at = kvik_session_tokens(a->s), n = 1 + below(below(2) ? 3 : 70);
	if (at + n > TOKENS_MAX)
		return;
	if (went_well(w, kvik_session_feed(a->s, a->ids + at, n, NULL, NULL))) {
		compare(w, a, at + n);
		w->fed += n;
		w->cached += kvik_session_get_prefix(a->s).found_tokens;
	}
	assert_memory_equal(kvik_session_ids(a->s), a->ids, kvik_session_tokens(a->s) * sizeof *a->ids);
}

static void fork_to(struct world *w, struct actor *a, const struct actor *from)
{
	size_t n = kvik_session_tokens(from->s), at = below(3) ? n : below((uint32_t)n + 1);
	*a = *from;
	if (!went_well(w, kvik_session_fork(&a->s, from->s, at, NULL)))
		a->s = NULL;
	if (below(2))
		choose_text(w, a, at);
}

static void roll_back(struct world *w, struct actor *a)
{
	size_t to = below((uint32_t)kvik_session_tokens(a->s) + 1);
	if (went_well(w, kvik_session_truncate(a->s, to, NULL)) && below(2))
		choose_text(w, a, to);
}

static void pin(struct world *w, const struct actor *a)
{
	struct kvik_pin **p = &w->pins[below(PINS)];
	size_t n = kvik_session_tokens(a->s);
	kvik_pin_free(*p);
	*p = NULL;
	if (n == 0 || below(3) == 0)
		return;
	int rc = kvik_session_pin(p, a->s, 1 + below((uint32_t)n), below(2) * below(5), NULL);
	if (rc != KVIK_ERR_ARG) /* isolated, or it has left the tree */
		went_well(w, rc);
}

static void step(struct world *w)
{
	struct actor *a = &w->actors[below(ACTORS)], *other = &w->actors[below(ACTORS)];
	uint32_t what = below(16);
	if (!a->s && other->s && what < 8) {
		fork_to(w, a, other);
	} else if (!a->s) {
		begin(w, a);
	} else if (what == 0) {
		kvik_session_free(a->s);
		a->s = NULL;
	} else if (what < 4) {
		roll_back(w, a);
	} else if (what == 4) {
		pin(w, a);
	} else if (what == 5 && below(4) == 0) {
		kvik_cache_drop(w->c);
	} else {
		feed(w, a);
	}
	const char *broken = kv_check(w->c->kv);
	if (broken)
		fail_msg("step %u: %s", w->step, broken);
}

static void open_world(struct world *w, uint32_t round)
{
	struct kvik_model_params mp = kvik_model_params_default();
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_err err;
	*w = (struct world){.name = models[round % MODELS]};
	mp.threads = 1;
	if (kvik_model_load(&w->m, w->name, &mp, &err))
		fail_msg("%s", err.text);
	w->n_vocab = kvik_model_get_info(w->m).vocab_size;
	p.context = CONTEXT;
	p.k_dtype = (enum kvik_dtype)below(KVIK_DTYPE_COUNT);
	p.v_dtype = (enum kvik_dtype)below(KVIK_DTYPE_COUNT);
	p.exempt_k_dtype = KVIK_F32;
	p.n_exempt = p.k_dtype != KVIK_F32 && below(3) == 0;
	p.exempt[0].first = p.exempt[0].last = -(int32_t)below(2);
	p.window = below(3) ? 0 : 10 + below(60);
	p.sinks = p.window ? below(6) : 0;
	p.chunk = 64;
	if (kvik_cache_new(&w->twin, w->m, &p, &err))
		fail_msg("%s", err.text);
	p.chunk = 1 + below(50);
	p.sessions = 1 + below(4); /* a small cache: it evicts all the time */
	if (kvik_cache_new(&w->c, w->m, &p, &err))
		fail_msg("%s", err.text);
	w->params = p;
	for (int t = 0; t < TEXTS; t++)
		for (int i = 0; i < TOKENS_MAX; i++)
			w->texts[t][i] = below(w->n_vocab);
}

static void close_world(struct world *w)
{
	for (int i = 0; i < ACTORS; i++)
		kvik_session_free(w->actors[i].s);
	for (int i = 0; i < PINS; i++)
		kvik_pin_free(w->pins[i]);
	kvik_cache_drop(w->c);
	assert_int_equal(kvik_cache_get_stats(w->c).pages_used, 0);
	kvik_cache_free(w->c);
	kvik_cache_free(w->twin);
	kvik_model_free(w->m);
}

static void any_history_gives_the_bits_of_none(void **state)
{
	static struct world w;
	const char *more = getenv("KVIK_ROUNDS");
	uint32_t rounds = more ? (uint32_t)atoi(more) : ROUNDS;
	uint64_t fed = 0, cached = 0, full = 0, limit = 0, evicted = 0;
	(void)state;
	for (uint32_t round = 0; round < rounds; round++) {
		open_world(&w, round);
		for (w.step = 0; w.step < STEPS; w.step++)
			step(&w);
		evicted += kvik_cache_get_stats(w.c).tokens_evicted;
		close_world(&w);
		fed += w.fed;
		cached += w.cached;
		full += w.full;
		limit += w.limit;
	}
	printf("%lu tokens fed, %lu of them cached, %lu evicted; %lu times full, %lu windows gone\n", fed, cached,
	       evicted, full, limit);
	assert_true(rounds < ROUNDS || (cached > 0 && evicted > 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_history_gives_the_bits_of_none)};
	seed = seed_of_run();
	random_state = seed;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
