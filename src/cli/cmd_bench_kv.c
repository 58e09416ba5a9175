/* cmd_bench_kv.c: `kvik bench kv`: what each ability of the cache gives on this model and machine, measured against its
 * absence. Options and text; the measuring is bench/bench_kv*.c. */
#include <string.h>

#include "base/mem.h"
#include "base/os.h"
#include "bench/bench_kv.h"
#include "bench/samples.h"
#include "cli/cmd.h"
#include "cli/common.h"

enum { CONTEXT_MOST = 16384 + 64, CONTEXT_LEAST = 512, RANDOM_IDS = 8192 };

struct kv_opts {
	struct model_opts model;
	struct report_opts report;
	struct opt_texts only;
	const char *file;
	uint32_t context;
	float seconds;
	bool quick;
};

static const struct usage usage = {
	"bench kv [OPTIONS] [MODEL]",
	"Measures what each ability of the KV cache gives on this model and machine, each against its absence, in "
	"turns:\n"
	"no cache or a cache; room for the longest text or pages; KV dtypes (bytes, speed at depth, quality); every "
	"turn of\n"
	"a dialogue anew or shared prefixes; eight answers computed or forked; all tokens or a window; nothing or\n"
	"everything. Without MODEL the built-in kvik-mini is asked, and questions about what it was told show what a\n"
	"setting costs.\n"
	"Parts (--only): cache, pages, dtypes, recall, prefix, fork, window, all.",
	"  kvik bench kv --quick\n"
	"  kvik bench kv model.gguf --html kv.html\n"
	"  kvik bench kv --synthetic llama3.2-1b:q4_0 --only dtypes --only prefix\n"};

/* ---- Preparing --------------------------------------------------------------------------------------------------- */

static int find_part(const char *name, struct kvik_err *err)
{
	char known[128] = "";
	for (int i = 0; i < KV_PARTS; i++) {
		if (strcmp(kv_parts[i]->name, name) == 0)
			return i;
		size_t n = strlen(known);
		snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", kv_parts[i]->name);
	}
	return err_set(err, KVIK_ERR_ARG, "--only: '%s' is no part; there are %s", name, known);
}

static int choose_parts(const struct kv_opts *o, bool mini, bool wanted[KV_PARTS], struct kvik_err *err)
{
	for (int i = 0; i < KV_PARTS; i++)
		wanted[i] = o->only.n == 0 && (mini || !kv_parts[i]->mini_only);
	for (size_t k = 0; k < o->only.n; k++) {
		int i = find_part(o->only.text[k], err);
		if (i < 0)
			return i;
		if (kv_parts[i]->mini_only && !mini)
			return err_set(err, KVIK_ERR_ARG,
				       "--only %s: these questions are for kvik-mini alone: leave MODEL out",
				       kv_parts[i]->name);
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

/* ---- Running ----------------------------------------------------------------------------------------------------- */

static int bench(const struct kv_opts *o, struct kvik_model *m, const char *path, const bool wanted[KV_PARTS],
		 struct kvik_err *err)
{
	struct kvik_model_params params = model_params(&o->model);
	struct kv_bench b = {.m = m,
			     .path = path,
			     .params = &params,
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
		rc = kv_bench_prefill(&b, err);
	if (!rc) {
		report_fact(&r, "prefill", "%.0f tok/s; %.3g s for each part, settings in turns, medians", b.prefill,
			    b.seconds);
		rc = kv_bench_run(&b, wanted, err);
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
	bool wanted[KV_PARTS];
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
