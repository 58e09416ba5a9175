/* schema.c: a JSON Schema -> nodes: the keywords that every kind of value has, and the gates. */
#include "constrain/schema.h"

#include <string.h>

#include "base/mem.h"
#include "constrain/schema_build.h"

enum { DEPTH_MAX = 128, SPENT_MAX = 1 << 20, JSON_FLAGS = JSON_DECODE_ANY };

/* ---- Errors and lists -------------------------------------------------------------------------------------------- */

uint32_t build_fail(struct builder *b, int code, const char *keyword, const char *what)
{
	if (!b->rc)
		b->rc = err_set(b->err, code, "JSON schema: %s at \"%.*s%s%s\"", what,
				b->path.n > 200 ? 200 : (int)b->path.n, b->path.data ? b->path.data : "",
				keyword ? "/" : "", keyword ? keyword : "");
	return NODE_IS_TRUE;
}

uint32_t build_nomem(struct builder *b)
{
	return build_fail(b, KVIK_ERR_NOMEM, NULL, "no memory");
}

static bool spend(struct builder *b, size_t n)
{
	b->spent += n;
	if (b->spent > SPENT_MAX)
		build_fail(b, KVIK_ERR_LIMIT, NULL, "more than can be enforced");
	return !b->rc;
}

uint32_t build_node(struct builder *b, struct node n)
{
	if (b->rc || !spend(b, 1))
		return NODE_IS_TRUE;
	struct node *nodes = mem_grow(b->s->nodes, &b->s->cap, b->s->n, sizeof *nodes);
	if (!nodes)
		return build_nomem(b);
	b->s->nodes = nodes;
	nodes[b->s->n] = n;
	return (uint32_t)b->s->n++;
}

uint32_t build_kids(struct builder *b, const uint32_t *kids, size_t n)
{
	struct schema *s = b->s;
	uint32_t first = (uint32_t)s->n_kids;
	if (!spend(b, n))
		return first;
	for (size_t i = 0; i < n; i++) {
		uint32_t *grown = mem_grow(s->kids, &s->kids_cap, s->n_kids, sizeof *grown);
		if (!grown) {
			build_nomem(b);
			return first;
		}
		s->kids = grown;
		grown[s->n_kids++] = kids[i];
	}
	return first;
}

uint32_t build_gate(struct builder *b, enum node_kind kind, const uint32_t *kids, size_t n)
{
	if (n == 1 && (kind == NODE_ALL || kind == NODE_ANY || kind == NODE_ONE))
		return kids[0];
	if (n == 0 && kind == NODE_ALL)
		return NODE_IS_TRUE;
	uint32_t first = build_kids(b, kids, n);
	return build_node(b, (struct node){.kind = kind, .first = first, .n = (uint32_t)n});
}

void gather(struct builder *b, struct gathered *g, uint32_t node)
{
	uint32_t *nodes = node == NODE_IS_TRUE || b->rc ? g->nodes : mem_grow(g->nodes, &g->cap, g->n, sizeof *nodes);
	if (node == NODE_IS_TRUE || b->rc)
		return;
	if (!nodes) {
		build_nomem(b);
		return;
	}
	g->nodes = nodes;
	nodes[g->n++] = node;
}

/* All of the gathered ones, which are released. */
static uint32_t gathered_gate(struct builder *b, struct gathered *g, enum node_kind kind)
{
	uint32_t node = build_gate(b, kind, g->nodes, g->n);
	mem_free(g->nodes);
	*g = (struct gathered){0};
	return node;
}

/* ---- Paths ------------------------------------------------------------------------------------------------------- */

size_t build_enter(struct builder *b, const char *part)
{
	size_t mark = b->path.n;
	if (!buf_add(&b->path, "/", 1) || !buf_add_text(&b->path, part, strlen(part)))
		build_nomem(b);
	return mark;
}

void build_leave(struct builder *b, size_t mark)
{
	b->path.n = mark;
}

uint32_t build_schema(struct builder *b, const json_t *j, const char *keyword, const char *member, long i)
{
	char number[24];
	size_t mark = build_enter(b, keyword);
	if (i >= 0) {
		snprintf(number, sizeof number, "%ld", i);
		build_enter(b, number);
	} else if (member) {
		build_enter(b, member);
	}
	uint32_t node = build_schema_here(b, j);
	build_leave(b, mark);
	return node;
}

