/* program.c: an embedder's program as it was compiled once: against the header of a release, whose structs it knows and
 * no later ones; it is linked with the library of today, and finds what that header promises. */
#include <kvik.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x)                                                                     \
	do                                                                           \
		if (!(x)) {                                                          \
			printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #x, err.text); \
			exit(1);                                                     \
		}                                                                    \
	while (0)

enum { PROMPT = 40, NEW = 8 };

static struct kvik_err err;

static bool count(void *user, const struct kvik_token *t)
{
	*(uint32_t *)user += t->id != KVIK_NO_ID && t->n_top == 2;
	return true;
}

static void sessions(struct kvik_model *m, const uint32_t *ids)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	struct kvik_share mine = kvik_share_default();
	struct kvik_sampling draw = kvik_sampling_default();
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_generation done = {.size = sizeof done};
	struct kvik_prefix prefix = {.size = sizeof prefix};
	struct kvik_cache *c;
	struct kvik_session *s, *t;
	uint32_t tokens = 0;
	p.context = 256;
	p.sessions = 2;
	mine.scope = 77;
	draw.temperature = 0.5f;
	draw.seed = 3;
	g.sampling = &draw;
	g.n_logprobs = 2;
	g.max_tokens = NEW;
	g.ignore_end = true;
	CHECK(!kvik_cache_new(&c, m, &p, &err));
	CHECK(!kvik_session_new(&s, c, &mine, &err));
	CHECK(!kvik_generate(s, ids, PROMPT, &g, count, &tokens, &done, &err));
	CHECK(tokens == NEW && done.new_tokens == NEW && done.finish == KVIK_FINISH_LENGTH);
	CHECK(!kvik_cache_explain(c, &mine, ids, PROMPT, &prefix, &err));
	CHECK(prefix.found_tokens == PROMPT && prefix.miss == KVIK_MISS_NONE);
	CHECK(!kvik_session_new(&t, c, NULL, &err));
	float *logits = malloc(kvik_model_get_info(m).vocab_size * sizeof *logits);
	struct kvik_step_item item = {.size = sizeof item, .session = t, .ids = ids, .n = PROMPT, .rows = 1};
	CHECK(logits && !kvik_cache_step(c, &item, 1, logits, &err));
	CHECK(!memcmp(logits, kvik_session_logits(t), kvik_model_get_info(m).vocab_size * sizeof *logits));
	CHECK(kvik_cache_get_stats(c).sessions == 2);
	free(logits);
	kvik_session_free(s);
	kvik_session_free(t);
	kvik_cache_free(c);
}

static void engine(struct kvik_model *m, const uint32_t *ids)
{
	struct kvik_engine_params p = kvik_engine_params_default();
	struct kvik_cache_params cache = kvik_cache_params_default();
	struct kvik_request_params q = kvik_request_params_default();
	struct kvik_generate_params g = kvik_generate_params_default();
	const struct kvik_event *v;
	struct kvik_engine *e;
	uint32_t tokens = 0;
	uint64_t id;
	cache.context = 256;
	p.cache = &cache;
	p.polled = true;
	g.max_tokens = NEW;
	g.ignore_end = true;
	q.generate = &g;
	q.ids = ids;
	q.n_ids = PROMPT;
	q.user = &id;
	CHECK(!kvik_engine_new(&e, m, &p, &err));
	CHECK(kvik_engine_get_params(e).cache->context == 256);
	CHECK(!kvik_engine_submit(e, &q, &id, &err));
	do {
		while (!(v = kvik_engine_poll(e)))
			;
		CHECK(v->id == id && v->user == &id);
		tokens += v->kind == KVIK_EVENT_TOKEN && v->token->id != KVIK_NO_ID;
	} while (v->kind != KVIK_EVENT_END);
	CHECK(!v->error && v->usage->new_tokens == NEW && v->prefix->miss == KVIK_MISS_NEW);
	CHECK(tokens == NEW && kvik_engine_get_stats(e).finished == 1);
	kvik_engine_free(e);
}

int main(void)
{
	struct kvik_model_params p = kvik_model_params_default();
	struct kvik_model *m;
	uint32_t ids[PROMPT];
	p.threads = 2;
	CHECK(!kvik_model_load(&m, NULL, &p, &err));
	struct kvik_model_info info = kvik_model_get_info(m);
	CHECK(info.layers > 0 && info.vocab_size > 100 && strlen(info.architecture) > 0);
	for (uint32_t i = 0; i < PROMPT; i++)
		ids[i] = 100 + i * 3;
	sessions(m, ids);
	engine(m, ids);
	kvik_model_free(m);
	printf("libkvik %s serves a program of the header it was compiled with\n", kvik_version());
	return 0;
}
