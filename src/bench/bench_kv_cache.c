/* bench_kv_cache.c: `kvik bench kv`: no cache, pages and windows. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "bench/bench_kv.h"

/* ---- A cache at all ---------------------------------------------------------------------------------------------- */

static void cache_row(struct kv_bench *b, const struct arm *cached, uint32_t depth, const double each[2])
{
	report_number(b->r, depth);
	report_number(b->r, each[0] * 1e3);
	report_number(b->r, each[1] * 1e3);
	report_number(b->r, each[0] / each[1]);
	report_number(b->r, (double)kvik_cache_get_stats(cached->cache).bytes_used);
	report_point(b->r, "no cache", depth, each[0] * 1e3);
	report_point(b->r, "cache", depth, each[1] * 1e3);
}

static void begin_cache(struct report *r)
{
	static const struct report_column columns[] = {
		{"depth", "depth", "tokens", 0},         {"without_ms", "no cache", "ms a token", 2},
		{"with_ms", "cache", "ms a token", 3},   {"times", "faster", "times", 0},
		{"bytes", "memory", NULL, REPORT_BYTES},
	};
	const struct report_chart chart = {.title = "Time for the next token",
					   .x = "tokens before it",
					   .x_unit = "tokens",
					   .y = "time",
					   .y_unit = "ms",
					   .x_log = true};
	REPORT_SECTION(
		r, "cache", "No cache, or a cache", columns,
		"The next token of a sequence: without a cache all tokens before it are computed again, with one "
		"their keys and values are read. The same bits come out.");
	report_chart(r, &chart);
}

static int run_cache(struct kv_bench *b, struct kvik_err *err)
{
	static const uint32_t depths[] = {64, 256, 1024, 4096};
	enum { DEPTHS = sizeof depths / sizeof *depths, RUNS = 4 };
	uint32_t longest = kv_bench_tokens(b, b->seconds / RUNS, depths[0], b->context - ARM_ROOM);
	struct arm arms[2] = {{.name = "no cache"}, {.name = "cache"}};
	double each[2];
	int rc = 0;
	begin_cache(b->r);
	for (int i = 0; i < 2 && !rc; i++) {
		arms[i].params = kv_bench_params(KVIK_F16, b->context, 2);
		arms[i].params.no_kv_cache = i == 0;
		rc = arm_open(&arms[i], b->m, err);
	}
	for (int d = 0; d < DEPTHS && !rc && depths[d] <= longest; d++) {
		kv_bench_step(&kv_part_cache, "%u tokens", depths[d]);
		for (int i = 0; i < 2 && !rc; i++)
			rc = arm_fill(&arms[i], depths[d], err);
		if (!rc)
			rc = arms_time(arms, 2, b->seconds / DEPTHS, each, err);
		if (!rc)
			cache_row(b, &arms[1], depths[d], each);
	}
	arm_close(&arms[0]);
	arm_close(&arms[1]);
	return rc;
}

const struct kv_part kv_part_cache = {"cache", "no cache, or a cache: time of the next token", run_cache, false};

/* ---- Pages ------------------------------------------------------------------------------------------------------- */

enum { SESSIONS_MAX = 4096, LONGEST = 8192, FULL_SESSIONS = 8 };

struct mix {
	uint64_t state;
	uint32_t longest;
};

/* Uniform in (0, 1). */
static double uniform(struct mix *m)
{
	m->state = m->state * 6364136223846793005u + 1442695040888963407u;
	return ((double)(m->state >> 33) + 0.5) / 2147483648.0;
}

/* Lengths of requests are log-normal, roughly: here with an eighth of the longest as the median, and two thirds within
 * a factor of e of it. */
static uint32_t next_length(struct mix *m)
{
	double normal = sqrt(-2 * log(uniform(m))) * cos(6.283185307179586 * uniform(m));
	double n = m->longest / 8.0 * exp(normal);
	return n < 1 ? 1 : n > m->longest ? m->longest : (uint32_t)n;
}

struct filled {
	uint32_t sessions;
	uint64_t tokens;
	struct kvik_cache_stats stats;
};

