/* call_form.c: see call_form.h. The template's own example of a call, of NAME with KEY and VALUE (chat/caps.h), is cut into what stands
 * before the name, between it and the arguments, and behind them:
 *
 *     <tool_call>\n{"name": "NAME", "arguments": {"KEY": "VALUE"}}\n</tool_call>
 *     ^ head                ^ middle             ^ arguments     ^ tail
 *
 * What of this the vocabulary writes with special tokens is named by their ids, for the bytes of a text never are such tokens. Tagged
 * arguments are cut once more, at KEY and VALUE; one follows the other in the order of the schema. */
#include "api/call_form.h"

#include <string.h>

#include "base/buf.h"
#include "chat/call_values.h"

enum { CALLS_AT_ONCE = 16 };

static const char harmony_example[] =
	"<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{\"KEY\": \"VALUE\"}<|call|>";
static const char usual_example[] =
	"<tool_call>\n{\"name\": \"NAME\", \"arguments\": {\"KEY\": \"VALUE\"}}\n</tool_call>";

struct stretch {
	const char *s; /* [n] */
	size_t n;
};

struct cuts {
	struct stretch head, middle, argument, tail; /* argument: tagged, with KEY and VALUE and the blanks behind it */
};

static struct stretch stretch(const char *from, const char *to)
{
	return (struct stretch){from, (size_t)(to - from)};
}

/* ---- Cutting ----------------------------------------------------------------------------------------------------- */

static const char *last_before(const char *from, const char *to, const char *what)
{
	const char *found = NULL;
	for (const char *at = from; (at = strstr(at, what)) && at < to; at++)
		found = at;
	return found;
}

/* Where the arguments begin and end. */
static bool cut_arguments(const struct call_format *f, const char *from, const char *key, const char *value,
			  const char **begin, const char **end)
{
	if (!f || f->body != CALL_TAGGED) {
		*begin = last_before(from, key, "{");
		*end = strchr(value, '}');
		*end += *end != NULL;
		return *begin && *end;
	}
	*begin = last_before(from, key, f->key);
	*end = strstr(value, f->value_end);
	if (!*begin || !*end)
		return false;
	*end += strlen(f->value_end);
	if ((*end)[-1] == '/') /* and the key again */
		*end += strcspn(*end, ">") + 1;
	while (**end == '\n' || **end == ' ')
		++*end;
	return true;
}

static bool cut(struct cuts *c, const struct call_format *f, const char *example, bool called)
{
	const char *name = strstr(example, "NAME"), *key = name ? strstr(name, "KEY") : NULL, *begin, *end;
	const char *value = key ? strstr(key, "VALUE") : NULL;
	if (!value || !cut_arguments(f, name, key, value, &begin, &end))
		return false;
	const char *head = example + (called && f->open ? strlen(f->open) : 0); /* which the prompt has written */
	*c = (struct cuts){.head = stretch(head, name),
			   .middle = stretch(name + 4, begin),
			   .argument = stretch(begin, end),
			   .tail = stretch(end, end + strlen(end))};
	return head <= name;
}

/* ---- Parts of a tag ---------------------------------------------------------------------------------------------- */

static json_t *text_part(const char *s, size_t n)
{
	return json_pack("{s:s, s:s%}", "type", "const_string", "value", s, n);
}

static json_t *token_part(uint32_t id)
{
	return json_pack("{s:s, s:I}", "type", "token", "token", (json_int_t)id);
}

static json_t *sequence(json_t *list)
{
	return json_pack("{s:s, s:o}", "type", "sequence", "elements", list);
}

static bool is_control(const struct kvik_vocab *v, uint32_t id)
{
	char *shown = NULL;
	size_t n = 0;
	bool is = !kvik_detokenize(v, &id, 1, 0, &shown, &n, NULL) && n == 0;
	kvik_free(shown);
	return is;
}

