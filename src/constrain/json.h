/* json.h: JSON text under a schema, byte by byte. A state is a number; a byte leads from one to the next, or to JSON_DEAD when no
 * text that begins so can be valid.
 *
 * A state is a stack of records, one for each value that is open, the innermost on top; equal stacks are one state, so that
 * what was found out about a state serves all texts that come to it (struct json keeps them all).
 *
 *   {"a": [1, tr            VALUE-less stack:  WORD  "tr" seen                  place: what is asked of the item
 *                                              ARRAY one item seen, in a child  place: what is asked of "a"
 *                                              OBJECT {a} seen, in a child      place: the root
 *
 * Every record holds the bits of the leaves that its value has broken. When one breaks, what was asked of the value is judged
 * anew, and what cannot become true any more breaks a leaf of the record below, and so on to the root (json_raise): if the root
 * cannot become true, the byte was wrong.
 *
 * White space is bounded, and so are digits, so that a model cannot go on for ever between two values. The same name twice in an
 * object is refused, where the schema knows it. Owner: one thread at a time. */
#ifndef KVIK_CONSTRAIN_JSON_H
#define KVIK_CONSTRAIN_JSON_H

#include "constrain/place.h"

enum {
	JSON_DEAD = 0,
	JSON_DEPTH_MAX = 100,
	JSON_DIGITS_MAX = 40,
	JSON_BLANKS_MAX = 20,
	JSON_ANSWER_DIGITS = 20,
	JSON_SCRATCH_WORDS = 1 << 20
};

/* Records in the making; may serve several machines of one thread. Zeroed at first. */
struct json_scratch {
	uint32_t *words; /* [JSON_SCRATCH_WORDS], once there is a machine */
	size_t used;
};
void json_scratch_release(struct json_scratch *s);

struct json {
	struct places ps;
	struct intern states;
	bool answers; /* see json_init */
	struct json_scratch *scratch;
	uint32_t start;
	uint32_t nothing; /* the place that asks nothing */
};

/* Schema and scratch are borrowed. answers: white space is as people write it (one blank, or a new line and up to four blanks for
 * each level, none around the whole and before a colon), and numbers have up to JSON_ANSWER_DIGITS digits unless the schema asks for
 * more; else JSON_BLANKS_MAX in a row and JSON_DIGITS_MAX. NOMEM; ARG: nothing can be valid. */
int json_init(struct json *j, struct schema *s, bool answers, struct json_scratch *scratch,
	      struct kvik_err *err) MUST_CHECK;
void json_release(struct json *j);

uint32_t json_step(struct json *j, uint32_t state, uint8_t byte);
bool json_accepts(struct json *j, uint32_t state); /* the text may end here */
/* Before the value or behind it: where white space would be that no value needs. */
bool json_is_between(const struct json *j, uint32_t state);
/* As machine.free_characters (mask.h). */
uint32_t json_free_characters(const struct json *j, uint32_t state);
/* What is kept for all states, in bytes. */
size_t json_bytes(const struct json *j);

#endif
