/* place.c: places, and the judgement of a circuit in three values. */
#include "constrain/place.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- Nodes of a place -------------------------------------------------------------------------------------------- */

struct gathering {
	const struct schema *s;
	struct intern order; /* node -> local number + 1 */
	bool failed;
};

static uint32_t local(const struct gathering *g, uint32_t node)
{
	return intern_find(&g->order, &node, 1) - 1;
}

/* Kids first. Circles of gates were refused when the schema was compiled. */
static void gather_node(struct gathering *g, uint32_t node)
{
	const struct node *n = &g->s->nodes[node];
	if (g->failed || intern_find(&g->order, &node, 1))
		return;
	for (uint32_t i = 0; n->kind <= NODE_IF && i < n->n; i++)
		gather_node(g, g->s->kids[n->first + i]);
	if (!intern_add(&g->order, &node, 1))
		g->failed = true;
}

static bool is_in(enum node_kind kind, enum node_kind first, enum node_kind last)
{
	return kind >= first && kind <= last;
}

static bool list_leaves(const struct places *ps, struct place *p)
{
	uint32_t *all = mem_zalloc(4 * (size_t)p->n + 1, sizeof *all);
	if (!all)
		return false;
	p->strings = all;
	p->numbers = all + p->n;
	p->objects = all + 2 * p->n;
	p->arrays = all + 3 * p->n;
	for (uint32_t i = 0; i < p->n; i++) {
		enum node_kind kind = ps->schema->nodes[p->nodes[i]].kind;
		if (kind == NODE_TEXTS || is_in(kind, NODE_LENGTH, NODE_PATTERN))
			p->strings[p->n_strings++] = i;
		else if (kind == NODE_NUMBERS || kind == NODE_RANGE)
			p->numbers[p->n_numbers++] = i;
		else if (is_in(kind, NODE_MEMBERS, NODE_NAMES))
			p->objects[p->n_objects++] = i;
		else if (is_in(kind, NODE_ITEMS, NODE_CONTAINS))
			p->arrays[p->n_arrays++] = i;
		p->n_contains += kind == NODE_CONTAINS;
	}
	return true;
}

static bool list_names(const struct places *ps, struct place *p)
{
	const struct schema *s = ps->schema;
	size_t most = 0, n = 0;
	for (uint32_t i = 0; i < p->n_objects; i++) {
		const struct node *node = &s->nodes[p->nodes[p->objects[i]]];
		most += node->kind == NODE_MEMBERS || node->kind == NODE_REQUIRED ? node->n : 0;
	}
	p->names = mem_zalloc(most + 1, sizeof *p->names);
	if (!p->names)
		return false;
	for (uint32_t i = 0; i < p->n_objects; i++) {
		const struct node *node = &s->nodes[p->nodes[p->objects[i]]];
		for (uint32_t k = 0; k < node->n && node->kind == NODE_MEMBERS; k++)
			p->names[n++] = s->members[node->first + k].name;
		for (uint32_t k = 0; k < node->n && node->kind == NODE_REQUIRED; k++)
			p->names[n++] = s->texts[node->first + k];
	}
	if (n > 0)
		qsort(p->names, n, sizeof *p->names, text_compare);
	for (size_t i = 0; i < n; i++)
		if (p->n_names == 0 || text_compare(&p->names[p->n_names - 1], &p->names[i]) != 0)
			p->names[p->n_names++] = p->names[i];
	return true;
}

static uint32_t name_number(const struct place *p, struct text name)
{
	const struct text *t = bsearch(&name, p->names, p->n_names, sizeof *t, text_compare);
	return (uint32_t)(t - p->names);
}

