/* cmd_constrain.c: `kvik constrain`: which texts a schema, an expression or a grammar lets through, token by token, and how
 * long that takes. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "cli/cmd.h"
#include "cli/form.h"

struct constrain_opts {
	struct form_opts form;
	bool json, bench;
};

static const struct usage usage = {
	"constrain [OPTIONS] [MODEL]",
	"Reads texts, each a JSON string on a line of its own, and prints for each `accept`, or `reject BYTE`: where "
	"the first\n"
	"byte lies that cannot be (the text's length, if it ends too early). Every token of a text goes through the "
	"mask that\n"
	"an answer of the model would be held to. MODEL may also be a vocabulary alone, as for `kvik tokenize`.",
	"  echo '\"{\\\"a\\\": 1}\"' | kvik constrain --schema schema.json\n"
	"  kvik constrain model.gguf --regex '[a-z]+@[a-z.]+' --bench < texts.jsonl\n"};

/* ---- Times ------------------------------------------------------------------------------------------------------- */

struct times {
	double *us; /* [n] */
	size_t n, cap;
};

static void times_add(struct times *t, double us)
{
	double *grown = mem_grow(t->us, &t->cap, t->n, sizeof *grown);
	if (!grown)
		return;
	t->us = grown;
	grown[t->n++] = us;
}

static void show_times(const struct constrain_opts *o, double compile_us, struct times *t)
{
	double sum = 0, p50 = 0, p99 = 0, max = 0;
	for (size_t i = 0; i < t->n; i++)
		sum += t->us[i];
	if (t->n > 0) {
		p50 = bench_percentile(t->us, t->n, 0.5);
		p99 = bench_percentile(t->us, t->n, 0.99);
		max = bench_percentile(t->us, t->n, 1);
	}
	double mean = t->n ? sum / (double)t->n : 0;
	if (o->json)
		printf("{\"compile_us\": %.1f, \"masks\": %zu, \"mask_us\": {\"mean\": %.1f, \"p50\": %.1f, \"p99\": "
		       "%.1f, \"max\": %.1f}}\n",
		       compile_us, t->n, mean, p50, p99, max);
	else
		printf("compile %.1f us; %zu masks: mean %.1f us, p50 %.1f, p99 %.1f, max %.1f (processor time)\n",
		       compile_us, t->n, mean, p50, p99, max);
}

/* ---- Texts ------------------------------------------------------------------------------------------------------- */

struct checking {
	const struct constrain_opts *o;
	const struct kvik_vocab *v;
	struct kvik_constraint *c;
	uint32_t *mask;
	struct times times;
	size_t line;
};

static bool allowed(const uint32_t *mask, uint32_t id)
{
	return mask[id / 32] >> id % 32 & 1;
}

/* Feeds the tokens of the text; *at: the first byte that cannot be, or its length. */
static int follow(struct checking *k, struct kvik_matcher *m, const char *text, size_t n, size_t *at,
		  struct kvik_err *err)
{
	uint32_t *ids = NULL;
	size_t n_ids, length, taken;
	char *bytes;
	int rc = kvik_tokenize(k->v, text, n, 0, &ids, &n_ids, err);
	for (size_t i = 0; !rc && i < n_ids && *at < n; i++) {
		rc = kvik_token_bytes(k->v, ids[i], &bytes, &length, err);
		if (rc)
			break;
		/* What a vocabulary writes otherwise than the text says is left to the bytes. */
		bool same = length <= n - *at && memcmp(bytes, text + *at, length) == 0 && length > 0;
		kvik_free(bytes);
		if (!same)
			break;
		double start = thread_us();
		rc = kvik_matcher_mask(m, k->mask, err);
		times_add(&k->times, thread_us() - start);
		taken = rc ? 0 : kvik_matcher_feed(m, text + *at, length);
		*at += taken;
		if (taken < length || !allowed(k->mask, ids[i])) {
			*at -= taken == length ? length : 0;
			n = *at;
		}
	}
	kvik_free(ids);
	if (!rc && *at < n)
		*at += kvik_matcher_feed(m, text + *at, n - *at);
	return rc;
}

