/* ids.h: token ids on the command line: "1,2,3" or "@FILE" (numbers between blanks, commas or line ends). */
#ifndef KVIK_CLI_IDS_H
#define KVIK_CLI_IDS_H

#include "base/err.h"

/* The caller frees *ids with mem_free; *n is at least 1. Errors: ARG (what is no id, and where), IO, NOMEM. */
int ids_parse(const char *arg, uint32_t **ids, size_t *n, struct kvik_err *err) MUST_CHECK;

#endif
