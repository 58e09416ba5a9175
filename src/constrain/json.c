/* json.c: states as interned records; where a value begins, and how it ends. */
#include "constrain/json.h"

#include <string.h>

#include "base/mem.h"
#include "constrain/json_track.h"

/* ---- Records ----------------------------------------------------------------------------------------------------- */

static uint32_t *scratch(struct json *j, size_t n)
{
	if (n > JSON_SCRATCH_WORDS - j->scratch->used)
		return NULL;
	j->scratch->used += n;
	return j->scratch->words + j->scratch->used - n;
}

static void point(struct json *j, struct rec *r)
{
	r->p = place_get(&j->ps, r->w[REC_PLACE]);
	r->failed = r->w + REC_HEAD;
	r->data = r->failed + r->p->words;
}

bool rec_new(struct json *j, struct rec *r, uint32_t parent, uint32_t place, enum mode mode, uint32_t data)
{
	r->n = REC_HEAD + place_get(&j->ps, place)->words + data;
	r->w = scratch(j, r->n);
	if (!r->w)
		return false;
	memset(r->w, 0, r->n * sizeof *r->w);
	r->w[REC_PARENT] = parent;
	r->w[REC_PLACE] = place;
	r->w[REC_MODE] = mode;
	point(j, r);
	return true;
}

bool rec_copy(struct json *j, struct rec *r, uint32_t state)
{
	const uint32_t *words = intern_words(&j->states, state, &r->n);
	r->w = scratch(j, r->n);
	if (!r->w)
		return false;
	memcpy(r->w, words, r->n * sizeof *r->w);
	point(j, r);
	return true;
}

uint32_t rec_state(struct json *j, const struct rec *r)
{
	return intern_add(&j->states, r->w, r->n);
}

/* ---- Breaking ---------------------------------------------------------------------------------------------------- */

bool json_break_below(struct json *j, const struct rec *r, const uint8_t *can, uint32_t *below)
{
	uint32_t n, parent = r->w[REC_PARENT];
	struct rec b;
	bool changed = false;
	*below = parent;
	if (!can)
		return false;
	if (parent == 0)
		return can[r->p->seeds[0]] & CAN_BE_TRUE;
	if (!rec_copy(j, &b, parent))
		return false;
	const struct link *links = place_links(&j->ps, b.data[DATA_LINKS], &n);
	for (uint32_t i = 0; i < n; i++)
		if (!(can[links[i].seed] & CAN_BE_TRUE) && !bit_get(b.failed, links[i].leaf) &&
		    rec_node(j, &b, links[i].leaf)->kind != NODE_CONTAINS) {
			bit_set(b.failed, links[i].leaf);
			changed = true;
		}
	if (changed)
		*below = json_raise(j, &b);
	return *below != JSON_DEAD;
}

bool json_survives(struct json *j, const struct rec *r, uint32_t leaf)
{
	struct rec without = *r;
	uint32_t below, *failed = scratch(j, r->p->words);
	if (!failed)
		return false;
	memcpy(failed, r->failed, r->p->words * sizeof *failed);
	bit_set(failed, leaf);
	without.failed = failed;
	return json_break_below(j, &without, place_judge(&j->ps, r->p, failed, false), &below);
}

uint32_t json_raise(struct json *j, struct rec *r)
{
	uint32_t below;
	if (r->p->n == 0)
		return rec_state(j, r);
	if (!json_break_below(j, r, place_judge(&j->ps, r->p, r->failed, false), &below))
		return JSON_DEAD;
	r->w[REC_PARENT] = below;
	return rec_state(j, r);
}

/* ---- Ends -------------------------------------------------------------------------------------------------------- */

static void count_contained(struct json *j, struct rec *b, const uint8_t *can)
{
	uint32_t n, nth = 0;
	const struct link *links = place_links(&j->ps, b->data[DATA_LINKS], &n);
	for (uint32_t i = 0; i < n; i++)
		if (rec_node(j, b, links[i].leaf)->kind == NODE_CONTAINS) {
			uint32_t *count = &b->data[DATA_HEAD + nth++];
			*count += can[links[i].seed] == CAN_BE_TRUE && *count < b->p->counted;
		}
}

