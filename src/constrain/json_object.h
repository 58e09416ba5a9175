/* json_object.h: between json_object.c and json_name.c, which reads the names of members. */
#ifndef KVIK_CONSTRAIN_JSON_OBJECT_H
#define KVIK_CONSTRAIN_JSON_OBJECT_H

#include "constrain/json_track.h"

/* A name as far as it is known: those of the place's names that begin so, the states of its patterns (NULL: at the start). */
struct name_so_far {
	uint32_t lo, hi, bytes;
	const uint32_t *patterns;
	const struct json_text *t; /* the byte that came last; NULL: none */
};

/* Breaks the leaves of the object that allow no such member. true: some were. */
bool object_check_name(struct json *j, struct rec *o, const struct name_so_far *name);
/* The name is whole: number `name` of the place's, or NOWHERE; matches[n_patterns]: which patterns it matches. */
uint32_t object_named(struct json *j, struct rec *o, uint32_t name, const uint32_t *matches);
/* What is asked of the next member or item of r, breaking the leaves that ask for what no value can be. */
void json_ask(struct json *j, struct rec *r, uint32_t place, uint32_t links);

#endif
