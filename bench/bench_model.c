/* bench_model.c: whole forward passes of a model of a real shape with random weights: prefill, decode of one and of
 * many sequences, decode at depth for several KV dtypes. A decode step reads all weights and the sequences' KV once;
 * its share of the read bandwidth is shown.
 *
 *   bench_model [SHAPE:TYPE] [--level NAME] [--threads N] [--depth N] [--seqs N] [--only prefill|decode|depth] [--best]
 *               [--json]      */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "format/source.h"
#include "model/model.h"
#include "model/synthetic.h"

enum { PROMPT = 512, SEQS_MAX = 256 };

struct bench {
	struct bench_out out;
	struct bench_limits limits;
	struct pool *pool; /* of the limits */
	struct device *device;
	struct model *model;
	struct model_work *work;
	struct kvplan plan;
	double seconds;
	bool best;
	uint32_t vocab;
};

/* Sequences whose caches are filled with something, all at the same position. */
struct job {
	struct bench *b;
	struct batch_seq seqs[SEQS_MAX];
	struct dev_pages *pages;
	uint32_t n_seqs, tokens; /* tokens: of each sequence in the step */
	uint32_t *ids, *logit_tokens;
	float *logits;
};

static void check(int rc, const struct kvik_err *err)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%s\n", err->text);
	exit(1);
}

static void plan_cache(struct bench *b, enum kv_dtype d)
{
	struct kvplan_params p = {.k = d, .v = d};
	struct kvik_err err;
	check(kvplan_init(&b->plan, model_hparams(b->model), &p, &err), &err);
}

/* Pages for `depth` tokens of n sequences, touched, so that they are read from memory. */
static void job_init(struct job *j, struct bench *b, uint32_t n, uint32_t tokens, uint32_t depth)
{
	uint32_t pages = (depth + KV_PAGE_TOKENS - 1) / KV_PAGE_TOKENS, all = n * pages;
	struct kv_memory memory;
	struct kvik_err err;
	*j = (struct job){.b = b, .n_seqs = n, .tokens = tokens};
	for (uint32_t i = 0; i < n; i++) {
		j->seqs[i].position = depth - tokens;
		j->seqs[i].n_tokens = tokens;
	}
	check(backend_cpu.pages_new(&j->pages, device_dev(b->device), b->plan.layout, b->plan.packed, b->plan.n_groups,
				    &memory, &err),
	      &err);
	for (uint32_t g = 0; g < b->plan.n_groups; g++) {
		size_t bytes = b->plan.layout[g].page_bytes;
		uint32_t *ids = bench_alloc(all * sizeof *ids);
		uint8_t *any = bench_alloc(bytes);
		memset(any, 0x11, bytes);
		check(memory.reserve(memory.ctx, KV_AREA_PAGES(g), all, bytes, &err), &err);
		for (uint32_t p = 0; p < all; p++) {
			ids[p] = p + 1; /* no page has id 0 */
			backend_cpu.page_write(j->pages, g, ids[p], any);
		}
		for (uint32_t i = 0; i < n; i++)
			j->seqs[i].blocks[g] = (struct page_table){.ids = ids + i * pages};
	}
	j->ids = bench_alloc(n * tokens * sizeof *j->ids);
	j->logit_tokens = bench_alloc(n * sizeof *j->logit_tokens);
	j->logits = bench_alloc((size_t)n * b->vocab * sizeof *j->logits);
	for (uint32_t i = 0; i < n * tokens; i++)
		j->ids[i] = bench_random() % b->vocab;
	for (uint32_t i = 0; i < n; i++)
		j->logit_tokens[i] = i * tokens + tokens - 1;
}

static void run_step(void *ctx)
{
	struct job *j = ctx;
	struct model_batch batch = {.batch = {.ids = j->ids,
					      .seqs = j->seqs,
					      .n_tokens = j->n_seqs * j->tokens,
					      .n_seqs = j->n_seqs,
					      .pages = j->pages},
				    .plan = &j->b->plan,
				    .logit_tokens = j->logit_tokens,
				    .n_logits = j->n_seqs,
				    .logits = j->logits};
	model_forward(j->b->model, j->b->work, &batch);
}

