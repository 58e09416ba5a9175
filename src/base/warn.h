/* warn.h: what a caller should know although nothing failed: a short list of one-line texts, each of them once. Zeroed
 * = empty; the owner frees it with warnings_release. One thread while it grows. */
#ifndef KVIK_BASE_WARN_H
#define KVIK_BASE_WARN_H

#include <stddef.h>

#include "base/err.h"

#define WARNINGS_MAX 32 /* a damaged file could give one per token; further ones are left out, and the last says so */

struct warnings {
	char **texts; /* [n] */
	size_t n, cap;
};

/* NOMEM alone. A list of NULL is nobody's: nothing is kept then. */
int warn_add(struct warnings *w, struct kvik_err *err, const char *fmt, ...) MUST_CHECK
	__attribute__((format(printf, 3, 4)));
const char *warn_at(const struct warnings *w, size_t i); /* NULL: no more */
void warnings_release(struct warnings *w);

#endif
