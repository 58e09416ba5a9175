/* cmd_bench_run.c: `kvik bench run`: the plain speed of a model, prefill and decode at several depths, against what this
 * machine's memory allows: a decoded token reads all weights and the keys and values of all tokens before it once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/layers.h"

enum { RUNS_MAX = 1024, RUNS_MIN = 3, SMALL_BYTES = 64 << 20 };

struct run_opts {
	struct model_opts model;
	struct cache_opts cache;
	struct report_opts report;
	struct opt_texts depths;
	uint32_t prompt;
	float seconds;
};

static const struct usage usage = {
	"bench run [OPTIONS] [MODEL]",
	"Measures prefill and decode of one sequence at several depths (tokens that are in the cache already). "
	"Decoding\n"
	"reads all weights and the whole KV cache for every token: the last column is the share of this machine's "
	"read\n"
	"bandwidth that it reaches. Near 100 % means that only fewer bytes make it faster: a smaller weight type, or\n"
	"--kv-dtype int8. Medians of repeated runs; the depths are filled with arbitrary keys and values, not "
	"computed.",
	"  kvik bench run model.gguf\n"
	"  kvik bench run --synthetic llama3.2-1b:q4_0 --depth 0 --depth 8192 --kv-dtype int8\n"
	"  kvik bench run model.gguf --html run.html\n"};

struct bench {
	const struct run_opts *o;
	struct kvik_model *m;
	struct kvik_model_info info;
	struct kvik_cache_params cache; /* context: what the depths need */
	uint32_t depths[OPT_TEXTS_MAX];
	size_t n_depths, left_out;
	struct kvik_cache *kv; /* owned, as s */
	struct kvik_session *s;
	uint32_t *ids; /* [most tokens of a session], owned */
	double bandwidth;
};

static int parse_depth(const char *text, uint32_t *depth, struct kvik_err *err)
{
	enum { DEPTH_MAX = 1 << 24 };
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	if (*end || end == text || text[0] == '-' || v > DEPTH_MAX)
		return err_set(err, KVIK_ERR_ARG, "--depth: '%s' is no number of tokens up to %d", text, DEPTH_MAX);
	*depth = (uint32_t)v;
	return 0;
}

/* The depths that fit into the context with the prompt after them; sets the session's length. */
static int choose_depths(struct bench *b, struct kvik_err *err)
{
	static const uint32_t usual[] = {0, 512, 4096, 16384};
	const struct opt_texts *texts = &b->o->depths;
	size_t n = texts->n ? texts->n : sizeof usual / sizeof *usual;
	uint32_t context = b->cache.context ? b->cache.context : b->info.context;
	b->cache.context = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t depth = texts->n ? 0 : usual[i];
		int rc = texts->n ? parse_depth(texts->text[i], &depth, err) : 0;
		if (rc)
			return rc;
		if (depth + (uint64_t)b->o->prompt > context) {
			b->left_out++;
			continue;
		}
		b->depths[b->n_depths++] = depth;
		if (depth + b->o->prompt > b->cache.context)
			b->cache.context = depth + b->o->prompt;
	}
	if (b->n_depths > 0)
		return 0;
	return err_set(err, KVIK_ERR_ARG,
		       "no depth with %u tokens after it fits into the context of %u: give --depth, --prompt or --ctx",
		       b->o->prompt, context);
}

/* Seconds to feed n tokens where the session stands, in a fork that is dropped. */
static int run_once(struct bench *b, size_t n, double *seconds, struct kvik_err *err)
{
	size_t depth = kvik_session_tokens(b->s);
	struct kvik_session *s;
	int rc = kvik_session_fork(&s, b->s, depth, err);
	double start = bench_now();
	if (!rc)
		rc = kvik_session_feed(s, b->ids + depth, n, NULL, err);
	*seconds = bench_now() - start;
	kvik_session_free(s);
	return rc;
}

/* The median of runs until the time is over, at least RUNS_MIN of them but when they are so long that these would take
 * three times as long. A first run that is short only warms up. */
static int time_feed(struct bench *b, size_t n, double *seconds, struct kvik_err *err)
{
	double took[RUNS_MAX], budget = (double)b->o->seconds, start = bench_now(), spent = 0;
	size_t runs = 0;
	int rc = 0;
	for (bool first = true; !rc && runs < RUNS_MAX && (!runs || spent < (runs < RUNS_MIN ? 3 * budget : budget));
	     first = false) {
		rc = run_once(b, n, &took[runs], err);
		runs += !first || took[runs] > budget / 4;
		spent = bench_now() - start;
	}
	*seconds = bench_median(took, runs);
	return rc;
}

static int measure_depth(struct bench *b, struct report *r, uint32_t depth, struct kvik_err *err)
{
	char what[64];
	double prefill, decode;
	snprintf(what, sizeof what, "depth %u", depth);
	bench_progress(what, "");
	int rc = kvik_session_truncate(b->s, 0, err);
	uint64_t empty = kvik_cache_get_stats(b->kv).bytes_used;
	if (!rc)
		rc = kvik_session_fill(b->s, b->ids, depth, err);
	uint64_t held = kvik_cache_get_stats(b->kv).bytes_used - empty;
	if (!rc)
		rc = time_feed(b, b->o->prompt, &prefill, err);
	if (!rc)
		rc = time_feed(b, 1, &decode, err);
	if (rc)
		return rc;
	double bytes = (double)b->info.weight_bytes + (double)held;
	report_number(r, depth);
	report_number(r, b->o->prompt / prefill);
	report_number(r, 1 / decode);
	report_number(r, decode * 1e3);
	report_number(r, bytes / decode * 1e-9);
	report_number(r, 100 * bytes / decode / b->bandwidth);
	return 0;
}

