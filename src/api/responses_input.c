/* responses_input.c: see responses_input.h. Thoughts, a message and calls that follow each other are one message of the assistant,
 * as templates want it. */
#include "api/responses_input.h"

#include "api/fields.h"

/* The assistant's message at the end of the list, if nothing has followed; NULL: there is none. Borrowed. */
static json_t *last_of_assistant(json_t *list)
{
	json_t *last = json_array_get(list, json_array_size(list) - 1);
	return field_says(json_object_get(last, "role"), "assistant") ? last : NULL;
}

/* The same, which is made where there is none that can take what comes. */
static json_t *open_assistant(json_t *list, const char *member)
{
	json_t *last = last_of_assistant(list);
	if (last && !json_object_get(last, member) && !json_object_get(last, "tool_calls"))
		return last;
	json_array_append_new(list, json_pack("{s:s}", "role", "assistant"));
	return json_array_get(list, json_array_size(list) - 1);
}

static void add_message(json_t *list, const json_t *item)
{
	json_t *role = json_object_get(item, "role"), *content = json_object_get(item, "content");
	json_t *m = field_says(role, "assistant") ? open_assistant(list, "content") : NULL;
	if (m)
		json_object_set(m, "content", content ? content : json_null());
	else
		json_array_append_new(list, json_pack("{s:O, s:O?}", "role", role, "content", content));
}

static void add_call(json_t *list, const json_t *item)
{
	json_t *m = last_of_assistant(list), *name = json_object_get(item, "name");
	json_t *id = json_object_get(item, "call_id"), *arguments = json_object_get(item, "arguments");
	if (!m)
		m = open_assistant(list, "content");
	if (!json_object_get(m, "tool_calls"))
		json_object_set_new(m, "tool_calls", json_array());
	json_array_append_new(json_object_get(m, "tool_calls"),
			      json_pack("{s:O?, s:s, s:{s:O?, s:O?}}", "id", id, "type", "function", "function", "name",
					name, "arguments", arguments));
}

static void add_output(json_t *list, const json_t *item)
{
	json_array_append_new(list,
			      json_pack("{s:s, s:O?, s:O?}", "role", "tool", "tool_call_id",
					json_object_get(item, "call_id"), "content", json_object_get(item, "output")));
}

/* Thoughts that are hidden (of other servers) cannot be given back to the model. */
static void add_thought(json_t *list, const json_t *item)
{
	const json_t *text = json_object_get(json_array_get(json_object_get(item, "content"), 0), "text");
	if (json_is_string(text))
		json_object_set(open_assistant(list, "reasoning_content"), "reasoning_content",
				(json_t *)(uintptr_t)text);
}

static bool add_item(json_t *list, const json_t *item)
{
	const json_t *type = json_object_get(item, "type");
	if (field_says(type, "function_call"))
		add_call(list, item);
	else if (field_says(type, "function_call_output"))
		add_output(list, item);
	else if (field_says(type, "reasoning"))
		add_thought(list, item);
	else if (json_is_string(json_object_get(item, "role")) &&
		 (!type || json_is_null(type) || field_says(type, "message")))
		add_message(list, item);
	else
		return false;
	return true;
}

json_t *responses_messages(struct api_call *c, json_t *input, json_t *instructions)
{
	json_t *list = json_array(), *v;
	size_t i;
	if (instructions)
		json_array_append_new(list, json_pack("{s:s, s:O}", "role", "system", "content", instructions));
	if (json_is_string(input))
		json_array_append_new(list, json_pack("{s:s, s:O}", "role", "user", "content", input));
	json_array_foreach(input, i, v)
	{
		const json_t *type = json_object_get(v, "type");
		if (add_item(list, v))
			continue;
		json_decref(list);
		call_error(
			c, 400, "invalid_request_error", "input",
			"input items of type '%.40s' are not supported; message, function_call, function_call_output "
			"and reasoning are",
			json_is_string(type) ? json_string_value(type) : "?");
		return NULL;
	}
	return list;
}
