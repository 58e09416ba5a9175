/* after_thoughts.h: a processor (kvik.h) that lets an answer think first: another one, which holds the answer to a form, begins
 * behind the mark that closes the thoughts. Owner: the prompt of a call; threads as struct kvik_processor says. */
#ifndef KVIK_API_AFTER_THOUGHTS_H
#define KVIK_API_AFTER_THOUGHTS_H

#include <kvik.h>

struct after_thoughts;

/* open: the mark that a model may begin with; NULL: the prompt has opened the thoughts. inner, the texts and v are borrowed.
 * NULL: no memory. */
struct after_thoughts *after_thoughts_new(const struct kvik_processor *inner, const struct kvik_vocab *v,
					  uint32_t choices, const char *open, const char *close);
void after_thoughts_free(struct after_thoughts *a);
const struct kvik_processor *after_thoughts_processor(const struct after_thoughts *a);

#endif