bool build_count(struct builder *b, const json_t *j, const char *keyword, uint32_t *value)
{
	const json_t *v = json_object_get(j, keyword);
	double n = json_number_value(v);
	if (!v)
		return false;
	if (!json_is_number(v) || n < 0 || n != (double)(uint64_t)n) {
		build_fail(b, KVIK_ERR_FORMAT, keyword, "no count");
		return false;
	}
	*value = n >= NO_LIMIT ? NO_LIMIT - 1 : (uint32_t)n;
	return true;
}

/* ---- Gates ------------------------------------------------------------------------------------------------------- */

static void build_list(struct builder *b, const json_t *j, const char *keyword, enum node_kind kind, struct gathered *g)
{
	const json_t *list = json_object_get(j, keyword);
	struct gathered kids = {0};
	if (!list)
		return;
	if (!json_is_array(list) || json_array_size(list) == 0) {
		build_fail(b, KVIK_ERR_FORMAT, keyword, "no list of schemas");
		return;
	}
	for (size_t i = 0; i < json_array_size(list) && !b->rc; i++) {
		uint32_t kid = build_schema(b, json_array_get(list, i), keyword, NULL, (long)i);
		if (kind == NODE_ALL)
			gather(b, g, kid);
		else if (kid == NODE_IS_TRUE && kind == NODE_ANY) {
			mem_free(kids.nodes);
			return;
		} else if (!b->rc) { /* also what is always true: oneOf counts it */
			uint32_t *nodes = mem_grow(kids.nodes, &kids.cap, kids.n, sizeof *nodes);
			if (!nodes) {
				build_nomem(b);
				break;
			}
			kids.nodes = nodes;
			nodes[kids.n++] = kid;
		}
	}
	if (kind == NODE_ALL || b->rc)
		mem_free(kids.nodes);
	else
		gather(b, g, gathered_gate(b, &kids, kind));
}

static void build_not(struct builder *b, const json_t *j, struct gathered *g)
{
	const json_t *v = json_object_get(j, "not");
	if (!v)
		return;
	uint32_t kid = build_schema(b, v, "not", NULL, -1);
	gather(b, g, build_gate(b, NODE_NOT, &kid, 1));
}

static void build_if(struct builder *b, const json_t *j, struct gathered *g)
{
	static const char *const words[] = {"if", "then", "else"};
	uint32_t kids[3] = {NODE_IS_TRUE, NODE_IS_TRUE, NODE_IS_TRUE};
	if (!json_object_get(j, "if") || (!json_object_get(j, "then") && !json_object_get(j, "else")))
		return;
	for (int i = 0; i < 3; i++)
		if (json_object_get(j, words[i]))
			kids[i] = build_schema(b, json_object_get(j, words[i]), words[i], NULL, -1);
	gather(b, g, build_gate(b, NODE_IF, kids, 3));
}

/* ---- Types ------------------------------------------------------------------------------------------------------- */

static unsigned type_of_name(const char *name)
{
	static const struct {
		const char *name;
		unsigned types;
	} table[] = {{"null", TYPE_NULL},     {"boolean", TYPE_BOOLEAN}, {"object", TYPE_OBJECT}, {"array", TYPE_ARRAY},
		     {"string", TYPE_STRING}, {"integer", TYPE_INTEGER}, {"number", TYPE_NUMBER}};
	for (size_t i = 0; name && i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].types;
	return 0;
}

static bool draft_says(const struct builder *b, const char *draft)
{
	const char *schema = json_string_value(json_object_get(b->root, "$schema"));
	return schema && strstr(schema, draft);
}

static void build_type(struct builder *b, const json_t *j, struct gathered *g)
{
	const json_t *v = json_object_get(j, "type");
	unsigned types = 0, one = 1;
	if (!v)
		return;
	if (json_is_string(v))
		types = one = type_of_name(json_string_value(v));
	for (size_t i = 0; json_is_array(v) && i < json_array_size(v) && one; i++)
		types |= one = type_of_name(json_string_value(json_array_get(v, i)));
	if (types == 0 || !one)
		build_fail(b, KVIK_ERR_FORMAT, "type", "no type");
	else if (types != TYPE_ALL)
		gather(b, g, build_node(b, (struct node){.kind = NODE_TYPES, .types = types}));
}

/* ---- Schemas ----------------------------------------------------------------------------------------------------- */

/* What kvik cannot hold a text to. */
static const char *const refused[] = {"unevaluatedProperties", "unevaluatedItems", "$dynamicRef",
				      "$recursiveRef",         "extends",          "disallow"};

