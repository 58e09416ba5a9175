/* tests.c: what may stand behind "is". */
#include <math.h>

#include "tmpl/call.h"
#include "tmpl/eval.h"
#include "tmpl/filters.h"
#include "tmpl/lexer.h"
#include "tmpl/node.h"
#include "tmpl/text.h"

#define TEST(name, expression)                 \
	FILTER(name)                           \
	{                                      \
		UNUSED;                        \
		return value_bool(expression); \
	}

static bool name_of(struct vm *vm, struct value v)
{
	if (v.type == V_LIST || v.type == V_DICT)
		vm_error(vm, "unhashable type: '%s'", value_type_name(v));
	return v.type == V_STR;
}

TEST(defined, self.type != V_UNDEFINED)
TEST(undefined, self.type == V_UNDEFINED)
TEST(none, self.type == V_NONE)
TEST(boolean, self.type == V_BOOL)
TEST(is_true, self.type == V_BOOL && self.b)
TEST(is_false, self.type == V_BOOL && !self.b)
TEST(integer, self.type == V_INT || self.number)
TEST(floating, self.type == V_FLOAT)
TEST(number, value_is_number(self) || self.number)
TEST(string, self.type == V_STR && !self.number)
TEST(mapping, self.type == V_DICT)
TEST(sequence, value_has_length(self) && self.type != V_VIEW && self.type != V_LOOP)
TEST(iterable, iter_possible(self) || self.type == V_LOOP)
TEST(callable, value_callable(self))
TEST(escaped, self.type == V_STR && self.markup)
TEST(upper, text_is_upper(value_text(vm, self)))
TEST(lower, text_is_lower(value_text(vm, self)))
TEST(sameas, value_identical(self, arg[0]))
TEST(in, value_contains(vm, arg[0], self))
TEST(eq, op_compare(vm, CMP_EQ, self, arg[0]))
TEST(ne, op_compare(vm, CMP_NE, self, arg[0]))
TEST(lt, op_compare(vm, CMP_LT, self, arg[0]))
TEST(le, op_compare(vm, CMP_LE, self, arg[0]))
TEST(gt, op_compare(vm, CMP_GT, self, arg[0]))
TEST(ge, op_compare(vm, CMP_GE, self, arg[0]))
TEST(filter, name_of(vm, self) && filter_find(self.str))
TEST(test, name_of(vm, self) && test_find(self.str))

static bool remainder_is(struct vm *vm, struct value v, struct value of, int64_t rest)
{
	return value_equal(vm, op_binary(vm, OP1('%'), v, of), value_int(rest));
}

TEST(odd, remainder_is(vm, self, value_int(2), 1))
TEST(even, remainder_is(vm, self, value_int(2), 0))
TEST(divisibleby, remainder_is(vm, self, arg[0], 0))

const struct function tests[] = {
	{"defined", defined, "", 0, false},
	{"undefined", undefined, "", 0, false},
	{"none", none, "", 0, false},
	{"boolean", boolean, "", 0, false},
	{"true", is_true, "", 0, false},
	{"false", is_false, "", 0, false},
	{"integer", integer, "", 0, false},
	{"float", floating, "", 0, false},
	{"number", number, "", 0, false},
	{"string", string, "", 0, false},
	{"mapping", mapping, "", 0, false},
	{"sequence", sequence, "", 0, false},
	{"iterable", iterable, "", 0, false},
	{"callable", callable, "", 0, true},
	{"escaped", escaped, "", 0, false},
	{"upper", upper, "", 0, false},
	{"lower", lower, "", 0, false},
	{"sameas", sameas, "other", 1, false},
	{"in", in, "seq", 1, false},
	{"==", eq, "other", 1, true},
	{"eq", eq, "other", 1, true},
	{"equalto", eq, "other", 1, true},
	{"!=", ne, "other", 1, true},
	{"ne", ne, "other", 1, true},
	{"<", lt, "other", 1, true},
	{"lt", lt, "other", 1, true},
	{"lessthan", lt, "other", 1, true},
	{"<=", le, "other", 1, true},
	{"le", le, "other", 1, true},
	{">", gt, "other", 1, true},
	{"gt", gt, "other", 1, true},
	{"greaterthan", gt, "other", 1, true},
	{">=", ge, "other", 1, true},
	{"ge", ge, "other", 1, true},
	{"filter", filter, "", 0, false},
	{"test", test, "", 0, false},
	{"odd", odd, "", 0, false},
	{"even", even, "", 0, false},
	{"divisibleby", divisibleby, "num", 1, false},
	{0},
};
