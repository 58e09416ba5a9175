/* mat.c: forms of packed matrices, and packing a tile from 16 stored rows. Any thread. */
#include "kernels/mat.h"

#include <assert.h>

#include "kernels/dequant.h"
#include "kernels/tile.h"
#include "kernels/wblock.h"

enum { ALIGN = 64, R = MAT_TILE_ROWS };

static const enum mat_form int8_forms[WTYPE_COUNT] = {
	[WTYPE_F32] = MAT_F32,   [WTYPE_F16] = MAT_F16,       [WTYPE_BF16] = MAT_BF16,     [WTYPE_Q8_0] = MAT_Q8_0,
	[WTYPE_Q4_0] = MAT_Q4_0, [WTYPE_Q4_K] = MAT_Q4_K,     [WTYPE_Q5_K] = MAT_Q5_K,     [WTYPE_Q6_K] = MAT_Q6_K,
	[WTYPE_Q3_K] = MAT_Q6_K, [WTYPE_Q2_K] = MAT_Q2_K,     [WTYPE_Q4_1] = MAT_Q4_1,     [WTYPE_Q5_0] = MAT_Q5_0,
	[WTYPE_Q5_1] = MAT_Q5_1, [WTYPE_IQ4_NL] = MAT_IQ4_NL, [WTYPE_IQ4_XS] = MAT_IQ4_XS, [WTYPE_MXFP4] = MAT_MXFP4,
};

const char *mat_form_name(enum mat_form f)
{
	return tile_forms[f].name;
}

bool mat_form_takes_int8(enum mat_form f)
{
	return tile_forms[f].float_bytes == 0;
}

int mat_form_of(enum mat_form *form, enum wtype type, uint32_t cols, bool int8, struct kvik_err *err)
{
	uint32_t block = wtype_block_elems(type);
	if (cols == 0 || cols % block != 0)
		return err_set(err, KVIK_ERR_UNSUPPORTED, "%s weights need rows of a multiple of %u columns, not %u",
			       wtype_name(type), block, cols);
	*form = int8_forms[type];
	if (!int8 && mat_form_takes_int8(*form))
		*form = MAT_F32;
	return 0;
}

