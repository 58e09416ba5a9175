/* region.h: a large, zeroed, page-aligned block of memory, on huge pages where the system has them. Owner: whoever
 * called region_new; any thread may use the memory. */
#ifndef KVIK_BASE_REGION_H
#define KVIK_BASE_REGION_H

#include "base/err.h"

struct region {
	uint8_t *data; /* NULL for a region of 0 bytes */
	size_t bytes;
};

/* what: for the error text ("weights"). NOMEM. */
int region_new(struct region *r, size_t bytes, const char *what, struct kvik_err *err) MUST_CHECK;
void region_free(struct region *r);

#endif
