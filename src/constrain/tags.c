/* tags.c: structural tags: a text made of parts, some of them free and some of a given form, as a JSON object. Two forms are read: a
 * tree of formats,
 *
 *   {"type": "structural_tag", "format": {"type": "triggered_tags", "triggers": ["<tool_call>"], "tags": [
 *       {"type": "tag", "begin": "<tool_call>", "content": {"type": "json_schema", "json_schema": {...}}, "end": "</tool_call>"}]}}
 *
 * and the older list of tags, which is free text with such tags in it:
 *
 *   {"type": "structural_tag", "structures": [{"begin": ..., "schema": {...}, "end": ...}], "triggers": [...]}
 *
 * Free text stops where a tag can begin (a trigger), and in a tag at its end. Source: XGrammar, docs/structural_tag; vLLM, structured
 * outputs. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "constrain/grammar_read.h"

enum { STRINGS_MAX = 256, FORMATS_DEPTH_MAX = 50 };

/* What the text around allows free text to be: none of these strings may occur in it. */
struct around {
	struct free_text_string strings[STRINGS_MAX];
	size_t n;
	uint32_t tokens[STRINGS_MAX];
	size_t n_tokens;
};

static uint32_t format(struct grammar *g, const json_t *f, const struct around *a);

/* ---- Fields ------------------------------------------------------------------------------------------------------ */

static const char *type_of(const json_t *f)
{
	const char *type = json_string_value(json_object_get(f, "type"));
	return type ? type : "";
}

static uint32_t wrong(struct grammar *g, const json_t *f, const char *field, const char *what)
{
	return grammar_fail(g, KVIK_ERR_FORMAT, "structural tag: '%s' of type '%.40s' %s", field, type_of(f), what);
}

static bool get_bool(const json_t *f, const char *field)
{
	return json_is_true(json_object_get(f, field));
}

/* A string that must be there. */
static const json_t *get_string(struct grammar *g, const json_t *f, const char *field)
{
	const json_t *s = json_object_get(f, field);
	if (!json_is_string(s))
		wrong(g, f, field, "must be a string");
	return g->rc ? NULL : s;
}

/* A list that must be there and not be empty. */
static const json_t *get_list(struct grammar *g, const json_t *f, const char *field)
{
	const json_t *list = json_object_get(f, field);
	if (!json_is_array(list) || json_array_size(list) == 0)
		wrong(g, f, field, "must be a list with something in it");
	return g->rc ? NULL : list;
}

static void add_string(struct grammar *g, struct around *a, const json_t *f, const char *field, const json_t *s)
{
	if (!json_is_string(s))
		wrong(g, f, field, "must hold strings");
	else if (a->n >= STRINGS_MAX)
		grammar_fail(g, KVIK_ERR_LIMIT, "structural tag: more than %d strings that end a text", STRINGS_MAX);
	else
		a->strings[a->n++] = (struct free_text_string){json_string_value(s), json_string_length(s)};
}

static void add_strings(struct grammar *g, struct around *a, const json_t *f, const char *field)
{
	const json_t *list = json_object_get(f, field);
	if (list && !json_is_null(list) && !json_is_array(list))
		wrong(g, f, field, "must be a list of strings");
	for (size_t i = 0; i < json_array_size(list) && !g->rc; i++)
		add_string(g, a, f, field, json_array_get(list, i));
}

/* A token by number or name. */
static uint32_t token(struct grammar *g, const json_t *f, const json_t *t, uint32_t *id)
{
	if (json_is_string(t))
		return grammar_token_named(g, json_string_value(t), json_string_length(t), id);
	json_int_t n = json_is_integer(t) ? json_integer_value(t) : -1;
	if (n < 0 || n >= UINT32_MAX)
		return wrong(g, f, "token", "must be a token's number or name");
	*id = (uint32_t)n;
	return grammar_token(g, *id);
}

static void add_tokens(struct grammar *g, struct around *a, const json_t *f, const char *field)
{
	const json_t *list = json_object_get(f, field);
	for (size_t i = 0; i < json_array_size(list) && !g->rc; i++) {
		uint32_t id;
		token(g, f, json_array_get(list, i), &id);
		if (a->n_tokens >= STRINGS_MAX)
			grammar_fail(g, KVIK_ERR_LIMIT, "structural tag: more than %d tokens are left out",
				     STRINGS_MAX);
		else
			a->tokens[a->n_tokens++] = id;
	}
}

/* ---- Parts ------------------------------------------------------------------------------------------------------- */

static uint32_t free_text(struct grammar *g, const struct around *a)
{
	return grammar_text(g, a->strings, a->n, UINT32_MAX);
}

