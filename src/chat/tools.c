/* tools.c: see tools.h. */
#include "chat/tools.h"

#include <string.h>

void json_drop_nulls(json_t *object)
{
	const char *key;
	json_t *v;
	void *next;
	json_object_foreach_safe(object, next, key, v) if (json_is_null(v)) json_object_del(object, key);
}

/* The function of a tool, borrowed; NULL: it is none. */
static json_t *function_of(const json_t *tool)
{
	const json_t *type = json_object_get(tool, "type");
	json_t *f = json_object_get(tool, "function");
	if (json_is_string(type) && strcmp(json_string_value(type), "function") != 0)
		return NULL;
	if (!f || json_is_null(f)) /* it stands alone */
		f = (json_t *)(uintptr_t)tool;
	return json_string_length(json_object_get(f, "name")) > 0 ? f : NULL;
}

/* A new reference; NULL: no memory. */
static json_t *tool_form(const json_t *tool, json_t *f)
{
	json_t *form = json_pack("{s:s}", "type", "function"), *function = json_copy(f);
	if (f == tool)
		json_object_del(function, "type");
	json_drop_nulls(function);
	bool ok = form && function && (f == tool || !json_object_update(form, (json_t *)(uintptr_t)tool)) &&
		  !json_object_set(form, "function", function);
	json_drop_nulls(form);
	json_decref(function);
	if (ok)
		return form;
	json_decref(form);
	return NULL;
}

json_t *tools_form(const json_t *tools, struct kvik_err *err)
{
	json_t *list = json_array(), *tool;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)tools, i, tool)
	{
		json_t *f = function_of(tool), *form = f ? tool_form(tool, f) : NULL;
		const char *type = json_string_value(json_object_get(tool, "type"));
		if (form && !json_array_append_new(list, form))
			continue;
		if (f)
			err_set(err, KVIK_ERR_NOMEM, "no memory for tools");
		else if (type && strcmp(type, "function") != 0)
			err_set(err, KVIK_ERR_ARG, "tools[%zu] of type '%.40s' is not supported: functions are", i,
				type);
		else
			err_set(err, KVIK_ERR_ARG, "tools[%zu] must have a 'function' with a 'name'", i);
		json_decref(list);
		return NULL;
	}
	return list;
}
