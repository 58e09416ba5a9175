/* call.h: attributes, items, and calling what can be called. */
#ifndef KVIK_TMPL_CALL_H
#define KVIK_TMPL_CALL_H

#include "tmpl/vm.h"

struct node;
struct frame;

struct macro {
	const struct node *node; /* a macro, a call block or a generation block */
	struct frame *frame;     /* where it was defined */
};

/* hint: the whole error text, or NULL; of: the type that lacks `name`, or NULL for a variable. */
struct value value_undefined(struct vm *vm, const char *hint, const char *of, struct value name);
struct value value_method(struct vm *vm, struct value self, const struct function *f);
struct value value_function(const struct function *f);

struct value attr_get(struct vm *vm, struct value v, const struct str *name);      /* v.name */
struct value item_get(struct vm *vm, struct value v, struct value key);            /* v[key] */
struct value slice_get(struct vm *vm, struct value v, const struct value part[3]); /* v[a:b:c], none = not given */

struct value call_value(struct vm *vm, struct value callee, const struct args *args);
/* f with self in front: binds the arguments to f's parameters. */
struct value call_function(struct vm *vm, const struct function *f, struct value self, const struct args *args);
struct value macro_call(struct vm *vm, const struct macro *m, const struct args *args);
struct value macro_name(const struct macro *m); /* none for a call block */
bool value_callable(struct value v);

#endif