static uint32_t any_text(struct grammar *g, const json_t *f, const struct around *outer)
{
	struct around a = *outer;
	const json_t *most = json_object_get(f, "max_chars"), *tokens = json_object_get(f, "max_tokens");
	add_strings(g, &a, f, "excludes");
	if (tokens && !json_is_null(tokens))
		return grammar_fail(g, KVIK_ERR_UNSUPPORTED,
				    "structural tag: 'max_tokens' of any_text is not supported; 'max_chars' is");
	if (!most || json_is_null(most))
		return free_text(g, &a);
	json_int_t n = json_is_integer(most) ? json_integer_value(most) : -1;
	if (n < 0 || n >= UINT32_MAX)
		return wrong(g, f, "max_chars", "must be a number of characters");
	return grammar_text(g, a.strings, a.n, (uint32_t)n);
}

static uint32_t json_value(struct grammar *g, const json_t *f, const json_t *schema)
{
	const json_t *style = json_object_get(f, "style");
	if (style && !json_is_null(style) && (!json_is_string(style) || strcmp(json_string_value(style), "json") != 0))
		return grammar_fail(g, KVIK_ERR_UNSUPPORTED,
				    "structural tag: 'style' other than \"json\" is not supported");
	if (!json_is_object(schema) && !json_is_boolean(schema))
		return wrong(g, f, "json_schema", "must be a schema");
	char *text = json_dumps(schema, JSON_ENCODE_ANY | JSON_COMPACT);
	if (!text)
		return grammar_fail(g, KVIK_ERR_NOMEM, "no memory for a grammar");
	uint32_t node = grammar_json(g, text, strlen(text));
	free(text);
	return node;
}

static uint32_t elements(struct grammar *g, const json_t *f, const struct around *a, bool all)
{
	const json_t *list = get_list(g, f, "elements");
	uint32_t node = 0;
	for (size_t i = 0; i < json_array_size(list) && !g->rc; i++) {
		uint32_t one = format(g, json_array_get(list, i), a);
		node = all ? re_tree_cat(&g->tree, node, one) : i == 0 ? one : re_tree_alt(&g->tree, node, one);
	}
	return node;
}

static uint32_t repeated(struct grammar *g, const json_t *f, const struct around *a, uint32_t min, uint32_t max)
{
	uint32_t node = format(g, json_object_get(f, "content"), a);
	return g->rc ? 0 : re_tree_repeat(&g->tree, node, min, max);
}

static uint32_t counted(struct grammar *g, const json_t *f, const struct around *a)
{
	const json_t *least = json_object_get(f, "min"), *most = json_object_get(f, "max");
	json_int_t min = json_is_integer(least) ? json_integer_value(least) : -1,
		   max = json_is_integer(most) ? json_integer_value(most) : -2;
	if (min < 0 || max < -1 || (max >= 0 && max < min))
		return wrong(g, f, "min", "and 'max' must be numbers, the second not the smaller one (-1: any)");
	if (min > GRAMMAR_REPEAT_MAX || max > GRAMMAR_REPEAT_MAX)
		return grammar_fail(g, KVIK_ERR_LIMIT, "structural tag: more repetitions than can be counted");
	return repeated(g, f, a, (uint32_t)min, max < 0 ? RE_INFINITE : (uint32_t)max);
}

/* ---- Tags -------------------------------------------------------------------------------------------------------- */

/* A string, a token, or (lists) one of several strings; *a gets what the content must then not hold. */
static uint32_t border(struct grammar *g, const json_t *f, const char *field, struct around *a)
{
	const json_t *b = json_object_get(f, field);
	size_t n = json_is_array(b) ? json_array_size(b) : 1;
	uint32_t node = 0, id;
	if (json_is_object(b)) {
		node = token(g, f, json_object_get(b, "token"), &id);
		if (a && a->n_tokens < STRINGS_MAX)
			a->tokens[a->n_tokens++] = id;
		return node;
	}
	for (size_t i = 0; i < n && !g->rc; i++) {
		const json_t *s = json_is_array(b) ? json_array_get(b, i) : b;
		if (!json_is_string(s))
			return wrong(g, f, field, "must be a string or a token");
		uint32_t one = re_tree_bytes(&g->tree, json_string_value(s), json_string_length(s));
		node = i == 0 ? one : re_tree_alt(&g->tree, node, one);
		if (a && json_string_length(s) > 0)
			add_string(g, a, f, field, s);
	}
	return n ? node : wrong(g, f, field, "must not be empty");
}

/* begin content end; older tags have a schema for a content. */
static uint32_t tag(struct grammar *g, const json_t *f)
{
	struct around inside = {.n = 0};
	const json_t *schema = json_object_get(f, "schema"), *content = json_object_get(f, "content");
	uint32_t begin = border(g, f, "begin", NULL), end = border(g, f, "end", &inside);
	if (g->rc)
		return 0;
	uint32_t middle = content ? format(g, content, &inside) : json_value(g, f, schema);
	return re_tree_cat(&g->tree, re_tree_cat(&g->tree, begin, middle), end);
}

