/* stop.h: stop strings over streamed text: nothing of a stop string is ever shown, and no byte waits longer than it
 * could still become one.  Owner: the request; one thread. */
#ifndef KVIK_ENGINE_STOP_H
#define KVIK_ENGINE_STOP_H

#include "base/err.h"

#define STOP_STRINGS_MAX 16
#define STOP_BYTES_MAX 256 /* of one string */

struct stop {
	const char *strings[STOP_STRINGS_MAX]; /* borrowed */
	size_t sizes[STOP_STRINGS_MAX];        /* bytes */
	size_t n;
	char held[STOP_BYTES_MAX]; /* bytes that may be the beginning of a stop string */
	size_t held_bytes;
	bool show;        /* the string that ends the text is shown */
	const char *hit;  /* the string that ended the text, of strings; NULL: none yet */
	size_t hit_bytes; /* its bytes */
};

/* bytes: [n] of the strings, or NULL: each ends at its NUL. ARG: too many strings, an empty one or one over
 * STOP_BYTES_MAX bytes. */
int stop_init(struct stop *s, const char *const *strings, const size_t *bytes, size_t n,
	      struct kvik_err *err) MUST_CHECK;

/* Called with text that may be shown. */
typedef void stop_emit_fn(void *user, const char *text, size_t bytes);

/* Takes the next bytes of text; true once a stop string is complete: the text before the one that ends first has been
 * emitted (with `show` that string too), and everything after is dropped. */
bool stop_feed(struct stop *s, const char *text, size_t bytes, stop_emit_fn *emit, void *user);

/* The text ended for another reason: what was held back is emitted. */
void stop_flush(struct stop *s, stop_emit_fn *emit, void *user);

#endif
