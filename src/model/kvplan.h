/* kvplan.h: how the layers of a model share the cache: layers with the same shape (kv heads and their dims), window and
 * dtypes form a group, with one page size and one block table per sequence. All layers that keep a state form the last
 * group, of kind KV_KIND_STATE, whose one page per sequence holds their states, layer after layer, in f32. Read-only
 * once made; any thread. */
#ifndef KVIK_MODEL_KVPLAN_H
#define KVIK_MODEL_KVPLAN_H

#include <kvik.h>

#include "kernels/kv_layout.h"
#include "kv/kv.h"
#include "model/hparams.h"

struct kvplan {
	uint32_t n_groups;
	struct kv_group_desc desc[KV_GROUPS_MAX]; /* what kv_new takes */
	struct kv_layout layout[KV_GROUPS_MAX];
	struct kv_layout packed[KV_GROUPS_MAX]; /* of a page at the floor; where desc.packed_bytes is not 0 */
	bool exempt[KV_GROUPS_MAX];
	uint8_t group[HPARAMS_LAYERS_MAX];     /* of a layer */
	uint16_t index[HPARAMS_LAYERS_MAX];    /* of a layer within its group */
	uint32_t state_group;                  /* == n_groups: no layer keeps a state */
	uint64_t state_at[HPARAMS_LAYERS_MAX]; /* bytes from the page's begin to the layer's state */
};

struct kvplan_params {
	enum kv_dtype k, v;
	uint32_t window;                  /* 0: as the model says; else the smaller of the two */
	uint32_t sinks;                   /* with a window: the first so many tokens stay visible */
	const struct kvik_layers *exempt; /* [n_exempt], borrowed: layers that are stored as exempt_k, exempt_v */
	uint32_t n_exempt;
	enum kv_dtype exempt_k, exempt_v;
	bool has_floor; /* pages of groups that are not exempt may be packed in these dtypes, where they are smaller */
	enum kv_dtype floor_k, floor_v;
};

/* ARG: exempt layers that the model does not have, or of which none has keys and values. LIMIT: more different kinds of layers than KV_GROUPS_MAX. */
int kvplan_init(struct kvplan *p, const struct hparams *h, const struct kvplan_params *params,
		struct kvik_err *err) MUST_CHECK;

/* Bytes that one token costs in all layers (while inside every window). */
uint64_t kvplan_token_bytes(const struct kvplan *p);
/* Bytes of a state of all layers, as the sequence has one and each snapshot; 0: no layer keeps any. */
uint64_t kvplan_state_bytes(const struct kvplan *p);
/* Bytes of pages of a sequence of `tokens` tokens, in which up to chunk tokens are computed in one step; with its states,
 * one of them for each state_every tokens (0: none on the way). */
uint64_t kvplan_seq_bytes(const struct kvplan *p, uint32_t tokens, uint32_t chunk, uint32_t state_every);

#endif