/* Sequences of the mix until the ceiling is met; reserve: each takes room for the longest one. */
static int fill_cache(struct kv_bench *b, const struct kvik_cache_params *p, bool reserve, struct filled *f,
		      struct kvik_err *err)
{
	struct kvik_session **all = mem_zalloc(SESSIONS_MAX, sizeof *all);
	struct arm a = {.params = *p};
	struct mix mix = {.state = 1, .longest = p->context};
	int rc = all ? arm_open(&a, b->m, err) : err_set(err, KVIK_ERR_NOMEM, "no memory for sequences");
	*f = (struct filled){0};
	while (!rc && f->sessions < SESSIONS_MAX) {
		uint32_t length = next_length(&mix);
		rc = arm_restart(&a, err);
		if (!rc)
			rc = arm_fill(&a, reserve ? p->context : length, err);
		if (rc)
			break;
		all[f->sessions++] = a.session;
		a.session = NULL;
		f->tokens += length;
	}
	kvik_session_free(a.session); /* the one that did not fit */
	a.session = NULL;
	if (rc == KVIK_ERR_FULL)
		rc = 0;
	if (!rc)
		f->stats = kvik_cache_get_stats(a.cache);
	for (uint32_t i = 0; i < f->sessions; i++)
		kvik_session_free(all[i]);
	arm_close(&a);
	mem_free(all);
	return rc;
}

static double wasted_percent(const struct kv_bench *b, const struct filled *f)
{
	if (b->info.window) /* not every token is held */
		return NAN;
	return 100 * (1 - (double)f->tokens * (double)f->stats.bytes_per_token / (double)f->stats.bytes_used);
}

/* A cache for FULL_SESSIONS sequences of the longest length, or as many, and as long, as half the memory holds. */
static int pages_params(struct kv_bench *b, struct kvik_cache_params *p, struct kvik_err *err)
{
	struct arm probe = {.params = kv_bench_params(KVIK_F16, b->context < LONGEST ? b->context : LONGEST, 1)};
	int rc = arm_open(&probe, b->m, err);
	if (rc)
		return rc;
	uint64_t most = b->memory / 2 / kvik_cache_get_stats(probe.cache).bytes_per_token; /* tokens */
	arm_close(&probe);
	uint32_t longest = probe.params.context, sessions = FULL_SESSIONS;
	while (sessions > 2 && (uint64_t)sessions * longest > most)
		sessions--;
	while (longest > 64 && (uint64_t)sessions * longest > most)
		longest /= 2;
	*p = kv_bench_params(KVIK_F16, longest, sessions);
	return 0;
}

static void begin_pages(struct report *r)
{
	static const struct report_column columns[] = {
		{"policy", "each sequence takes", NULL, REPORT_WORDS},
		{"sequences", "sequences", NULL, 0},
		{"tokens", "their tokens", NULL, 0},
		{"bytes", "memory", NULL, REPORT_BYTES},
		{"wasted_percent", "unused", "%", 1},
	};
	const struct report_chart chart = {.kind = REPORT_BARS,
					   .title = "Sequences that fit into the same memory",
					   .y = "sequences",
					   .y_unit = ""};
	REPORT_SECTION(
		r, "pages", "Room for the longest text, or pages", columns,
		"Sequences of realistic lengths (log-normal, most of them short) are put into one cache until its "
		"ceiling is met: once each takes contiguous room for the longest one, as it must without pages, once "
		"pages as it grows. Unused: room that holds no token, and tables.");
	report_chart(r, &chart);
}

static int run_pages(struct kv_bench *b, struct kvik_err *err)
{
	struct kvik_cache_params p;
	struct filled f;
	int rc = pages_params(b, &p, err);
	if (rc)
		return rc;
	begin_pages(b->r);
	for (int pages = 0; pages < 2 && !rc; pages++) {
		const char *name = pages ? "pages as it grows" : "the longest length";
		kv_bench_step(&kv_part_pages, "%s", name);
		rc = fill_cache(b, &p, !pages, &f, err);
		if (rc)
			break;
		report_words(b->r, "%s", name);
		report_number(b->r, f.sessions);
		report_number(b->r, (double)f.tokens);
		report_number(b->r, (double)f.stats.bytes_used);
		report_number(b->r, wasted_percent(b, &f));
		report_bar(b->r, "sequences", name, f.sessions);
		p.kv_memory = f.stats.bytes_ceiling; /* the same for both */
	}
	if (!rc)
		report_note(b->r, "Lengths from 1 to %u tokens, half of them below %u; pages of %u tokens, f16.",
			    p.context, p.context / 8, f.stats.page_tokens);
	return rc;
}

const struct kv_part kv_part_pages = {"pages", "room for the longest text, or pages: sequences that fit", run_pages,
				      false};

/* ---- Windows ----------------------------------------------------------------------------------------------------- */

enum { STREAM = 65536, STREAM_FROM = 1024, SINKS = 4, WINDOW_MOST = 4096 };

static uint32_t window_size(const struct kv_bench *b)
{
	uint32_t w = b->info.window ? b->info.window / 2 : b->info.context / 4;
	return w > WINDOW_MOST ? WINDOW_MOST : w < 64 ? 64 : w;
}

