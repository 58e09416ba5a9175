/* bench_constrained.c: what it costs to hold answers to a schema: streams that decode together, in turns with a constraint and without.
 * The model may be a synthetic one; the constraint's vocabulary is that of another file then. Docs: PERFORMANCE.md.
 *
 *   bench_constrained MODEL|synthetic:SHAPE:TYPE VOCABULARY [STREAMS] [TOKENS] [ROUNDS] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <kvik.h>

enum { PROMPT = 16, STREAMS_MAX = 64, ROUNDS_MAX = 50 };

/* Texts under it do not end before many tokens have come. */
static const char schema[] =
	"{\"type\":\"array\",\"minItems\":900,\"items\":{\"type\":\"object\",\"additionalProperties\":false,"
	"\"required\":[\"id\",\"name\"],"
	"\"properties\":{\"id\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":9999},\"name\":{\"type\":\"string\","
	"\"maxLength\":12},"
	"\"kind\":{\"enum\":[\"red\",\"green\",\"blue\"]},\"when\":{\"type\":\"string\",\"format\":\"date\"}}}}";

struct desk {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t open;
	double first, last; /* seconds: of tokens */
	uint64_t tokens;
};

static double now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_event(void *user, const struct kvik_event *e)
{
	struct desk *d = user;
	pthread_mutex_lock(&d->lock);
	if (e->kind == KVIK_EVENT_TOKEN) {
		d->last = now(CLOCK_MONOTONIC);
		d->first = d->tokens++ ? d->first : d->last;
	}
	d->open -= e->kind == KVIK_EVENT_END;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

struct speed {
	double rate; /* tokens per second of all streams, from the first token on */
	double cpu;  /* milliseconds of processor time for each token, prompts too */
};

static struct speed decode(struct kvik_engine *e, struct kvik_constraint *c, uint32_t streams, uint32_t tokens)
{
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	struct desk d = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .open = streams};
	struct kvik_constrained *held[STREAMS_MAX] = {0};
	struct kvik_err err;
	int rc = 0;
	for (uint32_t i = 0; i < streams && !rc; i++) {
		struct kvik_generate_params g = kvik_generate_params_default();
		struct kvik_request_params q = kvik_request_params_default();
		struct kvik_sampling s = kvik_sampling_default();
		uint32_t ids[PROMPT];
		uint64_t id;
		for (uint32_t k = 0; k < PROMPT; k++)
			ids[k] = 10 + (i * 131 + k * 17) % 900;
		s.temperature = 0; /* drawing from few tokens is quicker than from all */
		g.max_tokens = tokens;
		g.ignore_end = true;
		g.sampling = &s;
		if (c)
			rc = kvik_constrained_new(&held[i], c, 1, &err);
		g.processor = held[i] ? kvik_constrained_processor(held[i]) : NULL;
		q.ids = ids;
		q.n_ids = PROMPT;
		q.generate = &g;
		q.on_event = on_event;
		q.user = &d;
		if (!rc)
			rc = kvik_engine_submit(e, &q, &id, &err);
	}
	if (rc) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	pthread_mutex_lock(&d.lock);
	while (d.open > 0)
		pthread_cond_wait(&d.changed, &d.lock);
	pthread_mutex_unlock(&d.lock);
	for (uint32_t i = 0; i < streams; i++)
		kvik_constrained_free(held[i]);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	return (struct speed){(double)d.tokens / (d.last - d.first), 1e3 * cpu / (double)d.tokens};
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static int measure(struct kvik_model *m, struct kvik_vocab *v, uint32_t streams, uint32_t tokens, uint32_t rounds,
		   struct kvik_err *err)
{
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_engine *e = NULL;
	struct kvik_constraint *c = NULL;
	double shares[ROUNDS_MAX], costs[ROUNDS_MAX];
	cache.context = PROMPT + tokens + 8;
	cache.sessions = 2 * streams;
	p.cache = &cache;
	int rc = kvik_engine_new(&e, m, &p, err);
	if (!rc)
		rc = kvik_constraint_new(&c, v, KVIK_CONSTRAINT_SCHEMA, schema, sizeof schema - 1, err);
	if (!rc)
		decode(e, c, streams, tokens); /* warm */
	for (uint32_t i = 0; i < rounds && !rc; i++) {
		struct speed free_ = decode(e, NULL, streams, tokens), held = decode(e, c, streams, tokens);
		shares[i] = held.rate / free_.rate;
		costs[i] = held.cpu - free_.cpu;
		printf("%u streams: %.1f tok/s free, %.1f held: %.1f %%; processor time %.3f, %.3f ms a token\n",
		       streams, free_.rate, held.rate, 100 * shares[i], free_.cpu, held.cpu);
		fflush(stdout);
	}
	if (!rc) {
		qsort(shares, rounds, sizeof *shares, compare);
		qsort(costs, rounds, sizeof *costs, compare);
		printf("medians: %.1f %% of the speed, %.3f ms of processor time a token\n", 100 * shares[rounds / 2],
		       costs[rounds / 2]);
	}
	kvik_engine_free(e);
	kvik_constraint_free(c);
	return rc;
}

int main(int argc, char **argv)
{
	uint32_t streams = argc > 3 ? (uint32_t)atoi(argv[3]) : 16, tokens = argc > 4 ? (uint32_t)atoi(argv[4]) : 64,
		 rounds = argc > 5 ? (uint32_t)atoi(argv[5]) : 5;
	struct kvik_model *m = NULL;
	struct kvik_vocab *v = NULL;
	struct kvik_err err;
	if (argc < 3 || streams < 1 || streams > STREAMS_MAX || rounds < 1 || rounds > ROUNDS_MAX || tokens < 2) {
		fprintf(stderr,
			"bench_constrained MODEL|synthetic:SHAPE:TYPE VOCABULARY [STREAMS] [TOKENS] [ROUNDS]\n");
		return 2;
	}
	int rc = kvik_model_load(&m, argv[1], NULL, &err);
	if (!rc)
		rc = kvik_vocab_load(&v, argv[2], &err);
	if (!rc)
		rc = measure(m, v, streams, tokens, rounds, &err);
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	kvik_vocab_free(v);
	kvik_model_free(m);
	return rc ? 1 : 0;
}
