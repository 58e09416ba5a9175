/* schema_object.c: what a schema says of objects. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "constrain/schema_build.h"

/* ---- Members ----------------------------------------------------------------------------------------------------- */

static int compare_members(const void *a, const void *b)
{
	return text_compare(&((const struct member *)a)->name, &((const struct member *)b)->name);
}

/* MEMBERS with these, which are sorted. */
static uint32_t members_node(struct builder *b, struct member *list, size_t n, struct node node)
{
	struct schema *s = b->s;
	node.kind = NODE_MEMBERS;
	node.first = (uint32_t)s->n_members;
	node.n = (uint32_t)n;
	if (n > 0)
		qsort(list, n, sizeof *list, compare_members);
	for (size_t i = 0; i < n && !b->rc; i++) {
		struct member *grown = mem_grow(s->members, &s->members_cap, s->n_members, sizeof *grown);
		if (!grown)
			return build_nomem(b);
		s->members = grown;
		grown[s->n_members++] = list[i];
	}
	return build_node(b, node);
}

static void read_patterns(struct builder *b, const json_t *patterns, struct node *node)
{
	struct schema *s = b->s;
	const char *key;
	json_t *v;
	size_t length, n = json_object_size(patterns), i = 0;
	struct name_pattern *list = mem_zalloc(n + 1, sizeof *list);
	if (!list) {
		build_nomem(b);
		return;
	}
	/* First all of them: what they hold may have patterns too. */
	json_object_keylen_foreach((json_t *)patterns, key, length, v)
	{
		list[i].dfa = build_dfa(b, key, length, "patternProperties");
		list[i++].node = build_schema(b, v, "patternProperties", key, -1);
	}
	node->patterns_first = (uint32_t)s->n_patterns;
	node->patterns_n = (uint32_t)n;
	for (i = 0; i < n && !b->rc; i++) {
		struct name_pattern *grown = mem_grow(s->patterns, &s->patterns_cap, s->n_patterns, sizeof *grown);
		if (!grown) {
			build_nomem(b);
			break;
		}
		s->patterns = grown;
		grown[s->n_patterns++] = list[i];
	}
	mem_free(list);
}

static bool is_object(struct builder *b, const json_t *v, const char *keyword)
{
	if (v && !json_is_object(v))
		build_fail(b, KVIK_ERR_FORMAT, keyword, "no object");
	return v && json_is_object(v);
}

static void read_members(struct builder *b, const json_t *j, struct gathered *g)
{
	const json_t *properties = json_object_get(j, "properties"), *rest = json_object_get(j, "additionalProperties"),
		     *patterns = json_object_get(j, "patternProperties");
	struct node node = {.rest = NODE_IS_TRUE};
	const char *key;
	json_t *v;
	size_t length, n = 0;
	if (!properties && !rest && !patterns)
		return;
	struct member *list = mem_zalloc(json_object_size(properties) + 1, sizeof *list);
	if (!list) {
		build_nomem(b);
		return;
	}
	if (is_object(b, properties, "properties"))
		json_object_keylen_foreach((json_t *)properties, key, length, v)
		{
			list[n].name = build_text(b, key, length);
			list[n++].node = build_schema(b, v, "properties", key, -1);
		}
	if (is_object(b, patterns, "patternProperties"))
		read_patterns(b, patterns, &node);
	if (rest)
		node.rest = build_schema(b, rest, "additionalProperties", NULL, -1);
	gather(b, g, members_node(b, list, n, node));
	mem_free(list);
}

uint32_t build_const_members(struct builder *b, const json_t *j)
{
	const char *key;
	json_t *v;
	size_t length, n = 0;
	struct member *list = mem_zalloc(json_object_size(j) + 1, sizeof *list);
	if (!list)
		return build_nomem(b);
	json_object_keylen_foreach((json_t *)j, key, length, v)
	{
		list[n].name = build_text(b, key, length);
		list[n++].node = build_const(b, v);
	}
	uint32_t node = members_node(b, list, n, (struct node){.rest = NODE_IS_FALSE});
	mem_free(list);
	return node;
}

