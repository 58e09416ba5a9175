/* sort.h: stable sorting by keys, as Python's sorted(). */
#ifndef KVIK_TMPL_SORT_H
#define KVIK_TMPL_SORT_H

#include "tmpl/vm.h"

/* Sorts items[n] by keys[n], both of which it reorders; equal keys keep their order, also when reversed. */
void sort_by_keys(struct vm *vm, struct value *items, struct value *keys, size_t n, bool reverse);
struct value dict_items(struct vm *vm, const struct dict *d);   /* a list of tuples (key, value) */
struct value sorted_items(struct vm *vm, const struct dict *d); /* sorted(d.items()) by key */

#endif
