/* json_state.h: the records that states of JSON are made of; between json.c and those that know one kind of values. */
#ifndef KVIK_CONSTRAIN_JSON_STATE_H
#define KVIK_CONSTRAIN_JSON_STATE_H

#include "constrain/json.h"

enum mode {
	MODE_VALUE,        /* a value begins here; x: blanks */
	MODE_WORD,         /* true, false, null; x: which << 8 | letters */
	MODE_STRING,       /* x: how far an escape or character is (json_text.h); data: json_track.h */
	MODE_NUMBER,       /* x: part of the grammar << 8 | digits of the part; data: json_number.c */
	MODE_OBJECT_OPEN,  /* after "{"; x: blanks, as in the next three */
	MODE_OBJECT_COMMA, /* after "," */
	MODE_OBJECT_COLON, /* after a name */
	MODE_OBJECT_NEXT,  /* after a value */
	MODE_OBJECT_NAME,  /* a name is open above this record */
	MODE_OBJECT_CHILD, /* a value is open above this record */
	MODE_NAME,         /* the name itself; as MODE_STRING, its place being that of names */
	MODE_ARRAY_OPEN,
	MODE_ARRAY_NEXT,
	MODE_ARRAY_CHILD,
	MODE_DONE /* x: blanks */
};

/* A state's words: parent, place, mode | free characters << 8 (json_track.h), x, failed[place.words], data. */
struct rec {
	uint32_t *w, n; /* in scratch; n: words */
	const struct place *p;
	uint32_t *failed, *data;
};

enum { REC_PARENT, REC_PLACE, REC_MODE, REC_X, REC_HEAD };

/* Data of objects and arrays. */
enum {
	DATA_COUNT,
	DATA_CHILD,
	DATA_LINKS,
	DATA_HEAD /* then: objects: bits of the names seen; arrays: how many are contained */
};

/* An empty record with this much data, or the copy of a state. false: no memory. They live until the scratch is given back. */
bool rec_new(struct json *j, struct rec *r, uint32_t parent, uint32_t place, enum mode mode, uint32_t data);
bool rec_copy(struct json *j, struct rec *r, uint32_t state);
/* A record's state; JSON_DEAD: no memory. */
uint32_t rec_state(struct json *j, const struct rec *r);
static inline enum mode rec_mode(const struct rec *r)
{
	return r->w[REC_MODE] & 0xFF;
}
static inline void rec_set(struct rec *r, enum mode mode, uint32_t x)
{
	r->w[REC_MODE] = mode;
	r->w[REC_X] = x;
}
static inline const struct node *rec_node(const struct json *j, const struct rec *r, uint32_t leaf)
{
	return &j->ps.schema->nodes[r->p->nodes[leaf]];
}

/* The record's state, after some of its leaves may have broken: JSON_DEAD when that breaks the root. */
uint32_t json_raise(struct json *j, struct rec *r);
/* Breaks the leaves of the record below that ask for what this one cannot be (can: place_judge's). *below: its state then.
 * false: that breaks the root. */
bool json_break_below(struct json *j, const struct rec *r, const uint8_t *can, uint32_t *below);
/* Can the root still become true once this leaf is broken too? */
bool json_survives(struct json *j, const struct rec *r, uint32_t leaf);
/* The value of this record is whole: the state of the value that holds it. */
uint32_t json_end(struct json *j, struct rec *r);

/* What comes after a byte, by mode. */
uint32_t json_begin_value(struct json *j, const struct rec *r, uint8_t byte); /* r: MODE_VALUE */
/* The state in which a value of this place is expected, in the value of state `parent`. */
uint32_t json_expect_value(struct json *j, uint32_t parent, uint32_t place);
/* An object or array begins, with so much data. */
uint32_t json_begin_container(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed, enum mode mode,
			      uint32_t data);
uint32_t json_begin_string(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed);
uint32_t json_step_string(struct json *j, struct rec *r, uint8_t byte);
uint32_t json_begin_name(struct json *j, struct rec *object);
uint32_t json_step_name(struct json *j, struct rec *r, uint8_t byte);
uint32_t json_begin_number(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed, uint8_t byte);
uint32_t json_step_number(struct json *j, struct rec *r, uint8_t byte);
uint32_t json_end_number(struct json *j, struct rec *r);
uint32_t json_begin_object(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed);
uint32_t json_step_object(struct json *j, struct rec *r, uint8_t byte);
uint32_t json_begin_array(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed);
uint32_t json_step_array(struct json *j, struct rec *r, uint8_t byte);

#endif
