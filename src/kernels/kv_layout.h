/* kv_layout.h: where a key or value lies inside a page, and how large a page is.
 *
 *   page  = [layer of the group] -> [K of kv head 0][K of kv head 1]..[V of kv head 0]..
 *   K of a head = [dim][page_tokens] codes, then [page_tokens] scales where the dtype has them
 *   V of a head = [page_tokens][dim] codes, then [page_tokens] scales
 *
 * int8 and fp8 (e4m3) have an f32 scale per token. int4 has groups of 32 dims, the last one padded: a byte holds dim j
 * (low) and dim j + 16 (high) of a group, so that
 *   K = [group][16 bytes][page_tokens], V = [page_tokens][group][16 bytes], then in both
 *   [group] of f16 scale [page_tokens], f16 minimum [page_tokens]; value = scale * code + minimum
 * Before it is cut into codes an int4 row is rotated (kv_rotates), which spreads a large dim over all of them.
 *
 * A shared layout has no V: the keys are the values too (latent attention).
 *
 * Every head's part begins at a multiple of 64 bytes. Read-only after kv_layout_init; any thread. */
#ifndef KVIK_KERNELS_KV_LAYOUT_H
#define KVIK_KERNELS_KV_LAYOUT_H

#include "base/err.h"

#define KV_PAGE_TOKENS 16
#define KV_HEAD_DIM_MAX 576 /* DeepSeek's latent attention: 512 and 64 rotated */

enum kv_dtype { KV_F32, KV_F16, KV_BF16, KV_INT8, KV_FP8, KV_INT4, KV_DTYPE_COUNT };

/* Dims that share a scale and a minimum in an int4 page. */
#define KV_GROUP_DIMS 32

struct kv_layout {
	enum kv_dtype k, v;
	uint32_t layers, kv_heads, head_dim;
	bool shared;                       /* the values are the keys; v is f32, as which they are read */
	size_t k_head_bytes, v_head_bytes; /* of one kv head in a page */
	size_t layer_bytes, page_bytes;
};

/* ARG: a zero, or head_dim above KV_HEAD_DIM_MAX. */
int kv_layout_init(struct kv_layout *l, enum kv_dtype k, enum kv_dtype v, uint32_t layers, uint32_t kv_heads,
		   uint32_t head_dim, struct kvik_err *err) MUST_CHECK;

int kv_layout_init_shared(struct kv_layout *l, enum kv_dtype d, uint32_t layers, uint32_t kv_heads, uint32_t head_dim,
			  struct kvik_err *err) MUST_CHECK;

const char *kv_dtype_name(enum kv_dtype d);
/* Bytes that one token costs in all layers of the group, scales included. */
size_t kv_layout_token_bytes(const struct kv_layout *l);

/* Zeros in a page behind its first `tokens` tokens, 0..KV_PAGE_TOKENS, and between its heads. */
void kv_layout_clear(const struct kv_layout *l, void *page, uint32_t tokens);

/* Whether rows of this dtype are stored rotated: by the normalised Walsh-Hadamard matrix, its own inverse, which there
 * is for powers of two. */
static inline bool kv_rotates(enum kv_dtype d, uint32_t head_dim)
{
	return d == KV_INT4 && (head_dim & (head_dim - 1)) == 0;
}

static inline uint32_t kv_groups(uint32_t head_dim)
{
	return (head_dim + KV_GROUP_DIMS - 1) / KV_GROUP_DIMS;
}

static inline size_t kv_layout_k(const struct kv_layout *l, uint32_t layer, uint32_t head)
{
	return layer * l->layer_bytes + head * l->k_head_bytes;
}

static inline size_t kv_layout_v(const struct kv_layout *l, uint32_t layer, uint32_t head)
{
	return layer * l->layer_bytes + l->kv_heads * l->k_head_bytes + head * l->v_head_bytes;
}

#endif
