/* kvplan.c: groups of layers by window. */
#include "model/kvplan.h"

#include <string.h>

enum { SYSTEM_PAGE = 4096 };

static uint32_t window_of(const struct hparams *h, const struct kvplan_params *params, uint32_t layer)
{
	uint32_t own = h->window[layer];
	if (params->window && (own == 0 || params->window < own))
		own = params->window;
	return own;
}

/* The group with this window; a new one when there is none; KV_GROUPS_MAX when there is no room. */
static uint32_t find_group(struct kvplan *p, uint32_t window)
{
	uint32_t g = 0;
	while (g < p->n_groups && p->desc[g].window != window)
		g++;
	if (g == p->n_groups && g < KV_GROUPS_MAX)
		p->desc[p->n_groups++].window = window;
	return g;
}

int kvplan_init(struct kvplan *p, const struct hparams *h, const struct kvplan_params *params, struct kvik_err *err)
{
	uint16_t layers[KV_GROUPS_MAX] = {0};
	memset(p, 0, sizeof *p);
	for (uint32_t l = 0; l < h->n_layers; l++) {
		uint32_t g = find_group(p, window_of(h, params, l));
		if (g == KV_GROUPS_MAX)
			return err_set(err, KVIK_ERR_LIMIT, "the layers have more than %d different windows",
				       KV_GROUPS_MAX);
		p->group[l] = (uint8_t)g;
		p->index[l] = layers[g]++;
	}
	for (uint32_t g = 0; g < p->n_groups; g++) {
		int rc =
			kv_layout_init(&p->layout[g], params->k, params->v, layers[g], h->n_kv_heads, h->head_dim, err);
		if (rc)
			return rc;
		p->desc[g].page_tokens = KV_PAGE_TOKENS;
		p->desc[g].page_bytes = p->layout[g].page_bytes;
		p->desc[g].sinks = p->desc[g].window ? params->sinks : 0;
	}
	return 0;
}

uint64_t kvplan_token_bytes(const struct kvplan *p)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < p->n_groups; g++)
		bytes += kv_layout_token_bytes(&p->layout[g]);
	return bytes;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The queries of a chunk see window - 1 positions before it; that span may begin and end inside a page. */
static uint64_t pages_held(const struct kv_group_desc *d, uint64_t tokens, uint64_t chunk)
{
	uint64_t p = d->page_tokens, all = (tokens + p - 1) / p;
	if (d->window == 0)
		return all;
	uint64_t span = d->window - 1 + min_u64(chunk, tokens);
	return min_u64(all, (span + p - 2) / p + 1 + (d->sinks + p - 1) / p);
}

uint64_t kvplan_seq_bytes(const struct kvplan *p, uint32_t tokens, uint32_t chunk)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < p->n_groups; g++) {
		size_t stride = (p->desc[g].page_bytes + SYSTEM_PAGE - 1) / SYSTEM_PAGE * SYSTEM_PAGE;
		bytes += pages_held(&p->desc[g], tokens, chunk) * stride;
	}
	return bytes;
}
