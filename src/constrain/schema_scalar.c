/* schema_scalar.c: what a schema says of strings and numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "constrain/schema_build.h"

/* ---- Strings ----------------------------------------------------------------------------------------------------- */

struct dfa *build_dfa(struct builder *b, const char *pattern, size_t n, const char *keyword)
{
	struct schema *s = b->s;
	struct re_prog prog;
	struct kvik_err err;
	struct dfa *d = NULL;
	if (b->rc)
		return NULL;
	int rc = re_compile(&prog, pattern, n, RE_SEARCH, &err);
	if (rc) {
		re_prog_release(&prog);
		build_fail(b, rc, keyword, err.text);
		return NULL;
	}
	struct dfa **dfas = mem_grow(s->dfas, &s->dfas_cap, s->n_dfas, sizeof *dfas);
	if (!dfas) {
		re_prog_release(&prog);
		build_nomem(b);
		return NULL;
	}
	s->dfas = dfas;
	if (dfa_new(&d, &prog) != 0) {
		build_nomem(b);
		return NULL;
	}
	dfas[s->n_dfas++] = d;
	return d;
}

static uint32_t pattern_node(struct builder *b, const char *pattern, size_t n, const char *keyword)
{
	struct dfa *d = build_dfa(b, pattern, n, keyword);
	return build_node(b, (struct node){.kind = NODE_PATTERN, .dfa = d});
}

/* "^" in front, unless it is there. */
static uint32_t anchored_node(struct builder *b, const char *pattern, size_t n, const char *keyword)
{
	struct buf text = {0};
	uint32_t node = NODE_IS_TRUE;
	if (!buf_add(&text, "^(?:", 4) || !buf_add(&text, pattern, n) || !buf_add_text(&text, ")", 1))
		build_nomem(b);
	else
		node = pattern_node(b, text.data, text.n, keyword);
	buf_release(&text);
	return node;
}

/* No string that is so; other values are. */
static uint32_t not_string(struct builder *b, uint32_t node)
{
	uint32_t kids[2] = {build_node(b, (struct node){.kind = NODE_TYPES, .types = TYPE_STRING}), node};
	uint32_t both = build_gate(b, NODE_ALL, kids, 2);
	return build_gate(b, NODE_NOT, &both, 1);
}

uint32_t build_pattern(struct builder *b, const char *pattern, size_t n, const char *keyword)
{
	struct re_lookahead ahead = {0};
	struct gathered g = {0};
	bool first = true;
	if (n == 0 || pattern[0] != '^') /* elsewhere a look-ahead means a place that is not known */
		return pattern_node(b, pattern, n, keyword);
	while (!b->rc && re_lookahead(pattern, n, &ahead)) {
		uint32_t inner = anchored_node(b, ahead.inner, ahead.inner_bytes, keyword);
		gather(b, &g, ahead.negative ? not_string(b, inner) : inner);
		pattern = ahead.rest;
		n = ahead.rest_bytes;
		ahead = (struct re_lookahead){0};
		first = false;
	}
	gather(b, &g, first ? pattern_node(b, pattern, n, keyword) : anchored_node(b, pattern, n, keyword));
	uint32_t node = build_gate(b, NODE_ALL, g.nodes, g.n);
	mem_free(g.nodes);
	return node;
}

void build_strings(struct builder *b, const json_t *j, struct gathered *g)
{
	const json_t *pattern = json_object_get(j, "pattern"), *format = json_object_get(j, "format");
	struct node length = {.kind = NODE_LENGTH, .limits = {0, NO_LIMIT}};
	bool any = build_count(b, j, "minLength", &length.limits.min);
	any |= build_count(b, j, "maxLength", &length.limits.max);
	if (any)
		gather(b, g, build_node(b, length));
	if (pattern && !json_is_string(pattern))
		build_fail(b, KVIK_ERR_FORMAT, "pattern", "no string");
	else if (pattern)
		gather(b, g, build_pattern(b, json_string_value(pattern), json_string_length(pattern), "pattern"));
	const char *text = json_is_string(format) ? format_pattern(json_string_value(format)) : NULL;
	if (text)
		gather(b, g, pattern_node(b, text, strlen(text), "format"));
}

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

static bool decimal_of(struct builder *b, const json_t *v, const char *keyword, struct decimal *d)
{
	char text[NUMBER_TEXT];
	if (!json_is_number(v)) {
		build_fail(b, KVIK_ERR_FORMAT, keyword, "no number");
		return false;
	}
	number_text(v, text);
	return decimal_parse(d, text, strlen(text));
}

static bool read_bound(struct builder *b, const json_t *j, const char *keyword, const char *exclusive, bool upper,
		       struct decimal *bound, bool *excluded)
{
	const json_t *v = json_object_get(j, keyword), *x = json_object_get(j, exclusive);
	struct decimal other;
	bool any = v && decimal_of(b, v, keyword, bound);
	*excluded = any && json_is_true(x); /* draft 4 */
	if (!x || json_is_boolean(x) || !decimal_of(b, x, exclusive, &other))
		return any;
	int c = any ? decimal_compare(&other, bound) : 0;
	if (!any || (upper ? c <= 0 : c >= 0)) {
		*bound = other;
		*excluded = true;
	}
	return true;
}

static void read_multiple(struct builder *b, const json_t *j, struct range *r)
{
	const json_t *v = json_object_get(j, "multipleOf");
	if (!v)
		v = json_object_get(j, "divisibleBy"); /* draft 3 */
	if (!v || !decimal_of(b, v, "multipleOf", &r->multiple))
		return;
	r->scale = decimal_scale(&r->multiple);
	if (r->multiple.negative || r->multiple.n == 0)
		build_fail(b, KVIK_ERR_FORMAT, "multipleOf", "no positive number");
	else if (r->scale > 12 || !decimal_scaled(&r->multiple, r->scale, &r->multiple_scaled))
		build_fail(b, KVIK_ERR_UNSUPPORTED, "multipleOf", "a number of more digits than are supported");
}

void build_numbers(struct builder *b, const json_t *j, struct gathered *g)
{
	struct range r = {0};
	r.has_min = read_bound(b, j, "minimum", "exclusiveMinimum", false, &r.min, &r.above_min);
	r.has_max = read_bound(b, j, "maximum", "exclusiveMaximum", true, &r.max, &r.below_max);
	read_multiple(b, j, &r);
	if (b->rc || (!r.has_min && !r.has_max && !r.multiple_scaled))
		return;
	struct schema *s = b->s;
	struct range **ranges = mem_grow(s->ranges, &s->ranges_cap, s->n_ranges, sizeof *ranges);
	struct range *copy = mem_alloc(sizeof *copy);
	if (ranges)
		s->ranges = ranges;
	if (!ranges || !copy) {
		mem_free(copy);
		build_nomem(b);
		return;
	}
	*copy = r;
	ranges[s->n_ranges++] = copy;
	gather(b, g, build_node(b, (struct node){.kind = NODE_RANGE, .range = copy}));
}
