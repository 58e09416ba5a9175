/* bench_kv_share.c: `kvik bench kv`: prefixes that are shared between the turns of a dialogue and between the answers
 * to a prompt; and all abilities together. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "bench/bench_kv.h"

enum { TURNS_MAX = 8, ROUNDS_MAX = 16, ANSWER_MAX = 16, ROUNDS_TEXT = 32 };

/* ---- Dialogues --------------------------------------------------------------------------------------------------- */

/* A dialogue grows by a question of `question` tokens and an answer of `answer` tokens each turn. */
struct dialogue {
	struct kv_bench *b;
	uint32_t turns, question, answer;
	uint32_t *ids; /* [turns * (question + answer)], owned */
	size_t n;
	size_t next; /* where the next question is taken from the text */
};

static int dialogue_init(struct dialogue *d, struct kvik_err *err)
{
	d->ids = mem_zalloc((size_t)d->turns * (d->question + d->answer), sizeof *d->ids);
	return d->ids ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for a dialogue");
}

static uint32_t dialogue_tokens(const struct dialogue *d)
{
	return d->turns * (d->question + d->answer);
}

static void add_question(struct dialogue *d)
{
	for (uint32_t i = 0; i < d->question; i++)
		d->ids[d->n++] = d->b->ids[d->next++ % d->b->n_ids];
}

struct turn {
	struct kvik_generation g;
	uint32_t ids[ANSWER_MAX]; /* [n] */
	uint32_t n;
};

static bool keep_id(void *user, const struct kvik_token *t)
{
	struct turn *turn = user;
	if (t->id != KVIK_NO_ID && turn->n < ANSWER_MAX)
		turn->ids[turn->n++] = t->id;
	return true;
}

/* One answer to the dialogue as it stands, in a session of its own, as a server would. */
static int answer(const struct dialogue *d, struct arm *a, const struct kvik_share *share, struct turn *t,
		  struct kvik_err *err)
{
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_session *s;
	*t = (struct turn){.g.size = sizeof t->g};
	g.max_tokens = d->answer;
	g.ignore_end = true;
	int rc = kvik_session_new(&s, a->cache, share, err);
	if (!rc)
		rc = kvik_generate(s, d->ids, d->n, &g, keep_id, t, &t->g, err);
	kvik_session_free(s);
	return rc;
}

/* "Medians of 7 dialogues" */
static const char *rounds_text(uint32_t rounds, char out[ROUNDS_TEXT])
{
	snprintf(out, ROUNDS_TEXT, rounds == 1 ? "One dialogue" : "Medians of %u dialogues", rounds);
	return out;
}

static void add_answer(struct dialogue *d, const struct turn *t)
{
	memcpy(d->ids + d->n, t->ids, t->n * sizeof *t->ids);
	d->n += t->n;
}

/* ---- Prefixes ---------------------------------------------------------------------------------------------------- */

struct prefix_job {
	struct dialogue d;
	struct arm arms[2];                        /* shared, isolated */
	double first_ms[2][TURNS_MAX][ROUNDS_MAX]; /* time to the first token */
	uint32_t prompt[TURNS_MAX], cached[TURNS_MAX];
	uint32_t rounds, answers, equal;
};

static int prefix_turn(struct prefix_job *j, uint32_t turn, struct kvik_err *err)
{
	const struct kvik_share share[2] = {{.size = sizeof *share, .scope = j->rounds + 1},
					    {.size = sizeof *share, .isolated = true}};
	struct turn t[2];
	int rc = 0;
	add_question(&j->d);
	for (uint32_t i = 0; i < 2 && !rc; i++) {
		uint32_t arm = (i + turn + j->rounds) % 2; /* now one first, now the other */
		rc = answer(&j->d, &j->arms[arm], &share[arm], &t[arm], err);
		if (!rc)
			j->first_ms[arm][turn][j->rounds] = t[arm].g.prefill_ms;
	}
	if (rc)
		return rc;
	j->prompt[turn] = t[0].g.prompt_tokens;
	j->cached[turn] = t[0].g.cached_tokens;
	j->answers++;
	j->equal += t[0].n == t[1].n && memcmp(t[0].ids, t[1].ids, t[0].n * sizeof *t[0].ids) == 0;
	add_answer(&j->d, &t[0]);
	return 0;
}

