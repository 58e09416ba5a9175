/* kvik.h: the one public header of the kvik inference engine.
 *
 * Nouns: a model (weights + vocabulary, shared, read-only once loaded) and a session (one sequence of tokens with its
 * keys and values in the paged cache). C99 and C++ clean. The library never prints and never exits: every fallible
 * function returns 0 or a negative enum kvik_code and fills the caller's struct kvik_err. */
#ifndef KVIK_H
#define KVIK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One list of error codes and their standing texts; KVIK_CODES(X) expands X(name, value, text). */
#define KVIK_CODES(X)                            \
	X(OK, 0, "ok")                           \
	X(ERR_NOMEM, -1, "out of memory")        \
	X(ERR_IO, -2, "input/output error")      \
	X(ERR_FORMAT, -3, "malformed file")      \
	X(ERR_UNSUPPORTED, -4, "not supported")  \
	X(ERR_ARG, -5, "invalid argument")       \
	X(ERR_FULL, -6, "the KV cache is full")  \
	X(ERR_LIMIT, -7, "a limit was exceeded") \
	X(ERR_CANCELLED, -8, "cancelled")

enum kvik_code {
#define KVIK_CODE_ENUM(name, value, text) KVIK_##name = value,
	KVIK_CODES(KVIK_CODE_ENUM)
#undef KVIK_CODE_ENUM
};

/* Detail of the last failure of a call that took it; valid until the caller reuses it. */
struct kvik_err {
	int code;       /* enum kvik_code */
	char text[512]; /* one line: what is wrong, where, and what to do; never truncated inside a UTF-8 character */
};

/* The standing text of a code ("malformed file"); never NULL. Any thread. */
const char *kvik_code_text(int code);

/* "MAJOR.MINOR.PATCH" */
const char *kvik_version(void);

#ifdef __cplusplus
}
#endif
#endif