static bool begins_with(const json_t *text, const json_t *start)
{
	size_t n = json_string_length(start);
	return json_is_string(text) && json_is_string(start) && n > 0 && json_string_length(text) >= n &&
	       memcmp(json_string_value(text), json_string_value(start), n) == 0;
}

static bool is_triggered(const json_t *t, const json_t *triggers, bool tokens)
{
	const json_t *begin = json_object_get(t, "begin");
	bool found = false;
	for (size_t i = 0; i < json_array_size(triggers) && !found; i++)
		found = tokens ? json_equal(json_object_get(begin, "token"), json_array_get(triggers, i))
			       : begins_with(begin, json_array_get(triggers, i));
	return found;
}

static uint32_t any_tag(struct grammar *g, const json_t *f, const char *field, const json_t *triggers, bool tokens)
{
	const json_t *list = get_list(g, f, field);
	uint32_t all = 0;
	for (size_t i = 0; i < json_array_size(list) && !g->rc; i++) {
		const json_t *t = json_array_get(list, i);
		if (triggers && !is_triggered(t, triggers, tokens))
			return wrong(g, f, field, "has a tag that begins with none of the triggers");
		uint32_t one = tag(g, t);
		all = i == 0 ? one : re_tree_alt(&g->tree, all, one);
	}
	return all;
}

/* Free text with parts in it. */
static uint32_t interspersed(struct grammar *g, const json_t *f, uint32_t text, uint32_t part, bool once)
{
	struct re_tree *t = &g->tree;
	if (g->rc)
		return 0;
	if (get_bool(f, "at_least_one"))
		return once ? part
			    : re_tree_cat(t, part,
					  re_tree_cat(t, text,
						      re_tree_repeat(t, re_tree_cat(t, part, text), 0, RE_INFINITE)));
	return once ? re_tree_cat(t, text, re_tree_repeat(t, part, 0, 1))
		    : re_tree_cat(t, text, re_tree_repeat(t, re_tree_cat(t, part, text), 0, RE_INFINITE));
}

static uint32_t triggered_tags(struct grammar *g, const json_t *f, const char *field, const struct around *outer)
{
	struct around a = *outer;
	const json_t *triggers = get_list(g, f, "triggers");
	add_strings(g, &a, f, "triggers");
	add_strings(g, &a, f, "excludes");
	uint32_t part = any_tag(g, f, field, triggers, false);
	return interspersed(g, f, free_text(g, &a), part, get_bool(f, "stop_after_first"));
}

static uint32_t token_triggered_tags(struct grammar *g, const json_t *f, const struct around *outer)
{
	struct around a = *outer;
	const json_t *triggers = get_list(g, f, "trigger_tokens");
	add_tokens(g, &a, f, "trigger_tokens");
	add_tokens(g, &a, f, "exclude_tokens");
	uint32_t part = any_tag(g, f, "tags", triggers, true);
	return interspersed(g, f, grammar_tokens_but(g, a.tokens, a.n_tokens), part, get_bool(f, "stop_after_first"));
}

/* [[text, what must follow it], ...] in free text. */
static uint32_t dispatch(struct grammar *g, const json_t *f, const struct around *outer)
{
	struct around a = *outer;
	const json_t *rules = get_list(g, f, "rules"), *loop = json_object_get(f, "loop");
	uint32_t all = 0;
	for (size_t i = 0; i < json_array_size(rules) && !g->rc; i++)
		add_string(g, &a, f, "rules", json_array_get(json_array_get(rules, i), 0));
	add_strings(g, &a, f, "excludes");
	for (size_t i = 0; i < json_array_size(rules) && !g->rc; i++) {
		const json_t *rule = json_array_get(rules, i), *text = json_array_get(rule, 0);
		uint32_t one = re_tree_bytes(&g->tree, json_string_value(text), json_string_length(text));
		one = re_tree_cat(&g->tree, one, format(g, json_array_get(rule, 1), outer));
		all = i == 0 ? one : re_tree_alt(&g->tree, all, one);
	}
	return interspersed(g, f, free_text(g, &a), all, json_is_false(loop));
}

static uint32_t tags_with_separator(struct grammar *g, const json_t *f)
{
	struct re_tree *t = &g->tree;
	const json_t *between = get_string(g, f, "separator");
	uint32_t one = any_tag(g, f, "tags", NULL, false);
	if (g->rc)
		return 0;
	uint32_t more = re_tree_cat(t, re_tree_bytes(t, json_string_value(between), json_string_length(between)), one);
	if (!get_bool(f, "stop_after_first"))
		one = re_tree_cat(t, one, re_tree_repeat(t, more, 0, RE_INFINITE));
	return get_bool(f, "at_least_one") ? one : re_tree_repeat(t, one, 0, 1);
}

