/* attn_scratch.c: see attn_scratch.h. Carving with memory NULL measures. Any thread. */
#include "kernels/attn_scratch.h"

#include <string.h>

struct carver {
	uint8_t *memory;
	size_t at;
};

static void *carve(struct carver *c, size_t bytes)
{
	void *p = c->memory ? c->memory + c->at : NULL;
	c->at += (bytes + 63) / 64 * 64;
	return p;
}

static uint32_t dims_of(uint32_t head_dim, bool int4)
{
	return int4 ? kv_groups(head_dim) * KV_GROUP_DIMS : (head_dim + 15) / 16 * 16;
}

uint32_t attn_dims(const struct kv_layout *l)
{
	return dims_of(l->head_dim, l->v == KV_INT4);
}

size_t attn_part_floats(uint32_t head_dim)
{
	return dims_of(head_dim, true) + 16;
}

static size_t carve_all(struct attn_scratch *s, void *memory, size_t rows, uint32_t head_dim, bool wide, bool int4)
{
	struct carver c = {memory, 0};
	size_t groups = kv_groups(head_dim), f = sizeof(float), dims = dims_of(head_dim, int4);
	s->dims = (uint32_t)dims;
	s->scores = carve(&c, rows * ATTN_SEGMENT * f);
	s->out = carve(&c, rows * dims * f);
	s->row = carve(&c, rows * sizeof *s->row);
	s->q = carve(&c, rows * sizeof *s->q);
	s->mask = carve(&c, rows * (ATTN_SEGMENT / KV_PAGE_TOKENS) * sizeof *s->mask);
	s->minima = carve(&c, rows * groups * f);
	s->q_sums = carve(&c, rows * groups * f);
	s->rotated = carve(&c, rows * head_dim * f);
	s->scaled = carve(&c, int4 ? rows * groups * ATTN_SEGMENT * f : 0);
	s->room = carve(&c, wide ? dims * ATTN_SEGMENT * f : 0);
	return c.at;
}

size_t attn_scratch_bytes(uint32_t heads, uint32_t head_dim, bool shared)
{
	struct attn_scratch s;
	return carve_all(&s, NULL, heads > ATTN_ROWS_MAX ? heads : ATTN_ROWS_MAX, head_dim,
			 shared || head_dim % 16 != 0, true);
}

void attn_scratch_carve(struct attn_scratch *s, void *memory, uint32_t rows, const struct kv_layout *l)
{
	bool int4 = l->v == KV_INT4, padded = !int4 && l->head_dim % 16 != 0, wide = padded || l->shared;
	carve_all(s, memory, rows, l->head_dim, wide, int4);
	memset(s->row, 0, rows * sizeof *s->row);
	if (padded) /* the padding is computed and dropped */
		memset(s->room, 0, (size_t)s->dims * ATTN_SEGMENT * sizeof *s->room);
}
