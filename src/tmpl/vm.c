/* vm.c: memory, limits and failure of a parsing or rendering. See vm.h. */
#include "tmpl/vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tmpl/unicode.h"

void vm_fail(struct vm *vm, int code, const char *fmt, ...)
{
	char text[sizeof vm->err->text];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	vm->rc = err_set(vm->err, code, "template line %u: %s", vm->line, text);
	if (vm->name)
		err_prefix(vm->err, "%s", vm->name);
	longjmp(vm->fail, 1);
}

void vm_fail_undefined(struct vm *vm, struct value v)
{
	const struct undef *u = v.undef;
	if (u->hint)
		vm_error(vm, "%s", u->hint);
	const struct str *name = u->name.type == V_STR ? u->name.str : value_repr(vm, u->name);
	if (!u->of)
		vm_error(vm, "'%.*s' is undefined", STR_ARGS(name));
	if (u->name.type == V_STR)
		vm_error(vm, "'%s' has no attribute '%.*s'", u->of, STR_ARGS(name));
	vm_error(vm, "%s has no element %.*s", u->of, STR_ARGS(name));
}

static void *checked(struct vm *vm, void *p)
{
	if (p)
		return p;
	if (vm->arena.full)
		vm_fail(vm, KVIK_ERR_LIMIT, "needs more than the %zu bytes of memory that it may use",
			vm->limits.memory);
	vm_fail(vm, KVIK_ERR_NOMEM, "out of memory");
}

void *vm_alloc(struct vm *vm, size_t bytes)
{
	return checked(vm, arena_alloc(&vm->arena, bytes));
}

void *vm_zalloc(struct vm *vm, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / 4 / size)
		count = SIZE_MAX / 4 / size;
	void *p = vm_alloc(vm, count * size);
	memset(p, 0, count * size);
	return p;
}

void *vm_grow(struct vm *vm, void *p, size_t old, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / 4 / size)
		count = SIZE_MAX / 4 / size;
	return checked(vm, arena_grow(&vm->arena, p, old * size, count * size));
}

void vm_work(struct vm *vm, size_t bytes)
{
	vm->spent += bytes;
	if (vm->spent / STEP_BYTES > vm->limits.steps)
		vm_fail(vm, KVIK_ERR_LIMIT, "does not come to an end within %llu steps",
			(unsigned long long)vm->limits.steps);
}

void vm_enter(struct vm *vm)
{
	vm_work(vm, STEP_BYTES);
	if (++vm->level > vm->limits.levels)
		vm_fail(vm, KVIK_ERR_LIMIT, "nested or recursive to more than %u levels", vm->limits.levels);
}

/* ---- Text being written ------------------------------------------------------------------------------------------ */

static void out_reserve(struct vm *vm, struct out *o, size_t n)
{
	if (o == vm->main && n > vm->limits.output - o->n)
		vm_fail(vm, KVIK_ERR_LIMIT, "writes more than %zu bytes", vm->limits.output);
	if (n <= o->cap - o->n)
		return;
	size_t cap = o->cap ? 2 * o->cap : 64;
	if (cap < o->n + n)
		cap = o->n + n;
	o->s = vm_grow(vm, o->s, o->n, cap, 1);
	if (o->origins)
		o->origins = vm_grow(vm, o->origins, o->n, cap, 1);
	o->cap = cap;
}

/* Of the next n bytes, for which there is room. */
static void out_origin(struct vm *vm, struct out *o, const uint8_t *origins, uint8_t origin, size_t n)
{
	if (n == 0)
		return;
	if (!o->origins && !origins && (o->n == 0 || o->origin == origin)) {
		o->origin = origin;
		return;
	}
	if (!o->origins) {
		o->origins = vm_alloc(vm, o->cap);
		memset(o->origins, o->origin, o->n);
	}
	if (origins)
		memcpy(o->origins + o->n, origins, n);
	else
		memset(o->origins + o->n, origin, n);
}

static void add(struct vm *vm, struct out *o, const char *s, size_t n, const uint8_t *origins, uint8_t origin)
{
	out_reserve(vm, o, n);
	out_origin(vm, o, origins, origin, n);
	if (n)
		memcpy(o->s + o->n, s, n);
	o->n += n;
	vm_work(vm, n);
}

void out_add(struct vm *vm, struct out *o, const char *s, size_t n)
{
	add(vm, o, s, n, NULL, (uint8_t)o->of_bytes);
}

void out_repeat(struct vm *vm, struct out *o, const struct str *s, uint64_t times)
{
	size_t n;
	if (s->n == 0)
		return;
	if (__builtin_mul_overflow(s->n, times, &n) || n > SIZE_MAX / 4)
		n = SIZE_MAX / 4; /* which no limit allows */
	out_reserve(vm, o, n);
	vm_work(vm, n);
	for (; times > 0; times--) {
		out_origin(vm, o, s->origins, s->origin, s->n);
		memcpy(o->s + o->n, s->s, s->n);
		o->n += s->n;
	}
}

void out_str(struct vm *vm, struct out *o, const struct str *s)
{
	add(vm, o, s->s, s->n, s->origins, s->origin);
}

void out_part(struct vm *vm, struct out *o, const struct str *s, size_t from, size_t to)
{
	add(vm, o, s->s + from, to - from, s->origins ? s->origins + from : NULL, s->origin);
}

void out_text(struct vm *vm, struct out *o, const char *text)
{
	add(vm, o, text, strlen(text), NULL, FROM_TEMPLATE);
}

void out_char(struct vm *vm, struct out *o, uint32_t c)
{
	char s[4];
	out_add(vm, o, s, utf8_encode(c, (uint8_t *)s));
}

struct value out_value(struct vm *vm, struct out *o)
{
	struct str text = {.s = o->s, .n = o->n, .origins = o->origins, .origin = o->origin};
	return str_like(vm, &text, o->s);
}
