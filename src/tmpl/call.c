/* call.c: calling functions, methods, macros and loops, and binding what they are called with. */
#include "tmpl/call.h"

#include <string.h>

#include "tmpl/builtin.h"
#include "tmpl/eval.h"
#include "tmpl/loop.h"

enum { PARAMS_MAX = 8 };

/* Number of the parameter with this name in a blank-separated list, or -1. */
static int param_number(const char *params, const struct str *name)
{
	for (int i = 0; *params; i++) {
		size_t n = strcspn(params, " ");
		if (n == name->n && memcmp(params, name->s, n) == 0)
			return i;
		params += n + (params[n] == ' ');
	}
	return -1;
}

static unsigned param_count(const char *params)
{
	unsigned n = *params != '\0';
	for (; *params; params++)
		n += *params == ' ';
	return n;
}

static void bind(struct vm *vm, const struct function *f, const struct args *args, struct value bound[PARAMS_MAX])
{
	unsigned count = param_count(f->params);
	if (args->n > count)
		vm_error(vm, "%s() takes at most %u argument(s), got %zu", f->name, count, args->n);
	for (size_t i = 0; i < args->n; i++)
		bound[i] = args->v[i];
	for (size_t i = 0; i < args->n_kw; i++) {
		const struct str *name = args->kw[i].name.str;
		int number = f->positional ? -1 : param_number(f->params, name);
		if (number < 0)
			vm_error(vm, "%s() got an unexpected keyword argument '%.*s'", f->name, STR_ARGS(name));
		if (value_given(bound[number]))
			vm_error(vm, "%s() got multiple values for argument '%.*s'", f->name, STR_ARGS(name));
		bound[number] = args->kw[i].value;
	}
	for (unsigned i = 0; i < f->required; i++)
		if (!value_given(bound[i]))
			vm_error(vm, "%s() needs %u argument(s)", f->name, f->required);
}

struct value call_function(struct vm *vm, const struct function *f, struct value self, const struct args *args)
{
	struct value bound[PARAMS_MAX] = {{0}};
	if (f->params)
		bind(vm, f, args, bound);
	return f->call(vm, self, bound, args);
}

bool value_callable(struct value v)
{
	return v.type == V_UNDEFINED || v.type == V_MACRO || v.type == V_FUNCTION || v.type == V_METHOD ||
	       v.type == V_LOOP || v.type == V_JOINER;
}

static struct value call_joiner(struct vm *vm, struct cycler *j, const struct args *args)
{
	if (args->n || args->n_kw)
		vm_error(vm, "a joiner takes no arguments");
	if (j->at)
		return value_to_str(vm, j->items->v[0]);
	j->at = 1;
	return str_lit(vm, "");
}

static struct value call_loop(struct vm *vm, const struct loop *l, const struct args *args)
{
	if (args->n != 1 || args->n_kw)
		vm_error(vm, "loop() takes one argument: what to go over");
	if (!l->node)
		vm_error(vm, "the loop must have the 'recursive' marker to be called recursively");
	return exec_loop_again(vm, l, args->v[0]);
}

struct value call_value(struct vm *vm, struct value callee, const struct args *args)
{
	switch (callee.type) {
	case V_UNDEFINED: vm_fail_undefined(vm, callee);
	case V_MACRO: return macro_call(vm, callee.macro, args);
	case V_FUNCTION: return call_function(vm, callee.function, value_none(), args);
	case V_METHOD: return call_function(vm, callee.method->function, callee.method->self, args);
	case V_LOOP: return call_loop(vm, callee.loop, args);
	case V_JOINER: return call_joiner(vm, callee.cycler, args);
	default: vm_error(vm, "'%s' object is not callable", value_type_name(callee));
	}
}

/* ---- For builtins ------------------------------------------------------------------------------------------------ */

int64_t arg_int(struct vm *vm, struct value v, int64_t otherwise, const char *name)
{
	return value_given(v) ? value_index(vm, v, name) : otherwise;
}

bool arg_true(struct vm *vm, struct value v, bool otherwise)
{
	return value_given(v) ? value_truth(vm, v) : otherwise;
}

const struct str *arg_text(struct vm *vm, struct value v, const char *name)
{
	if (v.type == V_UNDEFINED)
		vm_fail_undefined(vm, v);
	if (v.type != V_STR)
		vm_error(vm, "%s must be str, not %s", name, value_type_name(v));
	return v.str;
}
