/* common.c: what commands share. */
#include "cli/common.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"
#include "bench/report.h"
#include "cli/hints.h"
#include "cli/layers.h"
#include "cli/manual.h"

#define TEXT_MAX ((size_t)1 << 30)

void opt_list_add(struct opt_list *l, const struct opt *opts, size_t n)
{
	assert(l->n + n < sizeof l->table / sizeof *l->table);
	memcpy(l->table + l->n, opts, n * sizeof *opts);
	l->n += n;
}

int fail(const struct kvik_err *err)
{
	fprintf(stderr, "kvik: %s\n", err->text);
	return err->code == KVIK_ERR_ARG ? EXIT_USAGE : EXIT_FAILED;
}

static void print_help(const struct opt_list *l, const struct usage *u)
{
	printf("Usage: kvik %s\n\n%s\n", u->line, u->text);
	opts_help(l->table, stdout);
	if (u->examples)
		printf("\nExamples:\n%s", u->examples);
}

int parse_command(struct opt_list *l, const struct usage *u, int argc, char **argv, const char **rest, int rest_max,
		  int *status)
{
	bool help = false;
	int as = -1;
	const struct opt own[] = {{OPT_HEADING, .help = "Other:"},
				  {OPT_FLAG, 'h', "help", &help, .help = "This text."},
				  {OPT_CHOICE, 0, "help-as", &as, .choices = manual_formats}};
	struct kvik_err err;
	OPT_LIST_ADD(l, own);
	int n = opts_parse(l->table, argc, argv, rest, rest_max, &err);
	if (help || as >= 0) {
		if (as >= 0)
			manual_command(as, l->table, u);
		else
			print_help(l, u);
		*status = EXIT_OK;
		return -1;
	}
	if (n < 0) {
		fail(&err);
		*status = EXIT_USAGE;
		return -1;
	}
	return n;
}

/* ---- Models ------------------------------------------------------------------------------------------------------ */

void add_model_opts(struct opt_list *l, struct model_opts *o)
{
	static const char *const acts[] = {"auto", "f32", "int8", NULL};
	static const char *const quantizes[] = {"none", "q8_0", "q4_0", NULL};
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Model:"},
		{OPT_U32, 't', "threads", &o->threads, 1, 256, .arg = "N",
		 .help = "Threads that compute (default: one per processor that it may use)."},
		{OPT_CHOICE, 0, "act", &o->act, .choices = acts, .arg = "auto|f32|int8",
		 .help = "How activations meet quantised weights (auto: f32 below 32 MiB, else int8)."},
		{OPT_CHOICE, 0, "quantize", &o->quantize, .choices = quantizes, .arg = "q8_0|q4_0",
		 .help = "Quantise F32, F16 and BF16 weights while loading."},
		{OPT_TEXT, 0, "synthetic", &o->synthetic, .arg = "SHAPE:TYPE",
		 .help = "Random weights of a real shape instead of MODEL, e.g. llama3.2-1b:q4_0."},
	};
	OPT_LIST_ADD(l, opts);
}

struct kvik_model_params model_params(const struct model_opts *o)
{
	struct kvik_model_params p = kvik_model_params_default();
	p.threads = o->threads;
	p.act = (enum kvik_act)o->act;
	p.quantize = (enum kvik_quantize)o->quantize;
	return p;
}

const char *model_path(struct model_opts *o, int n_rest, const char **rest)
{
	if (!o->synthetic)
		return n_rest > 0 ? rest[0] : NULL;
	snprintf(o->path, sizeof o->path, "synthetic:%s", o->synthetic);
	return o->path;
}

void show_warning(const char *text)
{
	fprintf(stderr, "kvik: warning: %s\n", text);
}

void warn_ceilings(const struct kvik_model_info *info, uint32_t context, const char *what, uint64_t bytes)
{
	uint64_t available = os_memory_available();
	char text[256], need[32], have[32];
	if (context > info->context) {
		snprintf(text, sizeof text,
			 "a context of %u tokens, and the model was trained for %u: further on it may "
			 "write nonsense",
			 context, info->context);
		show_warning(text);
	}
	if (available && bytes > available) {
		snprintf(text, sizeof text,
			 "%s may take %s, and %s of memory are free here: lower --kv-memory, --ctx or "
			 "--kv-dtype",
			 what, human_bytes(bytes, need), human_bytes(available, have));
		show_warning(text);
	}
}