uint32_t json_end(struct json *j, struct rec *r)
{
	uint32_t parent = r->w[REC_PARENT], below;
	const uint8_t *can = place_judge(&j->ps, r->p, r->failed, true);
	struct rec b;
	if (!can)
		return JSON_DEAD;
	if (parent == 0) {
		if (!(can[r->p->seeds[0]] & CAN_BE_TRUE) || !rec_new(j, &b, 0, r->w[REC_PLACE], MODE_DONE, 0))
			return JSON_DEAD;
		return rec_state(j, &b);
	}
	if (!rec_copy(j, &b, parent))
		return JSON_DEAD;
	bool array = rec_mode(&b) == MODE_ARRAY_CHILD;
	if (array) {
		count_contained(j, &b, can);
		uint32_t counted = rec_state(j, &b);
		if (!counted)
			return JSON_DEAD;
		r->w[REC_PARENT] = counted;
	}
	if (!json_break_below(j, r, can, &below) || !rec_copy(j, &b, below))
		return JSON_DEAD;
	rec_set(&b, array ? MODE_ARRAY_NEXT : MODE_OBJECT_NEXT, 0);
	b.data[DATA_CHILD] = b.data[DATA_LINKS] = 0;
	return rec_state(j, &b);
}

/* ---- Words ------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	enum word word;
} words[] = {{"true", WORD_TRUE}, {"false", WORD_FALSE}, {"null", WORD_NULL}};

static uint32_t begin_word(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed, unsigned which)
{
	struct rec r;
	if (!rec_new(j, &r, parent, place, MODE_WORD, 0))
		return JSON_DEAD;
	memcpy(r.failed, failed, r.p->words * sizeof *failed);
	for (uint32_t i = 0; i < r.p->n; i++)
		if (rec_node(j, &r, i)->kind == NODE_WORDS && !(rec_node(j, &r, i)->words & words[which].word))
			bit_set(r.failed, i);
	r.w[REC_X] = which << 8 | 1;
	return json_raise(j, &r);
}

static uint32_t step_word(struct json *j, struct rec *r, uint8_t byte)
{
	const char *text = words[r->w[REC_X] >> 8].text;
	if ((uint8_t)text[r->w[REC_X] & 0xFF] != byte)
		return JSON_DEAD;
	r->w[REC_X]++;
	return text[r->w[REC_X] & 0xFF] ? rec_state(j, r) : json_end(j, r);
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

static bool is_blank(uint8_t b)
{
	return b == ' ' || b == '\t' || b == '\n' || b == '\r';
}

uint32_t json_begin_value(struct json *j, const struct rec *r, uint8_t byte)
{
	uint32_t parent = r->w[REC_PARENT], place = r->w[REC_PLACE];
	unsigned type = byte == '{'                                   ? TYPE_OBJECT
			: byte == '['                                 ? TYPE_ARRAY
			: byte == '"'                                 ? TYPE_STRING
			: byte == 't' || byte == 'f'                  ? TYPE_BOOLEAN
			: byte == 'n'                                 ? TYPE_NULL
			: byte == '-' || (byte >= '0' && byte <= '9') ? TYPE_NUMBER
								      : 0;
	struct rec v;
	if (!type || !rec_new(j, &v, parent, place, MODE_VALUE, 0))
		return JSON_DEAD;
	place_typed(&j->ps, v.p, type, v.failed);
	switch (type) {
	case TYPE_OBJECT: return json_begin_object(j, parent, place, v.failed);
	case TYPE_ARRAY: return json_begin_array(j, parent, place, v.failed);
	case TYPE_STRING: return json_begin_string(j, parent, place, v.failed);
	case TYPE_NUMBER: return json_begin_number(j, parent, place, v.failed, byte);
	default: return begin_word(j, parent, place, v.failed, byte == 't' ? 0 : byte == 'f' ? 1 : 2);
	}
}

uint32_t json_expect_value(struct json *j, uint32_t parent, uint32_t place)
{
	struct rec value;
	return rec_new(j, &value, parent, place, MODE_VALUE, 0) ? rec_state(j, &value) : JSON_DEAD;
}

uint32_t json_begin_container(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed, enum mode mode,
			      uint32_t data)
{
	struct rec r;
	uint32_t depth = 0, n;
	for (uint32_t s = parent; s != 0; s = intern_words(&j->states, s, &n)[REC_PARENT])
		depth++;
	if (depth >= JSON_DEPTH_MAX || !rec_new(j, &r, parent, place, mode, data))
		return JSON_DEAD;
	memcpy(r.failed, failed, r.p->words * sizeof *failed);
	return json_raise(j, &r);
}

/* REC_X of an answer: 0, then 1 for a blank, or 2 and more for a new line and what it is indented by. */
static bool blank_of_answer(struct json *j, const struct rec *r, uint8_t byte)
{
	uint32_t n, depth = 1, x = r->w[REC_X], parent = r->w[REC_PARENT];
	enum mode mode = rec_mode(r),
		  below = parent ? intern_words(&j->states, parent, &n)[REC_MODE] & 0xFF : MODE_DONE;
	if (mode == MODE_DONE || mode == MODE_OBJECT_COLON || (mode == MODE_VALUE && below == MODE_DONE) || x == 1)
		return false;
	if (x == 0)
		return byte == ' ' || (byte == '\n' && !(mode == MODE_VALUE && below == MODE_OBJECT_CHILD));
	for (uint32_t s = parent; s != 0; s = intern_words(&j->states, s, &n)[REC_PARENT])
		depth++;
	return (byte == ' ' || byte == '\t') && x - 2 < 4 * depth;
}

