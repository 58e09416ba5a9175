/* err.h: fill a caller's struct kvik_err.  Any thread. */
#ifndef KVIK_BASE_ERR_H
#define KVIK_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kvik_err.h>

#define MUST_CHECK __attribute__((warn_unused_result))

/* Writes code and a formatted one-line text into err (which may be NULL) and returns code. */
int err_set(struct kvik_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of err's text, so that a caller can add the file or field it was working on. */
void err_prefix(struct kvik_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
