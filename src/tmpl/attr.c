/* attr.c: v.name, v[key], v[a:b:c], by the rules of jinja2's sandbox: "." prefers what the type has (methods) and then
 * looks for an item, "[]" the other way round; what is in neither is undefined; of something undefined it is an error.
 * What would change a list or dict is undefined too, with a reason that is told when it is called. */
#include <stdio.h>
#include <string.h>

#include "tmpl/builtin.h"
#include "tmpl/call.h"
#include "tmpl/loop.h"
#include "tmpl/node.h"

struct value value_undefined(struct vm *vm, const char *hint, const char *of, struct value name)
{
	struct undef *u = vm_alloc(vm, sizeof *u);
	*u = (struct undef){hint, of, name};
	return (struct value){.type = V_UNDEFINED, .undef = u};
}

struct value value_method(struct vm *vm, struct value self, const struct function *f)
{
	struct method *m = vm_alloc(vm, sizeof *m);
	*m = (struct method){self, f};
	return (struct value){.type = V_METHOD, .method = m};
}

struct value value_function(const struct function *f)
{
	return (struct value){.type = V_FUNCTION, .function = f};
}

static struct value unsafe(struct vm *vm, struct value v, const struct str *name)
{
	enum { ROOM = 160 };
	char *hint = vm_alloc(vm, ROOM);
	snprintf(hint, ROOM, "access to attribute '%.*s' of '%s' object is unsafe", (int)(name->n < 60 ? name->n : 60),
		 name->s, value_type_name(v));
	return value_undefined(vm, hint, NULL, value_str(name));
}

static struct value macro_attr(struct vm *vm, const struct macro *m, const struct str *name)
{
	const struct params *p = m->node->params;
	if (str_is(name, "name"))
		return macro_name(m);
	if (str_is(name, "catch_kwargs"))
		return value_bool(p->takes_kwargs);
	if (str_is(name, "catch_varargs"))
		return value_bool(p->takes_varargs);
	if (str_is(name, "caller"))
		return value_bool(p->takes_caller);
	if (!str_is(name, "arguments"))
		return (struct value){0};
	struct value names = seq_new(vm, V_TUPLE, p->names.n);
	for (size_t i = 0; i < p->names.n; i++)
		seq_add(vm, names.seq, value_str(p->names.v[i]->name));
	return names;
}

/* __class__ and its like: Python's own, which the sandbox hides. */
static bool is_dunder(const struct str *name)
{
	return name->n > 4 && memcmp(name->s, "__", 2) == 0 && memcmp(name->s + name->n - 2, "__", 2) == 0;
}

/* What the type of v has under this name; V_MISSING = nothing. */
static struct value own_attr(struct vm *vm, struct value v, const struct str *name)
{
	bool changes = false;
	if (v.type == V_NAMESPACE) {
		const struct entry *e = dict_find_text(vm, v.dict, name);
		return e ? e->value : (struct value){0};
	}
	if (is_dunder(name))
		return unsafe(vm, v, name);
	if (v.type == V_LOOP)
		return loop_attr(vm, v.loop, name);
	if (v.type == V_MACRO)
		return macro_attr(vm, v.macro, name);
	if (v.type == V_CYCLER && str_is(name, "current"))
		return v.cycler->items->v[v.cycler->at];
	if (v.type == V_TUPLE && v.seq->group && (str_is(name, "grouper") || str_is(name, "list")))
		return v.seq->v[str_is(name, "list")];
	const struct function *f = method_find(v, name, &changes);
	if (changes)
		return unsafe(vm, v, name);
	return f ? value_method(vm, v, f) : (struct value){0};
}

static struct value missing(struct vm *vm, struct value v, struct value name)
{
	return value_undefined(vm, NULL, value_type_name(v), name);
}

struct value attr_get(struct vm *vm, struct value v, const struct str *name)
{
	if (v.type == V_UNDEFINED && !is_dunder(name))
		vm_fail_undefined(vm, v);
	struct value found = own_attr(vm, v, name);
	if (!value_given(found) && v.type == V_DICT) {
		const struct entry *e = dict_find_text(vm, v.dict, name);
		if (e)
			return e->value;
	}
	return value_given(found) ? found : missing(vm, v, value_str(name));
}