/* ---- Required ---------------------------------------------------------------------------------------------------- */

static uint32_t required_node(struct builder *b, struct text *names, size_t n)
{
	uint32_t first = build_texts(b, names, n);
	if (n == 0)
		return NODE_IS_TRUE;
	return build_node(b,
			  (struct node){.kind = NODE_REQUIRED, .first = first, .n = (uint32_t)(b->s->n_texts - first)});
}

uint32_t build_required_names(struct builder *b, const json_t *j)
{
	const char *key;
	json_t *v;
	size_t length, n = 0;
	struct text *names = mem_zalloc(json_object_size(j) + 1, sizeof *names);
	if (!names)
		return build_nomem(b);
	json_object_keylen_foreach((json_t *)j, key, length, v) names[n++] = build_text(b, key, length);
	uint32_t node = required_node(b, names, n);
	mem_free(names);
	return node;
}

static uint32_t required_list(struct builder *b, const json_t *list, const char *keyword)
{
	size_t n = json_array_size(list);
	if (!json_is_array(list))
		return build_fail(b, KVIK_ERR_FORMAT, keyword, "no list of names");
	struct text *names = mem_zalloc(n + 1, sizeof *names);
	if (!names)
		return build_nomem(b);
	for (size_t i = 0; i < n && !b->rc; i++) {
		const json_t *name = json_array_get(list, i);
		if (!json_is_string(name))
			build_fail(b, KVIK_ERR_FORMAT, keyword, "what is no name");
		else
			names[i] = build_text(b, json_string_value(name), json_string_length(name));
	}
	uint32_t node = b->rc ? NODE_IS_TRUE : required_node(b, names, n);
	mem_free(names);
	return node;
}

/* If it is an object with that member, then the rest: ANY(NOT(ALL(TYPES{object}, REQUIRED{name})), rest). */
static void read_dependencies(struct builder *b, const json_t *j, const char *keyword, struct gathered *g)
{
	const json_t *all = json_object_get(j, keyword);
	const char *key;
	json_t *v;
	size_t length;
	if (!is_object(b, all, keyword))
		return;
	json_object_keylen_foreach((json_t *)all, key, length, v)
	{
		struct text name = build_text(b, key, length), single;
		uint32_t kids[2];
		kids[0] = build_node(b, (struct node){.kind = NODE_TYPES, .types = TYPE_OBJECT});
		kids[1] = required_node(b, &name, 1);
		uint32_t there = build_gate(b, NODE_ALL, kids, 2);
		kids[0] = build_gate(b, NODE_NOT, &there, 1);
		if (json_is_array(v)) {
			kids[1] = required_list(b, v, keyword);
		} else if (json_is_string(v)) { /* draft 3 */
			single = build_text(b, json_string_value(v), json_string_length(v));
			kids[1] = required_node(b, &single, 1);
		} else {
			kids[1] = build_schema(b, v, keyword, key, -1);
		}
		if (kids[1] != NODE_IS_TRUE)
			gather(b, g, build_gate(b, NODE_ANY, kids, 2));
	}
}

void build_objects(struct builder *b, const json_t *j, struct gathered *g)
{
	struct node count = {.kind = NODE_COUNT, .limits = {0, NO_LIMIT}};
	const json_t *names = json_object_get(j, "propertyNames"), *required = json_object_get(j, "required");
	read_members(b, j, g);
	if (required)
		gather(b, g, required_list(b, required, "required"));
	bool any = build_count(b, j, "minProperties", &count.limits.min);
	any |= build_count(b, j, "maxProperties", &count.limits.max);
	if (any)
		gather(b, g, build_node(b, count));
	if (names) {
		uint32_t node = build_schema(b, names, "propertyNames", NULL, -1);
		if (node != NODE_IS_TRUE)
			gather(b, g, build_node(b, (struct node){.kind = NODE_NAMES, .rest = node}));
	}
	read_dependencies(b, j, "dependencies", g);
	read_dependencies(b, j, "dependentRequired", g);
	read_dependencies(b, j, "dependentSchemas", g);
}
