/* load_report.c: what a run says of the server, in figures. */
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/load.h"

enum { CURVE_POINTS = 50 };

/* ---- One request ------------------------------------------------------------------------------------------------- */

static double ttft(const struct load_record *q)
{
	return q->first - q->planned;
}

/* Mean time between the tokens of an answer; NAN: there are not two. */
static double per_token(const struct load_record *q)
{
	return q->new_tokens > 1 ? (q->last - q->first) / (q->new_tokens - 1) : NAN;
}

static double whole(const struct load_record *q)
{
	return q->end - q->planned;
}

/* How late the client was; of further turns that is the time of its own work. */
static double lateness(const struct load_record *q)
{
	return q->sent - q->planned;
}

static bool is_good(const struct load_record *q, const struct load_goal *goal)
{
	return q->outcome == LOAD_OK && !(goal->ttft_s > 0 && ttft(q) > goal->ttft_s) &&
	       !(goal->itl_s > 0 && per_token(q) > goal->itl_s);
}

/* ---- All of a run ------------------------------------------------------------------------------------------------ */

struct values {
	double *list; /* [n]; NULL: no memory */
	size_t n;
};

/* Of all that were answered. */
static struct values collect(const struct load_result *r, double of(const struct load_record *))
{
	struct values v = {.list = mem_zalloc(r->n + 1, sizeof *v.list)};
	for (size_t i = 0; v.list && i < r->n; i++) {
		double value = of(&r->record[i]);
		if (r->record[i].outcome == LOAD_OK && !isnan(value))
			v.list[v.n++] = value;
	}
	return v;
}

static struct values collect_gaps(const struct load_result *r)
{
	struct values v = {.list = mem_zalloc(r->gaps + 1, sizeof *v.list)};
	for (size_t i = 0; v.list && i < r->gaps; i++)
		v.list[v.n++] = (double)r->gap[i];
	return v;
}

struct totals {
	size_t outcome[LOAD_FAILED + 1], good;
	double prompt_tokens, cached_tokens, new_tokens;
	bool counted, knows_cached; /* by the server, for every answer */
};

static struct totals add_up(const struct load_result *r, const struct load_goal *goal)
{
	struct totals t = {.counted = true, .knows_cached = true};
	for (size_t i = 0; i < r->n; i++) {
		const struct load_record *q = &r->record[i];
		t.outcome[q->outcome]++;
		t.good += is_good(q, goal);
		if (q->outcome != LOAD_OK)
			continue;
		t.counted &= q->counted;
		t.knows_cached &= q->knows_cached;
		t.prompt_tokens += q->prompt_tokens;
		t.cached_tokens += q->cached_tokens;
		t.new_tokens += q->new_tokens;
	}
	return t;
}

/* ---- Sections ---------------------------------------------------------------------------------------------------- */

static void throughput_row(struct report *r, const struct load_case *c, const struct load_goal *goal)
{
	const struct load_result *run = c->result;
	struct totals t = add_up(run, goal);
	double seconds = run->seconds > 0 ? run->seconds : NAN, ok = (double)t.outcome[LOAD_OK];
	bool has_goal = goal->ttft_s > 0 || goal->itl_s > 0;
	report_words(r, "%s", c->name);
	report_number(r, (double)run->n);
	report_number(r, ok);
	report_number(r, (double)t.outcome[LOAD_REFUSED]);
	report_number(r, (double)t.outcome[LOAD_FAILED]);
	report_number(r, run->peak);
	report_number(r, seconds);
	report_number(r, ok / seconds);
	report_number(r, t.counted ? t.prompt_tokens / seconds : NAN);
	report_number(r, t.new_tokens / seconds);
	report_number(r, t.knows_cached && t.prompt_tokens > 0 ? 100 * t.cached_tokens / t.prompt_tokens : NAN);
	report_number(r, has_goal ? (double)t.good / seconds : NAN);
	report_number(r, has_goal && run->n > 0 ? 100 * (double)t.good / (double)run->n : NAN);
}