/* Of a str, list, tuple or range; V_MISSING: out of range. */
static struct value at_index(struct vm *vm, struct value v, int64_t i)
{
	int64_t n = (int64_t)value_length(vm, v);
	if (i < 0)
		i += n;
	return i >= 0 && i < n ? seq_at(vm, v, (size_t)i) : (struct value){0};
}

struct value item_get(struct vm *vm, struct value v, struct value key)
{
	bool sequence = v.type == V_STR || v.type == V_LIST || v.type == V_TUPLE || v.type == V_RANGE;
	struct value found = {0};
	if (v.type == V_UNDEFINED)
		vm_fail_undefined(vm, v);
	if (v.type == V_DICT && key.type != V_LIST && key.type != V_DICT) {
		const struct entry *e = dict_find(vm, v.dict, key);
		if (e)
			return e->value;
	} else if (sequence && (key.type == V_INT || key.type == V_BOOL)) {
		found = at_index(vm, v, key.type == V_BOOL ? key.b : key.i);
		if (value_given(found) && v.type == V_STR)
			found.markup = v.markup;
	}
	if (!value_given(found) && key.type == V_STR)
		found = own_attr(vm, v, key.str);
	return value_given(found) ? found : missing(vm, v, key);
}

/* ---- Slices ------------------------------------------------------------------------------------------------------ */

/* Python's bounds: from the end when negative, then into the sequence. */
static int64_t bound(struct vm *vm, struct value v, int64_t n, int64_t step, int64_t otherwise)
{
	if (v.type == V_NONE)
		return otherwise;
	int64_t i = value_index(vm, v, "a slice bound");
	if (i < 0) {
		i += n;
		return i >= 0 ? i : step < 0 ? -1 : 0;
	}
	return i < n ? i : step < 0 ? n - 1 : n;
}

static struct value slice_range(struct vm *vm, const struct range *r, int64_t start, int64_t stop, int64_t step,
				size_t n)
{
	struct range *slice = vm_alloc(vm, sizeof *slice);
	*slice = (struct range){r->start + start * r->step, r->start + stop * r->step, r->step * step, n};
	return (struct value){.type = V_RANGE, .range = slice};
}

struct value slice_get(struct vm *vm, struct value v, const struct value part[3])
{
	if (v.type == V_UNDEFINED)
		vm_fail_undefined(vm, v);
	if (v.type == V_DICT)
		vm_error(vm, "unhashable type: 'slice'");
	if (v.type != V_STR && v.type != V_LIST && v.type != V_TUPLE && v.type != V_RANGE)
		vm_error(vm, "'%s' object is not subscriptable", value_type_name(v));
	int64_t n = (int64_t)value_length(vm, v);
	int64_t step = part[2].type == V_NONE ? 1 : value_index(vm, part[2], "a slice step");
	if (step == 0)
		vm_error(vm, "slice step cannot be zero");
	if (step < -INT64_MAX / 2 || step > INT64_MAX / 2)
		step = step < 0 ? -INT64_MAX / 2 : INT64_MAX / 2;
	int64_t start = bound(vm, part[0], n, step, step < 0 ? n - 1 : 0);
	int64_t stop = bound(vm, part[1], n, step, step < 0 ? -1 : n);
	int64_t span = step < 0 ? start - stop : stop - start, stride = step < 0 ? -step : step;
	size_t count = span > 0 ? (size_t)((span - 1) / stride + 1) : 0;
	struct value out;
	if (v.type == V_RANGE)
		return slice_range(vm, v.range, start, stop, count > 1 ? step : 1, count);
	if (v.type == V_STR && step == 1) {
		size_t from = count ? str_offset(v.str, (size_t)start) : 0;
		out = str_slice(vm, v.str, from, count ? str_offset(v.str, (size_t)stop) : 0);
		out.markup = v.markup;
		return out;
	}
	struct value of = v.type == V_STR ? iter_list(vm, v) : v;
	out = seq_new(vm, v.type == V_TUPLE ? V_TUPLE : V_LIST, count);
	for (size_t i = 0; i < count; i++)
		seq_add(vm, out.seq, of.seq->v[start + (int64_t)i * step]);
	if (v.type != V_STR)
		return out;
	struct out text = {0};
	for (size_t i = 0; i < count; i++)
		out_str(vm, &text, out.seq->v[i].str);
	out = out_value(vm, &text);
	out.markup = v.markup;
	return out;
}