/* From the rows of the table. */
static void draw(struct report *r, const char *key, const char *title)
{
	const struct report_chart chart = {
		.title = title, .x = "tokens in the cache", .x_unit = "tokens", .y = key, .y_unit = "tok/s"};
	const json_t *row;
	size_t i;
	report_chart(r, &chart);
	json_array_foreach(json_object_get(r->section, "rows"), i, row) report_point(
		r, key, json_number_value(json_object_get(row, "depth")), json_number_value(json_object_get(row, key)));
}

static int measure(struct bench *b, struct report *r, struct kvik_err *err)
{
	static const struct report_column columns[] = {
		{"depth", "depth", "tokens", 0},  {"prefill", "prefill", "tok/s", 1},
		{"decode", "decode", "tok/s", 1}, {"decode_ms", "a token", "ms", 2},
		{"read_gbs", "reads", "GB/s", 1}, {"read_percent", "of bandwidth", "%", 0},
	};
	int rc = 0;
	REPORT_SECTION(r, "speed", "Speed of one sequence", columns,
		       "Prefill of a prompt and decoding of one token after so many tokens in the cache.");
	for (size_t i = 0; i < b->n_depths && !rc; i++)
		rc = measure_depth(b, r, b->depths[i], err);
	draw(r, "decode", "Decode speed by depth");
	draw(r, "prefill", "Prefill speed by depth");
	if (b->info.weight_bytes < SMALL_BYTES)
		report_note(r,
			    "The weights are so few that the processor's caches hold them: they are read faster than "
			    "memory is.");
	if (b->left_out)
		report_note(r, "%zu depths are left out: the context ends before them (--ctx goes further).",
			    b->left_out);
	return rc;
}

static int prepare(struct bench *b, struct report *r, struct kvik_err *err)
{
	const struct kvik_share alone = {.size = sizeof alone,
					 .isolated = true}; /* the same tokens, computed again and again */
	char each[32], dtypes[DTYPES_TEXT_BYTES];
	bench_progress("read bandwidth", "");
	int rc = bench_read_bandwidth(&b->bandwidth, kvik_model_threads(b->m), err);
	if (!rc)
		rc = bench_random_ids(&b->ids, b->cache.context, b->info.vocab_size, err);
	if (!rc)
		rc = kvik_cache_new(&b->kv, b->m, &b->cache, err);
	if (!rc)
		rc = kvik_session_new(&b->s, b->kv, &alone, err);
	if (rc)
		return rc;
	report_fact(r, "bandwidth", "%.1f GB/s read by all threads", b->bandwidth * 1e-9);
	report_fact(r, "KV cache", "%s, %s a token", dtypes_text(&b->cache, dtypes),
		    human_bytes(kvik_cache_get_stats(b->kv).bytes_per_token, each));
	return 0;
}

static int bench(const struct run_opts *o, struct kvik_model *m, const char *path, struct kvik_err *err)
{
	struct bench b = {.o = o, .m = m, .cache = o->cache.params, .info = kvik_model_get_info(m)};
	struct report r;
	if (b.cache.no_kv_cache)
		return err_set(err, KVIK_ERR_ARG,
			       "without a cache there is no depth: `kvik bench kv` measures what it gives");
	b.cache.sessions = 2; /* the session, and the fork that a run goes on in */
	int rc = choose_depths(&b, err);
	if (rc)
		return rc;
	report_init(&r, "bench run", "The speed of a model");
	bench_model_facts(&r, m, path);
	rc = prepare(&b, &r, err);
	if (!rc)
		rc = measure(&b, &r, err);
	bench_progress("", "");
	if (!rc)
		rc = report_finish(&r, &o->report, err);
	kvik_session_free(b.s);
	kvik_cache_free(b.kv);
	mem_free(b.ids);
	report_release(&r);
	return rc;
}

static int run(int argc, char **argv)
{
	struct run_opts o = {.prompt = 512, .seconds = 2};
	struct opt_list l = {0};
	struct kvik_model *m = NULL;
	struct kvik_err err;
	const char *rest[1];
	int status;
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Measurement:"},
		{OPT_TEXTS, 0, "depth", &o.depths, .arg = "N",
		 .help = "Tokens in the cache; may be given several times (default 0, 512, 4096, 16384)."},
		{OPT_U32, 0, "prompt", &o.prompt, 1, 65536, .arg = "N", .help = "Tokens of a prefill (default 512)."},
		{OPT_FLOAT, 0, "seconds", &o.seconds, 0, 3600, .arg = "S",
		 .help = "Time for each figure (default 2)."}};
	OPT_LIST_ADD(&l, opts);
	add_report_opts(&l, &o.report);
	add_cache_opts(&l, &o.cache);
	add_model_opts(&l, &o.model);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	const char *path = model_path(&o.model, n, rest);
	int rc = cache_opts_finish(&o.cache, &err);
	if (!rc)
		rc = report_check(&o.report, &err);
	if (!rc)
		rc = load_model(&m, path, &o.model, &err);
	if (!rc)
		rc = bench(&o, m, path, &err);
	kvik_model_free(m);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd bench_run = {"run", "prefill and decode speed against the memory's bandwidth", run};
