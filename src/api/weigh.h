/* weigh.h: how much memory JSON takes once it is parsed: known before it is, so that a body of a few megabytes that
 * would become gigabytes is refused while it arrives. Any thread. */
#ifndef KVIK_API_WEIGH_H
#define KVIK_API_WEIGH_H

#include <jansson.h>

#include "base/err.h"

/* Of bytes that arrive in any pieces; zeroed = before the first. */
struct weigh {
	uint64_t bytes; /* that the values so far take at most, as jansson keeps them */
	bool in_string, escaped, in_word;
};
void weigh_feed(struct weigh *w, const char *text, size_t n);

/* What a parsed value takes at most. */
uint64_t weigh_json(const json_t *v);

#endif