static int check_text(struct checking *k, const char *text, size_t n, struct kvik_err *err)
{
	struct kvik_matcher *m = NULL;
	size_t at = 0;
	int rc = kvik_matcher_new(&m, k->c, err);
	if (!rc)
		rc = follow(k, m, text, n, &at, err);
	if (!rc) {
		bool ok = at == n && kvik_matcher_accepts(m);
		if (k->o->json)
			printf(ok ? "{\"accept\": true}\n" : "{\"accept\": false, \"byte\": %zu}\n", at);
		else
			printf(ok ? "accept\n" : "reject %zu\n", at);
	}
	kvik_matcher_free(m);
	return rc;
}

static int check_line(struct checking *k, const char *line, size_t n, struct kvik_err *err)
{
	json_error_t e;
	k->line++;
	if (strspn(line, " \t\r\n") == n)
		return 0;
	json_t *j = json_loadb(line, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
	int rc = json_is_string(j)
			 ? check_text(k, json_string_value(j), json_string_length(j), err)
			 : err_set(err, KVIK_ERR_FORMAT, "line %zu is no JSON string: write each text as one", k->line);
	json_decref(j);
	return rc;
}

static int check_all(struct checking *k, struct kvik_err *err)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int rc = 0;
	while (!rc && (n = getline(&line, &cap, stdin)) > 0)
		rc = check_line(k, line, (size_t)n, err);
	free(line);
	return rc;
}

/* ---- The command ------------------------------------------------------------------------------------------------- */

static int work(const struct constrain_opts *o, const struct kvik_vocab *v)
{
	struct checking k = {.o = o, .v = v};
	struct kvik_err err;
	double compile_us = 0;
	int rc = form_constraint(&k.c, &o->form, v, &compile_us, &err);
	if (rc) { /* a grammar that is refused is a wrong command line */
		fail(&err);
		return rc == KVIK_ERR_NOMEM || rc == KVIK_ERR_IO ? EXIT_FAILED : EXIT_USAGE;
	}
	k.mask = mem_zalloc(kvik_vocab_size(v) / 32 + 1, sizeof *k.mask);
	rc = k.mask ? check_all(&k, &err) : (err_set(&err, KVIK_ERR_NOMEM, "no memory for a mask"), KVIK_ERR_NOMEM);
	if (!rc && o->bench)
		show_times(o, compile_us, &k.times);
	if (!rc && fflush(stdout))
		rc = err_set(&err, KVIK_ERR_IO, "the answers could not be written");
	kvik_constraint_free(k.c);
	mem_free(k.mask);
	mem_free(k.times.us);
	return rc ? fail(&err) : EXIT_OK;
}

static int run(int argc, char **argv)
{
	struct constrain_opts o = {0};
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Options:"},
		{OPT_FLAG, 0, "bench", &o.bench,
		 .help = "Also print the time to compile it, and of the masks (mean, p50, p99, max)."},
		{OPT_FLAG, 0, "json", &o.json, .help = "A JSON object a line."},
	};
	struct opt_list l = {0};
	struct kvik_vocab *v = NULL;
	struct kvik_err err;
	const char *rest[1];
	int status;
	add_form_opts(&l, &o.form, "What texts must be like (one of these):");
	OPT_LIST_ADD(&l, opts);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	if (form_opts_given(&o.form) != 1) {
		err_set(&err, KVIK_ERR_ARG,
			"give one of --schema FILE, --regex TEXT, --choice JSON, --grammar FILE and --structural-tag "
			"FILE");
		fail(&err);
		return EXIT_USAGE;
	}
	if (kvik_vocab_load(&v, n > 0 ? rest[0] : NULL, &err) != 0)
		return fail(&err);
	status = work(&o, v);
	kvik_vocab_free(v);
	return status;
}

const struct cmd cmd_constrain = {"constrain", "hold texts to a JSON schema, a regular expression or a grammar", run};
