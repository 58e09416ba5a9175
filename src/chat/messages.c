/* messages.c: see messages.h. The given messages are not changed: what changes is copied, the texts are shared. */
#include "chat/messages.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "chat/json_read.h"
#include "chat/tools.h"

struct job {
	const struct chat_caps *c;
	json_t *out; /* the messages made so far */
	struct kvik_err *err;
	size_t at;        /* of the message at hand, for error texts */
	bool told_result; /* the last message made is a result told in words */
};

static int no_memory(struct job *j)
{
	return err_set(j->err, KVIK_ERR_NOMEM, "no memory for messages");
}

/* ---- Content ----------------------------------------------------------------------------------------------------- */

/* The text of a part, borrowed; NULL: it is none, and *j->err says so. */
static const json_t *part_text(struct job *j, const json_t *part)
{
	static const char *const types[][2] = {
		{"text", "text"}, {"input_text", "text"}, {"output_text", "text"}, {"refusal", "refusal"}};
	const char *type = json_string_value(json_object_get(part, "type"));
	for (size_t i = 0; type && i < sizeof types / sizeof *types; i++) {
		const json_t *text = json_object_get(part, types[i][1]);
		if (strcmp(type, types[i][0]) == 0 && json_is_string(text))
			return text;
	}
	err_set(j->err, KVIK_ERR_ARG,
		"messages[%zu]: content of type '%.40s' is not supported: this model reads text only", j->at,
		type ? type : "?");
	return NULL;
}

/* The texts of content parts, a line break between two, as vLLM and llama-server have it. */
static json_t *join_parts(struct job *j, const json_t *parts)
{
	size_t i;
	json_t *part;
	struct buf b = {0};
	bool ok = buf_reserve(&b, 1);
	json_array_foreach((json_t *)(uintptr_t)parts, i, part)
	{
		const json_t *text = part_text(j, part);
		if (!text) {
			buf_release(&b);
			return NULL;
		}
		ok = ok && (i == 0 || buf_add(&b, "\n", 1)) &&
		     buf_add(&b, json_string_value(text), json_string_length(text));
	}
	json_t *joined = ok ? json_stringn(b.data, b.n) : NULL;
	buf_release(&b);
	if (!joined)
		no_memory(j);
	return joined;
}

static json_t *text_part(const json_t *text)
{
	return json_pack("{s:s, s:O}", "type", "text", "text", text);
}

