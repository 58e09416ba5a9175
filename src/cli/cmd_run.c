/* cmd_run.c: `kvik run`: one prompt, streamed text, figures on stderr. */
#include <math.h>
#include <signal.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/os.h"
#include "cli/cmd.h"
#include "cli/form.h"
#include "cli/gen.h"
#include "cli/layers.h"
#include "cli/prompt.h"

enum { NEW_TOKENS_DEFAULT = 256 };

struct run_opts {
	struct model_opts model;
	struct cache_opts cache;
	struct prompt_opts prompt;
	struct gen_opts gen;
	struct form_opts form;
	bool logits_hash, json;
	const char *save, *restore; /* files of snapshots */
};

/* What the callback collects; json parts only with --json. */
struct run {
	struct run_opts *o;
	uint32_t n_vocab;
	uint64_t hash;
	json_t *ids, *logprobs;
	struct buf text;
	uint32_t last; /* the token that came last */
	bool failed;   /* no memory, or standard output is closed */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted = 1;
}

static json_t *logprob_list(const struct kvik_token *t)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < t->n_top; i++)
		json_array_append_new(list, json_pack("{s:I, s:f}", "id", (json_int_t)t->top[i].id, "logprob",
						      isfinite(t->top[i].logprob) ? (double)t->top[i].logprob : -1e30));
	return list;
}

static bool on_token(void *user, const struct kvik_token *t)
{
	struct run *r = user;
	if (t->logits && r->o->logits_hash)
		r->hash = hash_chain(r->hash, t->logits, r->n_vocab * sizeof(float));
	if (t->id != KVIK_NO_ID)
		r->last = t->id;
	if (r->o->json) {
		if (t->id != KVIK_NO_ID)
			json_array_append_new(r->ids, json_integer(t->id));
		if (t->id != KVIK_NO_ID && r->o->gen.params.n_logprobs)
			json_array_append_new(r->logprobs, logprob_list(t));
		r->failed |= !buf_add(&r->text, t->text, t->text_bytes);
	} else {
		fwrite(t->text, 1, t->text_bytes, stdout);
		r->failed |= fflush(stdout) != 0;
		for (uint32_t i = 0; i < t->n_top; i++)
			fprintf(stderr, "%s%u:%.4f%s", i ? " " : "logprobs ", t->top[i].id, (double)t->top[i].logprob,
				i + 1 == t->n_top ? "\n" : "");
	}
	return !r->failed && !interrupted;
}

static void print_stats(const struct run *r, const struct kvik_generation *g, const struct kvik_cache_stats *kv)
{
	char used[32], each[32];
	const struct kvik_cache_params *p = &r->o->cache.params;
	char dtypes[DTYPES_TEXT_BYTES];
	if (r->o->logits_hash)
		fprintf(stderr, "logits-hash %016llx\n", (unsigned long long)r->hash);
	if (r->o->model.quiet)
		return;
	fprintf(stderr,
		"prefill %u tokens, %.1f tok/s | decode %u tokens, %.1f tok/s | first token %.1f ms | KV %s in %llu "
		"pages, %s, %s a token | %s\n",
		g->prompt_tokens, prefill_rate(g), g->new_tokens, decode_rate(g), g->prefill_ms,
		human_bytes(kv->bytes_used, used), (unsigned long long)kv->pages_used, dtypes_text(p, dtypes),
		human_bytes(kv->bytes_per_token, each), kvik_finish_name(g->finish));
}

static json_t *id_list(const uint32_t *ids, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer(ids[i]));
	return list;
}

