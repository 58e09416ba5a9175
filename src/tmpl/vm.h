/* vm.h: the state of one parsing or rendering, and how it ends early.
 *
 * Errors jump (longjmp) to the one function that set `fail` up: all memory is in the arena, so that nothing needs
 * undoing on the way, and the several hundred operations that may fail need no code for it.  Owner: one thread. */
#ifndef KVIK_TMPL_VM_H
#define KVIK_TMPL_VM_H

#include <jansson.h>
#include <setjmp.h>

#include "base/err.h"
#include "tmpl/arena.h"
#include "tmpl/tmpl.h"
#include "tmpl/value.h"

#define STEP_BYTES 64

struct frame;

/* Text being written; grows in the arena. */
struct out {
	char *s;
	size_t n, cap;
	uint8_t *origins;     /* [cap]; NULL: all of the text is `origin` */
	uint8_t origin;       /* enum origin */
	enum origin of_bytes; /* what out_add and out_char write */
};

struct vm {
	struct arena arena;
	jmp_buf fail;
	struct kvik_err *err;
	int rc;
	const char *name; /* of the template, for error texts; may be NULL */
	uint32_t line;    /* being parsed or evaluated */
	struct tmpl_limits limits;
	uint64_t spent; /* work done, a step being STEP_BYTES */
	unsigned level;
	int64_t now;

	/* rendering only */
	struct dict *variables;
	struct out *out;  /* where output goes: the text itself or a capture of it */
	struct out *main; /* the text itself */
	struct frame *root;
	unsigned loops;                          /* entered and not left */
	size_t borders[TMPL_BORDERS], n_borders; /* as struct tmpl_text has them */
};

void vm_fail(struct vm *vm, int code, const char *fmt, ...) __attribute__((noreturn, format(printf, 3, 4)));
/* The usual kind: KVIK_ERR_FORMAT. */
#define vm_error(vm, ...) vm_fail(vm, KVIK_ERR_FORMAT, __VA_ARGS__)
void vm_fail_undefined(struct vm *vm, struct value v) __attribute__((noreturn)); /* used where a value is needed */

void *vm_alloc(struct vm *vm, size_t bytes);
void *vm_zalloc(struct vm *vm, size_t count, size_t size);
void *vm_grow(struct vm *vm, void *p, size_t old, size_t count, size_t size);

/* Work on so many bytes; an error when a rendering has done too much. */
void vm_work(struct vm *vm, size_t bytes);
void vm_enter(struct vm *vm); /* one step, and one level deeper */
static inline void vm_leave(struct vm *vm)
{
	vm->level--;
}

/* The arguments of an error text: at most 200 bytes of a string, as "%.*s". */
#define STR_ARGS(str) (int)((str)->n < 200 ? (str)->n : 200), (str)->s

void out_add(struct vm *vm, struct out *o, const char *s, size_t n);
void out_str(struct vm *vm, struct out *o, const struct str *s);
void out_part(struct vm *vm, struct out *o, const struct str *s, size_t from, size_t to); /* of s, in bytes */
void out_text(struct vm *vm, struct out *o, const char *text); /* a constant, as good as the template's own */
void out_char(struct vm *vm, struct out *o, uint32_t c);       /* a code point */
void out_repeat(struct vm *vm, struct out *o, const struct str *s, uint64_t times);
struct value out_value(struct vm *vm, struct out *o); /* a string over what was written; o is not used after */

#endif