struct progress {
	uint64_t start_ns;
	bool shown;
};

/* A bar on stderr, once loading has taken long enough for a person to wonder. */
static bool show_progress(void *user, uint64_t done, uint64_t total)
{
	enum { WIDTH = 40 };
	static const char bar[] = "########################################";
	struct progress *p = user;
	if (total == 0 || os_clock_ns() - p->start_ns < 500000000)
		return true;
	int filled = (int)(done * WIDTH / total);
	fprintf(stderr, "\rloading [%-*.*s] %3d%%", WIDTH, filled, bar, (int)(done * 100 / total));
	p->shown = true;
	return true;
}

int load_model(struct kvik_model **m, const char *path, const struct model_opts *o, struct kvik_err *err)
{
	struct kvik_model_params p = model_params(o);
	struct progress progress = {.start_ns = os_clock_ns()};
	if (isatty(STDERR_FILENO)) {
		p.progress = show_progress;
		p.progress_user = &progress;
	}
	int rc = kvik_model_load(m, path, &p, err);
	if (progress.shown)
		fprintf(stderr, "\r%*s\r", 60, "");
	if (rc)
		hint_add_to_model(path, err);
	for (size_t i = 0; !rc && kvik_model_warning(*m, i); i++)
		show_warning(kvik_model_warning(*m, i));
	return rc;
}

/* ---- Caches ------------------------------------------------------------------------------------------------------ */

/* Of the disk below a cache; from any thread. */
static void show_fault(void *user, const char *line)
{
	(void)user;
	fprintf(stderr, "kvik: --kv-disk: %s\n", line);
}

void add_cache_opts(struct opt_list *l, struct cache_opts *o)
{
	static const char *const loads[] = {"cost", "always", NULL};
	o->params = kvik_cache_params_default();
	o->params.disk_log = show_fault;
	const struct opt opts[] = {
		{OPT_HEADING, .help = "KV cache:"},
		{OPT_TEXT, 0, "kv-dtype", &o->dtype, .arg = "K[,V]",
		 .help = "How keys and values are stored: f32, f16, bf16, int8, fp8 or int4 (default f16)."},
		{OPT_TEXT, 0, "kv-exempt", &o->exempt, .arg = "LAYERS",
		 .help = "Layers that are stored in another dtype than --kv-dtype: 0,3-5,first:2,last:2."},
		{OPT_TEXT, 0, "kv-exempt-dtype", &o->exempt_dtype, .arg = "K[,V]",
		 .help = "The dtype of these layers (default f16)."},
		{OPT_TEXT, 0, "kv-floor", &o->floor_dtype, .arg = "K[,V]",
		 .help = "Keep prefixes that are idle for long in this smaller dtype: more fit; answers then depend on "
			 "age."},
		{OPT_U32, 0, "kv-floor-after", &o->floor_after_s, 1, 1 << 30, .arg = "SECONDS",
		 .help = "How long is long (default 600)."},
		{OPT_U32, 'c', "ctx", &o->params.context, 1, 1 << 30, .arg = "N",
		 .help = "Most tokens of a sequence (default: what the model was trained for)."},
		{OPT_U32, 0, "window", &o->params.window, 1, 1 << 30, .arg = "N",
		 .help = "Attend to the last N tokens only, and keep no others."},
		{OPT_U32, 0, "sinks", &o->params.sinks, 1, 1 << 30, .arg = "N",
		 .help = "With a window: the first N tokens stay visible."},
		{OPT_U32, 0, "chunk", &o->params.chunk, 1, 65536, .arg = "N",
		 .help = "Most tokens computed in one step (default 512); never changes the output."},
		{OPT_U32, 0, "state-every", &o->params.state_every, 1, 1 << 30, .arg = "N",
		 .help = "Of a model whose layers keep a state: keep one every N tokens, from which texts that part "
			 "there go on (default: 256 to 1024, the more often the less it weighs)."},
		{OPT_SIZE, 0, "kv-memory", &o->params.kv_memory, .arg = "SIZE",
		 .help = "Hard ceiling over all the cache holds, e.g. 2G (default: what --ctx needs)."},
		{OPT_TEXT, 0, "kv-disk", &o->params.disk, .arg = "DIR",
		 .help = "Keep what memory has no room for in this folder, and find it again after a restart; or in "
			 "shared:FOLDER or redis://:PASSWORD@HOST:PORT/DB of several servers. What people wrote lies "
			 "there in the clear, but for --kv-disk-key."},
		{OPT_SIZE, 0, "kv-disk-size", &o->params.disk_bytes, .arg = "SIZE",
		 .help = "Most that its files take, e.g. 100G (default: half of what is free there)."},
		{OPT_FLOAT, 0, "kv-disk-sync", &o->disk_sync_s, 0.001, 86400, .arg = "SECONDS",
		 .help = "What is older is written and survives a crash (default 1)."},
		{OPT_CHOICE, 0, "kv-disk-load", &o->disk_load, .arg = "cost|always", .choices = loads,
		 .help = "Load what is on the disk where that is quicker than computing it (default), or always."},
		{OPT_TEXT, 0, "kv-disk-key", &o->params.disk_key, .arg = "FILE",
		 .help = "Encrypt it: a file of 64 hexadecimal digits that only its owner may read."},
		{OPT_FLAG, 0, "no-kv-cache", &o->params.no_kv_cache,
		 .help = "Recompute all earlier tokens at every step: slow, and the same bits."},
	};
	OPT_LIST_ADD(l, opts);
}

