/* methods_split.c: the methods of str that cut a text into pieces. */
#include "tmpl/builtin.h"
#include "tmpl/text.h"
#include "tmpl/unicode.h"

#define METHOD(name) \
	static struct value name(struct vm *vm, struct value self, const struct value *arg, const struct args *args)
#define UNUSED (void)vm, (void)self, (void)arg, (void)args

static void add(struct vm *vm, struct value list, struct value self, size_t from, size_t to)
{
	struct value piece = str_slice(vm, self.str, from, to);
	piece.markup = self.markup;
	seq_add(vm, list.seq, piece);
}

static size_t skip(const struct str *s, size_t at, bool space)
{
	unsigned bytes;
	while (at < s->n && uc_space(utf8_get(s->s + at, &bytes)) == space)
		at += bytes;
	return at;
}

static size_t skip_back(const struct str *s, size_t at, bool space)
{
	unsigned bytes;
	while (at > 0 && uc_space(utf8_last(s->s, at, &bytes)) == space)
		at -= bytes;
	return at;
}

/* Words between white space; after max cuts the rest is one word, less the white space at its end. */
static struct value split_words(struct vm *vm, struct value self, int64_t max)
{
	const struct str *s = self.str;
	struct value list = seq_new(vm, V_LIST, 0);
	vm_work(vm, s->n);
	for (size_t at = skip(s, 0, true); at < s->n; max--) {
		size_t end = max == 0 ? s->n : skip(s, at, false);
		add(vm, list, self, at, end);
		at = skip(s, end, true);
	}
	return list;
}

static void reverse(struct seq *s)
{
	for (size_t i = 0; i < s->n / 2; i++) {
		struct value v = s->v[i];
		s->v[i] = s->v[s->n - 1 - i];
		s->v[s->n - 1 - i] = v;
	}
}

static struct value rsplit_words(struct vm *vm, struct value self, int64_t max)
{
	const struct str *s = self.str;
	struct value list = seq_new(vm, V_LIST, 0);
	vm_work(vm, s->n);
	for (size_t at = skip_back(s, s->n, true); at > 0; max--) {
		size_t from = max == 0 ? 0 : skip_back(s, at, false);
		add(vm, list, self, from, at);
		at = skip_back(s, from, true);
	}
	reverse(list.seq);
	return list;
}

static const struct str *separator(struct vm *vm, struct value v)
{
	const struct str *s = arg_text(vm, v, "the separator");
	if (s->n == 0)
		vm_error(vm, "empty separator");
	return s;
}

static bool is_given(struct value v)
{
	return value_given(v) && v.type != V_NONE;
}

METHOD(split)
{
	UNUSED;
	int64_t max = arg_int(vm, arg[1], -1, "maxsplit");
	if (!is_given(arg[0]))
		return split_words(vm, self, max);
	const struct str *by = separator(vm, arg[0]);
	struct value list = seq_new(vm, V_LIST, 0);
	size_t from = 0, at;
	while (max-- != 0 && (at = str_find(vm, self.str, by, from, self.str->n)) != SIZE_MAX) {
		add(vm, list, self, from, at);
		from = at + by->n;
	}
	add(vm, list, self, from, self.str->n);
	return list;
}

METHOD(rsplit)
{
	UNUSED;
	int64_t max = arg_int(vm, arg[1], -1, "maxsplit");
	if (!is_given(arg[0]))
		return rsplit_words(vm, self, max);
	const struct str *by = separator(vm, arg[0]);
	struct value list = seq_new(vm, V_LIST, 0);
	size_t to = self.str->n, at;
	while (max-- != 0 && (at = str_rfind(vm, self.str, by, 0, to)) != SIZE_MAX) {
		add(vm, list, self, at + by->n, to);
		to = at;
	}
	add(vm, list, self, 0, to);
	reverse(list.seq);
	return list;
}

METHOD(splitlines)
{
	UNUSED;
	return text_lines(vm, self.str, arg_int(vm, arg[0], 0, "keepends") != 0);
}

static struct value cut(struct vm *vm, struct value self, size_t at, size_t n)
{
	struct value parts = seq_new(vm, V_TUPLE, 3);
	add(vm, parts, self, 0, at);
	add(vm, parts, self, at, at + n);
	add(vm, parts, self, at + n, self.str->n);
	return parts;
}

METHOD(partition)
{
	UNUSED;
	const struct str *by = separator(vm, arg[0]);
	size_t at = str_find(vm, self.str, by, 0, self.str->n);
	return at == SIZE_MAX ? cut(vm, self, self.str->n, 0) : cut(vm, self, at, by->n);
}

METHOD(rpartition)
{
	UNUSED;
	const struct str *by = separator(vm, arg[0]);
	size_t at = str_rfind(vm, self.str, by, 0, self.str->n);
	return at == SIZE_MAX ? cut(vm, self, 0, 0) : cut(vm, self, at, by->n);
}

const struct function methods_split[] = {
	{"split", split, "sep maxsplit", 0, false},       {"rsplit", rsplit, "sep maxsplit", 0, false},
	{"splitlines", splitlines, "keepends", 0, false}, {"partition", partition, "sep", 1, true},
	{"rpartition", rpartition, "sep", 1, true},       {0},
};