static int print_json(struct run *r, const uint32_t *prompt, size_t n, double load_ms, const struct kvik_model *m,
		      const struct kvik_generation *g, const struct kvik_cache_stats *kv)
{
	const struct kvik_cache_params *p = &r->o->cache.params;
	char hash[17], dtypes[DTYPES_TEXT_BYTES];
	snprintf(hash, sizeof hash, "%016llx", (unsigned long long)r->hash);
	json_t *timings =
		json_pack("{s:f, s:i, s:f, s:f, s:i, s:f, s:f, s:f}", "load_ms", load_ms, "prompt_tokens",
			  (int)g->prompt_tokens, "prefill_ms", g->prefill_ms, "prefill_tokens_per_second",
			  prefill_rate(g), "new_tokens", (int)g->new_tokens, "decode_ms", g->decode_ms,
			  "decode_tokens_per_second", decode_rate(g), "time_to_first_token_ms", g->prefill_ms);
	json_t *cache = json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "k_dtype", kvik_dtype_name(p->k_dtype),
		"v_dtype", kvik_dtype_name(p->v_dtype), "dtypes", dtypes_text(p, dtypes), "bytes_ceiling",
		(json_int_t)kv->bytes_ceiling, "bytes_used", (json_int_t)kv->bytes_used, "bytes_peak",
		(json_int_t)kv->bytes_peak, "bytes_per_token", (json_int_t)kv->bytes_per_token, "pages_used",
		(json_int_t)kv->pages_used, "page_tokens", (json_int_t)kv->page_tokens, "pages_freed_by_window",
		(json_int_t)kv->pages_freed_by_window, "enabled", !p->no_kv_cache);
	json_t *o = json_pack("{s:o, s:o, s:s%, s:s, s:o, s:o, s:s, s:i}", "prompt_ids", id_list(prompt, n), "ids",
			      r->ids, "text", r->text.n ? r->text.data : "", r->text.n, "finish_reason",
			      kvik_finish_name(g->finish), "timings", timings, "kv", cache, "cpu", kvik_model_cpu(m),
			      "threads", (int)kvik_model_threads(m));
	r->ids = NULL;
	if (o && r->o->gen.params.n_logprobs)
		json_object_set(o, "logprobs", r->logprobs);
	if (o && r->o->logits_hash)
		json_object_set_new(o, "logits_hash", json_string(hash));
	int rc = o && json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0 && putchar('\n') != EOF &&
				 fflush(stdout) == 0
			 ? 0
			 : -1;
	json_decref(o);
	return rc;
}

/* An asked-for length may go beyond what the model was trained for, and is told so. Without -n the context is the
 * end. */
static void set_lengths(struct run_opts *o, const struct kvik_model *m, size_t prompt)
{
	uint32_t trained = kvik_model_get_info(m).context, *context = &o->cache.params.context;
	uint64_t all = prompt + (uint64_t)(o->gen.params.max_tokens ? o->gen.params.max_tokens : 1);
	if (o->gen.params.max_tokens == 0)
		o->gen.params.max_tokens = NEW_TOKENS_DEFAULT;
	if (*context == 0 && all > trained) {
		*context = all < UINT32_MAX / 4 ? (uint32_t)all : UINT32_MAX / 4;
		if (!o->model.quiet)
			fprintf(stderr, "kvik: going to %u tokens; the model was trained for %u\n", *context, trained);
	}
}

static int begin(struct kvik_session **s, struct kvik_cache *cache, const struct run_opts *o, struct kvik_err *err)
{
	if (!o->restore)
		return kvik_session_new(s, cache, NULL, err);
	int rc = kvik_session_restore_file(s, cache, NULL, o->restore, err);
	if (!rc && !o->model.quiet && !o->json)
		fprintf(stderr, "%s: %zu tokens\n", o->restore, kvik_session_tokens(*s));
	return rc;
}

/* The last token has not passed through the model yet: it does now, so that who restores this goes on behind it. */
static int save(struct kvik_session *s, const struct run *r, const struct kvik_generation *g, struct kvik_err *err)
{
	int rc = g->finish != KVIK_FINISH_STOP && g->new_tokens > 0 ? kvik_session_feed(s, &r->last, 1, NULL, err) : 0;
	return rc ? rc : kvik_session_save_file(s, kvik_session_tokens(s), r->o->save, NULL, err);
}

static int generate(struct run *r, struct kvik_model *m, double load_ms, struct kvik_err *err)
{
	struct run_opts *o = r->o;
	struct kvik_cache *cache = NULL;
	struct kvik_session *session = NULL;
	struct kvik_constraint *form = NULL;
	struct kvik_constrained *held = NULL;
	struct kvik_generation g = {.size = sizeof g};
	uint32_t *prompt = NULL;
	size_t n = 0;
	int rc = read_prompt(&o->prompt, kvik_model_vocab(m), &prompt, &n, err);
	if (!rc)
		set_lengths(o, m, n);
	if (!rc)
		rc = kvik_cache_new(&cache, m, &o->cache.params, err);
	if (!rc)
		rc = begin(&session, cache, o, err);
	if (!rc)
		rc = form_constraint(&form, &o->form, kvik_model_vocab(m), NULL, err);
	if (!rc && form)
		rc = kvik_constrained_new(&held, form, 1, err);
	if (!rc && held)
		o->gen.params.processor = kvik_constrained_processor(held);
	if (!rc)
		rc = kvik_generate(session, prompt, n, &o->gen.params, on_token, r, &g, err);
	if (!rc && r->failed)
		rc = err_set(err, KVIK_ERR_IO, "the text could not be written");
	if (!rc) {
		struct kvik_cache_stats kv = kvik_cache_get_stats(cache);
		if (!o->json && r->o->gen.params.n_logprobs == 0)
			putchar('\n');
		fflush(stdout);
		if (o->json && print_json(r, prompt, n, load_ms, m, &g, &kv))
			rc = err_set(err, KVIK_ERR_IO, "the result could not be written");
		else if (!o->json)
			print_stats(r, &g, &kv);
	}
	if (!rc && o->save)
		rc = save(session, r, &g, err);
	kvik_session_free(session);
	kvik_constrained_free(held);
	kvik_constraint_free(form);
	kvik_cache_free(cache);
	kvik_free(prompt);
	return rc;
}

