/* filters_number.c: filters that make numbers, and default. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tmpl/eval.h"
#include "tmpl/filters.h"
#include "tmpl/lexer.h"
#include "tmpl/number.h"

FILTER(default_value)
{
	UNUSED;
	bool missing = self.type == V_UNDEFINED || (arg_true(vm, arg[1], false) && !value_truth(vm, self));
	return !missing ? self : value_given(arg[0]) ? arg[0] : str_lit(vm, "");
}

FILTER(absolute)
{
	UNUSED;
	if (self.type == V_UNDEFINED)
		vm_fail_undefined(vm, self);
	if (!value_is_number(self))
		vm_error(vm, "bad operand type for abs(): '%s'", value_type_name(self));
	if (self.type == V_FLOAT)
		return value_float(fabs(self.f));
	return op_sign(vm, self.type == V_INT && self.i < 0, self);
}

static void too_large(struct vm *vm) __attribute__((noreturn));
static void too_large(struct vm *vm)
{
	vm_error(vm, "a whole number beyond 64 bits, which kvik's templates do not have");
}

/* int(float); false: infinite or no number. */
static bool truncated(struct vm *vm, double f, struct value *out)
{
	if (!isfinite(f))
		return false;
	if (f < -0x1p63 || f >= 0x1p63)
		too_large(vm);
	*out = value_int((int64_t)f);
	return true;
}

FILTER(integer)
{
	UNUSED;
	struct value otherwise = value_given(arg[0]) ? arg[0] : value_int(0), v;
	int64_t base = arg_int(vm, arg[1], 10, "base"), i;
	bool large;
	double f;
	switch (self.type) {
	case V_UNDEFINED: vm_fail_undefined(vm, self);
	case V_BOOL: return value_int(self.b);
	case V_INT: return self;
	case V_FLOAT:
		if (isinf(self.f)) /* int(inf) is neither a TypeError nor a ValueError */
			vm_error(vm, "cannot convert float infinity to integer");
		return truncated(vm, self.f, &v) ? v : otherwise;
	case V_STR: break;
	default: return otherwise;
	}
	if (base == 1 || base < 0 || base > 36)
		base = 10, large = false;
	else if (parse_int(self.str, (int)base, &i, &large) && !large)
		return value_int(i);
	if (large)
		too_large(vm);
	return parse_float(self.str, &f) && truncated(vm, f, &v) ? v : otherwise;
}

FILTER(floating)
{
	UNUSED;
	struct value otherwise = value_given(arg[0]) ? arg[0] : value_float(0);
	double f;
	if (self.type == V_UNDEFINED)
		vm_fail_undefined(vm, self);
	if (value_is_number(self))
		return value_float(value_number(self));
	return self.type == V_STR && parse_float(self.str, &f) ? value_float(f) : otherwise;
}

/* ---- round ------------------------------------------------------------------------------------------------------- */

/* Correctly rounded from the exact value, halves to even, as printf does it. */
static double round_decimal(double f, int64_t digits)
{
	char text[400];
	if (!isfinite(f) || digits > 300)
		return f;
	if (digits >= 0) {
		snprintf(text, sizeof text, "%.*f", (int)digits, f);
		return strlen(text) < sizeof text - 1 ? strtod(text, NULL) : f;
	}
	if (digits < -308)
		return copysign(0.0, f);
	double unit = pow(10, (double)-digits);
	return rint(f / unit) * unit;
}

static struct value round_int(struct vm *vm, int64_t i, int64_t digits)
{
	int64_t unit = 1;
	if (digits >= 0)
		return value_int(i);
	if (digits < -18)
		return value_int(0);
	for (; digits < 0; digits++)
		unit *= 10;
	int64_t rest = ((i % unit) + unit) % unit, down;
	if (__builtin_sub_overflow(i, rest, &down))
		too_large(vm);
	bool up = rest > unit - rest || (rest == unit - rest && (down / unit) % 2 != 0);
	if (up && __builtin_add_overflow(down, unit, &down))
		too_large(vm);
	return value_int(down);
}

FILTER(round_filter)
{
	UNUSED;
	int64_t digits = arg_int(vm, arg[0], 0, "precision");
	const struct str *method = value_given(arg[1]) ? arg_text(vm, arg[1], "method") : NULL;
	bool up = method && str_is(method, "ceil"), down = method && str_is(method, "floor");
	if (method && !up && !down && !str_is(method, "common"))
		vm_error(vm, "method must be common, ceil or floor");
	if (self.type == V_UNDEFINED)
		vm_fail_undefined(vm, self);
	if (!value_is_number(self))
		vm_error(vm, "type %s doesn't define __round__ method", value_type_name(self));
	if (!up && !down)
		return self.type == V_FLOAT ? value_float(round_decimal(self.f, digits))
					    : round_int(vm, self.type == V_BOOL ? self.b : self.i, digits);
	if (digits < -300 || digits > 300)
		vm_error(vm, "a precision from -300 to 300 is expected");
	double unit = pow(10, (double)digits), f = value_number(self) * unit;
	if (!isfinite(f))
		vm_error(vm, "cannot round what is infinite or no number");
	return value_float(((up ? ceil(f) : floor(f)) + 0.0) / unit); /* -0.0 becomes 0.0, as by way of an int */
}

FILTER(sum)
{
	UNUSED;
	struct iter *it = iter_of(vm, self);
	struct value total = value_given(arg[1]) ? arg[1] : value_int(0), v;
	if (total.type == V_STR)
		vm_error(vm, "sum() can't sum strings; use the join filter");
	while (iter_next(vm, it, &v))
		total = op_binary(vm, OP1('+'), total, attribute_of(vm, v, arg[0]));
	return total;
}

const struct function filters_number[] = {
	{"default", default_value, "default_value boolean", 0, false},
	{"d", default_value, "default_value boolean", 0, false},
	{"abs", absolute, "", 0, false},
	{"int", integer, "default base", 0, false},
	{"float", floating, "default", 0, false},
	{"round", round_filter, "precision method", 0, false},
	{"sum", sum, "attribute start", 0, false},
	{0},
};