static json_t *list_parts(struct job *j, const json_t *parts)
{
	size_t i;
	json_t *part, *list = json_array();
	json_array_foreach((json_t *)(uintptr_t)parts, i, part)
	{
		const json_t *text = part_text(j, part);
		if (text && !json_array_append_new(list, text_part(text)))
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

/* A content as the template takes it; a new reference. */
static json_t *content_form(struct job *j, const json_t *content)
{
	if (json_is_array(content))
		return j->c->content_list ? list_parts(j, content) : join_parts(j, content);
	if (!json_is_string(content)) { /* null or absent */
		if (j->c->content_text)
			return json_string("");
		return json_array();
	}
	if (j->c->content_text)
		return json_incref((json_t *)(uintptr_t)content);
	return json_pack("[o]", text_part(content));
}

/* The content of a message that was made by content_form, as a text; a new reference. */
static json_t *content_text(struct job *j, const json_t *message)
{
	const json_t *content = json_object_get(message, "content");
	return json_is_array(content) ? join_parts(j, content) : json_incref((json_t *)(uintptr_t)content);
}

static int set_text(struct job *j, json_t *message, struct buf *b)
{
	json_t *text = json_stringn(b->data, b->n), *form = text ? content_form(j, text) : NULL;
	json_decref(text);
	return form && !json_object_set_new(message, "content", form) ? 0 : no_memory(j);
}

/* ---- Tool calls -------------------------------------------------------------------------------------------------- */

/* Templates that want nine letters and digits get them, the same for the same id. */
static json_t *short_id(const json_t *id)
{
	const char *s = json_string_value(id);
	size_t n = json_string_length(id), plain = 0;
	char made[ANSWER_ID_BYTES];
	for (size_t i = 0; i < n; i++)
		plain += (s[i] >= '0' && s[i] <= '9') || ((s[i] | 32) >= 'a' && (s[i] | 32) <= 'z');
	if (n == ANSWER_ID_BYTES - 1 && plain == n)
		return json_incref((json_t *)(uintptr_t)id);
	answer_call_id(hash_bytes(s, n), 0, made);
	return json_string(made);
}

/* Arguments as the template takes them; a new reference, NULL: they are no object. */
static json_t *arguments_form(const struct chat_caps *c, const json_t *args)
{
	json_t *object = NULL;
	if (json_is_object(args))
		object = json_incref((json_t *)(uintptr_t)args);
	else if (!args || json_is_null(args) || (json_is_string(args) && json_string_length(args) == 0))
		object = json_object();
	else if (json_is_string(args))
		object = json_read(json_string_value(args), json_string_length(args), JSON_ALLOW_NUL, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		return NULL;
	}
	if (!c->calls_text)
		return object;
	char *text = json_write(object, JSON_ENCODE_ANY);
	json_t *s = text ? json_string(text) : NULL;
	json_decref(object);
	free(text);
	return s;
}

/* One entry of tool_calls; NULL: an error. */
static json_t *call_form(struct job *j, const json_t *call, size_t index)
{
	const json_t *f = json_object_get(call, "function"), *id = json_object_get(call, "id");
	const json_t *name = json_object_get(f, "name");
	json_t *args = json_is_string(name) ? arguments_form(j->c, json_object_get(f, "arguments")) : NULL;
	if (!args) {
		err_set(j->err, KVIK_ERR_ARG,
			"messages[%zu].tool_calls[%zu] must have a 'function' with a 'name' and 'arguments', which are "
			"a "
			"JSON object or its text",
			j->at, index);
		return NULL;
	}
	char made[ANSWER_ID_BYTES];
	answer_call_id(j->at, index, made);
	json_t *id_form = !json_is_string(id) ? json_string(made)
			  : j->c->ids_short   ? short_id(id)
					      : json_incref((json_t *)(uintptr_t)id);
	return json_pack("{s:o, s:s, s:{s:O, s:o}}", "id", id_form, "type", "function", "function", "name", name,
			 "arguments", args);
}

/* The tool calls of a message, or its function_call of old, as a list; *calls: NULL = none. */
static int calls_form(struct job *j, const json_t *message, json_t **calls)
{
	const json_t *given = json_object_get(message, "tool_calls"), *old = json_object_get(message, "function_call");
	size_t i;
	json_t *call, *wrapped = NULL;
	*calls = NULL;
	if (json_is_object(old) && !json_is_array(given))
		given = wrapped = json_pack("[{s:O}]", "function", old);
	if (given && !json_is_null(given) && !json_is_array(given))
		return err_set(j->err, KVIK_ERR_ARG, "messages[%zu]: 'tool_calls' must be a list", j->at);
	if (json_array_size(given) > 0)
		*calls = json_array();
	json_array_foreach((json_t *)(uintptr_t)given, i, call)
	{
		json_t *form = call_form(j, call, i);
		if (form && !json_array_append_new(*calls, form))
			continue;
		json_decref(*calls);
		json_decref(wrapped);
		*calls = NULL;
		return KVIK_ERR_ARG;
	}
	json_decref(wrapped);
	return 0;
}

/* Puts what follows between <tool_call> and its end; of calls that a template has no form for. */
static bool write_calls(struct buf *b, const json_t *calls)
{
	size_t i;
	json_t *call;
	bool ok = true;
	json_array_foreach((json_t *)(uintptr_t)calls, i, call)
	{
		json_t *f = json_object_get(call, "function");
		json_t *args = json_object_get(f, "arguments"), *o = NULL;
		if (json_is_string(args))
			o = json_read(json_string_value(args), json_string_length(args), JSON_ALLOW_NUL, NULL);
		json_t *both = json_pack("{s:O, s:O}", "name", json_object_get(f, "name"), "arguments", o ? o : args);
		char *text = json_write(both, 0);
		ok = ok && text && (b->n == 0 || buf_add(b, "\n", 1)) && buf_add(b, "<tool_call>\n", 12) &&
		     buf_add(b, text, strlen(text)) && buf_add(b, "\n</tool_call>", 13);
		free(text);
		json_decref(both);
		json_decref(o);
	}
	return ok;
}

static int add_to_text(struct job *j, json_t *message, const json_t *calls)
{
	struct buf b = {0};
	json_t *text = content_text(j, message);
	bool ok = text && buf_add(&b, json_string_value(text), json_string_length(text)) && write_calls(&b, calls);
	int rc = ok ? set_text(j, message, &b) : no_memory(j);
	json_decref(text);
	buf_release(&b);
	return rc;
}

/* ---- One message ------------------------------------------------------------------------------------------------- */

/* The name of the tool that a result answers, found by its id in the messages made so far. */
static const json_t *name_of(const struct job *j, const json_t *id)
{
	const char *wanted = json_string_value(id);
	for (size_t i = json_array_size(j->out); wanted && i-- > 0;) {
		size_t k;
		json_t *call;
		json_array_foreach(json_object_get(json_array_get(j->out, i), "tool_calls"), k, call)
		{
			const char *its = json_string_value(json_object_get(call, "id"));
			if (its && strcmp(its, wanted) == 0)
				return json_object_get(json_object_get(call, "function"), "name");
		}
	}
	return NULL;
}

/* A result in words, said by the user; several are one message. */
static int tell_result(struct job *j, json_t *m)
{
	struct buf b = {0};
	size_t n = json_array_size(j->out);
	json_t *text = content_text(j, m),
	       *before = j->told_result ? content_text(j, json_array_get(j->out, n - 1)) : NULL;
	bool ok = text != NULL;
	if (before)
		ok = ok && buf_add(&b, json_string_value(before), json_string_length(before)) && buf_add(&b, "\n", 1);
	ok = ok && buf_add(&b, "<tool_response>\n", 16) &&
	     buf_add(&b, json_string_value(text), json_string_length(text)) && buf_add(&b, "\n</tool_response>", 17);
	int rc = ok ? set_text(j, m, &b) : no_memory(j);
	json_decref(text);
	json_decref(before);
	buf_release(&b);
	json_object_del(m, "name");
	json_object_del(m, "tool_call_id");
	if (!rc && json_object_set_new(m, "role", json_string("user")))
		rc = no_memory(j);
	if (!rc && j->told_result)
		json_array_remove(j->out, n - 1);
	j->told_result = true;
	return rc;
}

static int result_form(struct job *j, json_t *m)
{
	const json_t *id = json_object_get(m, "tool_call_id");
	if (json_is_string(id) && j->c->ids_short)
		json_object_set_new(m, "tool_call_id", short_id(id));
	const json_t *name = name_of(j, json_object_get(m, "tool_call_id"));
	if (!json_object_get(m, "name") && name)
		json_object_set(m, "name", (json_t *)(uintptr_t)name);
	if (j->c->results)
		return 0;
	return tell_result(j, m);
}

/* Thoughts under the name that the template knows. */
static void thoughts_form(const struct chat_caps *c, json_t *m)
{
	static const char *const names[] = {"reasoning_content", "reasoning", "thinking"};
	json_t *text = NULL;
	for (size_t i = 0; i < sizeof names / sizeof *names && !json_is_string(text); i++)
		text = json_object_get(m, names[i]);
	if (c->thoughts && json_is_string(text) && !json_object_get(m, c->thoughts))
		json_object_set(m, c->thoughts, text);
}

/* What is said becomes a message before the one with the calls, which then says nothing. */
static int say_apart(struct job *j, json_t *m)
{
	json_t *said = json_copy(m);
	bool ok = said && !json_array_append_new(j->out, said) &&
		  !json_object_set_new(m, "content", content_form(j, NULL));
	if (j->c->thoughts)
		json_object_del(m, j->c->thoughts);
	return ok ? 0 : no_memory(j);
}

static int assistant_form(struct job *j, json_t *m)
{
	json_t *calls;
	int rc = calls_form(j, m, &calls);
	if (rc)
		return rc;
	thoughts_form(j->c, m);
	json_object_del(m, "function_call");
	json_object_del(m, "tool_calls");
	if (calls && j->c->calls) {
		const json_t *content = json_object_get(m, "content");
		bool empty = json_string_length(content) == 0 && json_array_size(content) == 0;
		if (j->c->calls_apart && !empty) {
			rc = say_apart(j, m);
			empty = true;
		}
		if (j->c->calls_null && empty)
			json_object_set_new(m, "content", json_null());
		json_object_set(m, "tool_calls", calls);
	} else if (calls) {
		rc = add_to_text(j, m, calls);
	}
	json_decref(calls);
	return rc;
}

/* What a message says: of an assistant that has refused and said nothing else, the refusal. */
static const json_t *content_of(const json_t *given, const char *role)
{
	const json_t *content = json_object_get(given, "content"), *refusal = json_object_get(given, "refusal");
	bool empty = json_string_length(content) == 0 && json_array_size(content) == 0;
	return strcmp(role, "assistant") == 0 && empty && json_is_string(refusal) ? refusal : content;
}

/* *out: a new message. */
static int message_form(struct job *j, const json_t *given, json_t **out)
{
	const json_t *content = json_object_get(given, "content");
	const char *role = json_string_value(json_object_get(given, "role"));
	*out = NULL;
	if (!role || (content && !json_is_string(content) && !json_is_array(content) && !json_is_null(content)))
		return err_set(j->err, KVIK_ERR_ARG, "messages[%zu] must have a 'role' and a 'content' of text", j->at);
	json_t *m = json_copy((json_t *)(uintptr_t)given), *form = m ? content_form(j, content_of(given, role)) : NULL;
	json_drop_nulls(m);
	if (!form || json_object_set_new(m, "content", form)) {
		json_decref(m);
		return form ? no_memory(j) : KVIK_ERR_ARG;
	}
	*out = m;
	bool is_result = strcmp(role, "tool") == 0 || strcmp(role, "function") == 0;
	j->told_result = j->told_result && is_result;
	if (strcmp(role, "developer") == 0 && !j->c->developer)
		return json_object_set_new(m, "role", json_string("system")) ? no_memory(j) : 0;
	if (strcmp(role, "assistant") == 0)
		return assistant_form(j, m);
	if (strcmp(role, "function") == 0)
		json_object_set_new(m, "role", json_string("tool"));
	return is_result ? result_form(j, m) : 0;
}

/* ---- All of them ------------------------------------------------------------------------------------------------- */

static bool has_role(const json_t *m, const char *role)
{
	const char *its = json_string_value(json_object_get(m, "role"));
	return its && strcmp(its, role) == 0;
}

/* A message with several calls and its results, as one call and one result after the other. */
static int part_calls(struct job *j)
{
	for (size_t i = 0; i < json_array_size(j->out); i++) {
		json_t *m = json_array_get(j->out, i), *calls = json_object_get(m, "tool_calls");
		size_t n = json_array_size(calls), place = i;
		if (n < 2)
			continue;
		json_t *all = json_incref(calls);
		for (size_t k = 0; k < n; k++) {
			json_t *call = json_array_get(all, k), *own = k == 0 ? json_incref(m) : json_copy(m);
			json_object_set_new(own, "tool_calls", json_pack("[O]", call));
			if (k > 0) {
				json_object_set_new(own, "content", content_form(j, NULL));
				json_array_insert(j->out, ++place, own);
			}
			json_decref(own);
			for (size_t r = place + 1; r < json_array_size(j->out); r++) {
				json_t *result = json_array_get(j->out, r);
				if (!has_role(result, "tool"))
					break;
				if (!json_equal(json_object_get(result, "tool_call_id"), json_object_get(call, "id")))
					continue;
				json_incref(result);
				json_array_remove(j->out, r);
				json_array_insert_new(j->out, ++place, result);
				break;
			}
		}
		json_decref(all);
		i = place;
	}
	return 0;
}

/* Adds a text before the content of the first message of this role, or a new message at the beginning. */
static int add_before(struct job *j, const char *role, const struct buf *text)
{
	size_t i = 0;
	while (i < json_array_size(j->out) && !has_role(json_array_get(j->out, i), role))
		i++;
	bool there = i < json_array_size(j->out) && (i == 0 || strcmp(role, "user") == 0);
	json_t *m = there ? json_incref(json_array_get(j->out, i)) : json_pack("{s:s}", "role", role);
	json_t *old = there ? content_text(j, m) : json_string("");
	struct buf b = {0};
	bool ok = m && old && buf_add(&b, text->data, text->n) &&
		  (json_string_length(old) == 0 ||
		   (buf_add(&b, "\n\n", 2) && buf_add(&b, json_string_value(old), json_string_length(old))));
	int rc = ok ? set_text(j, m, &b) : no_memory(j);
	if (!rc && !there)
		rc = json_array_insert(j->out, 0, m) ? no_memory(j) : 0;
	json_decref(m);
	json_decref(old);
	buf_release(&b);
	return rc;
}

/* System messages of a template that has no such role: at the beginning of what the user says next. */
static int fold_system(struct job *j)
{
	int rc = 0;
	for (size_t i = 0; i < json_array_size(j->out) && !rc;) {
		json_t *m = json_array_get(j->out, i), *next = json_array_get(j->out, i + 1);
		if (!has_role(m, "system")) {
			i++;
			continue;
		}
		json_t *text = content_text(j, m),
		       *behind = next && has_role(next, "user") ? content_text(j, next) : NULL;
		struct buf b = {0};
		bool ok = text && buf_add(&b, json_string_value(text), json_string_length(text));
		if (behind)
			ok = ok && buf_add(&b, "\n\n", 2) &&
			     buf_add(&b, json_string_value(behind), json_string_length(behind));
		rc = ok ? set_text(j, behind ? next : m, &b) : no_memory(j);
		if (!rc && behind)
			json_array_remove(j->out, i);
		else if (!rc)
			json_object_set_new(m, "role", json_string("user"));
		json_decref(text);
		json_decref(behind);
		buf_release(&b);
	}
	return rc;
}

static int explain_tools(struct job *j, const json_t *tools)
{
	static const char head[] = "You can call tools. These are the tools you have, as JSON:\n<tools>\n";
	static const char how[] = "</tools>\nTo call one, answer with its name and its arguments in this form:\n";
	static const char usual[] =
		"<tool_call>\n{\"name\": \"NAME\", \"arguments\": {\"KEY\": \"VALUE\"}}\n</tool_call>";
	static const char tail[] = "\nWithout need of a tool, answer in words.";
	const char *example = j->c->example ? j->c->example : usual;
	struct buf b = {0};
	size_t i;
	json_t *t;
	bool ok = buf_add(&b, head, sizeof head - 1);
	json_array_foreach((json_t *)(uintptr_t)tools, i, t)
	{
		json_t *f = json_object_get(t, "function");
		char *text = json_write(f ? f : t, JSON_ENCODE_ANY);
		ok = ok && text && buf_add(&b, text, strlen(text)) && buf_add(&b, "\n", 1);
		free(text);
	}
	ok = ok && buf_add(&b, how, sizeof how - 1) && buf_add(&b, example, strlen(example)) &&
	     buf_add(&b, tail, sizeof tail - 1);
	int rc = ok ? add_before(j, "system", &b) : no_memory(j);
	buf_release(&b);
	return rc;
}

json_t *messages_form(const struct chat_caps *c, const json_t *messages, const json_t *tools, struct kvik_err *err)
{
	struct job j = {.c = c, .err = err, .out = json_array()};
	int rc = json_is_array(messages) && json_array_size(messages) > 0
			 ? 0
			 : err_set(err, KVIK_ERR_ARG, "'messages' must be a list with at least one message");
	for (; !rc && j.at < json_array_size(messages); j.at++) {
		json_t *m;
		rc = message_form(&j, json_array_get(messages, j.at), &m);
		if (!rc && json_array_append(j.out, m))
			rc = no_memory(&j);
		json_decref(m);
	}
	if (!rc && c->calls && !c->calls_many)
		rc = part_calls(&j);
	if (!rc && tools && !c->tools)
		rc = explain_tools(&j, tools);
	if (!rc && !c->system)
		rc = fold_system(&j);
	if (!rc)
		return j.out;
	json_decref(j.out);
	return NULL;
}
