/* ops.c: operators as Python has them, but for whole numbers beyond 64 bits, which are an error here. */
#include <math.h>
#include <string.h>

#include "tmpl/eval.h"
#include "tmpl/lexer.h"
#include "tmpl/number.h"

static void too_large(struct vm *vm) __attribute__((noreturn));
static void too_large(struct vm *vm)
{
	vm_error(vm, "a whole number beyond 64 bits, which kvik's templates do not have");
}

static const char *op_text(uint16_t op, char text[3])
{
	size_t n = 0;
	if (op >> 8)
		text[n++] = (char)(op >> 8);
	text[n++] = (char)op;
	text[n] = '\0';
	return text;
}

static void no_operator(struct vm *vm, uint16_t op, struct value a, struct value b) __attribute__((noreturn));
static void no_operator(struct vm *vm, uint16_t op, struct value a, struct value b)
{
	char text[3];
	if (a.type == V_UNDEFINED || b.type == V_UNDEFINED)
		vm_fail_undefined(vm, a.type == V_UNDEFINED ? a : b);
	vm_error(vm, "unsupported operand type(s) for %s: '%s' and '%s'", op_text(op, text), value_type_name(a),
		 value_type_name(b));
}

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;
	return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static struct value int_power(struct vm *vm, int64_t base, int64_t exponent)
{
	int64_t result = 1;
	if (exponent < 0) {
		if (base == 0)
			vm_error(vm, "0.0 cannot be raised to a negative power");
		return value_float(pow((double)base, (double)exponent));
	}
	if (base == 0 || base == 1 || base == -1)
		return value_int(exponent == 0 ? 1 : base == -1 && exponent % 2 == 0 ? 1 : base);
	for (; exponent > 0; exponent--) /* at most 64 times, since |base| >= 2 */
		if (__builtin_mul_overflow(result, base, &result))
			too_large(vm);
	return value_int(result);
}

static struct value int_op(struct vm *vm, uint16_t op, int64_t a, int64_t b)
{
	int64_t r;
	bool over = false;
	if (b == 0 && (op == OP1('/') || op == OP('/', '/') || op == OP1('%')))
		vm_error(vm, "division by zero");
	switch (op) {
	case OP1('+'): over = __builtin_add_overflow(a, b, &r); break;
	case OP1('-'): over = __builtin_sub_overflow(a, b, &r); break;
	case OP1('*'): over = __builtin_mul_overflow(a, b, &r); break;
	case OP1('/'): return value_float((double)((long double)a / (long double)b));
	case OP('/', '/'):
		over = a == INT64_MIN && b == -1;
		r = over ? 0 : floor_div(a, b);
		break;
	case OP1('%'): r = b == -1 ? 0 : a - b * floor_div(a, b); break;
	default: return int_power(vm, a, b);
	}
	if (over)
		too_large(vm);
	return value_int(r);
}

static double float_mod(double a, double b)
{
	double r = fmod(a, b);
	if (r < 0 || r > 0)
		return (b < 0) != (r < 0) ? r + b : r;
	return copysign(0.0, b);
}

static double float_floor_div(double a, double b)
{
	double rest = fmod(a, b), div = (a - rest) / b;
	if ((rest < 0 || rest > 0) && (b < 0) != (rest < 0))
		div -= 1;
	double whole = floor(div);
	if (!(div < 0) && !(div > 0))
		return copysign(0.0, a / b);
	return div - whole > 0.5 ? whole + 1 : whole;
}

static struct value float_op(struct vm *vm, uint16_t op, double a, double b)
{
	bool divides = op == OP1('/') || op == OP('/', '/') || op == OP1('%');
	bool zero = !(b < 0) && !(b > 0) && !isnan(b);
	double r;
	if (divides && zero)
		vm_error(vm, "float division by zero");
	switch (op) {
	case OP1('+'): return value_float(a + b);
	case OP1('-'): return value_float(a - b);
	case OP1('*'): return value_float(a * b);
	case OP1('/'): return value_float(a / b);
	case OP('/', '/'): return value_float(float_floor_div(a, b));
	case OP1('%'): return value_float(float_mod(a, b));
	default: break;
	}
	if (!(a < 0) && !(a > 0) && !isnan(a) && b < 0)
		vm_error(vm, "0.0 cannot be raised to a negative power");
	if (a < 0 && isfinite(b) && (b < floor(b) || b > floor(b)))
		vm_error(vm, "a root of a negative number");
	r = pow(a, b);
	if (isinf(r) && isfinite(a) && isfinite(b))
		vm_error(vm, "numerical result out of range");
	return value_float(r);
}

