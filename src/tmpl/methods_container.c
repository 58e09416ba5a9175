/* methods_container.c: what lists, tuples, dicts, ranges and numbers can do without changing; cyclers. */
#include <math.h>

#include "tmpl/builtin.h"
#include "tmpl/sort.h"

#define METHOD(name) \
	static struct value name(struct vm *vm, struct value self, const struct value *arg, const struct args *args)
#define UNUSED (void)vm, (void)self, (void)arg, (void)args

METHOD(count)
{
	UNUSED;
	int64_t n = 0;
	for (size_t i = 0, length = value_length(vm, self); i < length; i++)
		n += value_equal(vm, seq_at(vm, self, i), arg[0]);
	return value_int(n);
}

METHOD(index_of)
{
	UNUSED;
	int64_t n = (int64_t)value_length(vm, self), bounds[2];
	for (int i = 0; i < 2; i++) {
		bounds[i] = arg_int(vm, arg[i + 1], i ? n : 0, "a bound");
		if (bounds[i] < 0)
			bounds[i] = bounds[i] + n < 0 ? 0 : bounds[i] + n;
	}
	for (int64_t i = bounds[0]; i < n && i < bounds[1]; i++)
		if (value_equal(vm, seq_at(vm, self, (size_t)i), arg[0]))
			return value_int(i);
	vm_error(vm, "the value is not in the %s", value_type_name(self));
}

METHOD(list_copy)
{
	UNUSED;
	return iter_list(vm, self);
}

const struct function methods_list[] = {
	{"count", count, "value", 1, true},
	{"index", index_of, "value start stop", 1, true},
	{"copy", list_copy, "", 0, true},
	{0},
};

/* ---- Dicts ------------------------------------------------------------------------------------------------------- */

METHOD(get)
{
	UNUSED;
	const struct entry *e = dict_find(vm, self.dict, arg[0]);
	return e ? e->value : value_given(arg[1]) ? arg[1] : value_none();
}

/* What a dict's keys, values and items are looked at through; dicts do not change, so a list is as good. */
static struct value view(struct value list, const char *name)
{
	list.type = V_VIEW;
	list.seq->view = name;
	return list;
}

METHOD(items)
{
	UNUSED;
	return view(dict_items(vm, self.dict), "dict_items");
}

METHOD(keys)
{
	UNUSED;
	return view(iter_list(vm, self), "dict_keys");
}

METHOD(values)
{
	UNUSED;
	struct value list = seq_new(vm, V_LIST, self.dict->n);
	for (size_t i = 0; i < self.dict->n; i++)
		seq_add(vm, list.seq, self.dict->e[i].value);
	return view(list, "dict_values");
}

METHOD(dict_copy)
{
	UNUSED;
	struct value copy = dict_new(vm);
	for (size_t i = 0; i < self.dict->n; i++)
		dict_set(vm, copy.dict, self.dict->e[i].key, self.dict->e[i].value);
	return copy;
}

METHOD(fromkeys)
{
	UNUSED;
	struct value dict = dict_new(vm), key;
	struct iter *it = iter_of(vm, arg[0]);
	while (iter_next(vm, it, &key))
		dict_set(vm, dict.dict, key, value_given(arg[1]) ? arg[1] : value_none());
	return dict;
}

const struct function methods_dict[] = {
	{"get", get, "key default", 1, true},
	{"items", items, "", 0, true},
	{"keys", keys, "", 0, true},
	{"values", values, "", 0, true},
	{"copy", dict_copy, "", 0, true},
	{"fromkeys", fromkeys, "iterable value", 1, true},
	{0},
};

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

METHOD(is_integer)
{
	UNUSED;
	return value_bool(self.type != V_FLOAT ||
			  (isfinite(self.f) && !(self.f < floor(self.f)) && !(self.f > floor(self.f))));
}

METHOD(bit_length)
{
	UNUSED;
	uint64_t v = self.type == V_BOOL ? self.b : self.i < 0 ? 0 - (uint64_t)self.i : (uint64_t)self.i;
	int64_t n = 0;
	for (; v; v >>= 1)
		n++;
	return value_int(n);
}

const struct function methods_int[] = {
	{"bit_length", bit_length, "", 0, true},
	{0},
};

const struct function methods_float[] = {
	{"is_integer", is_integer, "", 0, true},
	{0},
};

/* ---- Cyclers ----------------------------------------------------------------------------------------------------- */

METHOD(cycler_next)
{
	UNUSED;
	struct value v = self.cycler->items->v[self.cycler->at];
	self.cycler->at = (self.cycler->at + 1) % self.cycler->items->n;
	return v;
}

METHOD(cycler_reset)
{
	UNUSED;
	self.cycler->at = 0;
	return value_none();
}

const struct function methods_cycler[] = {
	{"next", cycler_next, "", 0, true},
	{"reset", cycler_reset, "", 0, true},
	{0},
};
