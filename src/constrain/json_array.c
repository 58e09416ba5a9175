/* json_array.c: arrays: how many items they have, and what is asked of those. */
#include <string.h>

#include "base/mem.h"
#include "constrain/json_object.h"

uint32_t json_begin_array(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed)
{
	uint32_t data = DATA_HEAD + place_get(&j->ps, place)->n_contains;
	return json_begin_container(j, parent, place, failed, MODE_ARRAY_OPEN, data);
}

static uint32_t ask_items(struct json *j, const struct rec *a, struct asked *asked)
{
	uint32_t n = 0, at = a->data[DATA_COUNT];
	for (uint32_t i = 0; i < a->p->n_arrays; i++) {
		uint32_t leaf = a->p->arrays[i], node = NODE_IS_TRUE;
		const struct node *l = rec_node(j, a, leaf);
		if (l->kind == NODE_ITEMS)
			node = at < l->n ? j->ps.schema->kids[l->first + at] : l->rest;
		if (l->kind == NODE_CONTAINS || (node != NODE_IS_TRUE && !bit_get(a->failed, leaf)))
			asked[n++] = (struct asked){l->kind == NODE_CONTAINS ? l->rest : node, leaf};
	}
	return n;
}

static bool item_place(struct json *j, const struct rec *a, uint32_t *place, uint32_t *links)
{
	uint32_t n = 3 + a->p->words;
	uint32_t *key = mem_alloc(n * sizeof *key);
	struct asked *asked = mem_alloc((a->p->n_arrays + 1) * sizeof *asked);
	bool ok = key && asked;
	if (ok) {
		key[0] = a->w[REC_PLACE];
		key[1] = MODE_ARRAY_CHILD;
		key[2] = a->data[DATA_COUNT];
		memcpy(key + 3, a->failed, a->p->words * sizeof *key);
		ok = place_child_known(&j->ps, key, n, place, links) ||
		     place_child(&j->ps, key, n, asked, ask_items(j, a, asked), place, links);
	}
	mem_free(key);
	mem_free(asked);
	return ok;
}

/* The state in which the next item begins. */
static uint32_t begin_item(struct json *j, struct rec *a)
{
	uint32_t place, links;
	for (uint32_t i = 0; i < a->p->n_arrays; i++) {
		const struct node *n = rec_node(j, a, a->p->arrays[i]);
		if (n->kind == NODE_SIZE && a->data[DATA_COUNT] >= n->limits.max)
			bit_set(a->failed, a->p->arrays[i]);
	}
	if (!item_place(j, a, &place, &links))
		return JSON_DEAD;
	rec_set(a, MODE_ARRAY_CHILD, 0);
	json_ask(j, a, place, links);
	a->data[DATA_COUNT] += a->data[DATA_COUNT] < a->p->counted;
	uint32_t state = json_raise(j, a);
	return state ? json_expect_value(j, state, place) : JSON_DEAD;
}

static uint32_t end_array(struct json *j, struct rec *a)
{
	uint32_t nth = 0;
	for (uint32_t i = 0; i < a->p->n_arrays; i++) {
		const struct node *n = rec_node(j, a, a->p->arrays[i]);
		uint32_t count = a->data[DATA_COUNT];
		if (n->kind == NODE_CONTAINS)
			count = a->data[DATA_HEAD + nth++];
		if (n->kind != NODE_ITEMS && (count < n->limits.min || count > n->limits.max))
			bit_set(a->failed, a->p->arrays[i]);
	}
	return json_end(j, a);
}

uint32_t json_step_array(struct json *j, struct rec *a, uint8_t byte)
{
	bool open = rec_mode(a) == MODE_ARRAY_OPEN;
	if (byte == ']')
		return end_array(j, a);
	if (!open)
		return byte == ',' ? begin_item(j, a) : JSON_DEAD;
	uint32_t value = byte == ',' ? JSON_DEAD : begin_item(j, a);
	struct rec r;
	if (value == JSON_DEAD || !rec_copy(j, &r, value))
		return JSON_DEAD;
	return json_begin_value(j, &r, byte);
}
