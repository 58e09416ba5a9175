/* json_object.c: objects: which members they have, and what is asked of those. */
#include <string.h>

#include "base/mem.h"
#include "constrain/json_object.h"

uint32_t json_begin_object(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed)
{
	uint32_t data = DATA_HEAD + (place_get(&j->ps, place)->n_names + 31) / 32;
	return json_begin_container(j, parent, place, failed, MODE_OBJECT_OPEN, data);
}

/* ---- What may come ----------------------------------------------------------------------------------------------- */

static bool pattern_lives(const struct place_pattern *p, const uint32_t *states, uint32_t i, const struct json_text *t)
{
	uint32_t state = states ? states[i] : dfa_start(p->dfa);
	return p->node != NODE_IS_FALSE && state != DFA_DEAD &&
	       (!t || !t->escape || dfa_goes_on_with(p->dfa, state, t->lo, t->hi));
}

/* A member that this leaf allows can still be named. */
static bool can_be_named(const struct rec *o, uint32_t leaf, uint32_t row, const struct name_so_far *name)
{
	const uint32_t *member = o->p->member + (size_t)row * o->p->n_names;
	for (uint32_t i = name->lo; i < name->hi; i++)
		if (member[i] != NOWHERE && member[i] != NODE_IS_FALSE && !bit_get(o->data + DATA_HEAD, i) &&
		    (!name->t || !name->t->escape ||
		     texts_go_on(o->p->names, i, i + 1, name->bytes, name->t->lo, name->t->hi)))
			return true;
	for (uint32_t i = 0; i < o->p->n_patterns; i++)
		if (o->p->patterns[i].leaf == leaf && pattern_lives(&o->p->patterns[i], name->patterns, i, name->t))
			return true;
	return false;
}

bool object_check_name(struct json *j, struct rec *o, const struct name_so_far *name)
{
	bool broken = false;
	for (uint32_t i = 0; i < o->p->n_objects; i++) {
		uint32_t leaf = o->p->objects[i];
		const struct node *n = rec_node(j, o, leaf);
		bool ok = true;
		if (bit_get(o->failed, leaf))
			continue;
		if (n->kind == NODE_MEMBERS && n->rest == NODE_IS_FALSE)
			ok = can_be_named(o, leaf, i, name);
		else if (n->kind == NODE_COUNT)
			ok = o->data[DATA_COUNT] < n->limits.max;
		if (!ok) {
			bit_set(o->failed, leaf);
			broken = true;
		}
	}
	return broken;
}

/* ---- A member ---------------------------------------------------------------------------------------------------- */

struct asking {
	struct asked *list;
	uint32_t n;
};

static void ask(struct asking *a, uint32_t node, uint32_t leaf)
{
	if (node != NODE_IS_TRUE)
		a->list[a->n++] = (struct asked){node, leaf};
}

static void ask_members(struct json *j, const struct rec *o, uint32_t name, const uint32_t *matches, struct asking *a)
{
	for (uint32_t i = 0; i < o->p->n_objects; i++) {
		uint32_t leaf = o->p->objects[i];
		const struct node *n = rec_node(j, o, leaf);
		bool known = false;
		if (n->kind != NODE_MEMBERS || bit_get(o->failed, leaf))
			continue;
		uint32_t member = name == NOWHERE ? NOWHERE : o->p->member[(size_t)i * o->p->n_names + name];
		if (member != NOWHERE) {
			ask(a, member, leaf);
			known = true;
		}
		for (uint32_t k = 0; k < o->p->n_patterns; k++)
			if (o->p->patterns[k].leaf == leaf && matches[k]) {
				ask(a, o->p->patterns[k].node, leaf);
				known = true;
			}
		if (!known)
			ask(a, n->rest, leaf);
	}
}

