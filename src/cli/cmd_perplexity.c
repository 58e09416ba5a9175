/* cmd_perplexity.c: `kvik perplexity`: what KV dtypes and windows cost in quality, bytes and speed on a user's text */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/quality.h"
#include "bench/samples.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/prompt.h"

enum { ARMS_MAX = 33, CONTEXT_DEFAULT = 512, CONTEXT_LEAST = 8 };

struct perplexity_opts {
	struct model_opts model;
	struct report_opts report;
	struct prompt_opts prompt;
	struct opt_texts dtypes, windows;
	const char *exempt, *exempt_dtype;
	uint32_t context, pieces, sinks;
	float seconds;
};

static const struct usage usage = {
	"perplexity [OPTIONS] [MODEL]",
	"Measures what storing keys and values in fewer bits, or a window, costs on a text of yours, against the\n"
	"exact cache (f32, no window): perplexity, KL divergence of the next token's distribution, how often the\n"
	"most probable token stays the same, bytes of a token, and decode speed. The text is cut into pieces of\n"
	"--ctx tokens; the second half of each is predicted. Take a text like those the model will see: a few\n"
	"thousand tokens tell enough. Quality is measured with f32 activations, for the rounding of int8 ones would\n"
	"hide what KV dtypes cost; speed with those of --act. --act int8 measures both with int8.",
	"  kvik perplexity model.gguf -f book.txt\n"
	"  kvik perplexity model.gguf -f code.c --ctx 4096 --chunks 2 --kv-dtype int8 --kv-dtype int8,int4\n"
	"  kvik perplexity model.gguf -f book.txt --ctx 4096 --window 1024 --window 2048 --sinks 4 --html "
	"quality.html\n"
	"  kvik perplexity                    (kvik-mini, on its own stories)\n"};

struct job {
	const struct perplexity_opts *o;
	struct kvik_model *m; /* for speed */
	struct quality_model exact;
	struct quality_text text;
	uint32_t *ids; /* owned */
	size_t n_ids;
	struct arm *arms; /* [n]: arms[0] is the reference */
	size_t n;
	struct quality quality[ARMS_MAX];
	double seconds_each[ARMS_MAX];
};

/* ---- The text ---------------------------------------------------------------------------------------------------- */

static int read_ids(struct job *j, const char *path, struct kvik_err *err)
{
	const struct prompt_opts *p = &j->o->prompt;
	const struct kvik_vocab *v = kvik_model_vocab(j->m);
	size_t bytes;
	if (p->text || p->file || p->ids)
		return read_prompt(p, v, &j->ids, &j->n_ids, err);
	if (path)
		return err_set(err, KVIK_ERR_ARG,
			       "say on which text: -f FILE with text like the model will be used for, "
			       "or --ids for a model without a vocabulary");
	const char *text = sample_text(&bytes);
	return kvik_tokenize(v, text, bytes, KVIK_ADD_SPECIAL, &j->ids, &j->n_ids, err);
}

static int cut_text(struct job *j, struct kvik_err *err)
{
	uint32_t most = kvik_model_get_info(j->m).context, bos = KVIK_NO_ID;
	uint32_t context = j->o->context ? j->o->context : most < CONTEXT_DEFAULT ? most : CONTEXT_DEFAULT;
	if (context > j->n_ids)
		context = (uint32_t)j->n_ids;
	if (context < CONTEXT_LEAST)
		return err_set(err, KVIK_ERR_ARG, "the text has %zu tokens; at least %d are needed: give a longer one",
			       j->n_ids, CONTEXT_LEAST);
	if (kvik_model_vocab(j->m))
		bos = kvik_vocab_bos(kvik_model_vocab(j->m));
	j->text = (struct quality_text){
		.ids = j->ids, .n = j->n_ids, .context = context, .bos = bos == j->ids[0] ? bos : KVIK_NO_ID};
	if (j->o->pieces && j->o->pieces < quality_pieces(&j->text))
		j->text.n = (size_t)j->o->pieces * context;
	return 0;
}

/* ---- Settings ---------------------------------------------------------------------------------------------------- */

