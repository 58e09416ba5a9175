/* kvplan.c: groups of layers by window. */
#include "model/kvplan.h"

#include <string.h>

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

uint64_t kvplan_seq_bytes(const struct kvplan *p, uint32_t tokens, uint32_t chunk)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < p->n_groups; g++) {
		const struct kv_group_desc *d = &p->desc[g];
		/* A window may begin and end inside a page, and the chunk being computed comes on top. */
		uint64_t most = d->window ? (uint64_t)d->window + chunk + 2 * d->page_tokens : tokens;
		uint64_t held = most < tokens ? most : tokens;
		uint64_t pages = (held + d->page_tokens - 1) / d->page_tokens;
		if (held < tokens)
			pages += (d->sinks + d->page_tokens - 1) / d->page_tokens;
		size_t stride = (d->page_bytes + 4095) / 4096 * 4096;
		bytes += pages * stride;
	}
	return bytes;
}