static bool list_members(const struct places *ps, struct place *p)
{
	const struct schema *s = ps->schema;
	size_t n = (size_t)p->n_objects * p->n_names, n_patterns = 0;
	p->member = mem_alloc((n + 1) * sizeof *p->member);
	if (!p->member)
		return false;
	memset(p->member, 0xFF, n * sizeof *p->member); /* NOWHERE */
	for (uint32_t i = 0; i < p->n_objects; i++) {
		const struct node *node = &s->nodes[p->nodes[p->objects[i]]];
		uint32_t *row = p->member + (size_t)i * p->n_names;
		for (uint32_t k = 0; k < node->n && node->kind == NODE_MEMBERS; k++)
			row[name_number(p, s->members[node->first + k].name)] = s->members[node->first + k].node;
		for (uint32_t k = 0; k < node->n && node->kind == NODE_REQUIRED; k++)
			row[name_number(p, s->texts[node->first + k])] = 0;
		n_patterns += node->patterns_n;
	}
	p->patterns = mem_zalloc(n_patterns + 1, sizeof *p->patterns);
	if (!p->patterns)
		return false;
	for (uint32_t i = 0; i < p->n_objects; i++) {
		const struct node *node = &s->nodes[p->nodes[p->objects[i]]];
		for (uint32_t k = 0; k < node->patterns_n; k++)
			p->patterns[p->n_patterns++] =
				(struct place_pattern){p->objects[i], s->patterns[node->patterns_first + k].dfa,
						       s->patterns[node->patterns_first + k].node};
	}
	return true;
}

static void count_needed(const struct places *ps, struct place *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		const struct node *n = &ps->schema->nodes[p->nodes[i]];
		uint32_t most = 0;
		if (n->kind == NODE_COUNT || n->kind == NODE_SIZE || n->kind == NODE_CONTAINS)
			most = n->limits.max != NO_LIMIT && n->limits.max >= n->limits.min ? n->limits.max + 1
											   : n->limits.min;
		else if (n->kind == NODE_ITEMS)
			most = n->n;
		p->counted = most > p->counted ? most : p->counted;
	}
}

/* ---- Making ------------------------------------------------------------------------------------------------------ */

static void place_free(struct place *p)
{
	if (!p)
		return;
	mem_free(p->nodes);
	mem_free(p->kids);
	mem_free(p->seeds);
	mem_free(p->start);
	mem_free(p->strings);
	mem_free(p->names);
	mem_free(p->member);
	mem_free(p->patterns);
	mem_free(p);
}

static bool list_nodes(struct place *p, const struct gathering *g, const uint32_t *seeds, uint32_t n_seeds)
{
	size_t n_kids = 0, k = 0;
	uint32_t words;
	p->n = (uint32_t)g->order.n;
	p->words = (p->n + 31) / 32;
	p->nodes = mem_zalloc(p->n + 1, sizeof *p->nodes);
	p->seeds = mem_zalloc(n_seeds + 1, sizeof *p->seeds);
	p->start = mem_zalloc(p->n + 1, 1);
	if (!p->nodes || !p->seeds || !p->start)
		return false;
	for (uint32_t i = 0; i < p->n; i++) {
		p->nodes[i] = intern_words(&g->order, i + 1, &words)[0];
		const struct node *n = &g->s->nodes[p->nodes[i]];
		n_kids += n->kind <= NODE_IF ? n->n : 0;
	}
	p->kids = mem_zalloc(n_kids + 1, sizeof *p->kids);
	if (!p->kids)
		return false;
	for (uint32_t i = 0; i < p->n; i++) {
		const struct node *n = &g->s->nodes[p->nodes[i]];
		for (uint32_t j = 0; n->kind <= NODE_IF && j < n->n; j++)
			p->kids[k++] = local(g, g->s->kids[n->first + j]);
	}
	for (uint32_t i = 0; i < n_seeds; i++)
		p->seeds[i] = local(g, seeds[i]);
	return true;
}

/* Which nodes a value of some type could make true. */
static bool find_start(struct places *ps, struct place *p)
{
	uint32_t *failed = mem_zalloc(p->words + 1, sizeof *failed);
	if (!failed)
		return false;
	for (unsigned type = 1; type < TYPE_ALL; type *= 2) {
		memset(failed, 0, p->words * sizeof *failed);
		place_typed(ps, p, type == TYPE_FRACTION ? TYPE_NUMBER : type, failed);
		const uint8_t *can = place_judge(ps, p, failed, false);
		for (uint32_t i = 0; can && i < p->n; i++)
			p->start[i] |= can[i] & CAN_BE_TRUE;
	}
	mem_free(failed);
	return ps->can_cap >= p->n;
}

