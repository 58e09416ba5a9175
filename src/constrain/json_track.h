/* json_track.h: what follows the characters of a string for the leaves of a place: lengths, patterns, lists of strings. Used for
 * strings and for the names of members.
 *
 * Words per string leaf: TEXTS: the stretch lo, hi of its texts that begin like the string; PATTERN: the state of its
 * automaton; LENGTH: none. In front of them: the characters and bytes so far. A leaf that is broken, or cannot be broken any
 * more, has zeros, so that what makes no difference makes no other state. */
#ifndef KVIK_CONSTRAIN_JSON_TRACK_H
#define KVIK_CONSTRAIN_JSON_TRACK_H

#include "constrain/json_state.h"
#include "constrain/json_text.h"

enum { FREE_MAX = 254, FREE_ANY = 255 };
enum { TRACK_LENGTH, TRACK_BYTES, TRACK_HEAD };

uint32_t track_words(const struct json *j, const struct place *p);
/* data[track_words]; breaks what is broken from the start. */
void track_begin(const struct json *j, const struct place *p, uint32_t *failed, uint32_t *data);
/* The next bytes of the string, or of an escape that can become the characters lo..hi. */
void track_step(const struct json *j, const struct place *p, uint32_t *failed, uint32_t *data,
		const struct json_text *t);
/* A pattern needs more characters than a length leaves: one of these two leaves will be broken. */
bool track_conflict(const struct json *j, const struct place *p, const uint32_t *failed, const uint32_t *data,
		    uint32_t *pattern, uint32_t *length);
void track_end(const struct json *j, const struct place *p, uint32_t *failed, const uint32_t *data);
/* How many characters can come whatever they are: FREE_ANY, or up to FREE_MAX where a length counts them (then the quote may still
 * have to wait for some). *limit: the leaf
 * that sets the limit and breaks beyond it; NOWHERE: there is none. What makes no difference is taken out of data. */
uint32_t track_settle(const struct json *j, const struct place *p, const uint32_t *failed, uint32_t *data,
		      uint32_t *limit);

/* Narrows the stretch lo..hi of sorted texts, all of which begin with the same `at` bytes, to those that go on with byte. */
void texts_narrow(const struct text *texts, uint32_t *lo, uint32_t *hi, uint32_t at, uint8_t byte);
/* One of them goes on with a character of lo_c..hi_c. */
bool texts_go_on(const struct text *texts, uint32_t lo, uint32_t hi, uint32_t at, uint32_t lo_c, uint32_t hi_c);
/* The automaton can go on with one. */
bool dfa_goes_on_with(struct dfa *d, uint32_t state, uint32_t lo_c, uint32_t hi_c);

#endif
