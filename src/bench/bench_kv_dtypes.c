/* bench_kv_dtypes.c: `kvik bench kv`: what each KV dtype takes, how fast it is read, and what it costs in quality; with
 * kvik-mini also in questions answered rightly. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "bench/bench_kv.h"
#include "bench/quality.h"
#include "bench/samples.h"

static const enum kvik_dtype dtypes[] = {KVIK_F32, KVIK_F16, KVIK_INT8, KVIK_FP8, KVIK_INT4};
enum { DTYPES = sizeof dtypes / sizeof *dtypes, DEPTHS_MAX = 3, PIECE = 512, LEFT_OUT = 256 };

/* Opens an arm for each dtype that the model can have; returns their number, or an error. left_out: of the last one
 * that it can not have, why. */
static int open_dtypes(struct kvik_model *m, uint32_t context, struct arm *arms, char left_out[LEFT_OUT],
		       struct kvik_err *err)
{
	int n = 0;
	for (int i = 0; i < DTYPES; i++) {
		struct arm *a = &arms[n];
		*a = (struct arm){.params = kv_bench_params(dtypes[i], context, 2)};
		snprintf(a->name, sizeof a->name, "%s", kvik_dtype_name(dtypes[i]));
		int rc = arm_open(a, m, err);
		if (rc == KVIK_ERR_UNSUPPORTED)
			snprintf(left_out, LEFT_OUT, "%s is left out: %.180s", a->name, err->text);
		else if (rc) {
			while (n > 0)
				arm_close(&arms[--n]);
			return rc;
		} else
			n++;
	}
	return n;
}

/* ---- Speed and quality ------------------------------------------------------------------------------------------- */

struct dtypes_job {
	struct kv_bench *b;
	struct arm *arms; /* [n] */
	size_t n;
	uint32_t depths[DEPTHS_MAX];
	size_t n_depths;
	double each[DEPTHS_MAX][DTYPES];
	struct quality quality[DTYPES];
};

/* 512, 4096 and 16384 tokens as far as the context and, for all caches together, the memory go; a shorter context also
 * at its end. Multiples of a page, so that a run does not begin by copying one. */
static void choose_depths(struct dtypes_job *j)
{
	static const uint32_t usual[] = {512, 4096, 16384};
	uint32_t end = (j->b->context - ARM_ROOM) / 64 * 64, last = 0;
	uint64_t bytes = 0, room;
	for (size_t i = 0; i < j->n; i++)
		bytes += kvik_cache_get_stats(j->arms[i].cache).bytes_per_token;
	room = j->b->memory / bytes / 64 * 64;
	end = room < end ? (uint32_t)room : end;
	for (size_t i = 0; i < DEPTHS_MAX && usual[i] <= end; i++)
		j->depths[j->n_depths++] = last = usual[i];
	if (j->n_depths < DEPTHS_MAX && end >= 2 * last && end > 0)
		j->depths[j->n_depths++] = end;
}

static int measure_speed(struct dtypes_job *j, struct kvik_err *err)
{
	int rc = 0;
	for (size_t d = 0; d < j->n_depths && !rc; d++) {
		kv_bench_step(&kv_part_dtypes, "decoding after %u tokens", j->depths[d]);
		for (size_t i = 0; i < j->n && !rc; i++)
			rc = arm_fill(&j->arms[i], j->depths[d], err);
		if (!rc)
			rc = arms_time(j->arms, j->n, j->b->seconds / (double)j->n_depths, j->each[d], err);
	}
	return rc;
}

static void close_arms(struct arm *arms, int n)
{
	for (int i = 0; i < n; i++)
		arm_close(&arms[i]);
}

/* On caches of a model with f32 activations. */
static int compare_quality(struct dtypes_job *j, const struct quality_text *t, struct kvik_err *err)
{
	struct arm *arms = mem_zalloc(DTYPES, sizeof *arms);
	char left_out[LEFT_OUT];
	struct quality_model q;
	int rc = quality_model_open(&q, j->b->m, j->b->path, j->b->params, err), n = 0;
	if (!rc && !arms)
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the settings");
	if (!rc)
		n = open_dtypes(q.m, t->context + ARM_ROOM, arms, left_out, err);
	if (n < 0)
		rc = n;
	if (!rc)
		rc = quality_measure(arms, (size_t)n, q.m, t, j->quality, NULL, err);
	if (!rc && *q.note)
		report_note(j->b->r, "%s", q.note);
	close_arms(arms, n);
	mem_free(arms);
	quality_model_close(&q);
	return rc;
}

