/* kvik_err.h: how every function of kvik.h reports an error; part of that header, and included by it. */
#ifndef KVIK_ERR_H
#define KVIK_ERR_H

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

#ifdef __cplusplus
}
#endif
#endif