static struct place *place_new(struct places *ps, const uint32_t *seeds, uint32_t n)
{
	struct gathering g = {.s = ps->schema};
	struct place *p = mem_zalloc(1, sizeof *p);
	for (uint32_t i = 0; i < n; i++)
		gather_node(&g, seeds[i]);
	bool ok = p && !g.failed && list_nodes(p, &g, seeds, n) && list_leaves(ps, p) && list_names(ps, p) &&
		  list_members(ps, p) && find_start(ps, p);
	intern_release(&g.order);
	if (!ok) {
		place_free(p);
		return NULL;
	}
	count_needed(ps, p);
	ps->bytes += sizeof *p + 64 * (size_t)p->n + (size_t)p->n_names * (sizeof *p->names + 4 * p->n_objects);
	return p;
}

static int compare_words(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

uint32_t place_of(struct places *ps, uint32_t *nodes, uint32_t n)
{
	uint32_t kept = 0;
	if (n > 1)
		qsort(nodes, n, sizeof *nodes, compare_words);
	for (uint32_t i = 0; i < n; i++)
		if (kept == 0 || nodes[i] != nodes[kept - 1])
			nodes[kept++] = nodes[i];
	uint32_t id = intern_find(&ps->seeds, nodes, kept);
	if (id)
		return id;
	/* Room first: a number that was given out has its place. */
	struct place **list = mem_grow(ps->list, &ps->cap, ps->seeds.n + 1, sizeof *list);
	if (!list)
		return 0;
	ps->list = list;
	struct place *p = place_new(ps, nodes, kept);
	id = p ? intern_add(&ps->seeds, nodes, kept) : 0;
	if (id)
		list[id] = p;
	else
		place_free(p);
	return id;
}

void places_release(struct places *ps)
{
	for (size_t i = 1; i <= ps->seeds.n && ps->list; i++)
		place_free(ps->list[i]);
	intern_release(&ps->seeds);
	intern_release(&ps->links);
	intern_release(&ps->children);
	mem_free(ps->list);
	mem_free(ps->child);
	mem_free(ps->can);
	*ps = (struct places){.schema = ps->schema};
}

/* ---- Judging ----------------------------------------------------------------------------------------------------- */

static uint8_t judge_gate(const struct node *n, const uint32_t *kids, const uint8_t *can)
{
	uint32_t can_true = 0, can_false = 0, only_true = 0;
	for (uint32_t i = 0; i < n->n; i++) {
		uint8_t c = can[kids[i]];
		can_true += c & CAN_BE_TRUE;
		can_false += c >> 1;
		only_true += c == CAN_BE_TRUE;
	}
	switch (n->kind) {
	case NODE_ALL: return (uint8_t)((can_true == n->n) | (can_false > 0) << 1);
	case NODE_ANY: return (uint8_t)((can_true > 0) | (can_false == n->n) << 1);
	case NODE_NOT: return (uint8_t)((can_false > 0) | (can_true > 0) << 1);
	case NODE_ONE:
		/* True for sure: one is, and the others cannot be. */
		return (uint8_t)((can_true > 0 && only_true <= 1) | !(only_true == 1 && can_true == 1) << 1);
	default: { /* NODE_IF */
		uint8_t c = can[kids[0]], then = can[kids[1]], other = can[kids[2]];
		bool t = (c & CAN_BE_TRUE && then & CAN_BE_TRUE) || (c & CAN_BE_FALSE && other & CAN_BE_TRUE);
		bool f = (c & CAN_BE_TRUE && then & CAN_BE_FALSE) || (c & CAN_BE_FALSE && other & CAN_BE_FALSE);
		return (uint8_t)(t | f << 1);
	}
	}
}

const uint8_t *place_judge(struct places *ps, const struct place *p, const uint32_t *failed, bool ended)
{
	const uint32_t *kids = p->kids;
	if (p->n > ps->can_cap) {
		uint8_t *can = mem_realloc(ps->can, p->n, 1);
		if (!can)
			return NULL;
		ps->can = can;
		ps->can_cap = p->n;
	}
	for (uint32_t i = 0; i < p->n; i++) {
		const struct node *n = &ps->schema->nodes[p->nodes[i]];
		if (n->kind <= NODE_IF) {
			ps->can[i] = judge_gate(n, kids, ps->can);
			kids += n->n;
		} else if (bit_get(failed, i)) {
			ps->can[i] = CAN_BE_FALSE;
		} else {
			ps->can[i] = ended ? CAN_BE_TRUE : CAN_BE_TRUE | CAN_BE_FALSE;
		}
	}
	return p->n ? ps->can : (const uint8_t *)"";
}

void place_typed(const struct places *ps, const struct place *p, unsigned types, uint32_t *failed)
{
	for (uint32_t i = 0; i < p->n; i++) {
		const struct node *n = &ps->schema->nodes[p->nodes[i]];
		bool fits = true;
		switch (n->kind) {
		case NODE_TYPES: fits = n->types & types; break;
		case NODE_WORDS:
			fits = (types & TYPE_BOOLEAN && n->words & (WORD_TRUE | WORD_FALSE)) ||
			       (types & TYPE_NULL && n->words & WORD_NULL);
			break;
		case NODE_TEXTS: fits = types & TYPE_STRING; break;
		case NODE_NUMBERS: fits = types & TYPE_NUMBER; break;
		default: break;
		}
		if (!fits)
			bit_set(failed, i);
	}
}

/* ---- Children ---------------------------------------------------------------------------------------------------- */

bool place_child_known(const struct places *ps, const uint32_t *key, uint32_t key_n, uint32_t *place, uint32_t *links)
{
	uint32_t id = intern_find(&ps->children, key, key_n);
	if (!id)
		return false;
	*place = ps->child[2 * id];
	*links = ps->child[2 * id + 1];
	return true;
}

bool place_child(struct places *ps, const uint32_t *key, uint32_t key_n, const struct asked *asked, uint32_t n,
		 uint32_t *place, uint32_t *links)
{
	uint32_t *nodes = mem_zalloc(n + 1, sizeof *nodes), words;
	struct link *list = mem_zalloc(n + 1, sizeof *list);
	*links = 0;
	for (uint32_t i = 0; nodes && i < n; i++)
		nodes[i] = asked[i].node;
	*place = nodes && list ? place_of(ps, nodes, n) : 0;
	if (*place) {
		const struct place *p = ps->list[*place];
		const uint32_t *seeds = intern_words(&ps->seeds, *place, &words);
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t *seed = bsearch(&asked[i].node, seeds, words, sizeof *seed, compare_words);
			list[i] = (struct link){p->seeds[seed - seeds], asked[i].leaf};
		}
		*links = intern_add(&ps->links, (const uint32_t *)list, 2 * n);
	}
	mem_free(nodes);
	mem_free(list);
	if (2 * (ps->children.n + 1) + 1 >= ps->child_cap) { /* room first, as in place_of */
		uint32_t *child = mem_realloc(ps->child, 2 * (ps->child_cap + 64), sizeof *child);
		if (!child)
			return false;
		ps->child = child;
		ps->child_cap = 2 * (ps->child_cap + 64);
	}
	uint32_t id = *links ? intern_add(&ps->children, key, key_n) : 0;
	if (!id)
		return false;
	ps->child[2 * id] = *place;
	ps->child[2 * id + 1] = *links;
	return true;
}

const struct link *place_links(const struct places *ps, uint32_t links, uint32_t *n)
{
	uint32_t words;
	const uint32_t *w = intern_words(&ps->links, links, &words);
	*n = words / 2;
	return (const struct link *)w;
}
