/* value.c: truth, equality, order and length, as Python has them. Values nest at most as deep as vm's levels allow:
 * every recursion here passes vm_enter. */
#include <math.h>
#include <string.h>

#include "tmpl/loop.h"
#include "tmpl/vm.h"

const char *value_type_name(struct value v)
{
	static const char *const names[] = {
		[V_MISSING] = "missing",
		[V_UNDEFINED] = "Undefined",
		[V_NONE] = "NoneType",
		[V_BOOL] = "bool",
		[V_INT] = "int",
		[V_FLOAT] = "float",
		[V_STR] = "str",
		[V_LIST] = "list",
		[V_TUPLE] = "tuple",
		[V_DICT] = "dict",
		[V_VIEW] = "dict view",
		[V_RANGE] = "range",
		[V_NAMESPACE] = "Namespace",
		[V_MACRO] = "Macro",
		[V_FUNCTION] = "function",
		[V_METHOD] = "builtin_function_or_method",
		[V_ITER] = "generator",
		[V_LOOP] = "LoopContext",
		[V_CYCLER] = "Cycler",
		[V_JOINER] = "Joiner",
	};
	return v.type == V_VIEW ? v.seq->view : names[v.type];
}

bool value_is_number(struct value v)
{
	return v.type == V_INT || v.type == V_FLOAT || v.type == V_BOOL;
}

double value_number(struct value v)
{
	return v.type == V_FLOAT ? v.f : v.type == V_BOOL ? (double)v.b : (double)v.i;
}

static int64_t integer(struct value v)
{
	return v.type == V_BOOL ? v.b : v.i;
}

int64_t value_index(struct vm *vm, struct value v, const char *what)
{
	if (v.type == V_UNDEFINED)
		vm_fail_undefined(vm, v);
	if (v.type != V_INT && v.type != V_BOOL)
		vm_error(vm, "%s must be a whole number, not '%s'", what, value_type_name(v));
	return integer(v);
}

bool value_has_length(struct value v)
{
	switch (v.type) {
	case V_UNDEFINED:
	case V_STR:
	case V_LIST:
	case V_TUPLE:
	case V_DICT:
	case V_VIEW:
	case V_RANGE:
	case V_LOOP: return true;
	default: return false;
	}
}

size_t value_length(struct vm *vm, struct value v)
{
	switch (v.type) {
	case V_UNDEFINED: return 0;
	case V_STR: return v.str->chars;
	case V_LIST:
	case V_VIEW:
	case V_TUPLE: return v.seq->n;
	case V_DICT: return v.dict->n;
	case V_RANGE: return v.range->n;
	case V_LOOP: return loop_length(vm, v.loop);
	default: vm_error(vm, "object of type '%s' has no len()", value_type_name(v));
	}
}

bool value_truth(struct vm *vm, struct value v)
{
	switch (v.type) {
	case V_MISSING:
	case V_UNDEFINED:
	case V_NONE: return false;
	case V_BOOL: return v.b;
	case V_INT: return v.i != 0;
	case V_FLOAT: return v.f < 0 || v.f > 0 || isnan(v.f);
	default: return value_has_length(v) ? value_length(vm, v) > 0 : true;
	}
}

/* ---- Equality ---------------------------------------------------------------------------------------------------- */

/* -1, 0, 1, or 2 when one is not a number. Exact also where an integer has no double of its own. */
static int compare_numbers(struct value a, struct value b)
{
	if (a.type != V_FLOAT && b.type != V_FLOAT) {
		int64_t x = integer(a), y = integer(b);
		return x < y ? -1 : x > y;
	}
	double x = value_number(a), y = value_number(b);
	if (isnan(x) || isnan(y))
		return 2;
	if (x < y || x > y)
		return x < y ? -1 : 1;
	if (a.type == V_FLOAT && b.type == V_FLOAT)
		return 0;
	/* equal as doubles: the integer may have been rounded */
	double f = a.type == V_FLOAT ? a.f : b.f;
	int64_t i = integer(a.type == V_FLOAT ? b : a);
	if (f >= 0x1p63)
		return a.type == V_FLOAT ? 1 : -1;
	int order = i < (int64_t)f ? -1 : i > (int64_t)f;
	return a.type == V_FLOAT ? -order : order;
}

static bool equal_seqs(struct vm *vm, const struct seq *a, const struct seq *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!value_equal(vm, a->v[i], b->v[i]))
			return false;
	return true;
}

