/* cmd_bench_serve.c: `kvik bench serve`: what a server carries, and how long its users wait: any server that speaks
 * OpenAI's API, or an engine in this process. */
#include <event2/event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/os.h"
#include "bench/bench.h"
#include "bench/load.h"
#include "cli/cmd.h"
#include "cli/common.h"

enum { CASES_MAX = 32, CONVERSATIONS = 100 /* unless told otherwise */ };

/* Mean lengths as published for the data sets (Kwon et al., "Efficient Memory Management for Large Language Model
 * Serving with PagedAttention", 2023, figure 11); the spreads are ours. */
static const struct mix {
	uint32_t prompt, output;
	float spread;
} mixes[] = {{161, 338, 1.0f}, {19, 58, 0.8f}, {512, 128, 0}};
static const char *const mix_names[] = {"sharegpt", "alpaca", "even", NULL};
static const char *const api_names[] = {"chat", "completions", NULL};

struct serve_bench {
	struct opt_texts rates, users;
	uint32_t requests, turns, prompt, output, length_max, prefix, prefixes;
	float duration, think, spread, ttft_ms, itl_ms;
	int mix, api;
	uint64_t seed;
	bool stop_at_end;
	const char *model_name, *ca, *key_env;
	uint32_t timeout;
	float temperature;
	struct kvik_engine_params engine;
	struct model_opts model;
	struct cache_opts cache;
	struct report_opts report;
};

static const struct usage usage = {
	"bench serve [OPTIONS] [URL|MODEL]",
	"Loads a server that speaks OpenAI's API (http://HOST:PORT), or an engine in this process over MODEL, and "
	"measures how long\n"
	"users wait: time to first token (TTFT), time between tokens (ITL), whole answers, and the goodput under "
	"goals. Arrivals are\n"
	"planned (--rate: Poisson) and latency counts from the planned time, so that a server that falls behind cannot "
	"hide it;\n"
	"with --concurrency so many users ask one after the other. Prompts are made from a seed, so that no server "
	"has seen them\n"
	"before; their lengths follow --mix. Several --rate or --concurrency are measured one after the other.",
	"  kvik bench serve http://127.0.0.1:8080 --rate 1 --rate 2 --rate 4 --duration 60 --slo-ttft 1000 --slo-itl "
	"100\n"
	"  kvik bench serve http://127.0.0.1:8000 --concurrency 16 --turns 4 --prefix 512 --html load.html\n"
	"  kvik bench serve --synthetic llama3.2-1b:q4_0 --concurrency 16 --mix even --prompt 64 --prefix 1024\n"};

static void add_load_opts(struct opt_list *l, struct serve_bench *o)
{
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Load:"},
		{OPT_TEXTS, 'r', "rate", &o->rates, .arg = "R",
		 .help = "Conversations that arrive per second; may be given several times."},
		{OPT_TEXTS, 'j', "concurrency", &o->users, .arg = "N",
		 .help = "Conversations at once (default 8); may be given several times; with --rate: at most."},
		{OPT_U32, 'n', "requests", &o->requests, 1, 1000000, .arg = "N",
		 .help = "Conversations of each run (default 100, or what --duration brings)."},
		{OPT_FLOAT, 0, "duration", &o->duration, 0, 864000, .arg = "S",
		 .help = "None starts after so many seconds; all are waited for."},
		{OPT_U64, 0, "seed", &o->seed, .arg = "S",
		 .help = "Same seed, same arrivals, lengths and texts (default: from the clock)."},
		{OPT_HEADING, .help = "Conversations:"},
		{OPT_CHOICE, 0, "mix", &o->mix, .choices = mix_names, .arg = "sharegpt|alpaca|even",
		 .help = "Lengths: means of 161 and 338 tokens, 19 and 58 (lognormal), or all 512 and 128."},
		{OPT_U32, 0, "prompt", &o->prompt, 1, 1000000, .arg = "N",
		 .help = "Mean tokens of a turn's prompt, instead of the mix's."},
		{OPT_U32, 0, "output", &o->output, 1, 1000000, .arg = "N", .help = "Mean tokens of an answer."},
		{OPT_FLOAT, 0, "spread", &o->spread, 0, 5, .arg = "S",
		 .help = "Sigma of the lognormal lengths; 0 = all alike."},
		{OPT_U32, 0, "length-max", &o->length_max, 1, 1000000, .arg = "N",
		 .help = "Longer prompts and answers are cut to it (default 1024)."},
		{OPT_U32, 0, "prefix", &o->prefix, 0, 1000000, .arg = "N",
		 .help = "Tokens that conversations have in common (as a system message)."},
		{OPT_U32, 0, "prefixes", &o->prefixes, 1, 1000000, .arg = "K",
		 .help = "Different prefixes, of which each conversation has one (default 1)."},
		{OPT_U32, 0, "turns", &o->turns, 1, 1000, .arg = "N",
		 .help = "Turns of a conversation (default 1); each has all before it in its prompt."},
		{OPT_FLOAT, 0, "think", &o->think, 0, 3600, .arg = "S",
		 .help = "Mean pause before a further turn (default 0)."},
		{OPT_FLAG, 0, "stop-at-end", &o->stop_at_end,
		 .help = "The model may end its answers; else ignore_eos is sent, which not all servers know."},
		{OPT_HEADING, .help = "Goals:"},
		{OPT_FLOAT, 0, "slo-ttft", &o->ttft_ms, 0, 1e9, .arg = "MS",
		 .help = "A good answer's first token comes within so long."},
		{OPT_FLOAT, 0, "slo-itl", &o->itl_ms, 0, 1e9, .arg = "MS",
		 .help = "And its further tokens take at most so long each, on average."},
	};
	OPT_LIST_ADD(l, opts);
}

