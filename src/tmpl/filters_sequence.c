/* filters_sequence.c: filters on lists and dicts as wholes. Those that give generators in jinja2 are lazy here too. */
#include <string.h>

#include "tmpl/call.h"
#include "tmpl/filters.h"
#include "tmpl/sort.h"
#include "tmpl/text.h"
#include "tmpl/unicode.h"

static struct value path_part(struct vm *vm, const struct str *path, size_t from, size_t to)
{
	int64_t number = 0;
	bool digits = to > from && to - from < 18;
	for (size_t i = from; i < to && digits; i++) {
		digits = path->s[i] >= '0' && path->s[i] <= '9';
		number = number * 10 + path->s[i] - '0';
	}
	return digits ? value_int(number) : str_slice(vm, path, from, to);
}

static bool is_given(struct value v)
{
	return value_given(v) && v.type != V_NONE;
}

struct value attribute_or(struct vm *vm, struct value v, struct value path, struct value otherwise)
{
	if (!is_given(path))
		return v;
	for (size_t from = 0, to; path.type != V_STR || from <= path.str->n; from = to + 1) {
		to = from;
		while (path.type == V_STR && to < path.str->n && path.str->s[to] != '.')
			to++;
		v = item_get(vm, v, path.type == V_STR ? path_part(vm, path.str, from, to) : path);
		if (v.type == V_UNDEFINED && is_given(otherwise))
			v = otherwise;
		if (path.type != V_STR)
			break;
	}
	return v;
}

struct value attribute_of(struct vm *vm, struct value v, struct value path)
{
	return attribute_or(vm, v, path, (struct value){0});
}

struct value fold_case(struct vm *vm, struct value v, bool case_sensitive)
{
	return v.type == V_STR && !case_sensitive ? text_lower(vm, v.str) : v;
}

/* ---- One of them ------------------------------------------------------------------------------------------------- */

FILTER(length)
{
	UNUSED;
	return value_int((int64_t)value_length(vm, self));
}

FILTER(first)
{
	UNUSED;
	struct value v;
	if (iter_next(vm, iter_of(vm, self), &v))
		return v;
	return value_undefined(vm, "no first item, sequence was empty", NULL, value_none());
}

FILTER(last)
{
	UNUSED;
	struct value reversed, v;
	if (!iter_reversed(vm, self, &reversed))
		vm_error(vm, "'%s' object is not reversible", value_type_name(self));
	if (iter_next(vm, reversed.iter, &v))
		return v;
	return value_undefined(vm, "no last item, sequence was empty", NULL, value_none());
}

static struct value extreme(struct vm *vm, struct value self, const struct value *arg, bool greatest)
{
	struct iter *it = iter_of(vm, self);
	struct value best, best_key, v;
	bool case_sensitive = arg_true(vm, arg[0], false);
	if (!iter_next(vm, it, &best))
		return value_undefined(vm, "no aggregated item, sequence was empty", NULL, value_none());
	best_key = fold_case(vm, attribute_of(vm, best, arg[1]), case_sensitive);
	while (iter_next(vm, it, &v)) {
		struct value key = fold_case(vm, attribute_of(vm, v, arg[1]), case_sensitive);
		bool better = greatest ? value_less(vm, best_key, key, ">") : value_less(vm, key, best_key, "<");
		if (!better)
			continue;
		best = v;
		best_key = key;
	}
	return best;
}

FILTER(min)
{
	UNUSED;
	return extreme(vm, self, arg, false);
}

FILTER(max)
{
	UNUSED;
	return extreme(vm, self, arg, true);
}