/* Adds a setting that differs from the reference in dtypes or window. */
static struct arm *add_arm(struct job *j, const struct kvik_cache_params *p)
{
	struct arm *a = &j->arms[j->n++];
	int n = snprintf(a->name, sizeof a->name, "%s", kvik_dtype_name(p->k_dtype));
	if (p->v_dtype != p->k_dtype)
		n += snprintf(a->name + n, sizeof a->name - (size_t)n, ",%s", kvik_dtype_name(p->v_dtype));
	if (p->n_exempt)
		n += snprintf(a->name + n, sizeof a->name - (size_t)n, " exempt");
	if (p->window)
		n += snprintf(a->name + n, sizeof a->name - (size_t)n, " window %u", p->window);
	if (p->sinks)
		snprintf(a->name + n, sizeof a->name - (size_t)n, " + %u", p->sinks);
	a->params = *p;
	return a;
}

/* The same dtypes with exempt layers. */
static int add_exempt(struct job *j, const struct kvik_cache_params *base, struct kvik_err *err)
{
	struct cache_opts c = {.exempt = j->o->exempt, .exempt_dtype = j->o->exempt_dtype, .params = *base};
	int rc = cache_opts_finish(&c, err);
	if (!rc && c.params.n_exempt)
		add_arm(j, &c.params);
	return rc;
}

static int add_windows(struct job *j, const struct kvik_cache_params *base, struct kvik_err *err)
{
	for (size_t i = 0; i < j->o->windows.n; i++) {
		struct kvik_cache_params p = *base;
		const char *text = j->o->windows.text[i];
		size_t digits = strspn(text, "0123456789");
		p.window = digits && digits < 10 && !text[digits] ? (uint32_t)strtoul(text, NULL, 10) : 0;
		if (p.window == 0)
			return err_set(err, KVIK_ERR_ARG, "--window: '%s' is no number of tokens", text);
		p.sinks = j->o->sinks;
		add_arm(j, &p);
	}
	return 0;
}

static int choose_arms(struct job *j, struct kvik_err *err)
{
	static const char *const usual[] = {"f16", "int8", "fp8", "int4"};
	const struct opt_texts *given = &j->o->dtypes;
	size_t n = given->n ? given->n : j->o->windows.n ? 1 : sizeof usual / sizeof *usual;
	struct kvik_cache_params base = kvik_cache_params_default();
	int rc = 0;
	if (j->o->sinks && !j->o->windows.n)
		return err_set(err, KVIK_ERR_ARG, "--sinks only has a meaning with a window: give --window N too");
	if (1 + n * (2 + j->o->windows.n) > ARMS_MAX)
		return err_set(err, KVIK_ERR_ARG, "%zu dtypes and %zu windows are more than %d settings: give fewer", n,
			       j->o->windows.n, ARMS_MAX - 1);
	base.context = j->text.context + ARM_ROOM;
	base.sessions = 2;
	base.k_dtype = base.v_dtype = KVIK_F32;
	add_arm(j, &base);
	for (size_t i = 0; i < n && !rc; i++) {
		rc = parse_kv_dtype(given->n ? given->text[i] : usual[i], &base, err);
		if (!rc && (base.k_dtype != KVIK_F32 || base.v_dtype != KVIK_F32))
			add_arm(j, &base);
		if (!rc)
			rc = add_exempt(j, &base, err);
		if (!rc)
			rc = add_windows(j, &base, err);
	}
	return rc;
}

/* Opens all; what this model can not have is left out when it was not asked for, with a note. */
static int open_arms(struct job *j, struct report *r, struct kvik_err *err)
{
	size_t kept = 0;
	for (size_t i = 0; i < j->n; i++) {
		int rc = arm_open(&j->arms[i], j->exact.m, err);
		if (rc == KVIK_ERR_UNSUPPORTED && !j->o->dtypes.n)
			report_note(r, "%s is left out: %s.", j->arms[i].name, err->text);
		else if (rc)
			return rc;
		else if (kept++ != i)
			j->arms[kept - 1] = j->arms[i];
	}
	memset(j->arms + kept, 0, (j->n - kept) * sizeof *j->arms); /* moved, or never opened */
	j->n = kept;
	return 0;
}

/* ---- Result ------------------------------------------------------------------------------------------------------ */

