/* text.h: what str methods and text filters have in common. Results are new strings (or the same one). */
#ifndef KVIK_TMPL_TEXT_H
#define KVIK_TMPL_TEXT_H

#include "tmpl/vm.h"

enum { STRIP_LEFT = 1, STRIP_RIGHT = 2 };

/* chars: what to strip, a string; none or V_MISSING: white space. */
struct value text_strip(struct vm *vm, const struct str *s, struct value chars, int sides);
struct value text_replace(struct vm *vm, const struct str *s, const struct str *old, const struct str *new,
			  int64_t count); /* count < 0: all */
struct value text_upper(struct vm *vm, const struct str *s);
struct value text_lower(struct vm *vm, const struct str *s);
struct value text_capitalize(struct vm *vm, const struct str *s);
struct value text_title(struct vm *vm, const struct str *s); /* str.title: a word is a run of letters */
struct value text_swapcase(struct vm *vm, const struct str *s);
bool text_is_upper(const struct str *s);
bool text_is_lower(const struct str *s);
struct value text_lines(struct vm *vm, const struct str *s, bool keep_ends); /* str.splitlines */
/* align: '<', '>' or '^' (which puts an odd blank where str.center does). */
struct value text_pad(struct vm *vm, const struct str *s, int64_t width, uint32_t fill, char align);

#endif