/* Adds a text, its special tokens as such. */
static void add_marks(json_t *list, const struct kvik_vocab *v, struct stretch t)
{
	uint32_t *ids = NULL;
	size_t n = 0, at = 0;
	if (kvik_tokenize(v, t.s, t.n, KVIK_PARSE_SPECIAL, &ids, &n, NULL))
		n = 0;
	for (size_t i = 0; i < n; i++) {
		char *own = NULL;
		size_t bytes = 0;
		if (!is_control(v, ids[i]) || kvik_token_bytes(v, ids[i], &own, &bytes, NULL))
			continue;
		const char *found = bytes > 0 ? memmem(t.s + at, t.n - at, own, bytes) : NULL;
		if (found) {
			size_t from = (size_t)(found - t.s);
			if (from > at)
				json_array_append_new(list, text_part(t.s + at, from - at));
			json_array_append_new(list, token_part(ids[i]));
			at = from + bytes;
		}
		kvik_free(own);
	}
	if (at < t.n)
		json_array_append_new(list, text_part(t.s + at, t.n - at));
	kvik_free(ids);
}

/* ---- Arguments --------------------------------------------------------------------------------------------------- */

static const json_t *parameters_of(const json_t *tool)
{
	const json_t *f = json_object_get(tool, "function");
	return json_object_get(f ? f : tool, "parameters");
}

static const json_t *name_of(const json_t *tool)
{
	const json_t *f = json_object_get(tool, "function");
	return json_object_get(f ? f : tool, "name");
}

/* {"type": "json_schema"}; refs lead into the definitions of `of`. Takes the schema. */
static json_t *schema_part(json_t *schema, const json_t *of)
{
	static const char *const keys[] = {"$defs", "definitions"};
	for (size_t i = 0; i < 2; i++)
		if (json_object_get(of, keys[i]) && json_is_object(schema) && !json_object_get(schema, keys[i]))
			json_object_set(schema, keys[i], json_object_get(of, keys[i]));
	return json_pack("{s:s, s:o}", "type", "json_schema", "json_schema", schema);
}

/* A text without quotes can be any, or one of several; what else a schema may say of it has no form here. */
static bool plain_text(const json_t *schema)
{
	static const char *const known[] = {"type",        "enum",    "const",    "title",
					    "description", "default", "examples", NULL};
	const char *key;
	json_t *v;
	bool ok = true;
	json_object_foreach((json_t *)(uintptr_t)schema, key, v)
	{
		size_t i = 0;
		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		ok = ok && known[i];
	}
	return ok;
}

/* Replaces words of the example. */
static bool add_words(struct buf *b, struct stretch t, const char *key, const char *mark, const char *instead)
{
	bool ok = buf_reserve(b, 1);
	for (size_t i = 0; i < t.n && ok;) {
		if (t.n - i >= 3 && memcmp(t.s + i, "KEY", 3) == 0) {
			ok = buf_add_text(b, key, strlen(key));
			i += 3;
		} else if (mark && t.n - i >= strlen(mark) && memcmp(t.s + i, mark, strlen(mark)) == 0) {
			ok = buf_add_text(b, instead, strlen(instead));
			i += strlen(mark);
		} else {
			ok = buf_add_text(b, t.s + i++, 1);
		}
	}
	return ok;
}

static json_t *choices(const json_t *values)
{
	json_t *list = json_array(), *v;
	size_t i;
	json_array_foreach((json_t *)(uintptr_t)values, i, v)
		json_array_append_new(list, text_part(json_string_value(v), json_string_length(v)));
	return json_pack("{s:s, s:o}", "type", "or", "elements", list);
}

/* Adds the value of a text and what follows it, in which the text cannot go on. */
static void add_text_value(json_t *list, const struct kvik_vocab *v, const json_t *schema, struct stretch end)
{
	const json_t *only = json_object_get(schema, "const"), *values = json_object_get(schema, "enum");
	json_t *marks = json_array();
	add_marks(marks, v, end);
	bool is_text = json_array_size(marks) == 1 && json_object_get(json_array_get(marks, 0), "value");
	if (json_is_string(only))
		json_array_append_new(list, text_part(json_string_value(only), json_string_length(only)));
	else if (json_array_size(values) > 0)
		json_array_append_new(list, choices(values));
	if (json_is_string(only) || json_array_size(values) > 0) {
		json_array_extend(list, marks);
	} else if (is_text) {
		json_array_append_new(list, json_pack("{s:s, s:s, s:{s:s}, s:s%}", "type", "tag", "begin", "",
						      "content", "type", "any_text", "end", end.s, end.n));
	} else {
		json_array_append_new(list, json_pack("{s:s}", "type", "any_text"));
		json_array_extend(list, marks);
	}
	json_decref(marks);
}

