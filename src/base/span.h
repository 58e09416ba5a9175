/* span.h: a stretch of a text, in bytes. */
#ifndef KVIK_BASE_SPAN_H
#define KVIK_BASE_SPAN_H

#include <stddef.h>

struct span {
	size_t from, to; /* [from, to) */
};

#endif
