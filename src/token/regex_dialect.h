/* regex_dialect.h: a pattern in Oniguruma's dialect (Ruby's syntax), written in PCRE2's. Any thread. */
#ifndef KVIK_TOKEN_REGEX_DIALECT_H
#define KVIK_TOKEN_REGEX_DIALECT_H

#include "base/err.h"
#include "base/buf.h"

/* How names of properties that are no general category are meant; PCRE2 tells only by failing. */
enum regex_names { REGEX_NAMES_SCRIPT, REGEX_NAMES_OTHER };

/* Appends the translation to out. Errors: UNSUPPORTED, FORMAT, NOMEM. */
int regex_translate(const char *pattern, size_t bytes, enum regex_names names, struct buf *out,
		    struct kvik_err *err) MUST_CHECK;

#endif