/* ---- Formats ----------------------------------------------------------------------------------------------------- */

static uint32_t any_tokens(struct grammar *g, const json_t *f, const struct around *outer)
{
	struct around a = *outer;
	const json_t *most = json_object_get(f, "max_tokens");
	add_tokens(g, &a, f, "exclude_tokens");
	return most && !json_is_null(most) ? grammar_fail(g, KVIK_ERR_UNSUPPORTED,
							  "structural tag: 'max_tokens' of any_tokens is not supported")
					   : grammar_tokens_but(g, a.tokens, a.n_tokens);
}

static uint32_t leaf(struct grammar *g, const json_t *f, const struct around *a)
{
	const char *type = type_of(f);
	const json_t *s;
	uint32_t id;
	if (strcmp(type, "const_string") == 0)
		return (s = get_string(g, f, "value"))
			       ? re_tree_bytes(&g->tree, json_string_value(s), json_string_length(s))
			       : 0;
	if (strcmp(type, "json_schema") == 0)
		return json_value(g, f, json_object_get(f, "json_schema"));
	if (strcmp(type, "regex") == 0)
		return (s = get_string(g, f, "pattern")) ? grammar_regex(g, json_string_value(s), json_string_length(s))
							 : 0;
	if (strcmp(type, "grammar") == 0)
		return (s = get_string(g, f, "grammar"))
			       ? grammar_call(g, grammar_read(g, json_string_value(s), json_string_length(s)))
			       : 0;
	if (strcmp(type, "any_text") == 0)
		return any_text(g, f, a);
	if (strcmp(type, "token") == 0)
		return token(g, f, json_object_get(f, "token"), &id);
	if (strcmp(type, "any_tokens") == 0)
		return any_tokens(g, f, a);
	return grammar_fail(g, KVIK_ERR_UNSUPPORTED, "structural tag: a format of type '%.40s' is not supported", type);
}

static uint32_t format(struct grammar *g, const json_t *f, const struct around *a)
{
	const char *type = type_of(f);
	uint32_t node;
	if (g->rc)
		return 0;
	if (!json_is_object(f))
		return grammar_fail(g, KVIK_ERR_FORMAT, "structural tag: a format must be an object with a 'type'");
	if (++g->depth > FORMATS_DEPTH_MAX)
		return grammar_fail(g, KVIK_ERR_LIMIT, "structural tag: formats too deep");
	if (strcmp(type, "sequence") == 0)
		node = elements(g, f, a, true);
	else if (strcmp(type, "or") == 0)
		node = elements(g, f, a, false);
	else if (strcmp(type, "optional") == 0)
		node = repeated(g, f, a, 0, 1);
	else if (strcmp(type, "plus") == 0)
		node = repeated(g, f, a, 1, RE_INFINITE);
	else if (strcmp(type, "star") == 0)
		node = repeated(g, f, a, 0, RE_INFINITE);
	else if (strcmp(type, "repeat") == 0)
		node = counted(g, f, a);
	else if (strcmp(type, "tag") == 0)
		node = tag(g, f);
	else if (strcmp(type, "triggered_tags") == 0)
		node = triggered_tags(g, f, "tags", a);
	else if (strcmp(type, "token_triggered_tags") == 0)
		node = token_triggered_tags(g, f, a);
	else if (strcmp(type, "tags_with_separator") == 0)
		node = tags_with_separator(g, f);
	else if (strcmp(type, "dispatch") == 0)
		node = dispatch(g, f, a);
	else
		node = leaf(g, f, a);
	g->depth--;
	return node;
}

uint32_t tags_read(struct grammar *g, const char *text, size_t bytes)
{
	static const struct around nothing = {.n = 0};
	json_error_t e;
	json_t *j = json_loadb(text, bytes, JSON_ALLOW_NUL, &e);
	uint32_t rule = grammar_rule(g, grammar_scope(g), "structural tag", 14), node = 0;
	if (!json_is_object(j))
		grammar_fail(g, KVIK_ERR_FORMAT, "structural tag: no JSON object");
	else if (json_object_get(j, "format"))
		node = format(g, json_object_get(j, "format"), &nothing);
	else if (json_object_get(j, "structures"))
		node = triggered_tags(g, j, "structures", &nothing);
	else
		grammar_fail(g, KVIK_ERR_FORMAT, "structural tag: neither 'format' nor 'structures'");
	grammar_define(g, rule, node);
	json_decref(j);
	return rule;
}
