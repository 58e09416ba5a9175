/* builtin.c: names to builtins. Filters and tests are looked up once, when a template is parsed. */
#include "tmpl/builtin.h"

static const struct function *find_in(const struct function *table, const struct str *name)
{
	for (; table->name; table++)
		if (str_is(name, table->name))
			return table;
	return NULL;
}

const struct function *filter_find(const struct str *name)
{
	static const struct function *const tables[] = {filters_text, filters_markup, filters_sequence, filters_select,
							filters_number};
	const struct function *f = NULL;
	for (size_t i = 0; i < sizeof tables / sizeof *tables && !f; i++)
		f = find_in(tables[i], name);
	return f;
}

const struct function *test_find(const struct str *name)
{
	return find_in(tests, name);
}

const struct function *global_find(const struct str *name)
{
	return find_in(globals, name);
}

static bool one_of(const struct str *name, const char *const *names)
{
	for (; *names; names++)
		if (str_is(name, *names))
			return true;
	return false;
}

const struct function *method_find(struct value v, const struct str *name, bool *changes)
{
	static const char *const of_list[] = {"append", "clear",  "pop",    "reverse", "insert",
					      "sort",   "extend", "remove", NULL};
	static const char *const of_dict[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};
	const struct function *f = NULL;
	switch (v.type) {
	case V_STR: f = find_in(methods_str, name); return f ? f : find_in(methods_split, name);
	case V_LIST: *changes = one_of(name, of_list); return find_in(methods_list, name);
	case V_DICT: *changes = one_of(name, of_dict); return find_in(methods_dict, name);
	case V_TUPLE:
	case V_RANGE: f = find_in(methods_list, name); return f && str_is(name, "copy") ? NULL : f;
	case V_INT:
	case V_BOOL: return find_in(methods_int, name);
	case V_FLOAT: return find_in(methods_float, name);
	case V_CYCLER: return find_in(methods_cycler, name);
	default: return NULL;
	}
}
