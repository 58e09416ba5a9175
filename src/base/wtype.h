/* wtype.h: the element types of stored weights: one list of name, GGUF type number, elements and bytes of a block. */
#ifndef KVIK_BASE_WTYPE_H
#define KVIK_BASE_WTYPE_H

#include <stddef.h>
#include <stdint.h>

/* X(name, ggml type number, elements per block, bytes per block); source: the GGUF specification. */
#define WTYPES(X)               \
	X(F32, 0, 1, 4)         \
	X(F16, 1, 1, 2)         \
	X(Q4_0, 2, 32, 18)      \
	X(Q4_1, 3, 32, 20)      \
	X(Q5_0, 6, 32, 22)      \
	X(Q5_1, 7, 32, 24)      \
	X(Q8_0, 8, 32, 34)      \
	X(Q2_K, 10, 256, 84)    \
	X(Q3_K, 11, 256, 110)   \
	X(Q4_K, 12, 256, 144)   \
	X(Q5_K, 13, 256, 176)   \
	X(Q6_K, 14, 256, 210)   \
	X(IQ4_NL, 20, 32, 18)   \
	X(IQ4_XS, 23, 256, 136) \
	X(BF16, 30, 1, 2)       \
	X(MXFP4, 39, 32, 17)

enum wtype {
#define WTYPE_ENUM(name, ggml, elems, bytes) WTYPE_##name,
	WTYPES(WTYPE_ENUM)
#undef WTYPE_ENUM
		WTYPE_COUNT
};

const char *wtype_name(enum wtype t);     /* "Q4_0" */
uint32_t wtype_block_elems(enum wtype t); /* elements per block */
uint32_t wtype_block_bytes(enum wtype t); /* bytes per block */
int wtype_from_ggml(uint32_t ggml);       /* enum wtype, or -1 for a type kvik does not read */

#endif
