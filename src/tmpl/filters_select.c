/* filters_select.c: map, select, reject, selectattr, rejectattr: generators that look the named filter or test up when
 * the first item is asked for, as jinja2's do. */
#include "tmpl/call.h"
#include "tmpl/filters.h"

struct selection {
	struct args args;       /* as given */
	struct args rest;       /* for the filter or test */
	struct value attribute; /* V_MISSING: of the item itself */
	struct value otherwise; /* map(attribute=..., default=...) */
	const struct function *function;
	bool by_attribute, rejects, looked_up;
};

static const struct function *named(struct vm *vm, struct value name, bool filter)
{
	const struct function *f = NULL;
	if (name.type == V_STR)
		f = filter ? filter_find(name.str) : test_find(name.str);
	if (!f) {
		const struct str *text = value_text(vm, name);
		vm_error(vm, "no %s named '%.*s'", filter ? "filter" : "test", STR_ARGS(text));
	}
	return f;
}

static void look_up_map(struct vm *vm, struct selection *s)
{
	s->looked_up = true;
	if (s->args.n > 0) {
		s->function = named(vm, s->args.v[0], true);
		s->rest = (struct args){s->args.v + 1, s->args.n - 1, s->args.kw, s->args.n_kw};
		return;
	}
	for (size_t i = 0; i < s->args.n_kw; i++) {
		const struct kwarg *kw = &s->args.kw[i];
		if (str_is(kw->name.str, "attribute"))
			s->attribute = kw->value;
		else if (str_is(kw->name.str, "default"))
			s->otherwise = kw->value;
		else
			vm_error(vm, "map: unexpected keyword argument '%.*s'", STR_ARGS(kw->name.str));
	}
	if (!value_given(s->attribute))
		vm_error(vm, "map requires a filter argument");
}

static void look_up_test(struct vm *vm, struct selection *s)
{
	size_t used = 0;
	s->looked_up = true;
	if (s->by_attribute) {
		if (s->args.n == 0)
			vm_error(vm, "missing parameter for attribute name");
		s->attribute = s->args.v[used++];
	}
	if (used < s->args.n)
		s->function = named(vm, s->args.v[used++], false);
	s->rest = s->args;
	if (used > 0) {
		s->rest.v += used;
		s->rest.n -= used;
	}
}

static bool open_source(struct vm *vm, struct iter *it)
{
	if (!it->source && value_truth(vm, it->over))
		it->source = iter_of(vm, it->over);
	return it->source != NULL;
}

static bool next_mapped(struct vm *vm, struct iter *it, struct value *out)
{
	struct selection *s = it->state;
	if (!open_source(vm, it))
		return false;
	if (!s->looked_up)
		look_up_map(vm, s);
	if (!iter_next(vm, it->source, out))
		return false;
	if (s->function) {
		*out = call_function(vm, s->function, *out, &s->rest);
		return true;
	}
	*out = attribute_or(vm, *out, s->attribute, s->otherwise);
	return true;
}

static bool next_selected(struct vm *vm, struct iter *it, struct value *out)
{
	struct selection *s = it->state;
	if (!open_source(vm, it))
		return false;
	if (!s->looked_up)
		look_up_test(vm, s);
	while (iter_next(vm, it->source, out)) {
		struct value v = attribute_of(vm, *out, s->attribute);
		if (s->function)
			v = call_function(vm, s->function, v, &s->rest);
		if (value_truth(vm, v) != s->rejects)
			return true;
	}
	return false;
}

static struct value selection(struct vm *vm, struct value self, const struct args *args, bool by_attribute,
			      bool rejects)
{
	struct selection *s = vm_zalloc(vm, 1, sizeof *s);
	struct iter *it = iter_new(vm, next_selected, self);
	*s = (struct selection){.args = *args, .by_attribute = by_attribute, .rejects = rejects};
	it->state = s;
	return value_iter(it);
}

FILTER(map)
{
	UNUSED;
	struct value v = selection(vm, self, args, false, false);
	v.iter->next = next_mapped;
	return v;
}

FILTER(selected)
{
	UNUSED;
	return selection(vm, self, args, false, false);
}

FILTER(rejected)
{
	UNUSED;
	return selection(vm, self, args, false, true);
}

FILTER(selectattr)
{
	UNUSED;
	return selection(vm, self, args, true, false);
}

FILTER(rejectattr)
{
	UNUSED;
	return selection(vm, self, args, true, true);
}

const struct function filters_select[] = {
	{"map", map, NULL, 0, false},
	{"select", selected, NULL, 0, false},
	{"reject", rejected, NULL, 0, false},
	{"selectattr", selectattr, NULL, 0, false},
	{"rejectattr", rejectattr, NULL, 0, false},
	{0},
};