static void note_troubles(struct report *r, const struct load_case *c)
{
	const struct load_result *run = c->result;
	struct totals t = add_up(run, &(struct load_goal){0});
	struct values late = collect(run, lateness);
	double worst = late.list ? bench_percentile(late.list, late.n, 0.99) : NAN;
	mem_free(late.list);
	for (size_t i = 0; i < run->failures; i++)
		report_note(r, "%s: %zu failed with: %s", c->name, run->failure[i].count, run->failure[i].text);
	if (t.outcome[LOAD_REFUSED])
		report_note(r, "%s: %zu were refused (429 or 503): the server's queue is full.", c->name,
			    t.outcome[LOAD_REFUSED]);
	if (t.outcome[LOAD_UNFINISHED])
		report_note(r, "%s: stopped while %zu were not answered.", c->name, t.outcome[LOAD_UNFINISHED]);
	if (run->unsent)
		report_note(r,
			    "%s: %zu planned requests were not sent: the run was stopped, or the turn before them "
			    "got no answer.",
			    c->name, run->unsent);
	if (worst > 0.01)
		report_note(r,
			    "%s: a request in a hundred was sent %.0f ms late or more: too many were under way "
			    "(--concurrency), or this machine is busy. The wait counts as latency.",
			    c->name, worst * 1e3);
	if (!t.counted && t.outcome[LOAD_OK])
		report_note(r, "%s: the server does not tell its tokens: pieces of the stream are counted.", c->name);
}

static void describe_goal(const struct load_goal *goal, char *out, size_t bytes)
{
	char first[64] = "", later[96] = "";
	if (goal->ttft_s > 0)
		snprintf(first, sizeof first, "whose first token came within %g ms", goal->ttft_s * 1e3);
	if (goal->itl_s > 0)
		snprintf(later, sizeof later, "whose further tokens took at most %g ms each on average",
			 goal->itl_s * 1e3);
	if (!*first && !*later)
		snprintf(out, bytes, "No goal was given (--slo-ttft, --slo-itl), so that there is no goodput.");
	else
		snprintf(out, bytes, "Good is a request %s%s%s; goodput counts these alone.", first,
			 *first && *later ? " and " : "", later);
}

static void throughput(struct report *r, const struct load_case *cases, size_t n, const struct load_goal *goal)
{
	static const struct report_column columns[] = {
		{"load", "load", NULL, REPORT_WORDS},
		{"requests", "sent", NULL, 0},
		{"ok", "ok", NULL, 0},
		{"refused", "429", NULL, 0},
		{"failed", "failed", NULL, 0},
		{"peak", "at once", NULL, 0},
		{"seconds", "time", "s", 1},
		{"requests_per_s", "done", "1/s", 2},
		{"prompt_tokens_per_s", "prompt", "tok/s", 1},
		{"new_tokens_per_s", "new", "tok/s", 1},
		{"cached_percent", "cached", "%", 1},
		{"goodput_per_s", "goodput", "1/s", 2},
		{"good_percent", "good", "%", 1},
	};
	char about[320];
	describe_goal(goal, about, sizeof about);
	REPORT_SECTION(r, "throughput", "Throughput", columns, about);
	for (size_t i = 0; i < n; i++)
		throughput_row(r, &cases[i], goal);
	for (size_t i = 0; i < n; i++)
		note_troubles(r, &cases[i]);
}

static const struct {
	const char *name, *title;
	double (*of)(const struct load_record *); /* NULL: the gaps of all answers */
} measures[] = {
	{"ttft", "time to first token", ttft},
	{"itl", "between pieces of text", NULL},
	{"tpot", "per token after the first", per_token},
	{"e2e", "whole answer", whole},
};
enum { MEASURES = sizeof measures / sizeof *measures };

static struct values measure(const struct load_result *run, int k)
{
	return measures[k].of ? collect(run, measures[k].of) : collect_gaps(run);
}

static const double shares[] = {0.5, 0.9, 0.95, 0.99, 1};
enum { SHARES = sizeof shares / sizeof *shares };

