/* kv_layout.c: sizes of a page's parts. */
#include "kernels/kv_layout.h"

#include <string.h>

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

/* Of `rows` rows of [KV_PAGE_TOKENS] things those behind the first `tokens`. Returns what lies behind the rows. */
static uint8_t *clear_columns(uint8_t *at, uint32_t rows, uint32_t bytes, uint32_t tokens)
{
	for (uint32_t i = 0; i < rows; i++, at += KV_PAGE_TOKENS * bytes)
		memset(at + tokens * bytes, 0, (KV_PAGE_TOKENS - tokens) * bytes);
	return at;
}

static uint8_t *clear_rows(uint8_t *at, size_t bytes, uint32_t tokens)
{
	memset(at + tokens * bytes, 0, (KV_PAGE_TOKENS - tokens) * bytes);
	return at + KV_PAGE_TOKENS * bytes;
}

static void clear_head(uint8_t *at, size_t n, enum kv_dtype d, bool keys, uint32_t head_dim, uint32_t tokens)
{
	uint8_t *end = at + n;
	bool int4 = d == KV_INT4;
	uint32_t rows = int4 ? kv_groups(head_dim) * KV_GROUP_DIMS / 2 : head_dim, bytes = int4 ? 1 : dtypes[d].bytes;
	at = keys ? clear_columns(at, rows, bytes, tokens) : clear_rows(at, (size_t)rows * bytes, tokens);
	if (int4)
		at = clear_columns(at, 2 * kv_groups(head_dim), sizeof(uint16_t), tokens);
	else if (dtypes[d].scale)
		at = clear_columns(at, 1, dtypes[d].scale, tokens);
	memset(at, 0, (size_t)(end - at));
}

void kv_layout_clear(const struct kv_layout *l, void *page, uint32_t tokens)
{
	uint8_t *p = page;
	for (uint32_t i = 0; i < l->layers; i++)
		for (uint32_t h = 0; h < l->kv_heads; h++) {
			clear_head(p + kv_layout_k(l, i, h), l->k_head_bytes, l->k, true, l->head_dim, tokens);
			if (!l->shared)
				clear_head(p + kv_layout_v(l, i, h), l->v_head_bytes, l->v, false, l->head_dim, tokens);
		}
}
