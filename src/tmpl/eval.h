/* eval.h: running a resolved tree. */
#ifndef KVIK_TMPL_EVAL_H
#define KVIK_TMPL_EVAL_H

#include "tmpl/call.h"
#include "tmpl/node.h"

/* The variables of a scope while it runs. */
struct frame {
	struct frame *parent;
	const struct scope *scope;
	struct value v[]; /* [scope->n], V_MISSING = unset */
};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct frame *frame_new(struct vm *vm, const struct scope *s, struct frame *parent);
void frame_load(struct vm *vm, struct frame *f); /* gives all variables but parameters their first values */

struct value eval(struct vm *vm, struct frame *f, const struct node *n);
void eval_args(struct vm *vm, struct frame *f, const struct call *c, struct args *out);
struct value eval_filter(struct vm *vm, struct frame *f, const struct node *n, struct value captured);
void assign(struct vm *vm, struct frame *f, const struct node *target, struct value v);

enum flow exec_body(struct vm *vm, struct frame *f, struct node_list body);
/* The text of a recursive loop called from its own body. */
struct value exec_loop_again(struct vm *vm, const struct loop *l, struct value over);

/* ---- Operators (ops.c) ------------------------------------------------------------------------------------------- */

struct value op_binary(struct vm *vm, uint16_t op, struct value a, struct value b);
struct value op_sign(struct vm *vm, bool negative, struct value a);
bool op_compare(struct vm *vm, uint8_t op, struct value a, struct value b);
struct value escape_html(struct vm *vm, struct value v); /* of the text of v, unless it is markup already */

#endif