static uint32_t step_blank(struct json *j, struct rec *r, uint8_t byte)
{
	if (j->answers ? !blank_of_answer(j, r, byte) : r->w[REC_X] >= JSON_BLANKS_MAX)
		return JSON_DEAD;
	r->w[REC_X] += j->answers && byte == '\n' ? 2 : 1;
	return rec_state(j, r);
}

uint32_t json_step(struct json *j, uint32_t state, uint8_t byte)
{
	struct rec r;
	j->scratch->used = 0;
	if (state == JSON_DEAD || !rec_copy(j, &r, state))
		return JSON_DEAD;
	enum mode mode = rec_mode(&r);
	if (mode == MODE_NUMBER) {
		uint32_t next = json_step_number(j, &r, byte);
		if (next != JSON_DEAD || (byte != ',' && byte != ']' && byte != '}' && !is_blank(byte)))
			return next;
		j->scratch->used = 0;
		if (!rec_copy(j, &r, state) || !(state = json_end_number(j, &r)) || !rec_copy(j, &r, state))
			return JSON_DEAD;
		mode = rec_mode(&r);
	}
	switch (mode) {
	case MODE_WORD: return step_word(j, &r, byte);
	case MODE_STRING: return json_step_string(j, &r, byte);
	case MODE_NAME: return json_step_name(j, &r, byte);
	default: break;
	}
	if (is_blank(byte))
		return step_blank(j, &r, byte);
	switch (mode) {
	case MODE_VALUE: return json_begin_value(j, &r, byte);
	case MODE_ARRAY_OPEN:
	case MODE_ARRAY_NEXT: return json_step_array(j, &r, byte);
	case MODE_DONE: return JSON_DEAD;
	default: return json_step_object(j, &r, byte);
	}
}

bool json_accepts(struct json *j, uint32_t state)
{
	uint32_t n;
	struct rec r;
	if (state == JSON_DEAD)
		return false;
	const uint32_t *w = intern_words(&j->states, state, &n);
	if ((w[REC_MODE] & 0xFF) == MODE_DONE)
		return true;
	j->scratch->used = 0;
	return (w[REC_MODE] & 0xFF) == MODE_NUMBER && w[REC_PARENT] == 0 && rec_copy(j, &r, state) &&
	       json_end_number(j, &r) != JSON_DEAD;
}

bool json_is_between(const struct json *j, uint32_t state)
{
	uint32_t n;
	return state == j->start || (intern_words(&j->states, state, &n)[REC_MODE] & 0xFF) == MODE_DONE;
}

uint32_t json_free_characters(const struct json *j, uint32_t state)
{
	uint32_t n, free = state == JSON_DEAD ? 0 : intern_words(&j->states, state, &n)[REC_MODE] >> 8;
	return free == FREE_ANY ? UINT32_MAX : free;
}

size_t json_bytes(const struct json *j)
{
	return j->states.bytes + j->ps.bytes + j->ps.seeds.bytes + j->ps.links.bytes + j->ps.children.bytes;
}

int json_init(struct json *j, struct schema *s, bool answers, struct json_scratch *scratch, struct kvik_err *err)
{
	uint32_t root = s->root;
	struct rec r;
	*j = (struct json){.ps.schema = s, .answers = answers, .scratch = scratch};
	scratch->used = 0;
	if (!scratch->words)
		scratch->words = mem_alloc(JSON_SCRATCH_WORDS * sizeof *scratch->words);
	j->nothing = scratch->words ? place_of(&j->ps, NULL, 0) : 0;
	uint32_t place = j->nothing ? place_of(&j->ps, &root, 1) : 0;
	if (!place || !rec_new(j, &r, 0, place, MODE_VALUE, 0) || !(j->start = rec_state(j, &r)))
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a constraint");
	if (!r.p->start[r.p->seeds[0]])
		return err_set(err, KVIK_ERR_ARG, "JSON schema: no value can be valid");
	return 0;
}

void json_release(struct json *j)
{
	places_release(&j->ps);
	intern_release(&j->states);
	*j = (struct json){0};
}

void json_scratch_release(struct json_scratch *s)
{
	mem_free(s->words);
	*s = (struct json_scratch){0};
}