void add_engine_opts(struct opt_list *l, const char *heading, struct kvik_engine_params *e, struct cache_opts *c)
{
	const struct opt opts[] = {
		{OPT_HEADING, .help = heading},
		{OPT_U32, 's', "seqs", &e->sequences, 1, 4096, .arg = "N",
		 .help = "Sequences computed together at most (default 64)."},
		{OPT_U32, 0, "full-seqs", &c->params.sessions, 1, 1 << 20, .arg = "N",
		 .help = "Full-length sequences that the KV memory has room for by default (default 4)."},
		{OPT_FLOAT, 0, "itl-factor", &e->itl_factor, 0, 1000, .arg = "F",
		 .help = "Prefill may slow running answers down to 1/F (default 2; 0 = no limit)."},
		{OPT_FLOAT, 0, "itl-ms", &e->itl_ms, 0, 60000, .arg = "MS",
		 .help = "But always to a token every MS milliseconds: a pace at which people read (default 60)."},
		{OPT_U32, 0, "queue", &e->queue_requests, 1, 1 << 20, .arg = "N",
		 .help = "Requests that may wait; more are refused, over HTTP with 429 (default 1024)."},
	};
	OPT_LIST_ADD(l, opts);
	add_cache_opts(l, c);
	c->params.sessions = 4;
}

static int find_dtype(const char *option, const char *name, size_t n, enum kvik_dtype *d, struct kvik_err *err)
{
	char known[96] = "";
	for (int i = 0; i < KVIK_DTYPE_COUNT; i++) {
		const char *have = kvik_dtype_name((enum kvik_dtype)i);
		if (strlen(have) == n && memcmp(have, name, n) == 0) {
			*d = (enum kvik_dtype)i;
			return 0;
		}
		size_t used = strlen(known);
		snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", have);
	}
	return err_set(err, KVIK_ERR_ARG, "--%s: '%.*s' is none of %s", option, (int)n, name, known);
}

/* text: "K" or "K,V" or NULL. */
static int find_dtypes(const char *option, const char *text, enum kvik_dtype *k, enum kvik_dtype *v,
		       struct kvik_err *err)
{
	if (!text)
		return 0;
	size_t n = strcspn(text, ",");
	int rc = find_dtype(option, text, n, k, err);
	*v = *k;
	if (!rc && text[n] == ',')
		rc = find_dtype(option, text + n + 1, strlen(text + n + 1), v, err);
	return rc;
}

int parse_kv_dtype(const char *text, struct kvik_cache_params *p, struct kvik_err *err)
{
	return find_dtypes("kv-dtype", text, &p->k_dtype, &p->v_dtype, err);
}