static struct value number_op(struct vm *vm, uint16_t op, struct value a, struct value b)
{
	if (a.type == V_FLOAT || b.type == V_FLOAT)
		return float_op(vm, op, value_number(a), value_number(b));
	return int_op(vm, op, a.type == V_BOOL ? a.b : a.i, b.type == V_BOOL ? b.b : b.i);
}

struct value op_sign(struct vm *vm, bool negative, struct value a)
{
	if (a.type == V_UNDEFINED)
		vm_fail_undefined(vm, a);
	if (!value_is_number(a))
		vm_error(vm, "bad operand type for unary %c: '%s'", negative ? '-' : '+', value_type_name(a));
	if (a.type == V_FLOAT)
		return value_float(negative ? -a.f : a.f);
	return int_op(vm, negative ? OP1('-') : OP1('+'), 0, a.type == V_BOOL ? a.b : a.i);
}

/* ---- Texts and lists --------------------------------------------------------------------------------------------- */

struct value escape_html(struct vm *vm, struct value v)
{
	static const char special[] = "&<>'\"";
	static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
	struct out o = {0};
	if (v.type == V_STR && v.markup)
		return v;
	const struct str *s = value_text(vm, v);
	for (size_t i = 0; i < s->n; i++) {
		const char *at = s->s[i] ? strchr(special, s->s[i]) : NULL;
		if (at)
			out_text(vm, &o, names[at - special]);
		else
			out_part(vm, &o, s, i, i + 1);
	}
	v = out_value(vm, &o);
	v.markup = 1;
	return v;
}

static struct value add_texts(struct vm *vm, struct value a, struct value b)
{
	uint8_t markup = a.markup | b.markup;
	if (markup) {
		a = escape_html(vm, a);
		b = escape_html(vm, b);
	}
	struct value v = str_concat(vm, a.str, b.str);
	v.markup = markup;
	return v;
}

static struct value add_seqs(struct vm *vm, const struct seq *a, const struct seq *b, enum value_type type)
{
	struct value sum = seq_new(vm, type, a->n + b->n);
	for (size_t i = 0; i < a->n; i++)
		seq_add(vm, sum.seq, a->v[i]);
	for (size_t i = 0; i < b->n; i++)
		seq_add(vm, sum.seq, b->v[i]);
	return sum;
}

static struct value repeat(struct vm *vm, struct value what, struct value times)
{
	int64_t n = times.type == V_BOOL ? times.b : times.i;
	size_t length = what.type == V_STR ? what.str->n : what.seq->n;
	if (length == 0 || n < 0)
		n = 0;
	if (what.type == V_STR) {
		struct out o = {0};
		out_repeat(vm, &o, what.str, (uint64_t)n);
		struct value v = out_value(vm, &o);
		v.markup = what.markup;
		return v;
	}
	struct value list = seq_new(vm, (enum value_type)what.type, 0);
	for (int64_t i = 0; i < n; i++)
		for (size_t k = 0; k < length; k++)
			seq_add(vm, list.seq, what.seq->v[k]);
	return list;
}

static bool repeatable(struct value v)
{
	return v.type == V_STR || v.type == V_LIST || v.type == V_TUPLE;
}

static bool whole(struct value v)
{
	return v.type == V_INT || v.type == V_BOOL;
}

struct value op_binary(struct vm *vm, uint16_t op, struct value a, struct value b)
{
	if (value_is_number(a) && value_is_number(b))
		return number_op(vm, op, a, b);
	if (op == OP1('+') && a.type == b.type && a.type == V_STR)
		return add_texts(vm, a, b);
	if (op == OP1('+') && a.type == b.type && (a.type == V_LIST || a.type == V_TUPLE))
		return add_seqs(vm, a.seq, b.seq, (enum value_type)a.type);
	if (op == OP1('*') && repeatable(a) && whole(b))
		return repeat(vm, a, b);
	if (op == OP1('*') && repeatable(b) && whole(a))
		return repeat(vm, b, a);
	if (op == OP1('%') && a.type == V_STR)
		return percent_format(vm, a.str, b);
	no_operator(vm, op, a, b);
}

bool op_compare(struct vm *vm, uint8_t op, struct value a, struct value b)
{
	switch (op) {
	case CMP_EQ: return value_equal(vm, a, b);
	case CMP_NE: return !value_equal(vm, a, b);
	case CMP_LT: return value_less(vm, a, b, "<");
	case CMP_LE: return value_less_equal(vm, a, b, "<=");
	case CMP_GT: return value_less(vm, b, a, ">");
	case CMP_GE: return value_less_equal(vm, b, a, ">=");
	case CMP_IN: return value_contains(vm, b, a);
	default: return !value_contains(vm, b, a);
	}
}
