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

static size_t carve_all(struct attn_scratch *s, void *memory, size_t rows, uint32_t head_dim)
{
	struct carver c = {memory, 0};
	size_t dims = (head_dim + 15) / 16 * 16, f = sizeof(float);
	s->dims = (uint32_t)dims;
	s->room = carve(&c, dims == head_dim ? 0 : dims * ATTN_SEGMENT * f);
	s->scores = carve(&c, rows * ATTN_SEGMENT * f);
	s->out = carve(&c, rows * dims * f);
	s->row = carve(&c, rows * sizeof *s->row);
	s->q = carve(&c, rows * sizeof *s->q);
	s->mask = carve(&c, rows * (ATTN_SEGMENT / KV_PAGE_TOKENS) * sizeof *s->mask);
	return c.at;
}

size_t attn_scratch_bytes(uint32_t heads, uint32_t head_dim)
{
	struct attn_scratch s;
	return carve_all(&s, NULL, heads > ATTN_ROWS_MAX ? heads : ATTN_ROWS_MAX, head_dim);
}

void attn_scratch_carve(struct attn_scratch *s, void *memory, uint32_t rows, uint32_t head_dim)
{
	carve_all(s, memory, rows, head_dim);
	memset(s->row, 0, rows * sizeof *s->row);
	if (s->dims != head_dim) /* the padding is computed and dropped */
		memset(s->room, 0, (size_t)s->dims * ATTN_SEGMENT * sizeof *s->room);
}
