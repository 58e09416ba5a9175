/* bench_kv.c: `kvik bench kv`: what each ability of the cache gives on this model and machine, measured against its
 * absence. This file chooses the parts and sizes them by a first measurement; the parts are in bench_kv_*.c. */
#include "cli/bench_kv.h"

#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "cli/samples.h"

static const struct kv_part *const parts[] = {&kv_part_cache,  &kv_part_pages, &kv_part_dtypes, &kv_part_recall,
					      &kv_part_prefix, &kv_part_fork,  &kv_part_window, &kv_part_all};
enum { PARTS = sizeof parts / sizeof *parts, CONTEXT_MOST = 16384 + 64, CONTEXT_LEAST = 512, RANDOM_IDS = 8192 };

struct kv_opts {
	struct model_opts model;
	struct report_opts report;
	struct opt_texts only;
	const char *file;
	uint32_t context;
	float seconds;
	bool quick;
};

static const struct usage usage = {"bench kv [OPTIONS] [MODEL]",
				   "Measures what each ability of the KV cache gives on this model and machine, each "
				   "against its absence, in turns:\n"
				   "no cache or a cache; room for the longest text or pages; KV dtypes (bytes, speed "
				   "at depth, quality); every turn of\n"
				   "a dialogue anew or shared prefixes; eight answers computed or forked; all tokens "
				   "or a window; nothing or everything.\n"
				   "Without MODEL the built-in kvik-mini is asked, and questions about what it was "
				   "told show what a setting costs.\n"
				   "Parts (--only): cache, pages, dtypes, recall, prefix, fork, window, all.",
				   "  kvik bench kv --quick\n"
				   "  kvik bench kv model.gguf --html kv.html\n"
				   "  kvik bench kv --synthetic llama3.2-1b:q4_0 --only dtypes --only prefix\n"};

/* ---- For the parts ----------------------------------------------------------------------------------------------- */

struct kvik_cache_params kv_bench_params(enum kvik_dtype d, uint32_t context, uint32_t sessions)
{
	struct kvik_cache_params p = kvik_cache_params_default();
	p.k_dtype = p.v_dtype = d;
	p.context = context;
	p.sessions = sessions;
	return p;
}

uint32_t kv_bench_tokens(const struct kv_bench *b, double seconds, uint32_t least, uint32_t most)
{
	double n = seconds * b->prefill;
	uint32_t step = n >= 64 ? 8 : 1;
	if (n >= most)
		return most;
	return n <= least ? least : (uint32_t)n / step * step;
}

void kv_bench_step(const struct kv_part *p, const char *format, ...)
{
	char detail[96];
	va_list args;
	va_start(args, format);
	vsnprintf(detail, sizeof detail, format, args);
	va_end(args);
	bench_progress(p->name, detail);
}

/* ---- Preparing --------------------------------------------------------------------------------------------------- */

static int find_part(const char *name, struct kvik_err *err)
{
	char known[128] = "";
	for (int i = 0; i < PARTS; i++) {
		if (strcmp(parts[i]->name, name) == 0)
			return i;
		size_t n = strlen(known);
		snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", parts[i]->name);
	}
	return err_set(err, KVIK_ERR_ARG, "--only: '%s' is no part; there are %s", name, known);
}

static int choose_parts(const struct kv_opts *o, bool mini, bool wanted[PARTS], struct kvik_err *err)
{
	for (int i = 0; i < PARTS; i++)
		wanted[i] = o->only.n == 0 && (mini || !parts[i]->mini_only);
	for (size_t k = 0; k < o->only.n; k++) {
		int i = find_part(o->only.text[k], err);
		if (i < 0)
			return i;
		if (parts[i]->mini_only && !mini)
			return err_set(err, KVIK_ERR_ARG,
				       "--only %s: these questions are for kvik-mini alone: leave MODEL out",
				       parts[i]->name);
		wanted[i] = true;
	}
	return 0;
}

/* Ids of the user's text, of the built-in one, or random ones; *ids is freed with mem_free. */
static int get_ids(struct kv_bench *b, const struct kv_opts *o, uint32_t **ids, struct kvik_err *err)
{
	const struct kvik_vocab *v = kvik_model_vocab(b->m);
	char *text = NULL;
	size_t bytes;
	const char *sample = sample_text(&bytes);
	if (o->file && !v)
		return err_set(err, KVIK_ERR_ARG, "--file: this model has no vocabulary, so that it can read no text");
	b->has_text = v;
	b->n_ids = RANDOM_IDS;
	if (!v)
		return bench_random_ids(ids, RANDOM_IDS, b->info.vocab_size, err);
	int rc = o->file ? read_text(o->file, &text, &bytes, err) : 0;
	if (!rc)
		rc = kvik_tokenize(v, text ? text : sample, bytes, KVIK_ADD_SPECIAL, ids, &b->n_ids, err);
	mem_free(text);
	if (!rc && b->n_ids < CONTEXT_LEAST)
		rc = err_set(err, KVIK_ERR_ARG, "--file: the text has %zu tokens; give one of at least %d", b->n_ids,
			     CONTEXT_LEAST);
	return rc;
}