size_t mat_tile_bytes(enum mat_form f, uint32_t cols)
{
	size_t floats = (size_t)cols * tile_forms[f].float_bytes * R, blocks = cols / 32;
	size_t bytes = floats ? floats : blocks * tile_block_bytes(f) + blocks / 8 * tile_forms[f].super;
	return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- Float forms ------------------------------------------------------------------------------------------------- */

static void pack_float_row(const struct mat *m, uint8_t *tile, uint32_t row, enum wtype type, const uint8_t *src)
{
	uint32_t elems = wtype_block_elems(type), bytes = wtype_block_bytes(type);
	float values[256];
	for (uint32_t c = 0; c < m->cols; c += elems, src += bytes) {
		if (m->form != MAT_F32) { /* F16 and BF16 stay as they are */
			memcpy(tile + 2 * ((size_t)c * R + row), src, 2);
			continue;
		}
		dequant_row(type, src, elems, values);
		for (uint32_t i = 0; i < elems; i++)
			memcpy(tile + 4 * ((size_t)(c + i) * R + row), &values[i], 4);
	}
}

/* ---- Integer forms ----------------------------------------------------------------------------------------------- */

/* Stores one 2-bit, 4-bit or 8-bit code (with its high bits) of column c of a block. */
static void put_code(const struct tile_form *f, uint8_t *block, uint32_t row, uint32_t c, unsigned code)
{
	uint32_t group = c / 4, at = row * 4 + c % 4;
	uint8_t *codes = block, *high = block + f->codes;
	if (f->codes == 512) {
		codes[group * 64 + at] = (uint8_t)code;
		return;
	}
	if (f->codes == 128) {
		codes[group / 4 * 64 + at] |= (uint8_t)(code << (group % 4 * 2));
		return;
	}
	codes[group % 4 * 64 + at] |= (uint8_t)((code & 15) << (group / 4 * 4));
	if (f->high == 64)
		high[at] |= (uint8_t)(code >> 4 << group);
	else if (f->high == 128)
		high[group / 4 * 64 + at] |= (uint8_t)(code >> 4 << (group % 4 * 2));
}

static void put_half(uint8_t *array, uint32_t row, const uint8_t *half)
{
	memcpy(array + 2 * row, half, 2);
}

/* Code of element i of a 32-element block, as the form has it. */
static unsigned small_code(enum wtype type, const uint8_t *src, int i)
{
	switch (type) {
	case WTYPE_Q8_0: return (unsigned)((int8_t)src[2 + i] + 128);
	case WTYPE_Q4_1: return (unsigned)nibble(src + 4, i);
	case WTYPE_Q5_0: return (unsigned)(nibble(src + 6, i) | high_bit(src + 2, i));
	case WTYPE_Q5_1: return (unsigned)(nibble(src + 8, i) | high_bit(src + 4, i));
	case WTYPE_MXFP4: return (unsigned)nibble(src + 1, i);
	case WTYPE_Q4_0:
	case WTYPE_IQ4_NL: return (unsigned)nibble(src + 2, i);
	default: assert(0 && "no type of 32-element blocks"); return 0;
	}
}

static void pack_small_scale(uint8_t *scales, uint32_t row, enum wtype type, const uint8_t *src)
{
	if (type == WTYPE_MXFP4) {
		scales[row] = src[0];
		return;
	}
	put_half(scales, row, src);
	if (type == WTYPE_Q4_1 || type == WTYPE_Q5_1)
		put_half(scales + 32, row, src + 2);
}

/* Code of element i of a 256-element block. */
static unsigned big_code(enum wtype type, const uint8_t *src, int i)
{
	switch (type) {
	case WTYPE_Q2_K: return (unsigned)q2_k_code(src + 16, i);
	case WTYPE_Q3_K: return (unsigned)(q3_k_code(src, i) + 32);
	case WTYPE_Q4_K: return (unsigned)q4_k_code(src + 16, i);
	case WTYPE_Q5_K: return (unsigned)q5_k_code(src, i);
	case WTYPE_Q6_K: return (unsigned)(q6_k_code(src, i) + 32);
	case WTYPE_IQ4_XS: return (unsigned)nibble(src + 8 + i / 32 * 16, i % 32);
	default: assert(0 && "no type of 256-element blocks"); return 0;
	}
}

/* Scales of the b-th of 8 blocks of 32 columns of a stored block of 256. */
static void pack_big_scale(uint8_t *scales, uint32_t row, int b, enum wtype type, const uint8_t *src)
{
	switch (type) {
	case WTYPE_Q4_K:
	case WTYPE_Q5_K: q4_k_scale_min(src + 4, b, &scales[row], &scales[16 + row]); break;
	case WTYPE_IQ4_XS: scales[row] = (uint8_t)(int8_t)iq4_xs_scale(src, b); break;
	default:
		for (int i = 2 * b; i < 2 * b + 2; i++, scales += 16)
			scales[row] = type == WTYPE_Q6_K   ? src[192 + i]
				      : type == WTYPE_Q3_K ? (uint8_t)(int8_t)q3_k_scale(src + 96, i)
							   : src[i]; /* Q2_K: both nibbles */
	}
}

static void pack_super(uint8_t *super, uint32_t row, enum wtype type, const uint8_t *src)
{
	switch (type) {
	case WTYPE_Q4_K:
	case WTYPE_Q5_K:
		put_half(super, row, src);
		put_half(super + 32, row, src + 2);
		break;
	case WTYPE_Q2_K:
		put_half(super, row, src + 80);
		put_half(super + 32, row, src + 82);
		break;
	case WTYPE_IQ4_XS: put_half(super, row, src); break;
	case WTYPE_Q6_K: put_half(super, row, src + 208); break;
	case WTYPE_Q3_K: put_half(super, row, src + 108); break;
	default: break;
	}
}

/* One stored block of 32 or 256 columns of a row, from column c on. */
static void pack_block(enum mat_form form, uint8_t *tile, uint32_t row, uint32_t c, enum wtype type, const uint8_t *src)
{
	const struct tile_form *f = &tile_forms[form];
	const uint32_t elems = wtype_block_elems(type), scales = f->codes + (uint32_t)f->high;
	for (uint32_t i = 0; i < elems; i += 32) {
		uint8_t *block = tile + tile_block_at(form, (c + i) / 32);
		for (uint32_t k = 0; k < 32; k++)
			put_code(f, block, row, k,
				 elems == 32 ? small_code(type, src, (int)k) : big_code(type, src, (int)(i + k)));
		if (elems == 32)
			pack_small_scale(block + scales, row, type, src);
		else
			pack_big_scale(block + scales, row, (int)i / 32, type, src);
	}
	if (f->super)
		pack_super(tile + tile_super_at(form, c / 256), row, type, src);
}

static void pack_int_row(const struct mat *m, uint8_t *tile, uint32_t row, enum wtype type, const uint8_t *src)
{
	uint32_t elems = wtype_block_elems(type), bytes = wtype_block_bytes(type);
	for (uint32_t c = 0; c < m->cols; c += elems, src += bytes)
		pack_block(m->form, tile, row, c, type, src);
}

void mat_pack_tile(const struct mat *m, uint32_t tile, enum wtype type, const uint8_t *const rows[MAT_TILE_ROWS])
{
	uint8_t *to = m->tiles + tile * m->tile_bytes;
	memset(to, 0, m->tile_bytes);
	for (uint32_t row = 0; row < R; row++) {
		if (!rows[row])
			continue;
		if (mat_form_takes_int8(m->form))
			pack_int_row(m, to, row, type, rows[row]);
		else
			pack_float_row(m, to, row, type, rows[row]);
	}
}
