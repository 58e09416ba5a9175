/* iter.c: iteration, lazy as in Python: an item that nobody asks for is never computed. */
#include "tmpl/unicode.h"
#include "tmpl/vm.h"

struct iter *iter_new(struct vm *vm, bool (*next)(struct vm *, struct iter *, struct value *), struct value over)
{
	struct iter *it = vm_zalloc(vm, 1, sizeof *it);
	it->next = next;
	it->over = over;
	return it;
}

struct value value_iter(struct iter *it)
{
	return (struct value){.type = V_ITER, .iter = it};
}

bool iter_next(struct vm *vm, struct iter *it, struct value *out)
{
	if (it->done)
		return false;
	vm_enter(vm);
	bool more = it->next(vm, it, out);
	vm_leave(vm);
	it->done = !more;
	return more;
}

static bool next_nothing(struct vm *vm, struct iter *it, struct value *out)
{
	(void)vm;
	(void)it;
	(void)out;
	return false;
}

static bool next_char(struct vm *vm, struct iter *it, struct value *out)
{
	const struct str *s = it->over.str;
	unsigned bytes;
	if (it->at >= s->n)
		return false;
	utf8_get(s->s + it->at, &bytes);
	*out = str_slice(vm, s, it->at, it->at + bytes);
	it->at += bytes;
	return true;
}

struct value seq_at(struct vm *vm, struct value v, size_t i)
{
	if (v.type == V_RANGE)
		return value_int((int64_t)((uint64_t)v.range->start + (uint64_t)v.range->step * i));
	if (v.type != V_STR)
		return v.seq->v[i];
	size_t at = str_offset(v.str, i);
	unsigned bytes;
	if (v.str->chars != v.str->n)
		vm_work(vm, at);
	utf8_get(v.str->s + at, &bytes);
	return str_slice(vm, v.str, at, at + bytes);
}

static bool next_of_seq(struct vm *vm, struct iter *it, struct value *out)
{
	if (it->at >= value_length(vm, it->over))
		return false;
	*out = seq_at(vm, it->over, it->at++);
	return true;
}

static bool next_key(struct vm *vm, struct iter *it, struct value *out)
{
	(void)vm;
	if (it->at >= it->over.dict->n)
		return false;
	*out = it->over.dict->e[it->at++].key;
	return true;
}

bool iter_possible(struct value v)
{
	return value_has_length(v) ? v.type != V_LOOP : v.type == V_ITER;
}

struct iter *iter_of(struct vm *vm, struct value v)
{
	switch (v.type) {
	case V_UNDEFINED: return iter_new(vm, next_nothing, v);
	case V_STR: return iter_new(vm, next_char, v);
	case V_LIST:
	case V_TUPLE:
	case V_VIEW:
	case V_RANGE: return iter_new(vm, next_of_seq, v);
	case V_DICT: return iter_new(vm, next_key, v);
	case V_ITER: return v.iter;
	default: vm_error(vm, "'%s' object is not iterable", value_type_name(v));
	}
}

struct value iter_list(struct vm *vm, struct value v)
{
	struct iter *it = iter_of(vm, v);
	struct value list = seq_new(vm, V_LIST, value_has_length(v) ? value_length(vm, v) : 0), item;
	while (iter_next(vm, it, &item))
		seq_add(vm, list.seq, item);
	return list;
}

static bool next_reversed(struct vm *vm, struct iter *it, struct value *out)
{
	if (it->at == 0)
		return false;
	it->at--;
	*out = it->over.type == V_DICT ? it->over.dict->e[it->at].key : seq_at(vm, it->over, it->at);
	return true;
}

bool iter_reversed(struct vm *vm, struct value v, struct value *reversed)
{
	if (!iter_possible(v) || v.type == V_ITER)
		return false;
	struct iter *it = iter_new(vm, next_reversed, v.type == V_STR ? iter_list(vm, v) : v);
	it->at = v.type == V_UNDEFINED ? 0 : value_length(vm, v);
	*reversed = value_iter(it);
	return true;
}