/* Tokens per second of a prefill: what the parts are sized by. */
static int measure_prefill(struct kv_bench *b, struct kvik_err *err)
{
	enum { TOKENS = 128 };
	struct arm a = {.params = kv_bench_params(KVIK_F16, 2 * TOKENS, 1)};
	double start = 0;
	bench_progress("prefill speed", "");
	int rc = arm_open(&a, b->m, err);
	for (int i = 0; i < 2 && !rc; i++) { /* the first one warms up */
		start = bench_now();
		rc = kvik_session_feed(a.session, b->ids, TOKENS, NULL, err);
	}
	b->prefill = TOKENS / (bench_now() - start);
	arm_close(&a);
	return rc;
}

/* ---- Running ----------------------------------------------------------------------------------------------------- */

static int run_parts(struct kv_bench *b, const bool wanted[PARTS], struct kvik_err *err)
{
	int n = 0, done = 0, rc = 0;
	for (int i = 0; i < PARTS; i++)
		n += wanted[i];
	fprintf(stderr, "kvik: %d part%s, about %.0f seconds in all\n", n, n == 1 ? "" : "s", n * b->seconds * 1.25);
	for (int i = 0; i < PARTS && !rc; i++) {
		char what[128];
		if (!wanted[i])
			continue;
		snprintf(what, sizeof what, "%d of %d: %s", ++done, n, parts[i]->summary);
		bench_progress(what, "");
		rc = parts[i]->run(b, err);
	}
	return rc;
}

static int bench(const struct kv_opts *o, struct kvik_model *m, const char *path, const bool wanted[PARTS],
		 struct kvik_err *err)
{
	struct kv_bench b = {.m = m,
			     .path = path,
			     .opts = &o->model,
			     .info = kvik_model_get_info(m),
			     .seconds = o->seconds > 0 ? (double)o->seconds
					: o->quick     ? 5
						       : 20,
			     .memory = os_memory_available() / 2};
	struct report r;
	uint32_t *ids = NULL;
	b.r = &r;
	b.context = o->context ? o->context : b.info.context;
	b.context = b.context < CONTEXT_MOST ? b.context : CONTEXT_MOST;
	if (b.context < CONTEXT_LEAST)
		return err_set(err, KVIK_ERR_ARG,
			       "a context of %u tokens is too short to compare anything: at least %d", b.context,
			       CONTEXT_LEAST);
	report_init(&r, "bench kv", "What the KV cache gives");
	bench_model_facts(&r, m, path);
	int rc = get_ids(&b, o, &ids, err);
	b.ids = ids;
	if (!rc)
		rc = measure_prefill(&b, err);
	if (!rc) {
		report_fact(&r, "prefill", "%.0f tok/s; %.3g s for each part, settings in turns, medians", b.prefill,
			    b.seconds);
		rc = run_parts(&b, wanted, err);
	}
	bench_progress("", "");
	if (!rc)
		rc = report_finish(&r, &o->report, err);
	kvik_free(ids);
	report_release(&r);
	return rc;
}

static int run(int argc, char **argv)
{
	struct kv_opts o = {0};
	struct opt_list l = {0};
	struct kvik_model *m = NULL;
	struct kvik_err err;
	bool wanted[PARTS];
	const char *rest[1];
	int status;
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Measurement:"},
		{OPT_FLAG, 0, "quick", &o.quick, .help = "About a minute with kvik-mini, with less precision."},
		{OPT_TEXTS, 0, "only", &o.only, .arg = "PART", .help = "Only this part; may be given several times."},
		{OPT_FLOAT, 0, "seconds", &o.seconds, 0.01, 3600, .arg = "S",
		 .help = "Time for each part (default 20, with --quick 5)."},
		{OPT_TEXT, 'f', "file", &o.file, .arg = "FILE",
		 .help = "Text to measure quality on (default: simple stories in English)."},
		{OPT_U32, 'c', "ctx", &o.context, CONTEXT_LEAST, 1 << 24, .arg = "N",
		 .help = "Longest sequence (default: what the model was trained for, at most 16,448)."}};
	OPT_LIST_ADD(&l, opts);
	add_report_opts(&l, &o.report);
	add_model_opts(&l, &o.model);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	const char *path = model_path(&o.model, n, rest);
	int rc = choose_parts(&o, !path, wanted, &err);
	if (!rc)
		rc = report_check(&o.report, &err);
	if (!rc)
		rc = load_model(&m, path, &o.model, &err);
	if (!rc)
		rc = bench(&o, m, path, wanted, &err);
	kvik_model_free(m);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd bench_kv = {"kv", "what each ability of the KV cache gives, against its absence", run};
