/* filters.h: shared by the files of filters. */
#ifndef KVIK_TMPL_FILTERS_H
#define KVIK_TMPL_FILTERS_H

#include "tmpl/builtin.h"

#define FILTER(name) \
	static struct value name(struct vm *vm, struct value self, const struct value *arg, const struct args *args)
#define UNUSED (void)vm, (void)self, (void)arg, (void)args

/* "a.b.0": attributes of attributes; digits are numbers. Of an int: that item. V_MISSING or none: v itself. */
struct value attribute_of(struct vm *vm, struct value v, struct value path);
/* otherwise: taken instead of what is undefined on the way, when given. */
struct value attribute_or(struct vm *vm, struct value v, struct value path, struct value otherwise);
/* The sort key of a case-insensitive comparison: strings in lower case, others as they are. */
struct value fold_case(struct vm *vm, struct value v, bool case_sensitive);

#endif
