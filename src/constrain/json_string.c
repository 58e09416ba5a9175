/* json_string.c: strings as values. */
#include <string.h>

#include "constrain/json_state.h"
#include "constrain/json_track.h"

static uint32_t string_state(struct json *j, struct rec *r)
{
	uint32_t pattern, length, limit;
	if (r->p->n_strings > 1 && track_conflict(j, r->p, r->failed, r->data, &pattern, &length) &&
	    !json_survives(j, r, pattern) && !json_survives(j, r, length))
		return JSON_DEAD;
	uint32_t free = track_settle(j, r->p, r->failed, r->data, &limit);
	if (limit != NOWHERE && json_survives(j, r, limit))
		free = 0; /* beyond the limit the string goes on without it */
	r->w[REC_MODE] = MODE_STRING | (json_text_is_escape(r->w[REC_X]) ? 0 : free << 8);
	return json_raise(j, r);
}

uint32_t json_begin_string(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed)
{
	struct rec r;
	if (!rec_new(j, &r, parent, place, MODE_STRING, track_words(j, place_get(&j->ps, place))))
		return JSON_DEAD;
	memcpy(r.failed, failed, r.p->words * sizeof *failed);
	track_begin(j, r.p, r.failed, r.data);
	return string_state(j, &r);
}

uint32_t json_step_string(struct json *j, struct rec *r, uint8_t byte)
{
	struct json_text t = json_text_step(r->w[REC_X], byte);
	if (t.kind == JSON_TEXT_BAD)
		return JSON_DEAD;
	if (t.kind == JSON_TEXT_CLOSE) {
		track_end(j, r->p, r->failed, r->data);
		return json_end(j, r);
	}
	r->w[REC_X] = t.x;
	track_step(j, r->p, r->failed, r->data, &t);
	return string_state(j, r);
}
