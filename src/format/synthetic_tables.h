/* synthetic_tables.h: how a random block of each weight type is made; rows only, because tools/make-model.py reads them, too
 * (one row a line, no expressions). */
#ifndef KVIK_FORMAT_SYNTHETIC_TABLES_H
#define KVIK_FORMAT_SYNTHETIC_TABLES_H

/* X(type, scale_at, scale, min_at, min): the f16 numbers (as bits) that go into random bytes, at these bytes of a
 * block, so that its values have a standard deviation of 0.02 and no mean to speak of; a min of 0 = the type has none.
 * Q2_K, Q4_K and Q5_K also get, for each sub-block, a min code equal to the scale code. MXFP4's scale is its exponent. */
/* clang-format off */
#define SYNTHETIC_BLOCKS(X) \
	X(Q4_0, 0, 0x1c71, 0, 0) \
	X(Q4_1, 0, 0x1c71, 2, 0xa82a) \
	X(Q5_0, 0, 0x1870, 0, 0) \
	X(Q5_1, 0, 0x1870, 2, 0xa84c) \
	X(Q8_0, 0, 0x0c6f, 0, 0) \
	X(Q2_K, 80, 0x1829, 82, 0x1a3e) \
	X(Q3_K, 108, 0x0fbd, 0, 0) \
	X(Q4_K, 0, 0x07c9, 2, 0x134c) \
	X(Q5_K, 0, 0x03e3, 2, 0x1388) \
	X(Q6_K, 208, 0x00f6, 0, 0) \
	X(IQ4_NL, 0, 0x0cdc, 0, 0) \
	X(IQ4_XS, 0, 0x010d, 0, 0)
/* clang-format on */

#endif