static uint32_t build_object_schema(struct builder *b, const json_t *j)
{
	struct gathered g = {0};
	const json_t *ref = json_object_get(j, "$ref");
	if (ref) {
		gather(b, &g, build_ref(b, ref));
		if (draft_says(b, "draft-04") || draft_says(b, "draft-06") || draft_says(b, "draft-07"))
			return gathered_gate(b, &g, NODE_ALL); /* there nothing else counts beside it */
	}
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		const json_t *v = json_object_get(j, refused[i]);
		if (v && !json_is_true(v) && !(json_is_object(v) && json_object_size(v) == 0))
			build_fail(b, KVIK_ERR_UNSUPPORTED, refused[i], "a keyword that is not supported");
	}
	build_type(b, j, &g);
	build_values(b, j, &g);
	build_strings(b, j, &g);
	build_numbers(b, j, &g);
	build_arrays(b, j, &g);
	build_objects(b, j, &g);
	build_list(b, j, "allOf", NODE_ALL, &g);
	build_list(b, j, "anyOf", NODE_ANY, &g);
	build_list(b, j, "oneOf", NODE_ONE, &g);
	build_not(b, j, &g);
	build_if(b, j, &g);
	return gathered_gate(b, &g, NODE_ALL);
}

uint32_t build_schema_here(struct builder *b, const json_t *j)
{
	uint32_t node = NODE_IS_TRUE;
	if (b->rc || json_is_true(j))
		return NODE_IS_TRUE;
	if (json_is_false(j))
		return NODE_IS_FALSE;
	if (!json_is_object(j))
		return build_fail(b, KVIK_ERR_FORMAT, NULL, "neither an object nor a boolean");
	if (++b->depth > DEPTH_MAX)
		build_fail(b, KVIK_ERR_LIMIT, NULL, "nested too deep");
	else {
		const json_t *base = references_enter(b, j);
		node = build_object_schema(b, j);
		references_leave(b, base);
	}
	b->depth--;
	return node;
}

/* Gates in a circle ("$ref": "#" and nothing else) say nothing. */
enum { NEW, OPEN, DONE };

static bool goes_round(const struct schema *s, uint8_t *mark, uint32_t node, unsigned depth)
{
	const struct node *n = &s->nodes[node];
	if (n->kind > NODE_IF || mark[node] == DONE)
		return false;
	if (mark[node] == OPEN || depth > 4 * DEPTH_MAX)
		return true;
	mark[node] = OPEN;
	for (uint32_t i = 0; i < n->n; i++)
		if (goes_round(s, mark, s->kids[n->first + i], depth + 1))
			return true;
	mark[node] = DONE;
	return false;
}

static void check_circles(struct builder *b)
{
	uint8_t *mark = mem_zalloc(b->s->n, 1);
	if (!mark)
		build_nomem(b);
	for (uint32_t i = 0; mark && !b->rc && i < b->s->n; i++)
		if (goes_round(b->s, mark, i, 0))
			build_fail(b, KVIK_ERR_UNSUPPORTED, "$ref", "a reference that leads back to itself");
	mem_free(mark);
}

static void begin(struct builder *b, struct schema *s, struct kvik_err *err)
{
	*s = (struct schema){0};
	*b = (struct builder){.s = s, .err = err};
	build_node(b, (struct node){.kind = NODE_ALL});
	build_node(b, (struct node){.kind = NODE_ANY});
}

int schema_compile(struct schema *s, const char *text, size_t bytes, struct kvik_err *err)
{
	struct builder b;
	json_error_t e;
	begin(&b, s, err);
	if (b.rc)
		return b.rc;
	s->json = json_loadb(text, bytes, JSON_FLAGS | JSON_ALLOW_NUL, &e);
	if (!s->json) /* integers beyond 64 bits */
		s->json = json_loadb(text, bytes, JSON_FLAGS | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
	if (!s->json)
		return err_set(err, KVIK_ERR_FORMAT, "JSON schema: no JSON: %s (line %d)", e.text, e.line);
	b.root = s->json;
	b.base = s->json;
	s->root = build_schema_here(&b, s->json);
	if (!b.rc)
		check_circles(&b);
	references_release(&b);
	buf_release(&b.path);
	return b.rc;
}

void schema_release(struct schema *s)
{
	for (size_t i = 0; i < s->n_dfas; i++)
		dfa_free(s->dfas[i]);
	for (size_t i = 0; i < s->n_ranges; i++)
		mem_free(s->ranges[i]);
	for (size_t i = 0; i < s->n_strings; i++)
		mem_free(s->strings[i]);
	mem_free(s->nodes);
	mem_free(s->kids);
	mem_free(s->texts);
	mem_free(s->members);
	mem_free(s->patterns);
	mem_free(s->dfas);
	mem_free(s->ranges);
	mem_free(s->strings);
	json_decref(s->json);
	*s = (struct schema){0};
}