static int measure_quality(struct dtypes_job *j, struct kvik_err *err)
{
	struct kv_bench *b = j->b;
	struct quality_text t = {.ids = b->ids, .n = b->n_ids, .context = PIECE, .bos = KVIK_NO_ID};
	uint32_t most = kv_bench_tokens(b, b->seconds / (double)j->n, PIECE / 8, 64 * PIECE);
	if (t.context > b->context - ARM_ROOM)
		t.context = b->context - ARM_ROOM;
	if (t.context > most)
		t.context = most;
	if (t.n > most)
		t.n = most;
	if (kvik_vocab_bos(kvik_model_vocab(b->m)) == b->ids[0])
		t.bos = b->ids[0];
	kv_bench_step(&kv_part_dtypes, "quality");
	int rc = compare_quality(j, &t, err);
	if (!rc)
		report_note(
			b->r,
			"Quality against f32 on %zu predictions of the text, in pieces of %u tokens; kvik perplexity "
			"measures more of it, on a text of yours.",
			j->quality[0].n, t.context);
	return rc;
}

static void dtypes_rows(struct dtypes_job *j)
{
	struct report *r = j->b->r;
	for (size_t i = 0; i < j->n; i++) {
		const struct quality *q = &j->quality[i];
		report_words(r, "%s", j->arms[i].name);
		report_number(r, (double)kvik_cache_get_stats(j->arms[i].cache).bytes_per_token);
		for (size_t d = 0; d < j->n_depths; d++)
			report_number(r, 1 / j->each[d][i]);
		report_number(r, 100 * quality_agreement(q));
		report_number(r, quality_kl_mean(q));
		report_number(r, quality_perplexity(q));
	}
}

static void dtypes_charts(struct dtypes_job *j)
{
	const struct report_chart speed = {
		.kind = REPORT_BARS, .title = "Decode speed after so many tokens", .y = "decode", .y_unit = "tok/s"};
	const struct report_chart bytes = {
		.kind = REPORT_BARS, .title = "Memory of a token", .y = "keys and values", .y_unit = "bytes"};
	char depth[32];
	report_chart(j->b->r, &speed);
	for (size_t i = 0; i < j->n; i++) {
		for (size_t d = 0; d < j->n_depths; d++) {
			snprintf(depth, sizeof depth, "%u tokens", j->depths[d]);
			report_bar(j->b->r, j->arms[i].name, depth, 1 / j->each[d][i]);
		}
	}
	report_chart(j->b->r, &bytes);
	for (size_t i = 0; i < j->n; i++)
		report_bar(j->b->r, "bytes", j->arms[i].name,
			   (double)kvik_cache_get_stats(j->arms[i].cache).bytes_per_token);
}

/* The columns depend on the depths; notes come after. */
static void dtypes_section(struct dtypes_job *j)
{
	struct report_column columns[5 + DEPTHS_MAX] = {{"dtype", "KV dtype", NULL, REPORT_WORDS},
							{"bytes_per_token", "a token", NULL, REPORT_BYTES}};
	char keys[DEPTHS_MAX][32], titles[DEPTHS_MAX][32];
	size_t n = 2;
	for (size_t d = 0; d < j->n_depths; d++) {
		snprintf(keys[d], sizeof keys[d], "decode_%u", j->depths[d]);
		snprintf(titles[d], sizeof titles[d], "at %u", j->depths[d]);
		columns[n++] = (struct report_column){keys[d], titles[d], "tok/s", 1};
	}
	columns[n++] = (struct report_column){"top1_percent", "same top", "%", 2};
	columns[n++] = (struct report_column){"kl_mean", "KL mean", "nats", REPORT_DIGITS};
	columns[n++] = (struct report_column){"perplexity", "perplexity", NULL, 3};
	report_section(
		j->b->r, "dtypes", "KV dtypes", columns, n,
		"Fewer bits for keys and values: more tokens fit, and less is read for each new one. Decode speed "
		"after "
		"so many tokens; same top: how often the most probable next token is that of f32; KL: divergence from "
		"the distribution of f32.");
}

