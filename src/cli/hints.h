/* hints.h: what to type instead, for those who come from other engines: their options, their commands, their names of
 * models. */
#ifndef KVIK_CLI_HINTS_H
#define KVIK_CLI_HINTS_H

#include <stddef.h>

#include "base/err.h"

struct hint {
	const char *option; /* of kvik, that does the same; NULL: none */
	const char *text;   /* one sentence, without a full stop */
};

/* An option of another engine, without its dashes: [n]. NULL: unknown. */
const struct hint *hint_of_option(const char *name, size_t n);
/* A command that is none of kvik's; NULL: unknown. */
const char *hint_of_command(const char *name);
/* Adds to the error of a model that could not be opened what was probably meant. */
void hint_add_to_model(const char *path, struct kvik_err *err);

#endif
