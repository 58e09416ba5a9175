/* fingerprint.c: what decides the bits of keys, values and states: what another process made of a text is of use exactly if
 * this is the same there. */
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "engine/cache.h"
#include "kernels/kv_layout.h"
#include "model/arch.h"

static void add(struct hash128 *sum, const void *bytes, size_t n)
{
	*sum = hash128_chain(*sum, bytes, n);
}

static void add_text(struct hash128 *sum, const char *text)
{
	add(sum, text, strlen(text));
}

static void add_weights(struct hash128 *sum, const struct source *s)
{
	for (size_t i = 0; i < source_count(s); i++) {
		const struct source_tensor *t = source_at(s, i);
		const uint64_t shape[] = {(uint64_t)t->type, t->n_dims, t->bytes};
		add_text(sum, t->name);
		add(sum, shape, sizeof shape);
		add(sum, t->dims, t->n_dims * sizeof *t->dims);
		source_need(s, t);
		add(sum, t->data, t->bytes);
		source_drop(s, t);
	}
}

static void add_groups(struct hash128 *sum, const struct kvplan *plan)
{
	for (uint32_t g = 0; g < plan->n_groups; g++) {
		const struct kv_group_desc *desc = &plan->desc[g];
		const struct kv_layout *l = &plan->layout[g];
		const uint64_t group[] = {desc->page_tokens, desc->page_bytes, desc->window,
					  desc->sinks,       (uint64_t)l->k,   (uint64_t)l->v};
		add(sum, group, sizeof group);
	}
	add(sum, plan->group, sizeof plan->group);
}

int cache_fingerprint(struct kvik_cache *c, struct hash128 *out, struct kvik_err *err)
{
	if (!c->has_fingerprint) {
		struct hash128 sum = {{0, 0}};
		struct hparams *h = mem_alloc(sizeof *h);
		if (!h)
			return err_set(err, KVIK_ERR_NOMEM, "no memory to describe a model");
		memcpy(h, model_hparams(c->model->model), sizeof *h);
		add_text(&sum, h->arch->name);
		h->arch = NULL;
		h->context = 0;
		add(&sum, h, sizeof *h);
		mem_free(h);
		add_text(&sum, device_backend(c->model->device)->numerics);
		const uint32_t how[] = {c->model->int8, (uint32_t)c->model->quantize, c->plan.n_groups};
		add(&sum, how, sizeof how);
		add_groups(&sum, &c->plan);
		add_weights(&sum, c->model->source);
		c->fingerprint = sum;
		c->has_fingerprint = true;
	}
	*out = c->fingerprint;
	return 0;
}
