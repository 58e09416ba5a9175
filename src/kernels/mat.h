/* mat.h: weight matrices repacked into tiles of 16 rows, in which a vector lane owns an output row. */
#ifndef KVIK_KERNELS_MAT_H
#define KVIK_KERNELS_MAT_H

#include "base/err.h"
#include "base/wtype.h"

#define MAT_TILE_ROWS 16

/* X(name): float forms take f32 activations, the others int8 blocks. */
enum mat_form {
	MAT_F32,
	MAT_F16,
	MAT_BF16,
	MAT_Q8_0,
	MAT_Q4_0,
	MAT_Q4_K,
	MAT_Q5_K,
	MAT_Q6_K, /* Q3_K too: its scales and codes fit */
	MAT_Q2_K,
	MAT_Q4_1,
	MAT_Q5_0,
	MAT_Q5_1,
	MAT_IQ4_NL,
	MAT_IQ4_XS,
	MAT_MXFP4,
	MAT_FORM_COUNT
};

struct mat {
	enum mat_form form;
	uint32_t rows, cols;
	size_t tile_bytes; /* a multiple of 64 */
	uint8_t *tiles;    /* [ceil(rows / 16)], 64-byte aligned; rows past the end are zeros */
};

const char *mat_form_name(enum mat_form f);
bool mat_form_takes_int8(enum mat_form f);

/* The form that a stored type is packed into; int8: activations may be int8 (else MAT_F32 for every integer type).
 * UNSUPPORTED when cols is no multiple of the type's block. */
int mat_form_of(enum mat_form *form, enum wtype type, uint32_t cols, bool int8, struct kvik_err *err) MUST_CHECK;
size_t mat_tile_bytes(enum mat_form f, uint32_t cols);

/* Packs one tile from 16 stored rows (rows[i] NULL = a row of zeros), any threads for different tiles. */
void mat_pack_tile(const struct mat *m, uint32_t tile, enum wtype type, const uint8_t *const rows[MAT_TILE_ROWS]);

#endif
