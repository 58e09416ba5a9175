/* ollama_input.c: see ollama_input.h. */
#include "api/ollama_input.h"

#include "chat/answer.h"

json_t *ollama_flat(json_t *body)
{
	/* Of Ollama's own runner: memory, threads and batches, which kvik serve sets for all. */
	static const char *const of_the_runner[] = {"num_keep",   "num_batch", "num_gpu",    "main_gpu", "num_thread",
						    "low_vram",   "f16_kv",    "vocab_only", "use_mmap", "use_mlock",
						    "logits_all", "numa",      "keep_alive", NULL};
	json_t *options = json_object_get(body, "options"), *flat = json_copy(body);
	if (json_is_object(options)) {
		json_object_del(flat, "options");
		json_object_update_missing(flat, options);
	}
	for (size_t i = 0; of_the_runner[i]; i++)
		json_object_del(flat, of_the_runner[i]);
	json_decref(body);
	return flat;
}

/* Calls as templates know them; *next counts those that had no id. */
static json_t *calls_of(json_t *calls, uint64_t *next)
{
	json_t *list = json_array(), *call;
	size_t i;
	json_array_foreach(calls, i, call)
	{
		json_t *f = json_object_get(call, "function"), *id = json_object_get(call, "id");
		char own[ANSWER_ID_BYTES];
		answer_call_id((*next)++, i, own);
		json_array_append_new(list, json_pack("{s:o, s:s, s:{s:O?, s:O?}}", "id",
						      json_is_string(id) ? json_incref(id) : json_string(own), "type",
						      "function", "function", "name", json_object_get(f, "name"),
						      "arguments", json_object_get(f, "arguments")));
	}
	return list;
}

static int add_message(json_t *list, json_t *m, json_t *open, uint64_t *next, struct field_error *e)
{
	json_t *role = json_object_get(m, "role"), *content = json_object_get(m, "content");
	json_t *thinking = json_object_get(m, "thinking"), *calls = json_object_get(m, "tool_calls");
	if (!json_is_string(role) || (content && !json_is_string(content) && !json_is_null(content)))
		return field_fail(e, "messages", "a message must have a role, and a text as its content");
	if (json_array_size(json_object_get(m, "images")) > 0)
		return field_fail(e, "messages", "'images' are not supported: this model reads text");
	json_t *o = json_pack("{s:O, s:O?}", "role", role, "content", content);
	if (json_is_string(thinking) && json_string_length(thinking) > 0)
		json_object_set(o, "reasoning_content", thinking);
	if (json_array_size(calls) > 0) {
		json_t *known = calls_of(calls, next), *call;
		size_t i;
		json_array_clear(open);
		json_array_foreach(known, i, call) json_array_append(open, json_object_get(call, "id"));
		json_object_set_new(o, "tool_calls", known);
	}
	if (field_says(role, "tool")) {
		json_t *id = json_object_get(m, "tool_call_id"), *name = json_object_get(m, "tool_name");
		json_object_set(o, "tool_call_id", json_is_string(id) ? id : json_array_get(open, 0));
		json_array_remove(open, 0);
		if (json_is_string(name))
			json_object_set(o, "name", name);
	}
	json_array_append_new(list, o);
	return 0;
}

int ollama_messages(json_t **out, const json_t *messages, const char *system, const char *prompt, struct field_error *e)
{
	json_t *list = *out = json_array(), *open = json_array(), *m;
	uint64_t next = 1;
	size_t i;
	int rc = 0;
	if (messages && !json_is_array(messages))
		rc = field_fail(e, "messages", "'messages' must be a list");
	json_array_foreach((json_t *)(uintptr_t)messages, i, m) if (!rc) rc = add_message(list, m, open, &next, e);
	if (prompt && prompt[0] && system && system[0])
		json_array_append_new(list, json_pack("{s:s, s:s}", "role", "system", "content", system));
	if (prompt && prompt[0])
		json_array_append_new(list, json_pack("{s:s, s:s}", "role", "user", "content", prompt));
	json_decref(open);
	return rc;
}

int ollama_think(json_t *words, const json_t *think, struct field_error *e)
{
	if (!think)
		return 0;
	if (json_is_boolean(think))
		json_object_set_new(words, "enable_thinking", json_boolean(json_is_true(think)));
	else if (json_is_string(think))
		json_object_set_new(words, "reasoning_effort", json_string(json_string_value(think)));
	else
		return field_fail(e, "think", "'think' must be true, false, or a text, such as low");
	return 0;
}

int ollama_format(json_t **out, json_t *format, struct field_error *e)
{
	*out = NULL;
	if (!format || field_says(format, ""))
		return 0;
	if (field_says(format, "json"))
		*out = json_pack("{s:s}", "type", "json_object");
	else if (json_is_object(format))
		*out = json_pack("{s:s, s:O}", "type", "json_schema", "schema", format);
	else
		return field_fail(e, "format", "'format' must be \"json\" or a JSON schema");
	return 0;
}
