/* kv_layout.c: sizes of a page's parts. */
#include "kernels/kv_layout.h"

enum { ALIGN = 64, HEAD_DIM_MAX = KV_HEAD_DIM_MAX };

static const struct {
	const char *name;
	uint32_t bytes; /* of a code; 0: int4 */
	uint32_t scale; /* bytes per token and head */
} dtypes[KV_DTYPE_COUNT] = {
	[KV_F32] = {"f32", 4, 0},   [KV_F16] = {"f16", 2, 0}, [KV_BF16] = {"bf16", 2, 0},
	[KV_INT8] = {"int8", 1, 4}, [KV_FP8] = {"fp8", 1, 4}, [KV_INT4] = {"int4", 0, 0},
};

const char *kv_dtype_name(enum kv_dtype d)
{
	return dtypes[d].name;
}

static size_t token_bytes(enum kv_dtype d, uint32_t head_dim)
{
	if (d == KV_INT4)
		return (size_t)kv_groups(head_dim) * (KV_GROUP_DIMS / 2 + 2 * sizeof(uint16_t));
	return (size_t)head_dim * dtypes[d].bytes + dtypes[d].scale;
}

static size_t head_bytes(enum kv_dtype d, uint32_t head_dim)
{
	return (KV_PAGE_TOKENS * token_bytes(d, head_dim) + ALIGN - 1) / ALIGN * ALIGN;
}

int kv_layout_init(struct kv_layout *l, enum kv_dtype k, enum kv_dtype v, uint32_t layers, uint32_t kv_heads,
		   uint32_t head_dim, struct kvik_err *err)
{
	if (layers == 0 || kv_heads == 0 || head_dim == 0 || head_dim > HEAD_DIM_MAX)
		return err_set(err, KVIK_ERR_ARG,
			       "kv: %u layers, %u kv heads of %u dims; none may be 0, dims at most %d", layers,
			       kv_heads, head_dim, HEAD_DIM_MAX);
	*l = (struct kv_layout){.k = k, .v = v, .layers = layers, .kv_heads = kv_heads, .head_dim = head_dim};
	l->k_head_bytes = head_bytes(k, head_dim);
	l->v_head_bytes = head_bytes(v, head_dim);
	l->layer_bytes = kv_heads * (l->k_head_bytes + l->v_head_bytes);
	l->page_bytes = layers * l->layer_bytes;
	return 0;
}

int kv_layout_init_shared(struct kv_layout *l, enum kv_dtype d, uint32_t layers, uint32_t kv_heads, uint32_t head_dim,
			  struct kvik_err *err)
{
	int rc = kv_layout_init(l, d, KV_F32, layers, kv_heads, head_dim, err);
	if (rc)
		return rc;
	l->shared = true;
	l->v_head_bytes = 0;
	l->layer_bytes = kv_heads * l->k_head_bytes;
	l->page_bytes = layers * l->layer_bytes;
	return 0;
}

size_t kv_layout_token_bytes(const struct kv_layout *l)
{
	size_t v = l->shared ? 0 : token_bytes(l->v, l->head_dim);
	return l->layers * l->kv_heads * (token_bytes(l->k, l->head_dim) + v);
}
