/* tile.h: how a tile of 16 rows lies in memory. r: row of the tile, c: column.
 *
 *   F32, F16, BF16   [c][16 rows]
 *   all others       blocks of 32 columns, one behind the other: codes, then (where the form has them) high bits,
 *                    scales; before every eighth block the super scales of these 256 columns. So a product of one
 *                    token reads a tile as one stream: several at a time reach two thirds of the memory's bandwidth
 *                    at most
 *
 *     codes  8 bits: [8 groups of 4 columns][16 rows][4 columns]                                   512 bytes
 *            4 bits: [4][16 rows][4 columns]: group j in the low nibbles, group j + 4 in the high  256 bytes
 *            2 bits: [2][16 rows][4 columns]: bits 2s and 2s + 1 of part v belong to group 4v + s  128 bytes
 *     high   Q5:     [16 rows][4 columns]: bit g is the fifth bit of group g                        64 bytes
 *            Q6_K:   [2][16 rows][4 columns]: bits 2s and 2s + 1 of part v belong to group 4v + s  128 bytes
 *     scale  Q8_0, Q4_0, Q5_0, IQ4_NL: f16 [16]; Q4_1, Q5_1: f16 [16], f16 minimum [16]; Q4_K, Q5_K: u8 scale [16], u8
 *            min [16]; Q6_K: i8 [2][16]; Q2_K: [2][16], scale in the low nibbles, min in the high; IQ4_XS: i8 [16];
 *            MXFP4: u8 exponent [16]
 *     super  Q4_K, Q5_K, Q2_K: f16 d [16], dmin [16]; Q6_K, IQ4_XS: f16 d [16]
 *
 * The codes of IQ4 and MXFP4 are places in a table of values.
 *
 * weight = scale * (code - zero) - min. */
#ifndef KVIK_KERNELS_TILE_H
#define KVIK_KERNELS_TILE_H

#include "kernels/mat.h"

struct tile_form {
	const char *name;
	uint16_t float_bytes;        /* of an element of a float form, else 0 */
	uint16_t codes, high, scale; /* bytes per 32 columns */
	uint16_t super;              /* bytes per 256 columns */
	uint16_t block;              /* columns per scale */
	uint16_t zero;               /* the code of weight 0 */
	bool mins;
	const uint8_t *values; /* [16]: what the codes stand for, zero added; NULL: themselves */
};

static const uint8_t tile_iq4_values[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
static const uint8_t tile_mxfp4_values[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

/* In the header, so that a product compiled for one form sees constants. */
static const struct tile_form tile_forms[MAT_FORM_COUNT] = {
	[MAT_F32] = {.name = "f32", .float_bytes = 4},
	[MAT_F16] = {.name = "f16", .float_bytes = 2},
	[MAT_BF16] = {.name = "bf16", .float_bytes = 2},
	[MAT_Q8_0] = {.name = "q8_0", .codes = 512, .scale = 32, .block = 32, .zero = 128},
	[MAT_Q4_0] = {.name = "q4_0", .codes = 256, .scale = 32, .block = 32, .zero = 8},
	[MAT_Q4_K] = {.name = "q4_K", .codes = 256, .scale = 32, .super = 64, .block = 32, .mins = true},
	[MAT_Q5_K] = {.name = "q5_K", .codes = 256, .high = 64, .scale = 32, .super = 64, .block = 32, .mins = true},
	[MAT_Q6_K] = {.name = "q6_K", .codes = 256, .high = 128, .scale = 32, .super = 32, .block = 16, .zero = 32},
	[MAT_Q2_K] = {.name = "q2_K", .codes = 128, .scale = 32, .super = 64, .block = 16, .mins = true},
	[MAT_Q4_1] = {.name = "q4_1", .codes = 256, .scale = 64, .block = 32, .mins = true},
	[MAT_Q5_0] = {.name = "q5_0", .codes = 256, .high = 64, .scale = 32, .block = 32, .zero = 16},
	[MAT_Q5_1] = {.name = "q5_1", .codes = 256, .high = 64, .scale = 64, .block = 32, .mins = true},
	[MAT_IQ4_NL] =
		{.name = "iq4_nl", .codes = 256, .scale = 32, .block = 32, .zero = 128, .values = tile_iq4_values},
	[MAT_IQ4_XS] = {.name = "iq4_xs",
			.codes = 256,
			.scale = 16,
			.super = 32,
			.block = 32,
			.zero = 128,
			.values = tile_iq4_values},
	[MAT_MXFP4] =
		{.name = "mxfp4", .codes = 256, .scale = 16, .block = 32, .zero = 12, .values = tile_mxfp4_values},
};

static inline size_t tile_block_bytes(enum mat_form f)
{
	const struct tile_form *t = &tile_forms[f];
	return (size_t)t->codes + t->high + t->scale;
}

/* Bytes from the start of a tile to the super scales of columns 256 * big .. */
static inline size_t tile_super_at(enum mat_form f, size_t big)
{
	return big * (tile_forms[f].super + 8 * tile_block_bytes(f));
}

/* Bytes from the start of a tile to the codes of block b. */
static inline size_t tile_block_at(enum mat_form f, size_t b)
{
	return b * tile_block_bytes(f) + (tile_forms[f].super ? (b / 8 + 1) * tile_forms[f].super : 0);
}

#endif