static void bench_step(struct bench *b, const char *what, uint32_t n, uint32_t tokens, uint32_t depth)
{
	struct job j;
	job_init(&j, b, n, tokens, depth);
	double s = bench_time(run_step, &j, b->seconds, b->best);
	double bytes = (double)model_weight_bytes(b->model) +
		       (double)n * (double)kvplan_token_bytes(&b->plan) * (depth - tokens);
	char label[96];
	snprintf(label, sizeof label, "%s", what);
	bench_row(&b->out, label, s * 1e3, n * tokens / s, "tok/s", 0);
	if (tokens == 1) {
		snprintf(label, sizeof label, "  bytes read");
		bench_row(&b->out, label, s * 1e3, bytes / s * 1e-9, "GB/s", b->limits.read_gbs);
	}
}

static void bench_all(struct bench *b, uint32_t depth, uint32_t n_seqs, const char *only)
{
	static const enum kv_dtype dtypes[] = {KV_F16, KV_INT8, KV_FP8, KV_INT4};
	char what[64];
	plan_cache(b, KV_F16);
	if (!only || strcmp(only, "prefill") == 0)
		bench_step(b, "prefill 512", 1, PROMPT, PROMPT);
	if (!only || strcmp(only, "decode") == 0) {
		bench_step(b, "decode, 1 sequence at 512", 1, 1, PROMPT);
		snprintf(what, sizeof what, "decode, %u sequences at 512", n_seqs);
		bench_step(b, what, n_seqs, 1, PROMPT);
	}
	for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes && (!only || strcmp(only, "depth") == 0); i++) {
		plan_cache(b, dtypes[i]);
		snprintf(what, sizeof what, "decode at %u, %s KV", depth, kv_dtype_name(dtypes[i]));
		bench_step(b, what, 1, 1, depth);
	}
}

static int usage(const char *name)
{
	fprintf(stderr,
		"usage: %s [SHAPE:TYPE] [--level scalar|avx2|avx512] [--threads N] [--depth N] [--seqs N]\n"
		"       [--only prefill|decode|depth] [--best] [--json]\n",
		name);
	return 2;
}

int main(int argc, char **argv)
{
	const char *spec = "llama3.2-1b:q4_0", *level = NULL, *only = NULL;
	uint32_t threads = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN), depth = 8192, n_seqs = 32;
	struct bench b = {.seconds = 1};
	struct kvik_err err;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (strcmp(argv[i], "--json") == 0)
			b.out.json = true;
		else if (strcmp(argv[i], "--best") == 0)
			b.best = true;
		else if (argv[i][0] != '-')
			spec = argv[i];
		else if (!value)
			return usage(argv[0]);
		else if (strcmp(argv[i], "--level") == 0)
			level = argv[++i];
		else if (strcmp(argv[i], "--only") == 0)
			only = argv[++i];
		else if (strcmp(argv[i], "--threads") == 0)
			threads = (uint32_t)strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--depth") == 0)
			depth = (uint32_t)strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--seqs") == 0)
			n_seqs = (uint32_t)strtoul(argv[++i], NULL, 10);
		else
			return usage(argv[0]);
	}
	if (n_seqs < 1 || n_seqs > SEQS_MAX || depth < 1)
		return usage(argv[0]);
	struct source *source;
	check(device_new(&b.device, &backend_cpu, level, threads, &err), &err);
	check(pool_new(&b.pool, threads, &err), &err);
	check(synthetic_open(&source, spec, 1, &err), &err);
	struct model_params p = {.device = b.device, .int8 = true, .quantize = -1};
	check(model_load(&b.model, source, &p, &err), &err);
	check(model_work_new(&b.work, b.model, n_seqs > PROMPT ? n_seqs : PROMPT, n_seqs, &err), &err);
	b.vocab = model_hparams(b.model)->n_vocab;
	const char *name = backend_cpu.level(device_dev(b.device));
	b.limits = bench_limits(b.pool, name);
	bench_head(&b.out, &b.limits, name, threads);
	bench_all(&b, depth, n_seqs, only);
	return 0;
}