static bool member_place(struct json *j, const struct rec *o, uint32_t name, const uint32_t *matches, uint32_t *place,
			 uint32_t *links)
{
	uint32_t n = 3 + o->p->words + o->p->n_patterns, most = o->p->n_objects + o->p->n_patterns;
	uint32_t *key = mem_alloc(n * sizeof *key);
	struct asking a = {mem_alloc((most + 1) * sizeof *a.list), 0};
	bool ok = key && a.list;
	if (ok) {
		key[0] = o->w[REC_PLACE];
		key[1] = MODE_OBJECT_CHILD;
		key[2] = name;
		memcpy(key + 3, o->failed, o->p->words * sizeof *key);
		if (o->p->n_patterns)
			memcpy(key + 3 + o->p->words, matches, o->p->n_patterns * sizeof *key);
		if (!place_child_known(&j->ps, key, n, place, links)) {
			ask_members(j, o, name, matches, &a);
			ok = place_child(&j->ps, key, n, a.list, a.n, place, links);
		}
	}
	mem_free(key);
	mem_free(a.list);
	return ok;
}

void json_ask(struct json *j, struct rec *r, uint32_t place, uint32_t links)
{
	uint32_t n;
	const struct place *child = place_get(&j->ps, place);
	const struct link *list = place_links(&j->ps, links, &n);
	r->data[DATA_CHILD] = place;
	r->data[DATA_LINKS] = links;
	for (uint32_t i = 0; i < n; i++)
		if (!child->start[list[i].seed] && rec_node(j, r, list[i].leaf)->kind != NODE_CONTAINS)
			bit_set(r->failed, list[i].leaf);
}

uint32_t object_named(struct json *j, struct rec *o, uint32_t name, const uint32_t *matches)
{
	uint32_t place, links;
	if (name != NOWHERE) {
		if (bit_get(o->data + DATA_HEAD, name))
			return JSON_DEAD;
		bit_set(o->data + DATA_HEAD, name);
	}
	o->data[DATA_COUNT] += o->data[DATA_COUNT] < o->p->counted;
	if (!member_place(j, o, name, matches, &place, &links))
		return JSON_DEAD;
	rec_set(o, MODE_OBJECT_COLON, 0);
	json_ask(j, o, place, links);
	return json_raise(j, o);
}

/* ---- The end ----------------------------------------------------------------------------------------------------- */

static bool has_required(const struct rec *o, uint32_t row)
{
	const uint32_t *member = o->p->member + (size_t)row * o->p->n_names;
	for (uint32_t i = 0; i < o->p->n_names; i++)
		if (member[i] != NOWHERE && !bit_get(o->data + DATA_HEAD, i))
			return false;
	return true;
}

static uint32_t end_object(struct json *j, struct rec *o)
{
	for (uint32_t i = 0; i < o->p->n_objects; i++) {
		const struct node *n = rec_node(j, o, o->p->objects[i]);
		if ((n->kind == NODE_REQUIRED && !has_required(o, i)) ||
		    (n->kind == NODE_COUNT &&
		     (o->data[DATA_COUNT] < n->limits.min || o->data[DATA_COUNT] > n->limits.max)))
			bit_set(o->failed, o->p->objects[i]);
	}
	return json_end(j, o);
}

uint32_t json_step_object(struct json *j, struct rec *o, uint8_t byte)
{
	struct name_so_far any = {.hi = o->p->n_names};
	enum mode mode = rec_mode(o);
	if (byte == '"' && (mode == MODE_OBJECT_OPEN || mode == MODE_OBJECT_COMMA))
		return json_begin_name(j, o);
	if (byte == '}' && (mode == MODE_OBJECT_OPEN || mode == MODE_OBJECT_NEXT))
		return end_object(j, o);
	if (byte == ',' && mode == MODE_OBJECT_NEXT) {
		rec_set(o, MODE_OBJECT_COMMA, 0);
		object_check_name(j, o, &any);
		return json_raise(j, o);
	}
	if (byte != ':' || mode != MODE_OBJECT_COLON)
		return JSON_DEAD;
	rec_set(o, MODE_OBJECT_CHILD, 0);
	uint32_t state = rec_state(j, o);
	return state ? json_expect_value(j, state, o->data[DATA_CHILD]) : JSON_DEAD;
}