static void latency_row(struct report *r, const struct load_case *c, int k)
{
	struct values v = measure(c->result, k);
	double sum = 0;
	for (size_t i = 0; i < v.n; i++)
		sum += v.list[i];
	report_words(r, "%s", c->name);
	report_words(r, "%s", measures[k].name);
	report_words(r, "%s", measures[k].title);
	report_number(r, v.n > 0 ? sum / (double)v.n * 1e3 : NAN);
	for (int i = 0; i < SHARES; i++)
		report_number(r, v.list ? bench_percentile(v.list, v.n, shares[i]) * 1e3 : NAN);
	mem_free(v.list);
}

/* Share of the answers (or gaps) that took so long at most. */
static void draw_curve(struct report *r, const struct load_case *c, int k)
{
	struct values v = measure(c->result, k);
	for (int i = 1; i <= CURVE_POINTS && v.n > 0; i++) {
		double share = (double)i / CURVE_POINTS;
		report_point(r, c->name, bench_percentile(v.list, v.n, share) * 1e3, share * 100);
	}
	mem_free(v.list);
}

static void draw_by_load(struct report *r, const struct load_case *cases, size_t n, int k)
{
	static const char *const names[] = {"p50", "p90", "p95", "p99"};
	for (size_t i = 0; i < n; i++) {
		struct values v = measure(cases[i].result, k);
		for (int j = 0; v.list && j < 4; j++)
			report_point(r, names[j], cases[i].load, bench_percentile(v.list, v.n, shares[j]) * 1e3);
		mem_free(v.list);
	}
}

static void latency(struct report *r, const struct load_case *cases, size_t n)
{
	static const struct report_column columns[] = {
		{"load", "load", NULL, REPORT_WORDS},
		{"measure", "measure", NULL, REPORT_WORDS},
		{"title", "what", NULL, REPORT_WORDS},
		{"mean_ms", "mean", "ms", 1},
		{"p50_ms", "p50", "ms", 1},
		{"p90_ms", "p90", "ms", 1},
		{"p95_ms", "p95", "ms", 1},
		{"p99_ms", "p99", "ms", 1},
		{"max_ms", "worst", "ms", 1},
	};
	REPORT_SECTION(
		r, "latency", "Latency", columns,
		"Of answered requests, counted from the time they were planned for. Percentiles by nearest rank.");
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < MEASURES; k++)
			latency_row(r, &cases[i], k);
	for (int k = 0; k < 2; k++) {
		char title[64];
		snprintf(title, sizeof title, "Share by latency: %s", measures[k].title);
		report_chart(r, &(struct report_chart){.title = title,
						       .x = "at most",
						       .x_unit = "ms",
						       .y = "share",
						       .y_unit = "%",
						       .x_log = true});
		for (size_t i = 0; i < n; i++)
			draw_curve(r, &cases[i], k);
	}
	for (int k = 0; n > 1 && k < 2; k++) {
		char title[64];
		snprintf(title, sizeof title, "By load: %s", measures[k].title);
		report_chart(
			r, &(struct report_chart){.title = title, .x = "load", .y = measures[k].title, .y_unit = "ms"});
		draw_by_load(r, cases, n, k);
	}
}

/* What comes out for what goes in. */
static void draw_throughput(struct report *r, const struct load_case *cases, size_t n, const struct load_goal *goal)
{
	report_chart(r, &(struct report_chart){
				.title = "Requests done by load", .x = "load", .y = "requests", .y_unit = "1/s"});
	for (size_t i = 0; i < n; i++) {
		struct totals t = add_up(cases[i].result, goal);
		double seconds = cases[i].result->seconds;
		report_point(r, "done", cases[i].load, (double)t.outcome[LOAD_OK] / seconds);
		if (goal->ttft_s > 0 || goal->itl_s > 0)
			report_point(r, "good", cases[i].load, (double)t.good / seconds);
	}
}

void load_report(struct report *r, const struct load_case *cases, size_t n, const struct load_goal *goal)
{
	throughput(r, cases, n, goal);
	if (n > 1)
		draw_throughput(r, cases, n, goal);
	latency(r, cases, n);
}
