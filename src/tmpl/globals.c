/* globals.c: the functions every template has. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tmpl/filters.h"

#define RANGE_MAX 100000 /* items; the sandbox's */

FILTER(range)
{
	UNUSED;
	struct range *r = vm_zalloc(vm, 1, sizeof *r);
	int64_t v[3] = {0, 0, 1};
	if (args->n_kw || args->n < 1 || args->n > 3)
		vm_error(vm, "range expected 1 to 3 arguments, got %zu", args->n);
	for (size_t i = 0; i < args->n; i++)
		v[args->n == 1 ? 1 : i] = value_index(vm, args->v[i], "an argument of range");
	if (v[2] == 0)
		vm_error(vm, "range() arg 3 must not be zero");
	bool any = v[2] > 0 ? v[0] < v[1] : v[0] > v[1];
	uint64_t span = v[2] > 0 ? (uint64_t)v[1] - (uint64_t)v[0] : (uint64_t)v[0] - (uint64_t)v[1];
	uint64_t stride = v[2] > 0 ? (uint64_t)v[2] : 0 - (uint64_t)v[2];
	uint64_t n = any ? (span - 1) / stride + 1 : 0;
	if (n > RANGE_MAX)
		vm_error(vm, "range too big: templates may have ranges of at most %d items", RANGE_MAX);
	*r = (struct range){v[0], v[1], v[2], (size_t)n};
	return (struct value){.type = V_RANGE, .range = r};
}

static void add_pairs(struct vm *vm, struct dict *d, struct value from)
{
	struct iter *it = iter_of(vm, from);
	struct value v;
	for (size_t i = 0; from.type == V_DICT && i < from.dict->n; i++)
		dict_set(vm, d, from.dict->e[i].key, from.dict->e[i].value);
	while (from.type != V_DICT && iter_next(vm, it, &v)) {
		struct value pair = iter_list(vm, v);
		if (pair.seq->n != 2)
			vm_error(vm, "a dict is made of pairs, not of %zu values", pair.seq->n);
		dict_set(vm, d, pair.seq->v[0], pair.seq->v[1]);
	}
}

FILTER(dict)
{
	UNUSED;
	struct value d = dict_new(vm);
	if (args->n > 1)
		vm_error(vm, "dict expected at most 1 argument, got %zu", args->n);
	if (args->n == 1)
		add_pairs(vm, d.dict, args->v[0]);
	for (size_t i = 0; i < args->n_kw; i++)
		dict_set(vm, d.dict, args->kw[i].name, args->kw[i].value);
	return d;
}

FILTER(namespace)
{
	UNUSED;
	struct value ns = dict(vm, self, arg, args);
	for (size_t i = 0; i < ns.dict->n; i++) {
		struct value key = ns.dict->e[i].key;
		if (key.type == V_STR && key.str->n > 0 && key.str->s[0] == '_')
			vm_error(vm, "a namespace cannot hold '%.*s': names that begin with '_' are private",
				 STR_ARGS(key.str));
	}
	ns.type = V_NAMESPACE;
	return ns;
}

FILTER(raise_exception)
{
	UNUSED;
	const struct str *message = value_text(vm, arg[0]);
	vm_error(vm, "%.*s", (int)(message->n < 400 ? message->n : 400), message->s);
}

/* ---- Time -------------------------------------------------------------------------------------------------------- */

/* What Python's datetime answers itself: microseconds, and nothing for a time zone that is not set. */
static void python_format(const struct str *format, char *to, size_t room)
{
	size_t n = 0;
	for (size_t i = 0; i < format->n && n + 8 < room; i++) {
		char next = i + 1 < format->n ? format->s[i + 1] : '\0';
		if (format->s[i] != '%' || !next) {
			to[n++] = format->s[i];
			continue;
		}
		i++;
		if (next == 'f')
			n += (size_t)snprintf(to + n, room - n, "000000");
		else if (next != 'z' && next != 'Z')
			n += (size_t)snprintf(to + n, room - n, "%%%c", next);
	}
	to[n] = '\0';
}

FILTER(strftime_now)
{
	UNUSED;
	enum { FORMAT_MAX = 256, ROOM = 4096 };
	const struct str *given = arg_text(vm, arg[0], "the format of strftime_now");
	char format[FORMAT_MAX + 16], *text = vm_alloc(vm, ROOM);
	struct tm tm;
	time_t now = (time_t)vm->now;
	if (given->n > FORMAT_MAX || memchr(given->s, '\0', given->n))
		vm_error(vm, "strftime_now: a format of at most %d bytes is expected", FORMAT_MAX);
	if (!gmtime_r(&now, &tm))
		vm_error(vm, "strftime_now: the time %lld has no date", (long long)vm->now);
	python_format(given, format, sizeof format);
	size_t n = *format ? strftime(text, ROOM, format, &tm) : 0; // NOLINT: the template's own format
	return str_borrow(vm, text, n, FROM_DATA);
}

/* ---- Cyclers and joiners ----------------------------------------------------------------------------------------- */

static struct value cycler_new(struct vm *vm, enum value_type type, const struct value *items, size_t n)
{
	struct cycler *c = vm_zalloc(vm, 1, sizeof *c);
	c->items = seq_new(vm, V_TUPLE, n).seq;
	for (size_t i = 0; i < n; i++)
		seq_add(vm, c->items, items[i]);
	return (struct value){.type = (uint8_t)type, .cycler = c};
}

FILTER(cycler)
{
	UNUSED;
	if (args->n == 0 || args->n_kw)
		vm_error(vm, "at least one item has to be provided");
	return cycler_new(vm, V_CYCLER, args->v, args->n);
}

FILTER(joiner)
{
	UNUSED;
	struct value separator = value_given(arg[0]) ? arg[0] : str_lit(vm, ", ");
	return cycler_new(vm, V_JOINER, &separator, 1);
}

FILTER(lipsum)
{
	UNUSED;
	vm_fail(vm, KVIK_ERR_UNSUPPORTED, "lipsum() gives a random text, which kvik does not have");
}

const struct function globals[] = {
	{"range", range, NULL, 0, true},
	{"dict", dict, NULL, 0, false},
	{"namespace", namespace, NULL, 0, false},
	{"raise_exception", raise_exception, "message", 1, false},
	{"strftime_now", strftime_now, "format", 1, false},
	{"cycler", cycler, NULL, 0, true},
	{"joiner", joiner, "sep", 0, false},
	{"lipsum", lipsum, NULL, 0, false},
	{0},
};
