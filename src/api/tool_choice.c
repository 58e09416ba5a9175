/* tool_choice.c: see tool_choice.h. */
#include "api/tool_choice.h"

#include <stdio.h>
#include <string.h>

enum { CALLS_AT_ONCE = 16 };

static const json_t *function_of(const json_t *tool)
{
	const json_t *f = json_object_get(tool, "function");
	return json_is_object(f) ? f : tool;
}

static json_t *tool_named(const json_t *tools, const json_t *name)
{
	size_t i;
	json_t *t;
	json_array_foreach((json_t *)(uintptr_t)tools, i,
			   t) if (json_is_string(name) &&
				  json_equal(json_object_get(function_of(t), "name"), name)) return t;
	return NULL;
}

/* Adds the tool of that name to those allowed. */
static int allow(struct tool_choice *out, const json_t *tools, const json_t *choice, struct field_error *e)
{
	const json_t *name = json_object_get(function_of(choice), "name");
	json_t *tool = tool_named(tools, name);
	if (!json_is_string(name))
		return field_fail(e, "tool_choice",
				  "'tool_choice' must name a function: {\"type\": \"function\", "
				  "\"function\": {\"name\": \"...\"}}");
	if (!tool)
		return field_fail(e, "tool_choice", "'tool_choice' names '%.80s', which is not among the 'tools'",
				  json_string_value(name));
	return json_array_append(out->allowed, tool) ? field_fail(e, "tool_choice", "out of memory") : 0;
}

static int read_mode(struct tool_choice *out, const json_t *mode, struct field_error *e)
{
	out->must = field_says(mode, "required") || field_says(mode, "any");
	if (!out->must && !field_says(mode, "auto"))
		return field_fail(e, "tool_choice",
				  "'tool_choice' must be none, auto, required, a function, or "
				  "allowed_tools with a mode of auto or required");
	return 0;
}

/* Without a must, what may not be called is not shown either: nothing else keeps a model from it. */
static int read_allowed(struct tool_choice *out, const json_t *tools, const json_t *choice, struct field_error *e)
{
	const json_t *inner = json_object_get(choice, "allowed_tools"), *list;
	size_t i;
	json_t *t;
	choice = json_is_object(inner) ? inner : choice;
	list = json_object_get(choice, "tools");
	int rc = read_mode(out, json_object_get(choice, "mode"), e);
	if (!rc && json_array_size(list) == 0)
		rc = field_fail(e, "tool_choice", "'tool_choice' of type allowed_tools must list 'tools'");
	json_array_foreach((json_t *)(uintptr_t)list, i, t) if (!rc) rc = allow(out, tools, t, e);
	if (!rc && !out->must) {
		json_decref(out->shown);
		out->shown = json_incref(out->allowed);
	}
	return rc;
}

static int read_choice(struct tool_choice *out, const json_t *tools, const json_t *choice, struct field_error *e)
{
	const json_t *type = json_object_get(choice, "type");
	if (field_says(type, "allowed_tools"))
		return read_allowed(out, tools, choice, e);
	if (field_says(type, "function") || (json_is_object(choice) && !type)) {
		out->must = true;
		out->many = false;
		return allow(out, tools, choice, e);
	}
	if (json_is_object(choice)) /* {"type": "auto"} of some clients */
		choice = type;
	json_array_extend(out->allowed, (json_t *)(uintptr_t)tools);
	return read_mode(out, choice, e);
}

int tool_choice_read(struct tool_choice *out, const json_t *tools, const json_t *choice, const json_t *parallel,
		     struct field_error *e)
{
	bool none = field_says(choice, "none") || field_says(json_object_get(choice, "type"), "none");
	*out = (struct tool_choice){0};
	if (tools && !json_is_array(tools))
		return field_fail(e, "tools", "'tools' must be a list");
	if (parallel && !json_is_boolean(parallel))
		return field_fail(e, "parallel_tool_calls", "'parallel_tool_calls' must be true or false");
	if (none)
		return 0;
	if (json_array_size(tools) == 0) {
		struct tool_choice unread = {0};
		bool asks = choice && !field_says(choice, "auto") && read_mode(&unread, choice, e);
		if (asks || unread.must)
			return field_fail(e, "tool_choice", "'tool_choice' needs 'tools'");
		return 0;
	}
	out->shown = json_incref((json_t *)(uintptr_t)tools);
	out->allowed = json_array();
	out->many = parallel && json_is_true(parallel);
	out->one = parallel && !out->many;
	if (!out->allowed)
		return field_fail(e, "tools", "out of memory");
	if (!choice)
		return json_array_extend(out->allowed, (json_t *)(uintptr_t)tools);
	return read_choice(out, tools, choice, e);
}