static void show_piece(size_t piece, size_t pieces)
{
	char detail[64];
	snprintf(detail, sizeof detail, "piece %zu of %zu", piece + 1, pieces);
	bench_progress("comparing predictions", detail);
}

/* Moves all settings from the copy to the model as it is used. */
static int leave_copy(struct job *j, struct kvik_err *err)
{
	int rc = 0;
	if (!j->exact.copy)
		return 0;
	for (size_t i = 0; i < j->n; i++)
		arm_close(&j->arms[i]);
	quality_model_close(&j->exact);
	for (size_t i = 0; i < j->n && !rc; i++)
		rc = arm_open(&j->arms[i], j->m, err);
	return rc;
}

static int measure_speed(struct job *j, struct kvik_err *err)
{
	int rc = leave_copy(j, err);
	bench_progress("decode speed", "");
	for (size_t i = 0; i < j->n && !rc; i++) {
		rc = arm_restart(&j->arms[i], err);
		if (!rc)
			rc = arm_fill(&j->arms[i], j->text.context, err);
	}
	return rc ? rc : arms_time(j->arms, j->n, (double)j->o->seconds * (double)j->n, j->seconds_each, err);
}

static void add_row(const struct job *j, struct report *r, size_t i)
{
	const struct quality *q = &j->quality[i];
	double exact = quality_perplexity(&j->quality[0]);
	report_words(r, "%s", j->arms[i].name);
	report_number(r, (double)kvik_cache_get_stats(j->arms[i].cache).bytes_per_token);
	report_number(r, quality_perplexity(q));
	report_number(r, quality_perplexity_error(q));
	report_number(r, 100 * (quality_perplexity(q) / exact - 1));
	report_number(r, 100 * quality_agreement(q));
	report_number(r, quality_kl_mean(q));
	report_number(r, quality_kl_at(q, 0.99));
	report_number(r, quality_kl_at(q, 1));
	report_number(r, j->o->seconds > 0 ? 1 / j->seconds_each[i] : NAN);
}

static void add_charts(const struct job *j, struct report *r)
{
	const struct report_chart agree = {.kind = REPORT_BARS,
					   .title = "Another token is the most probable one",
					   .y = "of predictions",
					   .y_unit = "%"};
	const struct report_chart bytes = {
		.kind = REPORT_BARS, .title = "Memory of a token", .y = "keys and values", .y_unit = "bytes"};
	report_chart(r, &agree);
	for (size_t i = 1; i < j->n; i++)
		report_bar(r, "changed", j->arms[i].name, 100 * (1 - quality_agreement(&j->quality[i])));
	report_chart(r, &bytes);
	for (size_t i = 0; i < j->n; i++)
		report_bar(r, "bytes", j->arms[i].name, (double)kvik_cache_get_stats(j->arms[i].cache).bytes_per_token);
}

static void begin_section(struct report *r)
{
	static const struct report_column columns[] = {
		{"setting", "KV dtype", NULL, REPORT_WORDS},   {"bytes_per_token", "a token", NULL, REPORT_BYTES},
		{"perplexity", "perplexity", NULL, 4},         {"perplexity_error", "±", NULL, 4},
		{"perplexity_percent", "change", "%", 3},      {"top1_percent", "same top", "%", 2},
		{"kl_mean", "KL mean", "nats", REPORT_DIGITS}, {"kl_99", "KL 99 %", "nats", REPORT_DIGITS},
		{"kl_max", "KL max", "nats", REPORT_DIGITS},   {"decode", "decode", "tok/s", 1},
	};
	REPORT_SECTION(
		r, "quality", "Quality, bytes and speed", columns,
		"Every setting against the first row, the exact cache, on the same tokens. Same top: the most "
		"probable next token is the same. KL: divergence of the distribution of the next token from the "
		"exact one; the mean, what 99 % of the predictions stay below, and the largest. Perplexity below "
		"the exact one is chance. Decode: speed at the end of a piece.");
}