static void add_url_opts(struct opt_list *l, struct serve_bench *o)
{
	const struct opt opts[] = {
		{OPT_HEADING, .help = "With a URL:"},
		{OPT_CHOICE, 0, "api", &o->api, .choices = api_names, .arg = "chat|completions",
		 .help = "Which of OpenAI's (default chat; models without a chat template need completions)."},
		{OPT_TEXT, 0, "model", &o->model_name, .arg = "NAME",
		 .help = "The model's name in requests (default: the server's first)."},
		{OPT_FLOAT, 0, "temp", &o->temperature, 0, 100, .arg = "T", .help = "Temperature (default 0)."},
		{OPT_U32, 0, "timeout", &o->timeout, 1, 86400, .arg = "S",
		 .help = "Give a request up after so much silence (default 600)."},
		{OPT_TEXT, 0, "key-env", &o->key_env, .arg = "NAME",
		 .help = "The environment variable that holds the API key (default KVIK_API_KEY)."},
		{OPT_TEXT, 0, "ca", &o->ca, .arg = "PEM", .help = "Certificates to trust, instead of the system's."},
	};
	OPT_LIST_ADD(l, opts);
}

static bool is_url(const char *text)
{
	return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

/* ---- Runs -------------------------------------------------------------------------------------------------------- */

struct cases {
	const struct serve_bench *o;
	struct load_case list[CASES_MAX]; /* [n] */
	struct load_result results[CASES_MAX];
	char names[CASES_MAX][32];
	size_t n;
};

static int parse_number(const char *option, const char *text, double min, double max, double *v, struct kvik_err *err)
{
	char *end;
	*v = strtod(text, &end);
	if (end == text || *end || !(*v >= min && *v <= max))
		return err_set(err, KVIK_ERR_ARG, "%s must be a number from %g to %g, not '%s'", option, min, max,
			       text);
	return 0;
}

static struct load_shape shape_of(const struct serve_bench *o, double rate)
{
	struct load_shape s = {.seed = o->seed,
			       .rate = rate,
			       .duration_s = (double)o->duration,
			       .turns = o->turns,
			       .think_s = (double)o->think,
			       .prompt = o->prompt,
			       .output = o->output,
			       .spread = o->spread,
			       .length_max = o->length_max,
			       .prefix = o->prefix,
			       .prefixes = o->prefixes,
			       .conversations = o->requests};
	if (s.conversations == 0) { /* a closed loop may ask as often as it likes; of Poisson, far beyond what comes */
		double most = rate > 0 ? 2 * rate * s.duration_s + 1000 : 100000;
		s.conversations = s.duration_s > 0 ? (uint32_t)fmin(most, 1000000) : CONVERSATIONS;
	}
	return s;
}

static int run_case(struct cases *c, struct load_target *t, struct event_base *base, double rate, double users,
		    struct kvik_err *err)
{
	struct load_shape shape = shape_of(c->o, rate);
	struct load_plan plan;
	size_t i = c->n;
	int rc = load_plan_make(&plan, &shape, err);
	if (rc)
		return rc;
	if (rate > 0)
		snprintf(c->names[i], sizeof c->names[i], "%g/s", rate);
	else
		snprintf(c->names[i], sizeof c->names[i], "%g at once", users);
	const struct load_options options = {.concurrency = (uint32_t)users, .name = c->names[i]};
	c->list[i] = (struct load_case){c->names[i], rate > 0 ? rate : users, &c->results[i]};
	c->n++;
	t->prepare(t, &plan, load_mix(c->o->seed, i)); /* texts that no case before has used */
	rc = load_run(&plan, t, base, &options, &c->results[i], err);
	load_plan_release(&plan);
	return rc;
}

static bool was_stopped(const struct load_result *r)
{
	return r->n > 0 && r->record[r->n - 1].outcome == LOAD_UNFINISHED;
}

static int run_cases(struct cases *c, struct load_target *t, struct event_base *base, struct kvik_err *err)
{
	const struct opt_texts *rates = &c->o->rates, *users = &c->o->users;
	double rate, most = rates->n ? 0 : 8;
	int rc = 0;
	if (rates->n > CASES_MAX || users->n > CASES_MAX)
		return err_set(err, KVIK_ERR_ARG, "at most %d --rate or --concurrency", CASES_MAX);
	if (rates->n > 0 && users->n > 1)
		return err_set(err, KVIK_ERR_ARG, "with --rate only one --concurrency, the most at once, makes sense");
	for (size_t i = 0; !rc && i < (rates->n ? rates->n : users->n ? users->n : 1); i++) {
		rate = 0;
		if (users->n > 0)
			rc = parse_number("--concurrency", users->text[rates->n ? 0 : i], 1, 1e6, &most, err);
		if (!rc && rates->n > 0)
			rc = parse_number("--rate", rates->text[i], 1e-4, 1e6, &rate, err);
		if (!rc)
			rc = run_case(c, t, base, rate, floor(most), err);
		if (!rc && was_stopped(&c->results[c->n - 1]))
			break;
	}
	bench_progress("", "");
	return rc;
}

static void add_facts(struct report *r, const struct serve_bench *o)
{
	report_fact(r, "conversations", "%u turn%s, prompts of %u and answers of %u tokens (%s, spread %g, at most %u)",
		    o->turns, o->turns == 1 ? "" : "s", o->prompt, o->output,
		    o->spread > 0 ? "lognormal means" : "all alike", (double)o->spread, o->length_max);
	if (o->turns > 1)
		report_fact(r, "pauses", "%g s on average, exponential", (double)o->think);
	if (o->prefix)
		report_fact(r, "shared prefix", "%u tokens, %u different", o->prefix, o->prefixes);
	report_fact(r, "arrivals", "%s", o->rates.n ? "Poisson, planned" : "each when the one before has ended");
	report_fact(r, "seed", "%llu", (unsigned long long)o->seed);
}

static int measure(const struct serve_bench *o, struct report *r, struct load_target *t, struct event_base *base,
		   struct kvik_err *err)
{
	struct cases *c = mem_zalloc(1, sizeof *c);
	const struct load_goal goal = {(double)o->ttft_ms / 1e3, (double)o->itl_ms / 1e3};
	size_t answered = 0;
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the runs");
	c->o = o;
	add_facts(r, o);
	int rc = run_cases(c, t, base, err);
	if (!rc) {
		load_report(r, c->list, c->n, &goal);
		rc = report_finish(r, &o->report, err);
	}
	for (size_t i = 0; i < c->n; i++)
		for (size_t k = 0; k < c->results[i].n; k++)
			answered += c->results[i].record[k].outcome == LOAD_OK;
	if (!rc && answered == 0)
		rc = err_set(err, KVIK_ERR_IO, "no request was answered; the notes of the report say why");
	for (size_t i = 0; i < c->n; i++)
		load_result_release(&c->results[i]);
	mem_free(c);
	return rc;
}

/* ---- Targets ----------------------------------------------------------------------------------------------------- */

static void add_date(struct report *r)
{
	char when[32] = "";
	time_t now = time(NULL);
	struct tm local;
	if (localtime_r(&now, &local) && strftime(when, sizeof when, "%Y-%m-%d %H:%M", &local))
		report_fact(r, "measured", "%s, by kvik %s", when, kvik_version());
}

static int bench_url(const struct serve_bench *o, const char *url, struct event_base *base, struct kvik_err *err)
{
	const struct load_http_config config = {.url = url,
						.key = getenv(o->key_env ? o->key_env : "KVIK_API_KEY"),
						.ca = o->ca,
						.model = o->model_name,
						.timeout_s = o->timeout,
						.completions = o->api == 1,
						.stop_at_end = o->stop_at_end,
						.temperature = o->temperature};
	struct load_target *t;
	struct report r;
	bench_progress("asking the server", "");
	int rc = load_http_new(&t, base, &config, err);
	if (rc)
		return rc;
	double per_word = load_http_tokens_per_word(t);
	report_init(&r, "bench serve", "What a server carries");
	add_date(&r);
	report_fact(&r, "server", "%s, model %s", url, load_http_model(t));
	if (!isnan(per_word))
		report_fact(&r, "text", "random common words of %.2f tokens each", per_word);
	else
		report_fact(&r, "text", "random common words; the server does not count tokens: taken as one each");
	rc = measure(o, &r, t, base, err);
	report_release(&r);
	load_http_free(t);
	return rc;
}

static int bench_engine(struct serve_bench *o, const char *path, struct event_base *base, struct kvik_err *err)
{
	struct kvik_model *m = NULL;
	struct kvik_engine *e = NULL;
	struct load_target *t = NULL;
	struct report r;
	int rc = cache_opts_finish(&o->cache, err);
	o->engine.cache = &o->cache.params;
	if (!rc)
		rc = load_model(&m, path, &o->model, err);
	if (!rc)
		rc = kvik_engine_new(&e, m, &o->engine, err);
	if (!rc)
		rc = load_engine_new(&t, base, e, o->stop_at_end, err);
	if (!rc) {
		char ceiling[32];
		report_init(&r, "bench serve", "What an engine carries");
		bench_model_facts(&r, m, path);
		report_fact(&r, "KV cache", "%s/%s, up to %s", kvik_dtype_name(o->cache.params.k_dtype),
			    kvik_dtype_name(o->cache.params.v_dtype),
			    human_bytes(kvik_engine_get_stats(e).kv_bytes_ceiling, ceiling));
		rc = measure(o, &r, t, base, err);
		report_release(&r);
	}
	kvik_engine_free(e);
	load_engine_free(t);
	kvik_model_free(m);
	return rc;
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

/* What the mix says where no option says otherwise. */
static void finish_opts(struct serve_bench *o)
{
	const struct mix *mix = &mixes[o->mix];
	if (o->prompt == 0)
		o->prompt = mix->prompt;
	if (o->output == 0)
		o->output = mix->output;
	if (o->spread < 0)
		o->spread = mix->spread;
	if (o->seed == 0)
		o->seed = (load_mix((uint64_t)time(NULL), os_clock_ns()) >> 40) + 1; /* short enough to type */
}

static int run(int argc, char **argv)
{
	struct serve_bench o = {.engine = kvik_engine_params_default(),
				.turns = 1,
				.length_max = 1024,
				.prefixes = 1,
				.timeout = 600,
				.spread = -1};
	struct opt_list l = {0};
	struct kvik_err err;
	const char *rest[1];
	int status;
	bool url = false, help = false;
	for (int i = 1; i < argc; i++) {
		url |= is_url(argv[i]);
		help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
			strcmp(argv[i], "--help-as") == 0;
	}
	add_load_opts(&l, &o);
	if (url || help) /* the options of the other kind of target would do nothing: they are not known */
		add_url_opts(&l, &o);
	if (!url || help) {
		add_engine_opts(&l, "With a model, as `kvik serve`:", &o.engine, &o.cache);
		add_model_opts(&l, &o.model);
	}
	add_report_opts(&l, &o.report);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	finish_opts(&o);
	struct event_base *base = event_base_new();
	int rc = base ? report_check(&o.report, &err) : err_set(&err, KVIK_ERR_NOMEM, "no memory for an event loop");
	if (!rc)
		rc = n > 0 && is_url(rest[0]) ? bench_url(&o, rest[0], base, &err)
					      : bench_engine(&o, model_path(&o.model, n, rest), base, &err);
	if (base)
		event_base_free(base);
	libevent_global_shutdown();
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd bench_serve = {"serve", "what a server carries, and how long its users wait", run};
