/* nearest.h: "did you mean": of known names the one that somebody may have meant.  Any thread. */
#ifndef KVIK_BASE_NEAREST_H
#define KVIK_BASE_NEAREST_H

#include <stddef.h>

/* The best guess so far; start from nearest_begin. */
struct nearest {
	const char *name; /* what was written: [n] */
	size_t n;
	const char *best; /* of the names tried; NULL: none is near enough to be a hint */
	int distance;
};

struct nearest nearest_begin(const char *name, size_t n);
void nearest_try(struct nearest *g, const char *known);

#endif