int cache_opts_finish(struct cache_opts *o, struct kvik_err *err)
{
	struct kvik_cache_params *p = &o->params;
	int rc = find_dtypes("kv-dtype", o->dtype, &p->k_dtype, &p->v_dtype, err);
	if (!rc)
		rc = find_dtypes("kv-exempt-dtype", o->exempt_dtype, &p->exempt_k_dtype, &p->exempt_v_dtype, err);
	if (!rc && o->exempt)
		rc = parse_exempt(o->exempt, p, err);
	if (!rc)
		rc = find_dtypes("kv-floor", o->floor_dtype, &p->floor_k_dtype, &p->floor_v_dtype, err);
	if (!rc && o->floor_dtype)
		p->floor_after_ms = 1000 * (uint64_t)(o->floor_after_s ? o->floor_after_s : 600);
	if (!rc && o->floor_after_s && !o->floor_dtype)
		rc = err_set(err, KVIK_ERR_ARG, "--kv-floor-after says when --kv-floor begins: give this too");
	if (o->disk_sync_s > 0)
		p->disk_sync_ms = (uint32_t)(o->disk_sync_s * 1000 + 0.5f);
	p->disk_load_always = o->disk_load == 1;
	if (!rc && !p->disk && (p->disk_bytes || o->disk_sync_s > 0 || o->disk_load || p->disk_key))
		rc = err_set(err, KVIK_ERR_ARG,
			     "--kv-disk-size, -sync, -load and -key are for --kv-disk: give this too");
	if (!rc && o->exempt_dtype && !o->exempt)
		rc = err_set(err, KVIK_ERR_ARG, "--kv-exempt-dtype is for the layers of --kv-exempt: give these too");
	return rc;
}

/* ---- Files and figures ------------------------------------------------------------------------------------------- */

static int read_all(FILE *f, const char *name, char **text, size_t *n, struct kvik_err *err)
{
	size_t cap = 65536;
	char *buf = mem_alloc(cap);
	*n = 0;
	while (buf) {
		*n += fread(buf + *n, 1, cap - *n - 1, f);
		if (*n < cap - 1)
			break;
		char *more = cap < TEXT_MAX ? mem_realloc(buf, 2 * cap, 1) : NULL;
		if (!more) {
			mem_free(buf);
			return err_set(err, KVIK_ERR_LIMIT, "%s: longer than %zu bytes, or no memory for it", name,
				       TEXT_MAX);
		}
		buf = more;
		cap *= 2;
	}
	if (!buf)
		return err_set(err, KVIK_ERR_NOMEM, "%s: no memory", name);
	if (ferror(f)) {
		mem_free(buf);
		return err_set(err, KVIK_ERR_IO, "%s: %s", name, strerror(errno));
	}
	buf[*n] = '\0';
	*text = buf;
	return 0;
}

int read_text(const char *path, char **text, size_t *n, struct kvik_err *err)
{
	*text = NULL;
	if (strcmp(path, "-") == 0)
		return read_all(stdin, "standard input", text, n, err);
	FILE *f = fopen(path, "rb");
	if (!f)
		return err_set(err, KVIK_ERR_IO, "%s: %s", path, strerror(errno));
	int rc = read_all(f, path, text, n, err);
	fclose(f);
	return rc;
}

static double rate(uint32_t tokens, double ms)
{
	return ms > 0 ? tokens * 1000.0 / ms : 0;
}

double prefill_rate(const struct kvik_generation *g)
{
	return rate(g->prompt_tokens, g->prefill_ms);
}

double decode_rate(const struct kvik_generation *g)
{
	return rate(g->new_tokens > 0 ? g->new_tokens - 1 : 0, g->decode_ms);
}

/* ---- Reports ----------------------------------------------------------------------------------------------------- */

void add_report_opts(struct opt_list *l, struct report_opts *o)
{
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Output (else tables as text):"},
		{OPT_FLAG, 0, "json", &o->json, .help = "One JSON object."},
		{OPT_TEXT, 0, "html", &o->html, .arg = "FILE",
		 .help = "Also a page with charts; it needs no network and no other file."},
	};
	OPT_LIST_ADD(l, opts);
}