static const struct usage usage = {
	"run [OPTIONS] [MODEL]",
	"Goes on from a prompt: streams the text to standard output, then one line of figures to standard error.",
	"  kvik run model.gguf -p 'Once upon a time' -n 100\n"
	"  kvik run ./Qwen3-0.6B --quantize q8_0 --temp 0.7 --top-p 0.9 --seed 1 < prompt.txt\n"
	"  kvik run model.gguf -p 'A person as JSON: ' --schema person.json\n"
	"  kvik run model.gguf --ids 1,2,3 -n 8 --json | jq .ids\n"
	"  kvik run model.gguf -f book.txt -n 1 --save book.snapshot; kvik run model.gguf --restore book.snapshot -p ' "
	"Who?'\n"};

static void add_output_opts(struct opt_list *l, struct run_opts *o)
{
	const struct opt opts[] = {
		{OPT_HEADING, .help = "Output:"},
		{OPT_U32, 0, "logprobs", &o->gen.params.n_logprobs, 1, KVIK_LOGPROBS_MAX, .arg = "K",
		 .help = "The K most probable tokens of every step."},
		{OPT_FLAG, 0, "logits-hash", &o->logits_hash,
		 .help = "A hash over the bits of all logits that were sampled from."},
		{OPT_TEXT, 0, "save", &o->save, .arg = "FILE",
		 .help = "Save the session at the end, with what was computed: keys and values, and the text in the "
			 "clear."},
		{OPT_TEXT, 0, "restore", &o->restore, .arg = "FILE",
		 .help = "Go on from there, without computing it again; a prompt follows it, if one is given."},
		{OPT_FLAG, 'q', "quiet", &o->model.quiet, .help = "No line of figures."},
		{OPT_FLAG, 0, "json", &o->json, .help = "One JSON object instead of text."},
	};
	OPT_LIST_ADD(l, opts);
}

static int run(int argc, char **argv)
{
	struct run_opts o = {0};
	struct opt_list l = {0};
	const char *rest[1];
	struct kvik_err err;
	struct kvik_model *m = NULL;
	struct run r = {.o = &o};
	int status;
	add_prompt_opts(&l, &o.prompt);
	add_gen_opts(&l, &o.gen,
		     &(struct gen_help){"Most new tokens (default 256).",
					"Drawing (default: the most probable token, nothing else):",
					"Same seed, same text (default 0)."});
	add_form_opts(&l, &o.form, "What the text must be like (default: any text):");
	add_output_opts(&l, &o);
	add_cache_opts(&l, &o.cache);
	add_model_opts(&l, &o.model);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	const struct kvik_sampling greedy = kvik_sampling_default();
	uint64_t start = os_clock_ns();
	o.prompt.goes_on = o.restore != NULL;
	int rc = cache_opts_finish(&o.cache, &err);
	if (!rc)
		rc = gen_opts_finish(&o.gen, &greedy, &err);
	if (!rc)
		rc = load_model(&m, model_path(&o.model, n, rest), &o.model, &err);
	if (!rc) {
		r.n_vocab = kvik_model_get_info(m).vocab_size;
		r.ids = json_array();
		r.logprobs = json_array();
		signal(SIGINT, on_interrupt);
		rc = generate(&r, m, (double)(os_clock_ns() - start) / 1e6, &err);
	}
	json_decref(r.ids);
	json_decref(r.logprobs);
	buf_release(&r.text);
	kvik_model_free(m);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_run = {"run", "write text from a prompt", run};