static void prefix_rows(struct prefix_job *j)
{
	struct report *r = j->d.b->r;
	char rounds[ROUNDS_TEXT];
	for (uint32_t k = 0; k < j->d.turns; k++) {
		double with = bench_median(j->first_ms[0][k], j->rounds);
		double without = bench_median(j->first_ms[1][k], j->rounds);
		report_number(r, k + 1);
		report_number(r, j->prompt[k]);
		report_number(r, j->cached[k]);
		report_number(r, without);
		report_number(r, with);
		report_number(r, without / with);
		report_point(r, "every turn computed", k + 1, without);
		report_point(r, "prefix shared", k + 1, with);
	}
	report_note(r, "%s, one question of %u tokens a turn. %u of %u answers are the same, token for token.",
		    rounds_text(j->rounds, rounds), j->d.question, j->equal, j->answers);
}

/* Computed in a round without sharing: 1 + 2 + ... + TURNS turns; with it: TURNS turns. */
static void prefix_size(struct prefix_job *j, struct kv_bench *b)
{
	enum { COST = TURNS_MAX * (TURNS_MAX + 1) / 2 + TURNS_MAX, ROUNDS = 3, WORTH = 32 };
	uint32_t most = (b->context - ARM_ROOM) / TURNS_MAX - ANSWER_MAX;
	most = most < 256 ? most : 256;
	j->d = (struct dialogue){.b = b, .turns = TURNS_MAX, .answer = b->prefill > 1000 ? ANSWER_MAX : 4};
	j->d.question = kv_bench_tokens(b, b->seconds / (COST * ROUNDS), 8, most);
	if (j->d.question < WORTH) /* rather one round of a size that says something */
		j->d.question = kv_bench_tokens(b, b->seconds / COST, 16, most < WORTH * 2 ? most : WORTH * 2);
}

static void begin_prefix(struct report *r)
{
	static const struct report_column columns[] = {
		{"turn", "turn", NULL, 0},
		{"prompt", "prompt", "tokens", 0},
		{"cached", "from the cache", "tokens", 0},
		{"without_ms", "all computed", "ms", 1},
		{"with_ms", "shared", "ms", 1},
		{"times", "faster", "times", 1},
	};
	const struct report_chart chart = {
		.title = "Time to the first token of a turn", .x = "turn", .x_unit = "", .y = "time", .y_unit = "ms"};
	REPORT_SECTION(r, "prefix", "Every turn anew, or shared prefixes", columns,
		       "A dialogue: every turn sends all that was said before and a new question. Without sharing all "
		       "of it is "
		       "computed again; with it only what is new, whoever computed the rest.");
	report_chart(r, &chart);
}

static int run_prefix(struct kv_bench *b, struct kvik_err *err)
{
	struct prefix_job *j = mem_zalloc(1, sizeof *j);
	int rc = j ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for a dialogue");
	if (rc)
		return rc;
	begin_prefix(b->r);
	prefix_size(j, b);
	rc = dialogue_init(&j->d, err);
	for (int i = 0; i < 2 && !rc; i++) {
		j->arms[i].params = kv_bench_params(KVIK_F16, dialogue_tokens(&j->d) + ARM_ROOM, 4);
		rc = arm_open(&j->arms[i], b->m, err);
	}
	double end = bench_now() + b->seconds;
	for (double took = 0, start; !rc && j->rounds < ROUNDS_MAX && (!j->rounds || bench_now() + took < end);) {
		kv_bench_step(&kv_part_prefix, "dialogue %u", j->rounds + 1);
		start = bench_now();
		j->d.n = 0;
		for (uint32_t k = 0; k < j->d.turns && !rc; k++)
			rc = prefix_turn(j, k, err);
		j->rounds += rc ? 0 : 1;
		took = bench_now() - start;
	}
	if (!rc)
		prefix_rows(j);
	arm_close(&j->arms[0]);
	arm_close(&j->arms[1]);
	mem_free(j->d.ids);
	mem_free(j);
	return rc;
}

const struct kv_part kv_part_prefix = {"prefix", "every turn anew, or shared prefixes: time to the first token",
				       run_prefix, false};

/* ---- Forks ------------------------------------------------------------------------------------------------------- */

enum { ANSWERS = 8 };

struct forked {
	double seconds, fork_seconds;
	struct kvik_cache_stats stats;
};

/* ANSWERS sessions that hold the same prompt and a token of their own each. */
static int make_answers(struct kv_bench *b, uint32_t prompt, bool fork, struct forked *f, struct kvik_err *err)
{
	struct kvik_session *s[ANSWERS] = {NULL};
	struct arm a = {.params = kv_bench_params(KVIK_F16, prompt + ARM_ROOM, ANSWERS)};
	const struct kvik_share alone = {.size = sizeof alone, .isolated = true};
	int rc = arm_open(&a, b->m, err);
	double start = bench_now();
	f->fork_seconds = 0;
	for (int i = 0; i < ANSWERS && !rc; i++) {
		double before = bench_now();
		rc = fork && i ? kvik_session_fork(&s[i], s[0], prompt, err)
			       : kvik_session_new(&s[i], a.cache, &alone, err);
		if (fork && i)
			f->fork_seconds += (bench_now() - before) / (ANSWERS - 1);
		else if (!rc)
			rc = kvik_session_feed(s[i], b->ids, prompt, NULL, err);
	}
	f->seconds = bench_now() - start;
	for (int i = 0; i < ANSWERS && !rc; i++) {
		uint32_t own = (uint32_t)i;
		rc = kvik_session_feed(s[i], &own, 1, NULL, err);
	}
	if (a.cache)
		f->stats = kvik_cache_get_stats(a.cache);
	for (int i = 0; i < ANSWERS; i++)
		kvik_session_free(s[i]);
	arm_close(&a);
	return rc;
}