FILTER(attr)
{
	UNUSED;
	const struct str *name = arg_text(vm, arg[0], "the attribute name");
	struct value item = self;
	if (self.type == V_DICT) { /* attributes only, not items */
		struct value empty = dict_new(vm);
		item = attr_get(vm, empty, name);
		return item.type == V_METHOD ? attr_get(vm, self, name) : item;
	}
	return attr_get(vm, item, name);
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */

FILTER(list)
{
	UNUSED;
	return iter_list(vm, self);
}

FILTER(join)
{
	UNUSED;
	const struct str *between = value_given(arg[0]) ? value_text(vm, arg[0]) : str_lit(vm, "").str;
	struct iter *it = iter_of(vm, self);
	struct value v;
	struct out o = {0};
	for (size_t i = 0; iter_next(vm, it, &v); i++) {
		if (i)
			out_str(vm, &o, between);
		out_str(vm, &o, value_text(vm, attribute_of(vm, v, arg[1])));
	}
	return out_value(vm, &o);
}

FILTER(reverse)
{
	UNUSED;
	struct value reversed, v;
	if (!iter_reversed(vm, self, &reversed))
		reversed = iter_list(vm, self);
	if (reversed.type == V_LIST) { /* of a generator */
		iter_reversed(vm, reversed, &v);
		return iter_list(vm, v);
	}
	if (self.type != V_STR)
		return reversed;
	struct out o = {0};
	while (iter_next(vm, reversed.iter, &v))
		out_str(vm, &o, v.str);
	return out_value(vm, &o);
}

/* The key of |sort: a list of attributes, which are separated by commas; of the item itself when there is no path. */
static struct value sort_key(struct vm *vm, struct value v, struct value paths, bool case_sensitive)
{
	struct value key = seq_new(vm, V_LIST, 1);
	if (paths.type != V_STR) {
		seq_add(vm, key.seq, fold_case(vm, attribute_of(vm, v, paths), case_sensitive));
		return key;
	}
	for (size_t from = 0, to; from <= paths.str->n; from = to + 1) {
		to = from;
		while (to < paths.str->n && paths.str->s[to] != ',')
			to++;
		struct value path = str_slice(vm, paths.str, from, to);
		seq_add(vm, key.seq, fold_case(vm, attribute_of(vm, v, path), case_sensitive));
	}
	return key;
}

FILTER(sort)
{
	UNUSED;
	struct value items = iter_list(vm, self), keys = seq_new(vm, V_LIST, items.seq->n);
	bool reverse_order = arg_int(vm, arg[0], 0, "reverse") != 0, case_sensitive = arg_true(vm, arg[1], false);
	for (size_t i = 0; i < items.seq->n; i++)
		seq_add(vm, keys.seq, sort_key(vm, items.seq->v[i], arg[2], case_sensitive));
	sort_by_keys(vm, items.seq->v, keys.seq->v, items.seq->n, reverse_order);
	return items;
}

static const struct dict *mapping(struct vm *vm, struct value v)
{
	if (v.type == V_UNDEFINED)
		vm_fail_undefined(vm, v);
	if (v.type != V_DICT)
		vm_error(vm, "'%s' object has no attribute 'items'", value_type_name(v));
	return v.dict;
}

FILTER(dictsort)
{
	UNUSED;
	bool case_sensitive = arg_true(vm, arg[0], false), reverse_order = arg_int(vm, arg[2], 0, "reverse") != 0;
	bool by_value = arg[1].type == V_STR && str_is(arg[1].str, "value");
	if (value_given(arg[1]) && !by_value && !(arg[1].type == V_STR && str_is(arg[1].str, "key")))
		vm_error(vm, "you can only sort by either \"key\" or \"value\"");
	struct value items = dict_items(vm, mapping(vm, self)), keys = seq_new(vm, V_LIST, items.seq->n);
	for (size_t i = 0; i < items.seq->n; i++)
		seq_add(vm, keys.seq, fold_case(vm, items.seq->v[i].seq->v[by_value], case_sensitive));
	sort_by_keys(vm, items.seq->v, keys.seq->v, items.seq->n, reverse_order);
	return items;
}

FILTER(groupby)
{
	UNUSED;
	struct value items = iter_list(vm, self), keys = seq_new(vm, V_LIST, items.seq->n);
	struct value groups = seq_new(vm, V_LIST, 0), group = {0};
	bool case_sensitive = arg_true(vm, arg[2], false);
	for (size_t i = 0; i < items.seq->n; i++) {
		struct value key = attribute_or(vm, items.seq->v[i], arg[0], arg[1]);
		seq_add(vm, keys.seq, fold_case(vm, key, case_sensitive));
	}
	sort_by_keys(vm, items.seq->v, keys.seq->v, items.seq->n, false);
	for (size_t i = 0; i < items.seq->n; i++) {
		struct value v = items.seq->v[i];
		if (i == 0 || !value_equal(vm, keys.seq->v[i], keys.seq->v[i - 1])) {
			group = seq_pair(vm, attribute_or(vm, v, arg[0], arg[1]), seq_new(vm, V_LIST, 0));
			group.seq->group = true;
			seq_add(vm, groups.seq, group);
		}
		seq_add(vm, group.seq->v[1].seq, v);
	}
	return groups;
}

/* ---- Lazily ------------------------------------------------------------------------------------------------------ */

static bool next_item(struct vm *vm, struct iter *it, struct value *out)
{
	if (it->over.type == V_UNDEFINED)
		return false;
	if (it->over.type != V_DICT)
		vm_error(vm, "can only get item pairs from a mapping, not from '%s'", value_type_name(it->over));
	if (it->at >= it->over.dict->n)
		return false;
	const struct entry *e = &it->over.dict->e[it->at++];
	*out = seq_pair(vm, e->key, e->value);
	return true;
}

FILTER(items)
{
	UNUSED;
	return value_iter(iter_new(vm, next_item, self));
}

/* What unique, batch and slice keep between items. */
struct lazy {
	struct value attribute, fill;
	struct dict *seen;
	bool case_sensitive;
	int64_t count;
};

static struct value lazy_iter(struct vm *vm, bool (*next)(struct vm *, struct iter *, struct value *),
			      struct value over, struct lazy state)
{
	struct lazy *kept = vm_alloc(vm, sizeof *kept);
	struct iter *it = iter_new(vm, next, over);
	*kept = state;
	it->state = kept;
	return value_iter(it);
}

static struct iter *source(struct vm *vm, struct iter *it)
{
	if (!it->source)
		it->source = iter_of(vm, it->over);
	return it->source;
}

static bool next_unique(struct vm *vm, struct iter *it, struct value *out)
{
	const struct lazy *l = it->state;
	while (iter_next(vm, source(vm, it), out)) {
		struct value key = fold_case(vm, attribute_of(vm, *out, l->attribute), l->case_sensitive);
		if (dict_find(vm, l->seen, key))
			continue;
		dict_set(vm, l->seen, key, value_none());
		return true;
	}
	return false;
}

FILTER(unique)
{
	UNUSED;
	struct lazy l = {.attribute = arg[1], .seen = dict_new(vm).dict, .case_sensitive = arg_true(vm, arg[0], false)};
	return lazy_iter(vm, next_unique, self, l);
}

static bool next_batch(struct vm *vm, struct iter *it, struct value *out)
{
	const struct lazy *l = it->state;
	struct value v;
	*out = seq_new(vm, V_LIST, 0);
	/* a batch of none or fewer never fills up: one batch of everything */
	while ((l->count <= 0 || (int64_t)out->seq->n < l->count) && iter_next(vm, source(vm, it), &v))
		seq_add(vm, out->seq, v);
	bool any = out->seq->n > 0;
	while (any && is_given(l->fill) && (int64_t)out->seq->n < l->count)
		seq_add(vm, out->seq, l->fill);
	return any;
}

FILTER(batch)
{
	UNUSED;
	struct lazy l = {.fill = arg[1], .count = value_index(vm, arg[0], "linecount")};
	return lazy_iter(vm, next_batch, self, l);
}

static bool next_slice(struct vm *vm, struct iter *it, struct value *out)
{
	const struct lazy *l = it->state;
	if (l->count == 0)
		vm_error(vm, "slice into no slices");
	if (it->at == 0)
		it->over = iter_list(vm, it->over);
	if ((int64_t)it->at >= l->count)
		return false;
	size_t n = it->over.seq->n, slices = (size_t)l->count, number = it->at++;
	size_t each = n / slices, extra = n % slices;
	size_t from = number * each + (number < extra ? number : extra), to = from + each + (number < extra);
	*out = seq_new(vm, V_LIST, to - from + 1);
	for (size_t i = from; i < to; i++)
		seq_add(vm, out->seq, it->over.seq->v[i]);
	if (is_given(l->fill) && number >= extra)
		seq_add(vm, out->seq, l->fill);
	return true;
}

FILTER(slice)
{
	UNUSED;
	struct lazy l = {.fill = arg[1], .count = value_index(vm, arg[0], "slices")};
	return lazy_iter(vm, next_slice, self, l);
}

const struct function filters_sequence[] = {
	{"length", length, "", 0, false},
	{"count", length, "", 0, false},
	{"first", first, "", 0, false},
	{"last", last, "", 0, false},
	{"min", min, "case_sensitive attribute", 0, false},
	{"max", max, "case_sensitive attribute", 0, false},
	{"attr", attr, "name", 1, false},
	{"list", list, "", 0, false},
	{"join", join, "d attribute", 0, false},
	{"reverse", reverse, "", 0, false},
	{"sort", sort, "reverse case_sensitive attribute", 0, false},
	{"dictsort", dictsort, "case_sensitive by reverse", 0, false},
	{"groupby", groupby, "attribute default case_sensitive", 1, false},
	{"items", items, "", 0, false},
	{"unique", unique, "case_sensitive attribute", 0, false},
	{"batch", batch, "linecount fill_with", 1, false},
	{"slice", slice, "slices fill_with", 1, false},
	{0},
};