void tool_choice_release(struct tool_choice *t)
{
	json_decref(t->shown);
	json_decref(t->allowed);
	*t = (struct tool_choice){0};
}

/* ---- The schema -------------------------------------------------------------------------------------------------- */

/* "#/..." inside of a schema that has moved to `place`. Schemas in which "$ref" is data (of enum, const) keep it. */
static json_t *move_refs(const json_t *schema, const char *place)
{
	const char *key;
	size_t i;
	json_t *v, *out;
	if (json_is_array(schema)) {
		out = json_array();
		json_array_foreach((json_t *)(uintptr_t)schema, i, v) json_array_append_new(out, move_refs(v, place));
		return out;
	}
	if (!json_is_object(schema))
		return json_incref((json_t *)(uintptr_t)schema);
	out = json_object();
	json_object_foreach((json_t *)(uintptr_t)schema, key, v)
	{
		const char *ref = json_string_value(v);
		if (strcmp(key, "$ref") == 0 && ref && ref[0] == '#')
			json_object_set_new(out, key, json_sprintf("%s%s", place, ref + 1));
		else if (strcmp(key, "enum") == 0 || strcmp(key, "const") == 0)
			json_object_set(out, key, v);
		else
			json_object_set_new(out, key, move_refs(v, place));
	}
	return out;
}

static bool has_member(const json_t *schema, const char *const *names)
{
	const char *key;
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)(uintptr_t)schema, i, v) if (has_member(v, names)) return true;
	json_object_foreach((json_t *)(uintptr_t)schema, key, v)
	{
		for (size_t k = 0; names[k]; k++)
			if (strcmp(names[k], key) == 0)
				return true;
		if (has_member(v, names))
			return true;
	}
	return false;
}

static void close_objects(json_t *schema)
{
	const char *key;
	size_t i;
	json_t *v;
	json_array_foreach(schema, i, v) close_objects(v);
	if (json_is_object(json_object_get(schema, "properties")) && !json_object_get(schema, "additionalProperties") &&
	    !json_object_get(schema, "patternProperties"))
		json_object_set_new(schema, "additionalProperties", json_false());
	json_object_foreach(schema, key, v) if (strcmp(key, "enum") != 0 && strcmp(key, "const") != 0 &&
						strcmp(key, "required") != 0) close_objects(v);
}

json_t *tool_parameters(const json_t *tool)
{
	/* with these, members may be named elsewhere */
	static const char *const open[] = {"allOf", "if", "not", "dependentSchemas", "unevaluatedProperties", NULL};
	const json_t *given = json_object_get(function_of(tool), "parameters");
	json_t *schema = json_is_object(given) ? json_deep_copy(given) : json_object();
	if (!has_member(schema, open))
		close_objects(schema);
	if (!json_object_get(schema, "type")) /* arguments are an object, whatever else */
		json_object_set_new(schema, "type", json_string("object"));
	return schema;
}

/* The schema of one call; its parameters go into defs. */
static json_t *call_schema(const json_t *tool, size_t index, json_t *defs)
{
	const json_t *f = function_of(tool);
	json_t *parameters = tool_parameters(tool);
	char name[32], place[48];
	snprintf(name, sizeof name, "tool%zu", index);
	snprintf(place, sizeof place, "#/$defs/%s", name);
	json_object_set_new(defs, name, move_refs(parameters, place));
	json_decref(parameters);
	return json_pack("{s:s, s:{s:{s:O}, s:{s:s}}, s:[s, s], s:b}", "type", "object", "properties", "name", "const",
			 json_object_get(f, "name"), "arguments", "$ref", place, "required", "name", "arguments",
			 "additionalProperties", 0);
}

json_t *tool_choice_schema(const struct tool_choice *t)
{
	json_t *calls = json_array(), *defs = json_object(), *tool;
	size_t i;
	json_array_foreach(t->allowed, i, tool) json_array_append_new(calls, call_schema(tool, i, defs));
	json_t *one = json_array_size(calls) == 1 ? json_incref(json_array_get(calls, 0))
						  : json_pack("{s:O}", "anyOf", calls);
	json_t *schema = t->many ? json_pack("{s:s, s:O, s:i, s:i}", "type", "array", "items", one, "minItems", 1,
					     "maxItems", CALLS_AT_ONCE)
				 : json_incref(one);
	if (json_object_set(schema, "$defs", defs)) {
		json_decref(schema);
		schema = NULL;
	}
	json_decref(one);
	json_decref(calls);
	json_decref(defs);
	return schema;
}
