/* loop.c: see loop.h. Items are taken from the iterator one at a time and looked at ahead only when last, nextitem or
 * the length are asked for, because taking one may evaluate an expression. */
#include "tmpl/loop.h"

#include "tmpl/call.h"
#include "tmpl/vm.h"

bool loop_next(struct vm *vm, struct loop *l, struct value *item)
{
	if (value_given(l->after)) {
		*item = l->after;
		l->after = (struct value){0};
	} else if (!iter_next(vm, l->it, item)) {
		return false;
	}
	l->index0++;
	l->before = l->current;
	l->current = *item;
	return true;
}

static bool peek(struct vm *vm, struct loop *l)
{
	struct value next;
	if (!value_given(l->after) && iter_next(vm, l->it, &next))
		l->after = next;
	return value_given(l->after);
}

size_t loop_length(struct vm *vm, struct loop *l)
{
	if (l->length < 0 && value_has_length(l->over)) {
		l->length = (int64_t)value_length(vm, l->over);
	} else if (l->length < 0) {
		struct value rest = iter_list(vm, value_iter(l->it));
		l->length = (int64_t)rest.seq->n + l->index0 + 1 + value_given(l->after);
		l->it = iter_of(vm, rest);
	}
	return (size_t)l->length;
}

static struct value no_item(struct vm *vm, const char *hint)
{
	return value_undefined(vm, hint, NULL, value_none());
}

static struct value cycle(struct vm *vm, struct value self, const struct value *arg, const struct args *args)
{
	(void)arg;
	if (args->n == 0 || args->n_kw)
		vm_error(vm, "loop.cycle takes the items to cycle through");
	return args->v[(size_t)(self.loop->index0 < 0 ? 0 : self.loop->index0) % args->n];
}

static struct value changed(struct vm *vm, struct value self, const struct value *arg, const struct args *args)
{
	struct value now = seq_new(vm, V_TUPLE, args->n);
	(void)arg;
	for (size_t i = 0; i < args->n; i++)
		seq_add(vm, now.seq, args->v[i]);
	if (value_given(self.loop->changed) && value_equal(vm, self.loop->changed, now))
		return value_bool(false);
	self.loop->changed = now;
	return value_bool(true);
}

static const struct function cycle_function = {"cycle", cycle, NULL, 0, true};
static const struct function changed_function = {"changed", changed, NULL, 0, true};

struct value loop_attr(struct vm *vm, struct loop *l, const struct str *name)
{
	struct value self = {.type = V_LOOP, .loop = l};
	if (str_is(name, "index"))
		return value_int(l->index0 + 1);
	if (str_is(name, "index0"))
		return value_int(l->index0);
	if (str_is(name, "first"))
		return value_bool(l->index0 == 0);
	if (str_is(name, "last"))
		return value_bool(!peek(vm, l));
	if (str_is(name, "length"))
		return value_int((int64_t)loop_length(vm, l));
	if (str_is(name, "revindex"))
		return value_int((int64_t)loop_length(vm, l) - l->index0);
	if (str_is(name, "revindex0"))
		return value_int((int64_t)loop_length(vm, l) - l->index0 - 1);
	if (str_is(name, "depth"))
		return value_int(l->depth0 + 1);
	if (str_is(name, "depth0"))
		return value_int(l->depth0);
	if (str_is(name, "previtem"))
		return l->index0 == 0 ? no_item(vm, "there is no previous item") : l->before;
	if (str_is(name, "nextitem"))
		return peek(vm, l) ? l->after : no_item(vm, "there is no next item");
	if (str_is(name, "cycle"))
		return value_method(vm, self, &cycle_function);
	if (str_is(name, "changed"))
		return value_method(vm, self, &changed_function);
	return (struct value){0};
}
