/* loop.h: the variable `loop` of a for statement. */
#ifndef KVIK_TMPL_LOOP_H
#define KVIK_TMPL_LOOP_H

#include "tmpl/value.h"

struct node;
struct frame;

struct loop {
	struct iter *it;
	struct value over;                   /* what it goes over, for its length */
	int64_t index0;                      /* -1 before the first */
	int64_t length;                      /* -1 = not known yet */
	int64_t depth0;                      /* of recursive loops */
	struct value before, current, after; /* after: looked at ahead of its turn */
	struct value changed;                /* the last arguments of loop.changed, a tuple */
	const struct node *node;             /* the for statement, when it is recursive */
	struct frame *outer;                 /* the frame that the statement stands in */
};

bool loop_next(struct vm *vm, struct loop *l, struct value *item);
size_t loop_length(struct vm *vm, struct loop *l);
struct value loop_attr(struct vm *vm, struct loop *l, const struct str *name); /* V_MISSING = none */

#endif