/* Tokens of the prompt, not a multiple of a page's, as mostly; a single round where there is time for no more. */
static uint32_t fork_prompt(const struct kv_bench *b, uint32_t *rounds)
{
	enum { COST = ANSWERS + 1, MOST = 1000, WORTH = 128 };
	uint32_t most = b->context - ARM_ROOM < MOST ? b->context - ARM_ROOM : MOST;
	most = most < b->n_ids ? most : (uint32_t)b->n_ids;
	uint32_t n = kv_bench_tokens(b, b->seconds / (*rounds * COST), 32, most);
	if (n < WORTH) {
		*rounds = 1;
		n = kv_bench_tokens(b, b->seconds / COST, 32, WORTH);
	}
	return n / 16 * 16 - 11;
}

static void begin_fork(struct report *r)
{
	static const struct report_column columns[] = {
		{"how", "the prompt is", NULL, REPORT_WORDS},
		{"ready_ms", "8 ready after", "ms", 1},
		{"fork_us", "a fork", "µs", 1},
		{"bytes", "memory", NULL, REPORT_BYTES},
		{"pages_copied", "pages copied", NULL, 0},
	};
	REPORT_SECTION(
		r, "fork", "Eight answers to one prompt", columns,
		"Eight sequences with the same prompt, which then go on differently: each computes it, or it is "
		"computed once and forked, which shares its pages; who writes first into the last one, copies it.");
}

static int run_fork(struct kv_bench *b, struct kvik_err *err)
{
	const struct report_chart chart = {
		.kind = REPORT_BARS, .title = "Memory of eight answers", .y = "KV cache", .y_unit = "bytes"};
	uint32_t rounds = 3, prompt = fork_prompt(b, &rounds);
	double ready[2][ROUNDS_MAX], fork[2][ROUNDS_MAX];
	struct forked f[2];
	int rc = 0;
	begin_fork(b->r);
	for (uint32_t k = 0; k < rounds && !rc; k++) {
		kv_bench_step(&kv_part_fork, "%u tokens, run %u", prompt, k + 1);
		for (int i = 0; i < 2 && !rc; i++) {
			rc = make_answers(b, prompt, i == 1, &f[i], err);
			ready[i][k] = f[i].seconds;
			fork[i][k] = f[i].fork_seconds;
		}
	}
	report_chart(b->r, &chart);
	for (int i = 0; i < 2 && !rc; i++) {
		const char *how = i ? "computed once, forked" : "computed 8 times";
		report_bar(b->r, "bytes", how, (double)f[i].stats.bytes_used);
		report_words(b->r, "%s", how);
		report_number(b->r, bench_median(ready[i], rounds) * 1e3);
		report_number(b->r, i ? bench_median(fork[i], rounds) * 1e6 : NAN);
		report_number(b->r, (double)f[i].stats.bytes_used);
		report_number(b->r, (double)f[i].stats.pages_copied);
	}
	if (!rc)
		report_note(b->r, "A prompt of %u tokens, f16%s.", prompt, rounds > 1 ? ", medians of 3" : "");
	return rc;
}

const struct kv_part kv_part_fork = {"fork", "eight answers to one prompt: computed each, or forked", run_fork, false};

/* ---- All of it --------------------------------------------------------------------------------------------------- */

enum { ALL_ARMS = 3 };

struct all_job {
	struct dialogue d;
	struct arm arms[ALL_ARMS];
	double took[ALL_ARMS][ROUNDS_MAX], last_first_ms[ALL_ARMS][ROUNDS_MAX];
	uint32_t rounds;
};

static const char *const all_names[ALL_ARMS] = {"no cache", "a cache, f16", "all on: int8, shared"};

