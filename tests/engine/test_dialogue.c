/* test_dialogue.c: what people do with a dialogue, on models whose layers have windows or keep states: go on, send the same
 * again, ask for another answer, edit the last question, take the thinking out of the last answer. After each turn of
 * eight, what has not changed comes from the cache, to the token (less the one whose logits are needed), and the answer
 * has the bits of one computed alone. Requests mark the begins of the last two messages, as the chat room does. */
#include "paths.h"

/* A question ends with the tokens that open the answer, the last of which opens its thinking. */
enum { TURNS = 8, QUESTION = 9, OPENING = 3, THINKING = NEW / 2 };

static const struct {
	const char *path;
	enum kvik_act act;
} models[] = {
	{"tests/model/data/gemma3.gguf", KVIK_ACT_F32},   /* windows of 8, every sixth layer sees everything */
	{"tests/model/data/gptoss-mxfp4", KVIK_ACT_INT8}, /* every other one, with sinks */
	{"tests/model/data/gemma4.gguf", KVIK_ACT_F32},   /* the last layers read what others have stored */
	{"tests/model/data/qwen3_5.gguf", KVIK_ACT_F32},  /* delta nets */
};

/* With the begins of its last question and of the answer to come. */
static struct job marked(struct job j)
{
	j.marks[0] = j.n - QUESTION;
	j.marks[1] = j.n - OPENING;
	j.n_marks = 2;
	if (j.n == QUESTION) /* nothing is before the first */
		j.marks[0] = j.marks[j.n_marks -= 1];
	return j;
}

static void must_hit(const struct world *w, const struct job *j, uint32_t unchanged, const char *use)
{
	same(w, j, use);
	if (j->usage.cached_tokens < unchanged)
		fail_msg("%s: %s: %u tokens of %u from the cache, which knew %u (%s); %u had not changed", w->name, use,
			 j->usage.cached_tokens, j->n, j->prefix.matched_tokens, kvik_miss_name(j->prefix.miss),
			 unchanged);
}

/* The text of j, its answer, and a question. */
static struct job go_on_asking(struct world *w, const struct job *j)
{
	struct job next = new_job(w, j->n + NEW + QUESTION);
	assert_int_equal(j->n_answer, NEW);
	memcpy(next.ids, j->ids, j->n * sizeof *next.ids);
	memcpy(next.ids + j->n, j->answer, NEW * sizeof *next.ids);
	return marked(next);
}

/* The same without the thinking and what opens it. */
static struct job go_on_stripped(struct world *w, const struct job *j)
{
	struct job next = new_job(w, j->n - 1 + NEW - THINKING + QUESTION);
	memcpy(next.ids, j->ids, (j->n - 1) * sizeof *next.ids);
	memcpy(next.ids + j->n - 1, j->answer + THINKING, (NEW - THINKING) * sizeof *next.ids);
	next.ids[j->n - 1] = (j->ids[j->n - 1] + 1) % w->n_vocab; /* nothing is the same by chance */
	return marked(next);
}

static void five_uses(struct world *w)
{
	struct desk d;
	open_desk(&d, w, 32, 4, 48);
	struct job last = marked(new_job(w, QUESTION)), again;
	run(&d, &last);
	same(w, &last, "the first turn");
	for (int turn = 1; turn < TURNS; turn++) {
		again = last;
		reset(&again);
		run(&d, &again);
		must_hit(w, &again, again.n - 1, "the same again");
		reset(&again);
		again.choices = 2;
		run(&d, &again);
		must_hit(w, &again, again.n - 1, "another answer");
		struct job edited = marked(new_branch(w, &last, last.n - QUESTION, last.n));
		run(&d, &edited);
		must_hit(w, &edited, last.n - QUESTION, "another question");
		struct job stripped = go_on_stripped(w, &last), next = go_on_asking(w, &last);
		run(&d, &stripped);
		must_hit(w, &stripped, last.n - OPENING, "without the thinking");
		run(&d, &next);
		must_hit(w, &next, last.n + NEW - 1, "going on");
		last = next;
	}
	kvik_engine_free(d.e);
}

/* While others fill a cache that has room for the texts, but not for all of their windows: what goes first are windows that nobody would come back to. So the
 * last question can be edited for its own cost, or for that of the turn before it, as long as the text is there at all. */
static void under_pressure(struct world *w)
{
	enum { OTHERS = 3, TURN = NEW + QUESTION };
	struct desk d;
	open_desk(&d, w, 5, 4, 48);
	struct job last = marked(new_job(w, QUESTION));
	run(&d, &last);
	for (int turn = 1; turn < TURNS; turn++) {
		for (int i = 0; i < OTHERS; i++) {
			struct job other = new_job(w, 100);
			run(&d, &other);
		}
		struct job edited = marked(new_branch(w, &last, last.n - QUESTION, last.n)),
			   next = go_on_asking(w, &last);
		run(&d, &edited);
		must_hit(w, &edited, last.n < 2 * TURN ? 0 : last.n - QUESTION - TURN,
			 "another question, under pressure");
		run(&d, &next);
		must_hit(w, &next, last.n - QUESTION, "going on, under pressure");
		last = next;
	}
	assert_true(kvik_engine_get_stats(d.e).prefix_tokens_evicted > 1000);
	kvik_engine_free(d.e);
}

static void dialogues(void **state)
{
	static const enum kvik_dtype dtypes[] = {KVIK_F16, KVIK_INT8};
	(void)state;
	for (size_t i = 0; i < sizeof models / sizeof *models; i++)
		for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++) {
			struct kvik_model_params p = kvik_model_params_default();
			struct world w = {.name = models[i].path, .random = 7, .cache = kvik_cache_params_default()};
			struct kvik_err err;
			p.threads = 2;
			p.act = models[i].act;
			if (kvik_model_load(&w.m, models[i].path, &p, &err))
				fail_msg("%s", err.text);
			w.n_vocab = kvik_model_get_info(w.m).vocab_size;
			w.cache.context = CONTEXT;
			w.cache.k_dtype = w.cache.v_dtype = dtypes[k];
			five_uses(&w);
			if (kvik_model_get_info(w.m).window > 0 && dtypes[k] == KVIK_F16)
				under_pressure(&w);
			kvik_model_free(w.m);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(dialogues)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