/* Both at n tokens: memory, then speed; the first one only as far as memory goes. */
static int window_row(struct kv_bench *b, struct arm arms[2], uint32_t n, bool both, double seconds,
		      struct kvik_err *err)
{
	double each[2] = {NAN, NAN}, bytes[2] = {NAN, NAN};
	int first = both ? 0 : 1, rc = 0;
	kv_bench_step(&kv_part_window, "%u tokens", n);
	for (int i = first; i < 2 && !rc; i++) {
		rc = arm_fill(&arms[i], n, err);
		bytes[i] = (double)kvik_cache_get_stats(arms[i].cache).bytes_used;
	}
	if (!rc)
		rc = arms_time(arms + first, (size_t)(2 - first), seconds, each + first, err);
	if (rc)
		return rc;
	report_number(b->r, n);
	report_number(b->r, bytes[0]);
	report_number(b->r, bytes[1]);
	report_number(b->r, 1 / each[0]);
	report_number(b->r, 1 / each[1]);
	return 0;
}

/* Two columns of the table as a chart. */
static void window_chart(struct report *r, const struct arm arms[2], const struct report_chart *chart,
			 const char *const keys[2])
{
	const json_t *row;
	size_t k;
	report_chart(r, chart);
	for (int i = 0; i < 2; i++) {
		json_array_foreach(json_object_get(r->section, "rows"), k, row)
		{
			const json_t *y = json_object_get(row, keys[i]);
			report_point(r, arms[i].name, json_number_value(json_object_get(row, "tokens")),
				     json_is_number(y) ? json_number_value(y) : NAN);
		}
	}
}

static void window_charts(struct report *r, const struct arm arms[2])
{
	struct report_chart c = {.title = "Memory of an endless stream",
				 .x = "tokens so far",
				 .x_unit = "tokens",
				 .y = "KV cache",
				 .y_unit = "bytes"};
	window_chart(r, arms, &c, (const char *const[]){"bytes_without", "bytes_with"});
	c.title = "Decode speed of an endless stream";
	c.y = "decode";
	c.y_unit = "tok/s";
	c.x_log = true;
	window_chart(r, arms, &c, (const char *const[]){"decode_without", "decode_with"});
}

static int open_window_arms(struct kv_bench *b, struct arm arms[2], struct kvik_err *err)
{
	int rc = 0;
	for (int i = 0; i < 2; i++)
		arms[i].params = kv_bench_params(KVIK_F16, STREAM + ARM_ROOM, 2);
	snprintf(arms[0].name, sizeof arms[0].name, b->info.window ? "the model's windows" : "all tokens stay");
	arms[1].params.window = window_size(b);
	arms[1].params.sinks = SINKS;
	snprintf(arms[1].name, sizeof arms[1].name, "window of %u + %d", window_size(b), SINKS);
	for (int i = 0; i < 2 && !rc; i++)
		rc = arm_open(&arms[i], b->m, err);
	return rc;
}

static void begin_window(struct report *r)
{
	static const struct report_column columns[] = {
		{"tokens", "stream", "tokens", 0},
		{"bytes_without", "memory", "without", REPORT_BYTES},
		{"bytes_with", "memory", "window", REPORT_BYTES},
		{"decode_without", "decode", "tok/s without", 1},
		{"decode_with", "decode", "tok/s window", 1},
	};
	REPORT_SECTION(
		r, "window", "All tokens, or a window", columns,
		"One sequence that goes on and on: all its keys and values stay, or those of the last tokens and of "
		"the first few (attention sinks). Memory and the time of a token stop growing. What it costs in "
		"quality: kvik perplexity --window.");
}

static int run_window(struct kv_bench *b, struct kvik_err *err)
{
	enum { ROWS = 7 }; /* 1,024 to 65,536 */
	struct arm arms[2] = {{.runs = 0}};
	bool all = true;
	int rc = open_window_arms(b, arms, err);
	begin_window(b->r);
	for (uint32_t n = STREAM_FROM; n <= STREAM && !rc; n *= 2) {
		all = n * kvik_cache_get_stats(arms[0].cache).bytes_per_token <= b->memory;
		rc = window_row(b, arms, n, all, b->seconds / ROWS, err);
	}
	window_charts(b->r, arms);
	report_note(b->r, "A window of %u tokens and %d sinks, f16.%s", window_size(b), SINKS,
		    all ? "" : " Where nothing is shown, all tokens would not fit into half of the free memory.");
	arm_close(&arms[0]);
	arm_close(&arms[1]);
	return rc;
}

const struct kv_part kv_part_window = {"window", "all tokens, or a window: memory over 65,536 tokens", run_window,
				       false};
