/* container.c: lists, tuples and dicts. A dict keeps its entries in order of insertion; above 8 of them a hash index
 * stands beside. Numbers that are equal hash alike (1, 1.0 and true are one key), as in Python. */
#include <math.h>

#include "base/hash.h"
#include "tmpl/vm.h"

enum { INDEX_FROM = 8 };

struct value seq_new(struct vm *vm, enum value_type type, size_t cap)
{
	struct seq *s = vm_zalloc(vm, 1, sizeof *s);
	if (cap) {
		s->v = vm_zalloc(vm, cap, sizeof *s->v);
		s->cap = cap;
	}
	return (struct value){.type = (uint8_t)type, .seq = s};
}

void seq_add(struct vm *vm, struct seq *s, struct value v)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 4;
		s->v = vm_grow(vm, s->v, s->n, cap, sizeof *s->v);
		s->cap = cap;
	}
	s->v[s->n++] = v;
	vm_work(vm, sizeof v);
}

struct value seq_pair(struct vm *vm, struct value a, struct value b)
{
	struct value pair = seq_new(vm, V_TUPLE, 2);
	seq_add(vm, pair.seq, a);
	seq_add(vm, pair.seq, b);
	return pair;
}

/* ---- Dicts ------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(struct vm *vm, struct value v)
{
	uint64_t h = v.type;
	switch (v.type) {
	case V_STR: vm_work(vm, v.str->n); return hash_bytes(v.str->s, v.str->n);
	case V_BOOL: v = value_int(v.b); break;
	case V_FLOAT:
		if (v.f >= -0x1p63 && v.f < 0x1p63 && !(v.f < trunc(v.f)) && !(v.f > trunc(v.f)))
			v = value_int((int64_t)v.f);
		break;
	case V_TUPLE:
		vm_enter(vm);
		for (size_t i = 0; i < v.seq->n; i++) {
			uint64_t mixed[2] = {h, hash_of(vm, v.seq->v[i])};
			h = hash_bytes(mixed, sizeof mixed);
		}
		vm_leave(vm);
		return h;
	case V_UNDEFINED:
	case V_NONE: return h;
	case V_RANGE: return v.range->n;
	case V_LIST:
	case V_DICT: vm_error(vm, "unhashable type: '%s'", value_type_name(v));
	default: break;
	}
	return hash_bytes(&v.i, sizeof v.i);
}

static bool same_key(struct vm *vm, const struct entry *e, uint64_t hash, struct value key)
{
	return e->hash == hash && value_equal(vm, e->key, key);
}

static struct entry *find(struct vm *vm, const struct dict *d, uint64_t hash, struct value key)
{
	if (!d->index) {
		for (size_t i = 0; i < d->n; i++)
			if (same_key(vm, &d->e[i], hash, key))
				return &d->e[i];
		return NULL;
	}
	for (size_t at = hash;; at++) {
		uint32_t number = d->index[at & (d->index_size - 1)];
		if (number == 0)
			return NULL;
		if (same_key(vm, &d->e[number - 1], hash, key))
			return &d->e[number - 1];
	}
}

struct entry *dict_find(struct vm *vm, const struct dict *d, struct value key)
{
	return find(vm, d, hash_of(vm, key), key);
}

struct entry *dict_find_text(struct vm *vm, const struct dict *d, const struct str *key)
{
	return dict_find(vm, d, value_str(key));
}

static void index_entry(struct dict *d, size_t i)
{
	size_t at = d->e[i].hash;
	while (d->index[at & (d->index_size - 1)])
		at++;
	d->index[at & (d->index_size - 1)] = (uint32_t)i + 1;
}

static void index_all(struct vm *vm, struct dict *d)
{
	d->index_size = d->index_size ? 2 * d->index_size : 32;
	d->index = vm_zalloc(vm, d->index_size, sizeof *d->index);
	for (size_t i = 0; i < d->n; i++)
		index_entry(d, i);
}

struct value dict_new(struct vm *vm)
{
	return (struct value){.type = V_DICT, .dict = vm_zalloc(vm, 1, sizeof(struct dict))};
}

void dict_set(struct vm *vm, struct dict *d, struct value key, struct value v)
{
	uint64_t hash = hash_of(vm, key);
	struct entry *e = find(vm, d, hash, key);
	if (e) {
		e->value = v;
		return;
	}
	if (d->n == UINT32_MAX - 1)
		vm_fail(vm, KVIK_ERR_LIMIT, "a dict with more than %u entries", UINT32_MAX - 1);
	if (d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 4;
		d->e = vm_grow(vm, d->e, d->n, cap, sizeof *d->e);
		d->cap = cap;
	}
	d->e[d->n++] = (struct entry){key, v, hash};
	vm_work(vm, sizeof *d->e);
	if (d->n > INDEX_FROM && 2 * d->n > d->index_size)
		index_all(vm, d);
	else if (d->index)
		index_entry(d, d->n - 1);
}
