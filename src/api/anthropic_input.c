/* anthropic_input.c: see anthropic_input.h. */
#include "api/anthropic_input.h"

#include <string.h>

#define BILLING_NONCE "x-anthropic-billing-header:"

static const char *type_of(const json_t *block)
{
	const char *type = json_string_value(json_object_get(block, "type"));
	return type ? type : "?";
}

/* Adds a text block to parts; what is no text is an error. */
static int add_text(json_t *parts, const json_t *block, const char *where, struct field_error *e)
{
	json_t *text = json_object_get(block, "text");
	const json_t *source = json_object_get(block, "source");
	if (strcmp(type_of(block), "document") == 0 && field_says(json_object_get(source, "type"), "text"))
		text = json_object_get(source, "data");
	else if (strcmp(type_of(block), "text") != 0)
		return field_fail(e, where, "'%s': blocks of type '%.40s' are not supported here; text is", where,
				  type_of(block));
	if (!json_is_string(text))
		return field_fail(e, where, "'%s': a block of type '%.40s' must have a text", where, type_of(block));
	json_array_append_new(parts, json_pack("{s:s, s:O}", "type", "text", "text", text));
	return 0;
}

/* A text, or a list of blocks, as content of a message: a new reference in *out. */
static int read_content(json_t **out, const json_t *content, const char *where, struct field_error *e)
{
	const json_t *block;
	size_t i;
	int rc = 0;
	*out = json_is_string(content) ? json_incref((json_t *)(uintptr_t)content) : json_array();
	if (content && !json_is_string(content) && !json_is_array(content) && !json_is_null(content))
		rc = field_fail(e, where, "'%s' must be a text or a list of blocks", where);
	json_array_foreach(content, i, block) if (!rc) rc = add_text(*out, block, where, e);
	return rc;
}

static int add_system(json_t *list, const json_t *system, bool *nonce, struct field_error *e)
{
	json_t *content;
	size_t i = 0;
	int rc = read_content(&content, system, "system", e);
	while (json_is_array(content) && i < json_array_size(content)) {
		const char *text = json_string_value(json_object_get(json_array_get(content, i), "text"));
		if (strncmp(text, BILLING_NONCE, sizeof BILLING_NONCE - 1) == 0) {
			json_array_remove(content, i);
			*nonce = true;
		} else {
			i++;
		}
	}
	if (!rc && (json_is_string(content) || json_array_size(content) > 0))
		json_array_append_new(list, json_pack("{s:s, s:O}", "role", "system", "content", content));
	json_decref(content);
	return rc;
}

/* What the assistant said: texts, thoughts and calls become one message. Thoughts that were sealed cannot be read. */
static int add_assistant_block(json_t *m, json_t *parts, const json_t *block, struct field_error *e)
{
	const char *type = type_of(block);
	if (strcmp(type, "thinking") == 0) {
		const char *before = json_string_value(json_object_get(m, "reasoning_content"));
		const char *text = json_string_value(json_object_get(block, "thinking"));
		json_object_set_new(m, "reasoning_content",
				    json_sprintf("%s%s", before ? before : "", text ? text : ""));
		return 0;
	}
	if (strcmp(type, "redacted_thinking") == 0)
		return 0;
	if (strcmp(type, "tool_use") != 0)
		return add_text(parts, block, "messages", e);
	json_t *id = json_object_get(block, "id"), *name = json_object_get(block, "name");
	json_t *input = json_object_get(block, "input");
	if (!json_is_string(name) || !json_is_object(input))
		return field_fail(e, "messages", "a tool_use block must have a name, and an object as its input");
	if (!json_object_get(m, "tool_calls"))
		json_object_set_new(m, "tool_calls", json_array());
	json_array_append_new(json_object_get(m, "tool_calls"),
			      json_pack("{s:O?, s:s, s:{s:O, s:O}}", "id", id, "type", "function", "function", "name",
					name, "arguments", input));
	return 0;
}

static int add_assistant(json_t *list, const json_t *content, struct field_error *e)
{
	json_t *m = json_pack("{s:s}", "role", "assistant"), *parts = json_array();
	const json_t *block;
	size_t i;
	int rc = 0;
	json_array_foreach(content, i, block) if (!rc) rc = add_assistant_block(m, parts, block, e);
	if (json_array_size(parts) > 0 || !json_object_get(m, "tool_calls"))
		json_object_set(m, "content", parts);
	json_decref(parts);
	json_array_append_new(list, m);
	return rc;
}

/* The text of a result that is an error says so: templates know no other way. */
static void mark_error(json_t *content)
{
	json_t *first = json_array_get(content, 0);
	if (first)
		json_object_set_new(first, "text",
				    json_sprintf("Error: %s", json_string_value(json_object_get(first, "text"))));
}

