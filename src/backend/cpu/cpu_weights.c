/* cpu_weights.c: matrices packed into the tiles that the kernels take, all in one region, packed by all threads. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/mem.h"

enum { ALIGN = 64 };

/* struct dev_weights */
struct cpu_weights {
	const struct cpu *cpu;
	struct mat *mats;     /* [n_mats] */
	enum wtype *types;    /* [n_mats]: of their stored rows */
	struct region region; /* the tiles of all, then the floats */
	size_t floats_at;
};

static struct cpu_weights *weights_of(struct dev_weights *w)
{
	return (struct cpu_weights *)(void *)w;
}

static uint32_t tiles_of(const struct mat *m)
{
	return (m->rows + MAT_TILE_ROWS - 1) / MAT_TILE_ROWS;
}

/* All of it but the tiles. */
static int describe(struct mat *m, const struct mat_desc *d, struct kvik_err *err)
{
	*m = (struct mat){.rows = d->rows, .cols = d->cols};
	int rc = mat_form_of(&m->form, d->type, d->cols, d->int8, err);
	if (!rc)
		m->tile_bytes = mat_tile_bytes(m->form, m->cols);
	return rc;
}

int cpu_mat_bytes(size_t *bytes, const struct mat_desc *d, struct kvik_err *err)
{
	struct mat m;
	int rc = describe(&m, d, err);
	*bytes = rc ? 0 : tiles_of(&m) * m.tile_bytes;
	return rc;
}

static int lay_out(struct cpu_weights *w, const struct mat_desc *mats, size_t n_mats, size_t n_floats,
		   struct kvik_err *err)
{
	int rc = 0;
	w->mats = mem_zalloc(n_mats ? n_mats : 1, sizeof *w->mats);
	w->types = mem_zalloc(n_mats ? n_mats : 1, sizeof *w->types);
	if (!w->mats || !w->types)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the list of matrices");
	for (size_t i = 0; i < n_mats && !rc; i++) {
		rc = describe(&w->mats[i], &mats[i], err);
		w->types[i] = mats[i].type;
		w->floats_at += tiles_of(&w->mats[i]) * w->mats[i].tile_bytes;
	}
	if (!rc)
		rc = region_new(&w->region, w->floats_at + n_floats * sizeof(float), "weights", err);
	uint8_t *at = w->region.data;
	for (size_t i = 0; i < n_mats && !rc; at += tiles_of(&w->mats[i]) * w->mats[i].tile_bytes, i++)
		w->mats[i].tiles = at;
	return rc;
}

int cpu_weights_new(struct dev_weights **out, struct dev *d, const struct mat_desc *mats, size_t n_mats,
		    size_t n_floats, struct kvik_err *err)
{
	struct cpu_weights *w = mem_zalloc(1, sizeof *w);
	*out = NULL;
	if (!w)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for weights");
	w->cpu = (const struct cpu *)(void *)d;
	int rc = lay_out(w, mats, n_mats, n_floats, err);
	if (rc)
		cpu_weights_free((struct dev_weights *)(void *)w);
	else
		*out = (struct dev_weights *)(void *)w;
	return rc;
}

void cpu_weights_free(struct dev_weights *weights)
{
	struct cpu_weights *w = weights_of(weights);
	if (!w)
		return;
	region_free(&w->region);
	mem_free(w->mats);
	mem_free(w->types);
	mem_free(w);
}

struct dev_mat *cpu_weights_mat(struct dev_weights *w, size_t i)
{
	return (struct dev_mat *)(void *)&weights_of(w)->mats[i];
}

struct dev_f32 *cpu_weights_floats(struct dev_weights *weights)
{
	struct cpu_weights *w = weights_of(weights);
	return (struct dev_f32 *)(void *)(w->region.data + w->floats_at);
}

/* ---- Packing ----------------------------------------------------------------------------------------------------- */

struct packing {
	const struct mat *m;
	enum wtype type;
	const struct mat_rows *rows;
	uint8_t *room; /* [threads][MAT_TILE_ROWS] of rows.room_bytes, rounded up */
	size_t room_bytes;
};

static void pack_item(void *ctx, uint32_t tile, uint32_t thread)
{
	const struct packing *p = ctx;
	const uint8_t *rows[MAT_TILE_ROWS];
	uint8_t *room = p->room + thread * MAT_TILE_ROWS * p->room_bytes;
	for (uint32_t i = 0; i < MAT_TILE_ROWS; i++) {
		uint32_t r = tile * MAT_TILE_ROWS + i;
		rows[i] = r < p->m->rows ? p->rows->row(p->rows->ctx, r, room + i * p->room_bytes) : NULL;
	}
	mat_pack_tile(p->m, tile, p->type, rows);
}

int cpu_mat_load(struct dev_weights *weights, size_t i, const struct mat_rows *rows, struct kvik_err *err)
{
	struct cpu_weights *w = weights_of(weights);
	struct packing p = {.m = &w->mats[i],
			    .type = w->types[i],
			    .rows = rows,
			    .room_bytes = (rows->room_bytes + ALIGN - 1) / ALIGN * ALIGN};
	p.room = mem_aligned(ALIGN, pool_threads(w->cpu->pool) * MAT_TILE_ROWS * p.room_bytes);
	if (!p.room)
		return err_set(err, KVIK_ERR_NOMEM, "no memory to pack weights");
	pool_run(w->cpu->pool, tiles_of(p.m), pack_item, &p);
	mem_free(p.room);
	return 0;
}

void cpu_floats_load(struct dev_weights *w, struct dev_f32 *to, const float *from, size_t n)
{
	(void)w;
	memcpy(floats_of(to), from, n * sizeof *from);
}