struct maker {
	const struct tool_choice *choice;
	const struct kvik_vocab *v;
	struct cuts cuts;
	bool tagged, failed;
};

/* One tagged argument. */
static json_t *argument(struct maker *m, const json_t *tool, const char *key, const json_t *schema)
{
	const json_t *name = name_of(tool);
	enum call_type type =
		call_type_of(m->choice->allowed, json_string_value(name), json_string_length(name), key, strlen(key));
	bool text = type == CALL_TEXT;
	const char *value = memmem(m->cuts.argument.s, m->cuts.argument.n, "VALUE", 5);
	struct buf before = {0}, behind = {0};
	json_t *list = json_array();
	if (!value || (text && !plain_text(schema)) ||
	    !add_words(&before, stretch(m->cuts.argument.s, value), key, text ? NULL : "string=\"true\"",
		       "string=\"false\"") ||
	    !add_words(&behind, stretch(value + 5, m->cuts.argument.s + m->cuts.argument.n), key, NULL, "")) {
		m->failed = true;
	} else {
		add_marks(list, m->v, (struct stretch){before.data, before.n});
		struct stretch end = {behind.data, behind.n};
		if (text) {
			add_text_value(list, m->v, schema, end);
		} else {
			json_array_append_new(list, schema_part(json_is_object(schema)
									? json_copy((json_t *)(uintptr_t)schema)
									: json_object(),
								parameters_of(tool)));
			add_marks(list, m->v, end);
		}
	}
	buf_release(&before);
	buf_release(&behind);
	return sequence(list);
}

static bool is_required(const json_t *parameters, const char *key)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(parameters, "required"), i,
			   v) if (json_is_string(v) && strcmp(json_string_value(v), key) == 0) return true;
	return false;
}

static void add_arguments(struct maker *m, json_t *list, const json_t *tool)
{
	static const char *const others[] = {"anyOf",
					     "oneOf",
					     "allOf",
					     "not",
					     "if",
					     "$ref",
					     "patternProperties",
					     "minProperties",
					     "maxProperties",
					     "dependentRequired",
					     "propertyNames"};
	const json_t *parameters = parameters_of(tool);
	const char *key;
	json_t *schema;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		m->failed |= json_object_get(parameters, others[i]) != NULL;
	json_object_foreach(json_object_get(parameters, "properties"), key, schema)
	{
		json_t *one = argument(m, tool, key, schema);
		if (!is_required(parameters, key))
			one = json_pack("{s:s, s:o}", "type", "optional", "content", one);
		json_array_append_new(list, one);
	}
}

/* ---- Calls ------------------------------------------------------------------------------------------------------- */

/* The parts of a call, one behind the other. */
static json_t *call_parts(struct maker *m, const json_t *tool)
{
	json_t *list = json_array();
	const json_t *name = name_of(tool);
	add_marks(list, m->v, m->cuts.head);
	json_array_append_new(list, text_part(json_string_value(name), json_string_length(name)));
	add_marks(list, m->v, m->cuts.middle);
	if (m->tagged)
		add_arguments(m, list, tool);
	else
		json_array_append_new(list, schema_part(tool_parameters(tool), NULL));
	add_marks(list, m->v, m->cuts.tail);
	return list;
}

/* gpt-oss: thoughts on their own channel may come first. */
static json_t *harmony_thoughts(const struct kvik_vocab *v)
{
	static const char begin[] = "<|channel|>analysis<|message|>", end[] = "<|end|><|start|>assistant";
	json_t *list = json_array(), *ends = json_array();
	add_marks(ends, v, (struct stretch){end, sizeof end - 1});
	add_marks(list, v, (struct stretch){begin, sizeof begin - 1});
	json_array_append_new(list, json_pack("{s:s, s:[O]}", "type", "any_tokens", "exclude_tokens",
					      json_object_get(json_array_get(ends, 0), "token")));
	json_array_extend(list, ends);
	json_decref(ends);
	return json_pack("{s:s, s:o}", "type", "optional", "content", sequence(list));
}

