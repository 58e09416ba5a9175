/* schema_array.c: what a schema says of arrays. "items" with a list is what "prefixItems" is since 2020, and "additionalItems"
 * then what "items" is. */
#include "base/mem.h"
#include "constrain/schema_build.h"

uint32_t build_items(struct builder *b, const uint32_t *first, size_t n, uint32_t rest)
{
	struct node node = {.kind = NODE_ITEMS, .n = (uint32_t)n, .rest = rest};
	node.first = build_kids(b, first, n);
	return build_node(b, node);
}

static void read_items(struct builder *b, const json_t *j, struct gathered *g)
{
	const json_t *prefix = json_object_get(j, "prefixItems"), *items = json_object_get(j, "items");
	const char *prefix_key = "prefixItems", *rest_key = "items";
	if (!prefix && json_is_array(items)) {
		prefix = items;
		items = json_object_get(j, "additionalItems");
		prefix_key = "items";
		rest_key = "additionalItems";
	}
	if (!prefix && !items)
		return;
	if (prefix && !json_is_array(prefix)) {
		build_fail(b, KVIK_ERR_FORMAT, prefix_key, "no list of schemas");
		return;
	}
	size_t n = json_array_size(prefix);
	uint32_t *kids = mem_zalloc(n + 1, sizeof *kids);
	if (!kids) {
		build_nomem(b);
		return;
	}
	for (size_t i = 0; i < n && !b->rc; i++)
		kids[i] = build_schema(b, json_array_get(prefix, i), prefix_key, NULL, (long)i);
	uint32_t rest = items ? build_schema(b, items, rest_key, NULL, -1) : NODE_IS_TRUE;
	gather(b, g, build_items(b, kids, n, rest));
	mem_free(kids);
}

static void read_contains(struct builder *b, const json_t *j, struct gathered *g)
{
	const json_t *v = json_object_get(j, "contains");
	struct node n = {.kind = NODE_CONTAINS, .limits = {1, NO_LIMIT}};
	if (!v)
		return;
	build_count(b, j, "minContains", &n.limits.min);
	build_count(b, j, "maxContains", &n.limits.max);
	n.rest = build_schema(b, v, "contains", NULL, -1);
	if (n.limits.min > 0 || n.limits.max != NO_LIMIT)
		gather(b, g, build_node(b, n));
}

void build_arrays(struct builder *b, const json_t *j, struct gathered *g)
{
	struct node size = {.kind = NODE_SIZE, .limits = {0, NO_LIMIT}};
	bool any = build_count(b, j, "minItems", &size.limits.min);
	any |= build_count(b, j, "maxItems", &size.limits.max);
	if (any)
		gather(b, g, build_node(b, size));
	read_items(b, j, g);
	read_contains(b, j, g);
	if (json_is_true(json_object_get(j, "uniqueItems")))
		build_fail(b, KVIK_ERR_UNSUPPORTED, "uniqueItems", "a keyword that is not supported");
}