static int measure(struct job *j, const char *path, struct report *r, struct kvik_err *err)
{
	begin_section(r);
	struct kvik_model_params params = model_params(&j->o->model);
	int rc = quality_model_open(&j->exact, j->m, path, &params, err);
	if (!rc && *j->exact.note)
		report_note(r, "%s", j->exact.note);
	if (!rc)
		rc = open_arms(j, r, err);
	if (!rc)
		rc = quality_measure(j->arms, j->n, j->exact.m, &j->text, j->quality, show_piece, err);
	if (!rc && j->o->seconds > 0)
		rc = measure_speed(j, err);
	if (rc)
		return rc;
	report_fact(r, "text", "%zu of %zu tokens, in %zu pieces of %u; %zu predictions count",
		    quality_pieces(&j->text) * j->text.context, j->n_ids, quality_pieces(&j->text), j->text.context,
		    j->quality[0].n);
	if (j->o->exempt)
		report_fact(r, "exempt", "layers %s, in %s", j->o->exempt,
			    j->o->exempt_dtype ? j->o->exempt_dtype : "f16");
	for (size_t i = 0; i < j->n; i++)
		add_row(j, r, i);
	add_charts(j, r);
	return 0;
}

static int compare(const struct perplexity_opts *o, struct kvik_model *m, const char *path, struct kvik_err *err)
{
	struct job j = {.o = o, .m = m, .arms = mem_zalloc(ARMS_MAX, sizeof *j.arms)};
	struct report r;
	report_init(&r, "perplexity", "What KV dtypes and windows cost in quality");
	bench_model_facts(&r, m, path);
	int rc = j.arms ? read_ids(&j, path, err) : err_set(err, KVIK_ERR_NOMEM, "no memory for the settings");
	if (!rc)
		rc = cut_text(&j, err);
	if (!rc)
		rc = choose_arms(&j, err);
	if (!rc)
		rc = measure(&j, path, &r, err);
	bench_progress("", "");
	if (!rc)
		rc = report_finish(&r, &o->report, err);
	for (size_t i = 0; i < j.n; i++)
		arm_close(&j.arms[i]);
	quality_model_close(&j.exact);
	quality_release(j.quality, ARMS_MAX);
	kvik_free(j.ids);
	mem_free(j.arms);
	report_release(&r);
	return rc;
}

static int run(int argc, char **argv)
{
	struct perplexity_opts o = {.seconds = 1};
	struct opt_list l = {0};
	struct kvik_model *m = NULL;
	struct kvik_err err;
	const char *rest[1];
	int status;
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Settings to compare:"},
		{OPT_TEXTS, 0, "kv-dtype", &o.dtypes, .arg = "K[,V]",
		 .help = "May be given several times (default f16, int8, fp8 and int4; with --window f16)."},
		{OPT_TEXT, 0, "kv-exempt", &o.exempt, .arg = "LAYERS",
		 .help = "Each dtype also with these layers in a better one: 0,3-5,first:2,last:2."},
		{OPT_TEXT, 0, "kv-exempt-dtype", &o.exempt_dtype, .arg = "K[,V]", .help = "Which (default f16)."},
		{OPT_TEXTS, 0, "window", &o.windows, .arg = "N",
		 .help = "Each dtype with a window of N tokens too; may be given several times."},
		{OPT_U32, 0, "sinks", &o.sinks, 1, 1 << 20, .arg = "N",
		 .help = "With a window: the first N tokens stay visible."},
		{OPT_U32, 'c', "ctx", &o.context, CONTEXT_LEAST, 1 << 24, .arg = "N",
		 .help = "Tokens of a piece (default 512): what a long context costs, only long pieces tell."},
		{OPT_U32, 0, "chunks", &o.pieces, 1, 1 << 30, .arg = "N",
		 .help = "At most so many pieces (default all)."},
		{OPT_FLOAT, 0, "seconds", &o.seconds, 0, 3600, .arg = "S",
		 .help = "Time for each decode speed (default 1; 0 = do not measure it)."}};
	OPT_LIST_ADD(&l, opts);
	add_prompt_opts(&l, &o.prompt);
	add_report_opts(&l, &o.report);
	add_model_opts(&l, &o.model);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	const char *path = model_path(&o.model, n, rest);
	int rc = report_check(&o.report, &err);
	if (!rc)
		rc = load_model(&m, path, &o.model, &err);
	if (!rc)
		rc = compare(&o, m, path, &err);
	kvik_model_free(m);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_perplexity = {"perplexity", "what KV dtypes and windows cost in quality, on your text", run};
