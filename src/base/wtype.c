/* wtype.c: look-ups in the list of weight types. */
#include "base/wtype.h"

static const struct {
	const char *name;
	uint32_t ggml, elems, bytes;
} table[WTYPE_COUNT] = {
#define WTYPE_ROW(name, ggml, elems, bytes) {#name, ggml, elems, bytes},
	WTYPES(WTYPE_ROW)
#undef WTYPE_ROW
};

const char *wtype_name(enum wtype t)
{
	return table[t].name;
}

uint32_t wtype_block_elems(enum wtype t)
{
	return table[t].elems;
}

uint32_t wtype_block_bytes(enum wtype t)
{
	return table[t].bytes;
}

int wtype_from_ggml(uint32_t ggml)
{
	for (int t = 0; t < WTYPE_COUNT; t++)
		if (table[t].ggml == ggml)
			return t;
	return -1;
}
