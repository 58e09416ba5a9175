/* kvplan.c: groups of layers by shape, window and dtypes. */
#include "model/kvplan.h"

#include <string.h>

static uint32_t window_of(const struct hparams *h, const struct kvplan_params *params, uint32_t layer)
{
	uint32_t own = h->layers[layer].attention.window;
	if (params->window && (own == 0 || params->window < own))
		own = params->window;
	return own;
}

/* Counted from the start; negative numbers are from the end. */
static int64_t layer_of(int32_t layer, const struct hparams *h)
{
	return layer < 0 ? (int64_t)layer + h->n_layers : layer;
}

static bool any_attends(const struct hparams *h, int64_t first, int64_t last)
{
	while (first <= last && mixer_keeps_state(h->layers[first].mixer))
		first++;
	return first <= last;
}

static int check_exempt(const struct hparams *h, const struct kvplan_params *params, struct kvik_err *err)
{
	bool attend = params->n_exempt == 0;
	for (uint32_t i = 0; i < params->n_exempt; i++) {
		const struct kvik_layers *e = &params->exempt[i];
		int64_t first = layer_of(e->first, h), last = layer_of(e->last, h);
		if (first < 0 || first > last || last >= h->n_layers)
			return err_set(err, KVIK_ERR_ARG, "exempt layers %d to %d: the model has layers 0 to %u",
				       e->first, e->last, h->n_layers - 1);
		attend |= any_attends(h, first, last);
	}
	if (!attend)
		return err_set(err, KVIK_ERR_ARG,
			       "none of the exempt layers has keys and values: they keep a state, in f32");
	return 0;
}

/* Of a latent row there is one: it cannot be stored in two dtypes. */
static int check_latent(const struct hparams *h, const struct kvplan_params *params, struct kvik_err *err)
{
	bool apart = params->k != params->v || (params->n_exempt && params->exempt_k != params->exempt_v) ||
		     (params->has_floor && params->floor_k != params->floor_v);
	for (uint32_t i = 0; apart && i < h->n_layers; i++)
		if (h->layers[i].mixer == MIXER_LATENT)
			return err_set(err, KVIK_ERR_ARG,
				       "this model's attention keeps one latent row per token, which is key and value: "
				       "give one KV dtype for both");
	return 0;
}

static bool is_exempt(const struct hparams *h, const struct kvplan_params *params, uint32_t layer)
{
	for (uint32_t i = 0; i < params->n_exempt; i++)
		if (layer >= layer_of(params->exempt[i].first, h) && layer <= layer_of(params->exempt[i].last, h))
			return true;
	return false;
}

/* What layers of one group have in common. */
struct kind {
	uint32_t kv_heads, head_dim, window;
	enum kv_dtype k, v;
	bool exempt, shared;
};

static struct kind kind_of(const struct hparams *h, const struct kvplan_params *params, uint32_t layer)
{
	const struct attention_spec *a = &h->layers[layer].attention;
	bool exempt = is_exempt(h, params, layer), shared = h->layers[layer].mixer == MIXER_LATENT;
	return (struct kind){.kv_heads = a->kv_heads,
			     .head_dim = a->head_dim,
			     .window = window_of(h, params, layer),
			     .k = exempt ? params->exempt_k : params->k,
			     .v = shared   ? KV_F32
				  : exempt ? params->exempt_v
					   : params->v,
			     .exempt = exempt,
			     .shared = shared};
}

static bool is_of(const struct kvplan *p, uint32_t g, const struct kind *k)
{
	const struct kv_layout *l = &p->layout[g];
	return l->kv_heads == k->kv_heads && l->head_dim == k->head_dim && p->desc[g].window == k->window &&
	       l->k == k->k && l->v == k->v && l->shared == k->shared && p->exempt[g] == k->exempt;
}

/* The group of this kind; a new one when there is none; KV_GROUPS_MAX when there is no room. */
static uint32_t find_group(struct kvplan *p, const struct kind *k)
{
	uint32_t g = 0;
	while (g < p->n_groups && !is_of(p, g, k))
		g++;
	if (g == p->n_groups && g < KV_GROUPS_MAX) {
		p->desc[g].window = k->window;
		p->layout[g] = (struct kv_layout){
			.k = k->k, .v = k->v, .kv_heads = k->kv_heads, .head_dim = k->head_dim, .shared = k->shared};
		p->exempt[g] = k->exempt;
		p->n_groups++;
	}
	return g;
}

static int too_many_kinds(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_LIMIT, "the layers have more than %d different shapes, windows and dtypes",
		       KV_GROUPS_MAX);
}

