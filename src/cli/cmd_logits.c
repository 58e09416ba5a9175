/* cmd_logits.c: `kvik logits`: the logits of every position of a prompt, as a NumPy file. */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cmd.h"
#include "cli/npy.h"
#include "cli/prompt.h"

enum { ROWS = 64 }; /* computed between two writes */

struct logits_opts {
	struct model_opts model;
	struct cache_opts cache;
	struct prompt_opts prompt;
	const char *out;
};

static const struct usage usage = {
	"logits [OPTIONS] [MODEL] -o OUT.npy",
	"Writes the logits of every position of a prompt as a float32 array [tokens, vocabulary] for NumPy.",
	"  kvik logits model.gguf --ids 1,2,3 -o out.npy --kv-dtype f32\n"
	"  python3 -c \"import numpy; print(numpy.load('out.npy').argmax(-1))\"\n"};

/* Without a cache every feed computes all that came before again, so everything is fed at once. */
static int compute(struct kvik_session *s, const uint32_t *ids, size_t n, size_t step, uint32_t n_vocab, FILE *f,
		   struct kvik_err *err)
{
	float *rows = mem_zalloc(step < n ? step : n, n_vocab * sizeof *rows);
	int rc = rows ? npy_write_header(f, n, n_vocab, err)
		      : err_set(err, KVIK_ERR_NOMEM, "no memory for %zu rows of logits", step);
	for (size_t at = 0; at < n && !rc; at += step) {
		size_t k = n - at < step ? n - at : step;
		rc = kvik_session_feed(s, ids + at, k, rows, err);
		if (!rc && fwrite(rows, n_vocab * sizeof *rows, k, f) != k)
			rc = err_set(err, KVIK_ERR_IO, "%s", strerror(errno));
	}
	mem_free(rows);
	return rc;
}

static int write_logits(const struct logits_opts *o, struct kvik_model *m, const uint32_t *ids, size_t n,
			struct kvik_err *err)
{
	struct kvik_cache *cache = NULL;
	struct kvik_session *session = NULL;
	struct kvik_cache_params p = o->cache.params;
	if (p.context == 0 && n > kvik_model_get_info(m).context)
		p.context = (uint32_t)n; /* a look beyond what the model was trained for is allowed here */
	size_t step = p.no_kv_cache ? n : p.chunk > ROWS ? p.chunk : ROWS;
	FILE *f = strcmp(o->out, "-") == 0 ? stdout : fopen(o->out, "wb");
	if (!f)
		return err_set(err, KVIK_ERR_IO, "%s: %s", o->out, strerror(errno));
	int rc = kvik_cache_new(&cache, m, &p, err);
	if (!rc)
		rc = kvik_session_new(&session, cache, NULL, err);
	if (!rc)
		rc = compute(session, ids, n, step, kvik_model_get_info(m).vocab_size, f, err);
	int closed = f == stdout ? fflush(f) : fclose(f);
	if (!rc && closed)
		rc = err_set(err, KVIK_ERR_IO, "%s: %s", o->out, strerror(errno));
	kvik_session_free(session);
	kvik_cache_free(cache);
	return rc;
}

static int run(int argc, char **argv)
{
	struct logits_opts o = {0};
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Output:"},
		{OPT_TEXT, 'o', "out", &o.out, .arg = "OUT.npy", .help = "Where to write; '-' is standard output."}};
	struct opt_list l = {0};
	struct kvik_model *m = NULL;
	struct kvik_err err;
	const char *rest[1];
	uint32_t *ids = NULL;
	size_t n = 0;
	int status;
	OPT_LIST_ADD(&l, opts);
	add_prompt_opts(&l, &o.prompt);
	add_cache_opts(&l, &o.cache);
	add_model_opts(&l, &o.model);
	int words = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (words < 0)
		return status;
	int rc = o.out ? cache_opts_finish(&o.cache, &err)
		       : err_set(&err, KVIK_ERR_ARG, "say where to write: -o OUT.npy");
	if (!rc)
		rc = load_model(&m, model_path(&o.model, words, rest), &o.model, &err);
	if (!rc)
		rc = read_prompt(&o.prompt, kvik_model_vocab(m), &ids, &n, &err);
	if (!rc)
		rc = write_logits(&o, m, ids, n, &err);
	kvik_free(ids);
	kvik_model_free(m);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_logits = {"logits", "the logits of every position, for NumPy", run};
