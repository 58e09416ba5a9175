/* runner.h: what the model tests share: a model with a cache and buffers, and steps that return the logits of every
 * position. Failures end the test. */
#ifndef KVIK_TESTS_MODEL_RUNNER_H
#define KVIK_TESTS_MODEL_RUNNER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "support/must.h"

enum { RUNNER_TOKENS_MAX = 512, RUNNER_PARTS_MAX = 8 };

struct runner_params {
	const char *path;
	const char *level; /* NULL: the best of this CPU */
	uint32_t threads;  /* 0: 1 */
	struct kvplan_params kv;
	bool int8, quantized; /* quantized: to `quantize` at load */
	enum wtype quantize;
};

struct runner {
	struct source *source;
	struct device *device;
	struct model *model;
	struct kvplan plan;
	struct dev_pages *pages;
	struct kv *kv;
	struct model_work *work;
	uint32_t n_vocab;
};

/* One sequence's tokens in a step. */
struct part {
	struct kv_seq *seq;
	const uint32_t *ids;
	uint32_t n;
};

static inline void runner_open(struct runner *r, const struct runner_params *p)
{
	struct model_params mp = {.int8 = p->int8, .quantize = p->quantized ? (int)p->quantize : -1};
	memset(r, 0, sizeof *r);
	MUST(device_new(&r->device, &backend_cpu, p->level, p->threads ? p->threads : 1, &err));
	mp.device = r->device;
	MUST(source_open(&r->source, p->path, &err));
	MUST(model_load(&r->model, r->source, &mp, &err));
	const struct hparams *h = model_hparams(r->model);
	r->n_vocab = h->n_vocab;
	MUST(kvplan_init(&r->plan, h, &p->kv, &err));
	struct kv_memory memory;
	MUST(backend_cpu.pages_new(&r->pages, device_dev(r->device), r->plan.layout, r->plan.packed,
				   r->plan.state_group, &memory, &err));
	struct kv_config c = {.memory_bytes = 64 << 20,
			      .n_groups = r->plan.n_groups,
			      .groups = r->plan.desc,
			      .memory = &memory,
			      .seq_tokens_max = 1 << 16};
	MUST(kv_new(&r->kv, &c, &err));
	MUST(model_work_new(&r->work, r->model, RUNNER_TOKENS_MAX, RUNNER_TOKENS_MAX, &err));
}

static inline void runner_close(struct runner *r)
{
	model_work_free(r->work);
	kv_free(r->kv);
	backend_cpu.pages_free(r->pages);
	model_free(r->model);
	source_free(r->source);
	device_free(r->device);
}

static inline struct kv_seq *runner_seq(struct runner *r)
{
	struct kv_seq *s = NULL;
	MUST(kv_seq_new(&s, r->kv, &err));
	return s;
}

static inline void runner_check(const struct runner *r)
{
	const char *broken = kv_check(r->kv);
	if (broken)
		fail_msg("kv_check: %s", broken);
}

/* One forward pass; logits: [tokens of all parts][n_vocab]. */
static inline void runner_step(struct runner *r, const struct part *parts, uint32_t n_parts, float *logits)
{
	uint32_t ids[RUNNER_TOKENS_MAX], all[RUNNER_TOKENS_MAX], n = 0;
	struct batch_seq seqs[RUNNER_PARTS_MAX] = {0};
	assert_true(n_parts <= RUNNER_PARTS_MAX);
	for (uint32_t i = 0; i < n_parts; i++) {
		const struct part *p = &parts[i];
		MUST(kv_reserve(r->kv, p->seq, p->n, &err));
		seqs[i].position = kv_seq_tokens(p->seq);
		seqs[i].n_tokens = p->n;
		kv_state_begin(r->kv, p->seq);
		if (r->plan.state_group < r->plan.n_groups)
			kv_state_step(r->kv, p->seq, r->plan.state_group, &seqs[i].state);
		for (uint32_t g = 0; g < r->plan.n_groups; g++)
			seqs[i].blocks[g] = kv_seq_blocks(p->seq, g, NULL);
		assert_true(n + p->n <= RUNNER_TOKENS_MAX);
		for (uint32_t k = 0; k < p->n; k++, n++) {
			ids[n] = p->ids[k];
			all[n] = n;
		}
	}
	struct model_batch b = {
		.batch = {.ids = ids, .seqs = seqs, .n_tokens = n, .n_seqs = n_parts, .pages = r->pages},
		.plan = &r->plan,
		.logit_tokens = all,
		.n_logits = n,
		.logits = logits};
	model_forward(r->model, r->work, &b);
	for (uint32_t i = 0; i < n_parts; i++)
		kv_commit(r->kv, parts[i].seq, parts[i].n);
}

/* n tokens after those that seq has, in chunks; logits: [n][n_vocab]. */
static inline void runner_prefill(struct runner *r, struct kv_seq *seq, const uint32_t *ids, uint32_t n, uint32_t chunk,
				  float *logits)
{
	for (uint32_t at = 0; at < n; at += chunk) {
		struct part p = {seq, ids + at, n - at < chunk ? n - at : chunk};
		runner_step(r, &p, 1, logits + (size_t)at * r->n_vocab);
	}
}

static inline uint32_t argmax(const float *x, uint32_t n)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < n; i++)
		if (x[i] > x[best])
			best = i;
	return best;
}

#endif