static int init_layout(struct kv_layout *to, const struct kv_layout *like, enum kv_dtype k, enum kv_dtype v,
		       uint32_t layers, struct kvik_err *err)
{
	return like->shared ? kv_layout_init_shared(to, k, layers, like->kv_heads, like->head_dim, err)
			    : kv_layout_init(to, k, v, layers, like->kv_heads, like->head_dim, err);
}

/* The packed form of a group's pages: keys and values each in the smaller of their dtype and the floor's. */
static int lay_out_packed(struct kvplan *p, uint32_t g, const struct kvplan_params *params, struct kvik_err *err)
{
	const struct kv_layout *l = &p->layout[g];
	struct kv_layout *to = &p->packed[g];
	int rc = init_layout(to, l, params->floor_k, params->floor_v, l->layers, err);
	if (rc)
		return rc;
	enum kv_dtype k = to->k_head_bytes < l->k_head_bytes ? params->floor_k : l->k;
	enum kv_dtype v = to->v_head_bytes < l->v_head_bytes ? params->floor_v : l->v;
	rc = init_layout(to, l, k, v, l->layers, err);
	if (!rc && kv_host_stride(to->page_bytes) < kv_host_stride(l->page_bytes))
		p->desc[g].packed_bytes = to->page_bytes;
	return rc;
}

static int lay_out_group(struct kvplan *p, uint32_t g, uint32_t layers, const struct kvplan_params *params,
			 struct kvik_err *err)
{
	struct kv_layout *l = &p->layout[g];
	int rc = init_layout(l,
			     &(struct kv_layout){.kv_heads = l->kv_heads, .head_dim = l->head_dim, .shared = l->shared},
			     l->k, l->v, layers, err);
	p->desc[g].page_tokens = KV_PAGE_TOKENS;
	p->desc[g].page_bytes = l->page_bytes;
	p->desc[g].sinks = p->desc[g].window ? params->sinks : 0;
	return rc || !params->has_floor || p->exempt[g] ? rc : lay_out_packed(p, g, params, err);
}

/* The group of states, behind all others. */
static int lay_out_states(struct kvplan *p, const struct hparams *h, struct kvik_err *err)
{
	uint64_t bytes = 0;
	p->state_group = p->n_groups;
	for (uint32_t l = 0; l < h->n_layers; l++) {
		if (!mixer_keeps_state(h->layers[l].mixer))
			continue;
		p->group[l] = (uint8_t)p->state_group;
		p->state_at[l] = bytes;
		bytes += layer_state_bytes(&h->layers[l]);
	}
	if (bytes == 0)
		return 0;
	if (p->n_groups == KV_GROUPS_MAX)
		return too_many_kinds(err);
	p->desc[p->n_groups++] = (struct kv_group_desc){.page_bytes = bytes};
	return 0;
}

int kvplan_init(struct kvplan *p, const struct hparams *h, const struct kvplan_params *params, struct kvik_err *err)
{
	uint16_t layers[KV_GROUPS_MAX] = {0};
	memset(p, 0, sizeof *p);
	int rc = check_exempt(h, params, err);
	if (!rc)
		rc = check_latent(h, params, err);
	for (uint32_t l = 0; l < h->n_layers && !rc; l++) {
		if (mixer_keeps_state(h->layers[l].mixer))
			continue;
		uint32_t shares = h->layers[l].attention.shares;
		if (shares) {
			p->group[l] = p->group[shares - 1];
			p->index[l] = p->index[shares - 1];
			continue;
		}
		struct kind k = kind_of(h, params, l);
		uint32_t g = find_group(p, &k);
		if (g == KV_GROUPS_MAX)
			return too_many_kinds(err);
		p->group[l] = (uint8_t)g;
		p->index[l] = layers[g]++;
	}
	for (uint32_t g = 0; g < p->n_groups && !rc; g++)
		rc = lay_out_group(p, g, layers[g], params, err);
	return rc ? rc : lay_out_states(p, h, err);
}

uint64_t kvplan_token_bytes(const struct kvplan *p)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < p->state_group; g++)
		bytes += kv_layout_token_bytes(&p->layout[g]);
	return bytes;
}

uint64_t kvplan_state_bytes(const struct kvplan *p)
{
	return p->state_group < p->n_groups ? kv_host_stride(p->desc[p->state_group].page_bytes) : 0;
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

uint64_t kvplan_seq_bytes(const struct kvplan *p, uint32_t tokens, uint32_t chunk, uint32_t state_every)
{
	uint64_t states =
		2 + (state_every ? tokens / state_every : 0); /* its own, that of its prompt, those on the way */
	uint64_t bytes = states * kvplan_state_bytes(p);
	for (uint32_t g = 0; g < p->state_group; g++) {
		bytes += pages_held(&p->desc[g], tokens, chunk) * kv_host_stride(p->desc[g].page_bytes);
	}
	return bytes;
}