static int add_result(json_t *list, const json_t *block, struct field_error *e)
{
	const json_t *id = json_object_get(block, "tool_use_id");
	json_t *content;
	int rc = read_content(&content, json_object_get(block, "content"), "messages", e);
	if (json_is_string(content)) {
		json_t *text = content;
		content = json_pack("[{s:s, s:o}]", "type", "text", "text", text);
	}
	if (json_is_true(json_object_get(block, "is_error")))
		mark_error(content);
	json_array_append_new(list,
			      json_pack("{s:s, s:O?, s:o}", "role", "tool", "tool_call_id", id, "content", content));
	return rc;
}

/* Results of tools are messages of their own, in the order in which they stand. */
static int add_user(json_t *list, const json_t *content, struct field_error *e)
{
	const json_t *block;
	json_t *m = NULL;
	size_t i;
	int rc = 0;
	json_array_foreach(content, i, block)
	{
		if (rc)
			break;
		if (strcmp(type_of(block), "tool_result") == 0) {
			m = NULL;
			rc = add_result(list, block, e);
			continue;
		}
		if (!m) {
			m = json_pack("{s:s, s:[]}", "role", "user", "content");
			json_array_append_new(list, m);
		}
		rc = add_text(json_object_get(m, "content"), block, "messages", e);
	}
	return rc;
}

static int add_message(json_t *list, const json_t *message, struct field_error *e)
{
	json_t *role = json_object_get(message, "role"), *content = json_object_get(message, "content");
	bool assistant = field_says(role, "assistant");
	if (!assistant && !field_says(role, "user") && !field_says(role, "system"))
		return field_fail(e, "messages", "the role of a message must be user or assistant");
	if (json_is_string(content)) {
		json_array_append_new(list, json_pack("{s:O, s:O}", "role", role, "content", content));
		return 0;
	}
	if (!json_is_array(content))
		return field_fail(e, "messages", "the content of a message must be a text or a list of blocks");
	if (field_says(role, "system")) {
		bool nonce = false;
		return add_system(list, content, &nonce, e);
	}
	return assistant ? add_assistant(list, content, e) : add_user(list, content, e);
}

int anthropic_messages(json_t **out, const json_t *messages, const json_t *system, bool *nonce, struct field_error *e)
{
	const json_t *m;
	size_t i;
	json_t *list = *out = json_array();
	if (!json_is_array(messages))
		return field_fail(e, "messages", "'messages' must be a list");
	int rc = add_system(list, system, nonce, e);
	json_array_foreach(messages, i, m) if (!rc) rc = add_message(list, m, e);
	return rc;
}

int anthropic_tools(json_t **out, const json_t *tools, struct field_error *e)
{
	const json_t *t;
	size_t i;
	*out = NULL;
	if (tools && !json_is_array(tools))
		return field_fail(e, "tools", "'tools' must be a list");
	if (json_array_size(tools) == 0)
		return 0;
	*out = json_array();
	json_array_foreach(tools, i, t)
	{
		json_t *type = json_object_get(t, "type"), *schema = json_object_get(t, "input_schema");
		if (type && !json_is_null(type) && !field_says(type, "custom"))
			return field_fail(
				e, "tools",
				"tools of type '%.60s' run on Anthropic's servers: there are none of them here",
				type_of(t));
		if (!json_is_string(json_object_get(t, "name")) || !json_is_object(schema))
			return field_fail(e, "tools", "a tool must have a name, and an object as its input_schema");
		json_array_append_new(*out, json_pack("{s:s, s:{s:O, s:O*, s:O, s:O*}}", "type", "function", "function",
						      "name", json_object_get(t, "name"), "description",
						      json_object_get(t, "description"), "parameters", schema, "strict",
						      json_object_get(t, "strict")));
	}
	return 0;
}

int anthropic_tool_choice(json_t **out, json_t **parallel, const json_t *choice, struct field_error *e)
{
	const json_t *type = json_object_get(choice, "type"),
		     *one = json_object_get(choice, "disable_parallel_tool_use");
	*out = *parallel = NULL;
	if (!choice)
		return 0;
	if (field_says(type, "tool"))
		*out = json_pack("{s:s, s:{s:O?}}", "type", "function", "function", "name",
				 json_object_get(choice, "name"));
	else if (field_says(type, "auto") || field_says(type, "none"))
		*out = json_incref((json_t *)(uintptr_t)type);
	else if (field_says(type, "any"))
		*out = json_string("required");
	else
		return field_fail(e, "tool_choice", "the type of 'tool_choice' must be auto, any, tool or none");
	if (json_is_true(one))
		*parallel = json_false();
	return 0;
}
