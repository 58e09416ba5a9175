/* cmd_plan.c: `kvik plan`: the memory of weights and cache before anything is loaded, and what fits in this machine. */
#include <jansson.h>

#include "base/os.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/layers.h"

static const struct usage usage = {"plan [OPTIONS] [MODEL]",
				   "Says what a model and its KV cache will take: exact bytes of weights and pages "
				   "(tables are bounded from above),\n"
				   "and how many sequences fit into the memory of this machine.",
				   "  kvik plan model.gguf --ctx 8192 --seqs 16 --kv-dtype int8\n"
				   "  kvik plan --synthetic llama3-8b:q4_k_m --ctx 32768\n"};

/* Sequences of the planned length that fit beside the weights, or tokens of a single one. */
struct fit {
	uint64_t available, sessions, tokens;
};

static struct fit what_fits(const struct kvik_plan *p)
{
	struct fit f = {.available = os_memory_available()};
	uint64_t fixed = p->weight_bytes + p->mapped_bytes + p->work_bytes;
	uint64_t room = f.available > fixed ? f.available - fixed : 0;
	f.sessions = p->bytes_per_session ? room / p->bytes_per_session : 0;
	uint64_t token = p->bytes_per_token + (p->state_every ? p->bytes_per_state / p->state_every : 0);
	f.tokens = token ? room / token : 0;
	return f;
}

static void line(const char *what, uint64_t bytes)
{
	char human[32];
	printf("%-34s %16llu bytes  %12s\n", what, (unsigned long long)bytes, human_bytes(bytes, human));
}

static void print_text(const struct kvik_plan *p, const struct kvik_cache_params *c)
{
	struct fit f = what_fits(p);
	char what[64], dtypes[DTYPES_TEXT_BYTES];
	line("weights, packed in memory", p->weight_bytes);
	line("embedding, mapped from the file", p->mapped_bytes);
	line("buffers of a step", p->work_bytes);
	printf("%-34s %s\n", "KV dtypes", dtypes_text(c, dtypes));
	line("KV of one token", p->bytes_per_token);
	if (p->bytes_per_state) {
		snprintf(what, sizeof what, "state, one per %u tokens kept", p->state_every);
		line(what, p->bytes_per_state);
	}
	snprintf(what, sizeof what, "KV of one sequence of %u tokens", p->context);
	line(what, p->bytes_per_session);
	snprintf(what, sizeof what, "KV of %u sequence%s, with tables", c->sessions, c->sessions == 1 ? "" : "s");
	line(what, p->kv_bytes);
	line("in all", p->weight_bytes + p->mapped_bytes + p->work_bytes + p->kv_bytes);
	line("memory available here", f.available);
	printf("fits beside the weights: %llu sequence%s of %u tokens, or %llu tokens in all\n",
	       (unsigned long long)f.sessions, f.sessions == 1 ? "" : "s", p->context, (unsigned long long)f.tokens);
}

static int print_json(const struct kvik_plan *p, const struct kvik_cache_params *c)
{
	struct fit f = what_fits(p);
	char dtypes[DTYPES_TEXT_BYTES];
	json_t *o = json_pack(
		"{s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"weight_bytes", (json_int_t)p->weight_bytes, "mapped_bytes", (json_int_t)p->mapped_bytes, "work_bytes",
		(json_int_t)p->work_bytes, "k_dtype", kvik_dtype_name(c->k_dtype), "v_dtype",
		kvik_dtype_name(c->v_dtype), "dtypes", dtypes_text(c, dtypes), "context", (json_int_t)p->context,
		"sequences", (json_int_t)c->sessions, "page_tokens", (json_int_t)p->page_tokens, "kv_bytes_per_token",
		(json_int_t)p->bytes_per_token, "kv_bytes_per_sequence", (json_int_t)p->bytes_per_session, "kv_bytes",
		(json_int_t)p->kv_bytes, "state_bytes", (json_int_t)p->bytes_per_state, "state_every",
		(json_int_t)p->state_every, "total_bytes",
		(json_int_t)(p->weight_bytes + p->mapped_bytes + p->work_bytes + p->kv_bytes), "memory_available",
		(json_int_t)f.available, "sequences_that_fit", (json_int_t)f.sessions, "tokens_that_fit",
		(json_int_t)f.tokens);
	int rc = o && json_dumpf(o, stdout, JSON_COMPACT) == 0 ? 0 : -1;
	putchar('\n');
	json_decref(o);
	return rc;
}

static int run(int argc, char **argv)
{
	bool json = false;
	struct model_opts model = {0};
	struct cache_opts cache = {0};
	struct opt_list l = {0};
	struct kvik_file *f = NULL;
	struct kvik_plan plan = {.size = sizeof plan};
	struct kvik_err err;
	const char *rest[1];
	int status;
	const struct opt opts[] = {{OPT_HEADING, .help = "Options:"},
				   {OPT_U32, 's', "seqs", &cache.params.sessions, 1, 1 << 20, .arg = "N",
				    .help = "Sequences at a time (default 1)."},
				   {OPT_FLAG, 0, "json", &json, .help = "One JSON object."}};
	add_cache_opts(&l, &cache);
	OPT_LIST_ADD(&l, opts);
	add_model_opts(&l, &model);
	int n = parse_command(&l, &usage, argc, argv, rest, 1, &status);
	if (n < 0)
		return status;
	struct kvik_model_params mp = model_params(&model);
	int rc = cache_opts_finish(&cache, &err);
	if (!rc)
		rc = kvik_file_open(&f, model_path(&model, n, rest), &err);
	if (!rc)
		rc = kvik_plan_make(f, &mp, &cache.params, &plan, &err);
	if (!rc) {
		struct kvik_model_info info = kvik_file_get_info(f);
		warn_ceilings(&info, plan.context, "all of it",
			      plan.weight_bytes + plan.mapped_bytes + plan.work_bytes + plan.kv_bytes);
	}
	if (!rc && json && print_json(&plan, &cache.params))
		rc = err_set(&err, KVIK_ERR_IO, "the result could not be written");
	else if (!rc && !json)
		print_text(&plan, &cache.params);
	kvik_file_close(f);
	return rc ? fail(&err) : EXIT_OK;
}

const struct cmd cmd_plan = {"plan", "how much memory a model and its cache take", run};