static int run_dtypes(struct kv_bench *b, struct kvik_err *err)
{
	struct dtypes_job *j = mem_zalloc(1, sizeof *j);
	struct arm *arms = mem_zalloc(DTYPES, sizeof *arms);
	int rc = j && arms ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the settings");
	char left_out[LEFT_OUT] = "";
	int n = rc ? rc : open_dtypes(b->m, b->context, arms, left_out, err);
	if (n < 0)
		rc = n;
	if (!rc) {
		*j = (struct dtypes_job){.b = b, .arms = arms, .n = (size_t)n};
		choose_depths(j);
		dtypes_section(j);
		rc = measure_speed(j, err);
	}
	if (!rc && b->has_text)
		rc = measure_quality(j, err);
	if (!rc) {
		dtypes_rows(j);
		dtypes_charts(j);
	}
	if (!rc && *left_out)
		report_note(b->r, "%s", left_out);
	if (!rc && !b->has_text)
		report_note(b->r, "Random weights have no quality to lose: ask with a real model.");
	close_arms(arms, n);
	if (j)
		quality_release(j->quality, DTYPES);
	mem_free(arms);
	mem_free(j);
	return rc;
}

const struct kv_part kv_part_dtypes = {"dtypes", "f32, f16, int8, fp8, int4: bytes, speed at depth, quality",
				       run_dtypes, false};

/* ---- Recall ------------------------------------------------------------------------------------------------------ */

enum { SETTINGS = DTYPES + 1, DISTANCES_MAX = 8, WINDOW = 256, SINKS = 4 };

struct recall_job {
	struct kv_bench *b;
	uint32_t distances[DISTANCES_MAX];
	size_t n_distances;
	size_t n_asked;
	uint32_t asked[DISTANCES_MAX], right[SETTINGS][DISTANCES_MAX];
};

/* Answers with text: whether it holds what was told. */
struct answer {
	char text[512];
	size_t n;
};

static bool collect(void *user, const struct kvik_token *t)
{
	struct answer *a = user;
	if (a->n + t->text_bytes < sizeof a->text) {
		memcpy(a->text + a->n, t->text, t->text_bytes);
		a->n += t->text_bytes;
	}
	return true;
}

static int ask(struct arm *a, const struct kvik_vocab *v, const json_t *question, bool *right, struct kvik_err *err)
{
	struct kvik_generate_params g = kvik_generate_params_default();
	struct kvik_generation result = {.size = sizeof result};
	struct answer answer = {.n = 0};
	const char *prompt = report_text(question, "prompt");
	uint32_t *ids;
	size_t n;
	g.max_tokens = (uint32_t)json_integer_value(json_object_get(question, "max_tokens"));
	int rc = kvik_tokenize(v, prompt, strlen(prompt), KVIK_ADD_SPECIAL | KVIK_PARSE_SPECIAL, &ids, &n, err);
	if (!rc)
		rc = arm_restart(a, err);
	if (!rc)
		rc = kvik_generate(a->session, ids, n, &g, collect, &answer, &result, err);
	answer.text[answer.n] = '\0';
	*right = strstr(answer.text, report_text(question, "answer"));
	kvik_free(ids);
	return rc;
}

static size_t distance_index(struct recall_job *j, const json_t *question)
{
	uint32_t d = (uint32_t)json_integer_value(json_object_get(question, "distance"));
	size_t i = 0;
	while (i < j->n_distances && j->distances[i] != d)
		i++;
	if (i == j->n_distances)
		j->distances[j->n_distances++] = d; /* the built-in questions have six */
	return i;
}

/* The round'th question of a distance. */
static const json_t *find_question(struct recall_job *j, const json_t *questions, size_t distance, size_t round)
{
	const json_t *q;
	size_t k;
	json_array_foreach(questions, k, q) if (distance_index(j, q) == distance && round-- == 0) return q;
	return NULL;
}