/* Without a cache every new token costs all tokens before it: that bounds the dialogue. */
static void all_size(struct all_job *j, struct kv_bench *b)
{
	double tokens = b->seconds / 2 * b->prefill;
	bool fast = tokens > TURNS_MAX * ANSWER_MAX * 4.5 * 24;
	uint32_t turns = fast ? TURNS_MAX : 4, new = fast ? ANSWER_MAX : 4;
	double question = tokens / (turns * new *(turns + 1) / 2.0) - new;
	uint32_t most = (b->context - ARM_ROOM) / turns - new;
	most = most < 128 ? most : 128;
	j->d = (struct dialogue){.b = b, .turns = turns, .answer = new, .question = most};
	if (question < most)
		j->d.question = question < 8 ? 8 : (uint32_t)question;
}

/* A whole dialogue in one setting. */
static int all_run(struct all_job *j, int arm, struct kvik_err *err)
{
	const struct kvik_share share = {.size = sizeof share, .isolated = arm < 2, .scope = j->rounds + 1};
	struct turn t;
	double start = bench_now();
	int rc = 0;
	j->d.n = 0;
	j->d.next = 0;
	for (uint32_t k = 0; k < j->d.turns && !rc; k++) {
		add_question(&j->d);
		rc = answer(&j->d, &j->arms[arm], &share, &t, err);
		add_answer(&j->d, &t);
	}
	j->took[arm][j->rounds] = bench_now() - start;
	j->last_first_ms[arm][j->rounds] = t.g.prefill_ms;
	return rc;
}

static void all_rows(struct all_job *j)
{
	struct report *r = j->d.b->r;
	double seconds[ALL_ARMS];
	char rounds[ROUNDS_TEXT];
	for (int i = 0; i < ALL_ARMS; i++) {
		seconds[i] = bench_median(j->took[i], j->rounds);
		report_words(r, "%s", all_names[i]);
		report_number(r, seconds[i]);
		report_number(r, j->d.turns * j->d.answer / seconds[i]);
		report_number(r, bench_median(j->last_first_ms[i], j->rounds));
		report_number(r, (double)kvik_cache_get_stats(j->arms[i].cache).bytes_per_token);
		report_number(r, seconds[0] / seconds[i]);
		report_bar(r, "answers", all_names[i], j->d.turns * j->d.answer / seconds[i]);
	}
	report_note(r,
		    "%s of %u turns: questions of %u tokens, answers of %u. The longer the dialogue, the larger the "
		    "difference.",
		    rounds_text(j->rounds, rounds), j->d.turns, j->d.question, j->d.answer);
}

static void begin_all(struct report *r)
{
	static const struct report_column columns[] = {
		{"setting", "setting", NULL, REPORT_WORDS},
		{"seconds", "the dialogue", "s", 3},
		{"rate", "answers", "tok/s", 1},
		{"last_first_ms", "last turn begins", "ms", 1},
		{"bytes_per_token", "a token", NULL, REPORT_BYTES},
		{"times", "faster", "times", 1},
	};
	const struct report_chart chart = {
		.kind = REPORT_BARS, .title = "Answers of a whole dialogue", .y = "new tokens", .y_unit = "tok/s"};
	REPORT_SECTION(
		r, "all", "Nothing on, or everything", columns,
		"The same dialogue: all earlier tokens computed again for each new one; with a cache that begins anew "
		"every turn; and with all that serving has on: pages, shared prefixes, int8 keys and values.");
	report_chart(r, &chart);
}

static int run_all(struct kv_bench *b, struct kvik_err *err)
{
	struct all_job *j = mem_zalloc(1, sizeof *j);
	int rc = j ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for a dialogue");
	if (rc)
		return rc;
	begin_all(b->r);
	all_size(j, b);
	rc = dialogue_init(&j->d, err);
	for (int i = 0; i < ALL_ARMS && !rc; i++) {
		j->arms[i].params =
			kv_bench_params(i == 2 ? KVIK_INT8 : KVIK_F16, dialogue_tokens(&j->d) + ARM_ROOM, 4);
		j->arms[i].params.no_kv_cache = i == 0;
		rc = arm_open(&j->arms[i], b->m, err);
	}
	double end = bench_now() + b->seconds;
	for (double took = 0, start; !rc && j->rounds < ROUNDS_MAX && (!j->rounds || bench_now() + took < end);) {
		kv_bench_step(&kv_part_all, "dialogue %u", j->rounds + 1);
		start = bench_now();
		for (int i = 0; i < ALL_ARMS && !rc; i++)
			rc = all_run(j, i, err);
		j->rounds += rc ? 0 : 1;
		took = bench_now() - start;
	}
	if (!rc)
		all_rows(j);
	for (int i = 0; i < ALL_ARMS; i++)
		arm_close(&j->arms[i]);
	mem_free(j->d.ids);
	mem_free(j);
	return rc;
}

const struct kv_part kv_part_all = {"all", "nothing on, or everything: a whole dialogue", run_all, false};
