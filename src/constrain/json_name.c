/* json_name.c: the name of a member, character by character: which of the names that the schema knows it can become, which
 * patterns it can match, and what is asked of names as strings.
 *
 * Data: the stretch lo, hi of the place's names that begin so, its bytes; the states of the place's patterns; then
 * json_track.h's for the place of names. */
#include <string.h>

#include "base/mem.h"
#include "constrain/json_object.h"

enum { NAME_LO, NAME_HI, NAME_BYTES, NAME_HEAD };

static uint32_t *tracked(const struct rec *r, const struct rec *o)
{
	return r->data + NAME_HEAD + o->p->n_patterns;
}

/* The state of a name whose object is o, which some leaves may have broken. */
static uint32_t name_state(struct json *j, struct rec *r, struct rec *o, const struct json_text *t)
{
	struct name_so_far name = {r->data[NAME_LO], r->data[NAME_HI], r->data[NAME_BYTES], r->data + NAME_HEAD, t};
	bool same = true; /* whatever characters come, for what names and patterns say */
	if (object_check_name(j, o, &name)) {
		r->w[REC_PARENT] = json_raise(j, o);
		if (r->w[REC_PARENT] == JSON_DEAD)
			return JSON_DEAD;
	}
	if (r->data[NAME_LO] >= r->data[NAME_HI])
		r->data[NAME_LO] = r->data[NAME_HI] = r->data[NAME_BYTES] = 0;
	for (uint32_t i = 0; i < o->p->n_patterns; i++) {
		uint32_t state = r->data[NAME_HEAD + i];
		same &= state == DFA_DEAD || dfa_sated(o->p->patterns[i].dfa, state);
	}
	uint32_t limit, free = track_settle(j, r->p, r->failed, tracked(r, o), &limit);
	if (limit != NOWHERE && json_survives(j, r, limit))
		free = 0; /* beyond the limit the name goes on without it */
	same &= r->data[NAME_HI] == 0 && !json_text_is_escape(r->w[REC_X]);
	r->w[REC_MODE] = MODE_NAME | (same ? free << 8 : 0);
	return json_raise(j, r);
}

static bool names_place(struct json *j, const struct rec *o, uint32_t *place, uint32_t *links)
{
	uint32_t key[2] = {o->w[REC_PLACE], MODE_OBJECT_NAME}, n = 0;
	if (place_child_known(&j->ps, key, 2, place, links))
		return true;
	struct asked *asked = mem_alloc((o->p->n_objects + 1) * sizeof *asked);
	for (uint32_t i = 0; asked && i < o->p->n_objects; i++)
		if (rec_node(j, o, o->p->objects[i])->kind == NODE_NAMES)
			asked[n++] = (struct asked){rec_node(j, o, o->p->objects[i])->rest, o->p->objects[i]};
	bool ok = asked && place_child(&j->ps, key, 2, asked, n, place, links);
	mem_free(asked);
	return ok;
}

uint32_t json_begin_name(struct json *j, struct rec *o)
{
	struct rec r;
	uint32_t place, links;
	if (!names_place(j, o, &place, &links))
		return JSON_DEAD;
	rec_set(o, MODE_OBJECT_NAME, 0);
	o->data[DATA_CHILD] = place;
	o->data[DATA_LINKS] = links;
	uint32_t parent = rec_state(j, o), words = track_words(j, place_get(&j->ps, place));
	if (!parent || !rec_new(j, &r, parent, place, MODE_NAME, NAME_HEAD + o->p->n_patterns + words))
		return JSON_DEAD;
	place_typed(&j->ps, r.p, TYPE_STRING, r.failed);
	r.data[NAME_HI] = o->p->n_names;
	for (uint32_t i = 0; i < o->p->n_patterns; i++)
		r.data[NAME_HEAD + i] = dfa_start(o->p->patterns[i].dfa);
	track_begin(j, r.p, r.failed, tracked(&r, o));
	return name_state(j, &r, o, NULL);
}

static void step_known(struct rec *r, const struct rec *o, const struct json_text *t)
{
	for (unsigned b = 0; b < t->n && r->data[NAME_HI]; b++)
		texts_narrow(o->p->names, &r->data[NAME_LO], &r->data[NAME_HI], r->data[NAME_BYTES] + b, t->bytes[b]);
	r->data[NAME_BYTES] += t->n;
	for (uint32_t i = 0; i < o->p->n_patterns; i++)
		for (unsigned b = 0; b < t->n; b++)
			r->data[NAME_HEAD + i] = dfa_step(o->p->patterns[i].dfa, r->data[NAME_HEAD + i], t->bytes[b]);
}

static uint32_t end_name(struct json *j, struct rec *r, struct rec *o)
{
	uint32_t below, name = NOWHERE;
	if (r->data[NAME_HI] && o->p->names[r->data[NAME_LO]].n == r->data[NAME_BYTES])
		name = r->data[NAME_LO];
	for (uint32_t i = 0; i < o->p->n_patterns; i++)
		r->data[NAME_HEAD + i] = dfa_accepts(o->p->patterns[i].dfa, r->data[NAME_HEAD + i]);
	track_end(j, r->p, r->failed, tracked(r, o));
	if (!json_break_below(j, r, place_judge(&j->ps, r->p, r->failed, true), &below) || !rec_copy(j, o, below))
		return JSON_DEAD;
	return object_named(j, o, name, r->data + NAME_HEAD);
}

uint32_t json_step_name(struct json *j, struct rec *r, uint8_t byte)
{
	struct json_text t = json_text_step(r->w[REC_X], byte);
	struct rec o;
	if (t.kind == JSON_TEXT_BAD || !rec_copy(j, &o, r->w[REC_PARENT]))
		return JSON_DEAD;
	if (t.kind == JSON_TEXT_CLOSE)
		return end_name(j, r, &o);
	r->w[REC_X] = t.x;
	track_step(j, r->p, r->failed, tracked(r, &o), &t);
	step_known(r, &o, &t);
	return name_state(j, r, &o, &t);
}