static int ask_question(struct recall_job *j, struct arm *arms, size_t n, const json_t *question, size_t distance,
			struct kvik_err *err)
{
	int rc = 0;
	for (size_t i = 0; i < n && !rc; i++) {
		bool right = false;
		rc = ask(&arms[i], kvik_model_vocab(j->b->m), question, &right, err);
		j->right[i][distance] += right;
	}
	j->asked[distance]++;
	return rc;
}

/* One question of every distance after the other, until none is left or the time is over. */
static int ask_all(struct recall_job *j, struct arm *arms, size_t n, const json_t *questions, struct kvik_err *err)
{
	double end = bench_now() + 2 * j->b->seconds;
	size_t all = json_array_size(questions);
	int rc = 0;
	(void)find_question(j, questions, SIZE_MAX, 0); /* lists the distances */
	for (size_t round = 0; round < all && !rc; round++) {
		for (size_t d = 0; d < j->n_distances && !rc; d++) {
			const json_t *q = find_question(j, questions, d, round);
			if (!q || (j->n_asked > 0 && bench_now() > end))
				continue;
			kv_bench_step(&kv_part_recall, "question %zu of %zu", ++j->n_asked, all);
			rc = ask_question(j, arms, n, q, d, err);
		}
	}
	return rc;
}

static void recall_result(struct recall_job *j, const struct arm *arms, size_t n)
{
	const struct report_chart chart = {.title = "Questions answered rightly",
					   .x = "tokens between told and asked",
					   .x_unit = "tokens",
					   .y = "right",
					   .y_unit = "%",
					   .x_log = true};
	struct report_column columns[1 + DISTANCES_MAX] = {{"setting", "KV dtype", NULL, REPORT_WORDS}};
	char keys[DISTANCES_MAX][32], titles[DISTANCES_MAX][32];
	for (size_t d = 0; d < j->n_distances; d++) {
		snprintf(keys[d], sizeof keys[d], "right_%u", j->distances[d]);
		snprintf(titles[d], sizeof titles[d], "%u", j->distances[d]);
		columns[1 + d] = (struct report_column){keys[d], titles[d], "%", 0};
	}
	report_section(j->b->r, "recall", "Recall", columns, 1 + j->n_distances,
		       "What kvik-mini was told, it is asked for so many tokens later, about names and codes that its "
		       "training never contained: the share of right answers.");
	report_chart(j->b->r, &chart);
	for (size_t i = 0; i < n; i++) {
		report_words(j->b->r, "%s", arms[i].name);
		for (size_t d = 0; d < j->n_distances; d++) {
			double percent = j->asked[d] ? 100.0 * j->right[i][d] / j->asked[d] : NAN;
			report_number(j->b->r, percent);
			report_point(j->b->r, arms[i].name, j->distances[d], percent);
		}
	}
	report_note(j->b->r, "%zu questions; what --seconds leave time for, at most 60.", j->n_asked);
}

static int run_recall(struct kv_bench *b, struct kvik_err *err)
{
	struct recall_job j = {.b = b};
	struct arm *arms = mem_zalloc(SETTINGS, sizeof *arms);
	size_t bytes, n = 0;
	const char *text = sample_recall(&bytes);
	json_t *questions = json_loadb(text, bytes, 0, NULL);
	int rc = arms && questions ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the questions");
	for (; n < SETTINGS && !rc; n += rc ? 0 : 1) {
		bool window = n == DTYPES;
		arms[n].params = kv_bench_params(window ? KVIK_F16 : dtypes[n], b->info.context, 1);
		arms[n].params.window = window ? WINDOW : 0;
		arms[n].params.sinks = window ? SINKS : 0;
		snprintf(arms[n].name, sizeof arms[n].name, window ? "%s window %d + %d" : "%s",
			 kvik_dtype_name(arms[n].params.k_dtype), WINDOW, SINKS);
		rc = arm_open(&arms[n], b->m, err);
	}
	if (!rc)
		rc = ask_all(&j, arms, n, questions, err);
	if (!rc)
		recall_result(&j, arms, n);
	for (size_t i = 0; i < n; i++)
		arm_close(&arms[i]);
	json_decref(questions);
	mem_free(arms);
	return rc;
}

const struct kv_part kv_part_recall = {"recall", "questions about what was told earlier, by KV dtype (kvik-mini)",
				       run_recall, true};
