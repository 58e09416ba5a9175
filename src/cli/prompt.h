/* prompt.h: where a prompt comes from: text, a file, standard input, or token ids. */
#ifndef KVIK_CLI_PROMPT_H
#define KVIK_CLI_PROMPT_H

#include <kvik.h>

#include "cli/common.h"

struct prompt_opts {
	const char *text, *file, *ids;
	bool goes_on; /* there is a text before it: it may be left out, and does not begin one */
};
void add_prompt_opts(struct opt_list *l, struct prompt_opts *o);

/* *ids: [*n], n at least 1 (0 if it goes on, and nothing is given), freed with kvik_free. A text is tokenised with its special tokens; an empty one is the
 * token that begins a text. v: NULL when the model has no vocabulary. */
int read_prompt(const struct prompt_opts *o, const struct kvik_vocab *v, uint32_t **ids, size_t *n,
		struct kvik_err *err) MUST_CHECK;

#endif
