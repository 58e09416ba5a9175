/* scope.h: which variable a name means. */
#ifndef KVIK_TMPL_SCOPE_H
#define KVIK_TMPL_SCOPE_H

#include "tmpl/node.h"
#include "tmpl/vm.h"

/* Fills in the refs and scopes of a parsed template; returns the template's own scope. */
struct scope *scope_resolve(struct vm *vm, struct node_list body);

#endif