static bool equal_dicts(struct vm *vm, const struct dict *a, const struct dict *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct entry *e = dict_find(vm, b, a->e[i].key);
		if (!e || !value_equal(vm, a->e[i].value, e->value))
			return false;
	}
	return true;
}

static bool equal_ranges(const struct range *a, const struct range *b)
{
	return a->n == b->n && (a->n == 0 || (a->start == b->start && (a->n == 1 || a->step == b->step)));
}

bool value_identical(struct value a, struct value b)
{
	if (a.type != b.type)
		return false;
	switch (a.type) {
	case V_NONE: return true;
	case V_BOOL: return a.b == b.b;
	case V_INT: return a.i == b.i;
	case V_FLOAT: return memcmp(&a.f, &b.f, sizeof a.f) == 0;
	case V_STR: return str_equal(a.str, b.str);
	default: return a.seq == b.seq;
	}
}

bool value_equal(struct vm *vm, struct value a, struct value b)
{
	vm_enter(vm);
	bool equal;
	if (value_is_number(a) && value_is_number(b)) {
		equal = compare_numbers(a, b) == 0;
	} else if (a.type != b.type) {
		equal = false;
	} else {
		switch (a.type) {
		case V_UNDEFINED:
		case V_NONE: equal = true; break;
		case V_STR:
			vm_work(vm, a.str->n);
			equal = str_equal(a.str, b.str);
			break;
		case V_LIST:
		case V_TUPLE: equal = a.seq == b.seq || equal_seqs(vm, a.seq, b.seq); break;
		case V_DICT: equal = a.dict == b.dict || equal_dicts(vm, a.dict, b.dict); break;
		case V_RANGE: equal = equal_ranges(a.range, b.range); break;
		default: equal = value_identical(a, b);
		}
	}
	vm_leave(vm);
	return equal;
}

/* ---- Order ------------------------------------------------------------------------------------------------------- */

static void no_order(struct vm *vm, struct value a, struct value b, const char *op) __attribute__((noreturn));
static void no_order(struct vm *vm, struct value a, struct value b, const char *op)
{
	if (a.type == V_UNDEFINED || b.type == V_UNDEFINED)
		vm_fail_undefined(vm, a.type == V_UNDEFINED ? a : b);
	vm_error(vm, "'%s' not supported between instances of '%s' and '%s'", op, value_type_name(a),
		 value_type_name(b));
}

/* -1, 0, 1 or 2 (no order among these numbers) */
static int order_of(struct vm *vm, struct value a, struct value b, const char *op)
{
	int order = 0;
	vm_enter(vm);
	if (value_is_number(a) && value_is_number(b)) {
		order = compare_numbers(a, b);
	} else if (a.type == V_STR && b.type == V_STR) {
		vm_work(vm, a.str->n);
		order = str_compare(a.str, b.str);
	} else if (a.type == b.type && (a.type == V_LIST || a.type == V_TUPLE)) {
		size_t i = 0, n = a.seq->n < b.seq->n ? a.seq->n : b.seq->n;
		while (i < n && value_equal(vm, a.seq->v[i], b.seq->v[i]))
			i++;
		order = i < n ? order_of(vm, a.seq->v[i], b.seq->v[i], op)
			      : (a.seq->n < b.seq->n ? -1 : a.seq->n > b.seq->n);
	} else {
		no_order(vm, a, b, op);
	}
	vm_leave(vm);
	return order;
}

bool value_less(struct vm *vm, struct value a, struct value b, const char *op)
{
	int order = order_of(vm, a, b, op);
	return order < 0;
}

bool value_less_equal(struct vm *vm, struct value a, struct value b, const char *op)
{
	int order = order_of(vm, a, b, op);
	return order <= 0;
}

/* ---- Membership -------------------------------------------------------------------------------------------------- */

bool value_contains(struct vm *vm, struct value in, struct value what)
{
	if (in.type == V_STR) {
		if (what.type != V_STR)
			vm_error(vm, "'in <string>' requires a string on the left, not '%s'", value_type_name(what));
		return str_find(vm, in.str, what.str, 0, in.str->n) != SIZE_MAX;
	}
	if (in.type == V_DICT)
		return dict_find(vm, in.dict, what) != NULL;
	if (!iter_possible(in))
		vm_error(vm, "argument of type '%s' is not iterable", value_type_name(in));
	struct iter *it = iter_of(vm, in);
	struct value v;
	while (iter_next(vm, it, &v))
		if (value_equal(vm, v, what))
			return true;
	return false;
}
