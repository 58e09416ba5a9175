/* form.h: the options that say what a text must be like: of answers (run, chat) and of texts that are checked (constrain). */
#ifndef KVIK_CLI_FORM_H
#define KVIK_CLI_FORM_H

#include <kvik.h>

#include "cli/common.h"

/* One of them, or none. */
struct form_opts {
	const char *schema, *regex, *choice, *grammar, *tags;
};
void add_form_opts(struct opt_list *l, struct form_opts *o, const char *heading);
unsigned form_opts_given(const struct form_opts *o); /* how many */

/* The constraint that the options mean; NULL: any text. v: not NULL where one is meant. *us, if asked for: what compiling it took, the
 * vocabulary's own part aside, in microseconds of processor time. The caller frees *out with kvik_constraint_free. Errors: as
 * kvik_constraint_new and read_text; ARG: more than one. */
int form_constraint(struct kvik_constraint **out, const struct form_opts *o, const struct kvik_vocab *v, double *us,
		    struct kvik_err *err) MUST_CHECK;

/* Processor time of this thread. */
double thread_us(void);

#endif
