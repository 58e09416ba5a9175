/* infill_end.h: a processor (kvik.h) that ends completions in editors, as llama-server does: when an answer has taken so long and
 * has a whole line (t_max_predict_ms), or when a line begins that is indented less than wanted (n_indent). Owner: the prompt of a
 * call; threads as struct kvik_processor says. */
#ifndef KVIK_API_INFILL_END_H
#define KVIK_API_INFILL_END_H

#include <kvik.h>

struct infill_end;

/* inner (NULL: none) and v are borrowed. ms: from the first token of each answer on; indent: blanks at the beginning of each line
 * behind the first; 0: no such limit. NULL: no memory. */
struct infill_end *infill_end_new(const struct kvik_processor *inner, const struct kvik_vocab *v, uint32_t choices,
				  uint32_t ms, uint32_t indent);
void infill_end_free(struct infill_end *t);
const struct kvik_processor *infill_end_processor(const struct infill_end *t);

#endif