/* One of the calls, or several; blanks may come before, as models write them behind their thoughts. */
static json_t *must_call(struct maker *m, const struct answer_style *style)
{
	json_t *calls = json_array(), *parts = json_array(), *tool;
	size_t i;
	json_array_foreach(m->choice->allowed, i, tool) json_array_append_new(calls, sequence(call_parts(m, tool)));
	json_t *one = json_pack("{s:s, s:o}", "type", "or", "elements", calls);
	if (m->choice->many)
		one = json_pack("{s:s, s:i, s:i, s:o}", "type", "repeat", "min", 1, "max", CALLS_AT_ONCE, "content",
				one);
	if (style->harmony)
		json_array_append_new(parts, harmony_thoughts(m->v));
	else if (style->think_open)
		json_array_append_new(parts, json_pack("{s:s, s:s}", "type", "regex", "pattern", "[ \\n]{0,4}"));
	json_array_append_new(parts, one);
	return sequence(parts);
}

/* What tells that a call begins: the special token at its head, or the mark; behind it only calls are possible. */
static json_t *trigger(const struct maker *m, const struct call_format *f)
{
	json_t *head = json_array();
	add_marks(head, m->v, m->cuts.head);
	json_t *first = json_array_get(head, 0), *id = json_object_get(first, "token"), *found = NULL;
	const char *mark = f && f->section ? f->section : f ? f->open : NULL;
	size_t n = mark ? strlen(mark) : 0;
	if (id)
		found = json_incref(id);
	else if (n > 0 && m->cuts.head.n >= n && memcmp(m->cuts.head.s, mark, n) == 0)
		found = json_stringn(mark, n);
	else if (first && !json_object_get(first, "token"))
		found = json_incref(json_object_get(first, "value"));
	json_decref(head);
	return found;
}

static json_t *may_call(struct maker *m, const struct call_format *f, bool once)
{
	json_t *tags = json_array(), *start = trigger(m, f), *tool;
	size_t i;
	m->failed |= !start;
	json_array_foreach(m->choice->allowed, i, tool)
	{
		json_t *parts = call_parts(m, tool), *first = json_array_get(parts, 0);
		json_t *begin = json_is_integer(start) ? json_pack("{s:s, s:O}", "type", "token", "token", start)
						       : json_incref(json_object_get(first, "value"));
		json_array_remove(parts, 0);
		json_array_append_new(tags, json_pack("{s:s, s:o?, s:o, s:s}", "type", "tag", "begin", begin, "content",
						      sequence(parts), "end", ""));
	}
	bool token = json_is_integer(start);
	return json_pack("{s:s, s:[o?], s:o, s:b}", "type", token ? "token_triggered_tags" : "triggered_tags",
			 token ? "trigger_tokens" : "triggers", start, "tags", tags, "stop_after_first", once);
}

json_t *call_form(const struct tool_choice *choice, const struct chat_prompt *p, const struct kvik_vocab *v)
{
	const struct call_format *f = p->style.calls;
	const char *example = p->style.harmony ? harmony_example : p->example ? p->example : usual_example;
	struct maker m = {.choice = choice, .v = v, .tagged = !p->style.harmony && f && f->body == CALL_TAGGED};
	bool known = p->example || (f && strcmp(f->name, "generic") == 0); /* as messages.c has explained it */
	bool has_form = p->style.harmony || (known && f && f->body != CALL_PYTHONIC && f->body != CALL_BRACED);
	if (!v || !has_form || (p->style.harmony && !choice->must) || !cut(&m.cuts, f, example, p->called))
		return NULL;
	json_t *form = choice->must ? must_call(&m, &p->style) : may_call(&m, f, choice->one);
	if (m.failed) {
		json_decref(form);
		return NULL;
	}
	return json_pack("{s:s, s:o}", "type", "structural_tag", "format", form);
}

bool call_form_strict(const struct tool_choice *choice)
{
	size_t i;
	json_t *t;
	json_array_foreach(choice->allowed, i, t)
	{
		const json_t *f = json_object_get(t, "function");
		if (json_is_true(json_object_get(f ? f : t, "strict")))
			return true;
	}
	return false;
}
