/* builtin.h: the filters, tests, globals and methods there are. */
#ifndef KVIK_TMPL_BUILTIN_H
#define KVIK_TMPL_BUILTIN_H

#include "tmpl/vm.h"

const struct function *filter_find(const struct str *name); /* NULL = none */
const struct function *test_find(const struct str *name);
const struct function *global_find(const struct str *name);

/* The method of a value's type, or NULL. *changes: it is one that would change a list or dict: the sandbox forbids. */
const struct function *method_find(struct value v, const struct str *name, bool *changes);

/* ---- The tables, each ended by an entry without a name ----------------------------------------------------------- */

extern const struct function filters_text[], filters_markup[], filters_sequence[], filters_select[], filters_number[];
extern const struct function tests[], globals[];
extern const struct function methods_str[], methods_split[], methods_list[], methods_dict[], methods_int[],
	methods_float[], methods_cycler[];

/* ---- Arguments (call.c) ------------------------------------------------------------------------------------------ */

int64_t arg_int(struct vm *vm, struct value v, int64_t otherwise, const char *name); /* otherwise: when not given */
bool arg_true(struct vm *vm, struct value v, bool otherwise);
const struct str *arg_text(struct vm *vm, struct value v, const char *name); /* an error unless it is a string */

#endif
