/* json_track.c: string leaves, character by character. */
#include "constrain/json_track.h"

#include <string.h>

#include "base/utf8.h"

/* ---- Lists of texts, automata ------------------------------------------------------------------------------------ */

void texts_narrow(const struct text *texts, uint32_t *lo, uint32_t *hi, uint32_t at, uint8_t byte)
{
	uint32_t a = *lo, b = *hi;
	while (a < b) { /* the first that goes on with byte or more */
		uint32_t m = a + (b - a) / 2;
		if (texts[m].n <= at || (uint8_t)texts[m].bytes[at] < byte)
			a = m + 1;
		else
			b = m;
	}
	*lo = a;
	b = *hi;
	while (a < b) { /* and with more */
		uint32_t m = a + (b - a) / 2;
		if ((uint8_t)texts[m].bytes[at] <= byte)
			a = m + 1;
		else
			b = m;
	}
	*hi = a;
}

bool texts_go_on(const struct text *texts, uint32_t lo, uint32_t hi, uint32_t at, uint32_t lo_c, uint32_t hi_c)
{
	for (uint32_t i = lo; i < hi; i++) {
		unsigned n;
		uint32_t c = texts[i].n > at ? utf8_get(texts[i].bytes + at, &n) : UINT32_MAX;
		if (c >= lo_c && c <= hi_c)
			return true;
	}
	return false;
}

static bool goes_on_with_one(struct dfa *d, uint32_t state, uint32_t c)
{
	uint8_t bytes[4];
	unsigned n = utf8_encode(c, bytes);
	for (unsigned i = 0; i < n && state != DFA_DEAD; i++)
		state = dfa_step(d, state, bytes[i]);
	return state != DFA_DEAD;
}

bool dfa_goes_on_with(struct dfa *d, uint32_t state, uint32_t lo_c, uint32_t hi_c)
{
	if (lo_c == 0 && hi_c == 0x10FFFF)
		return dfa_goes_on(d, state);
	/* Beyond the plane that four digits reach, a sample: a "no" too many only costs an unusual way to write something. */
	for (uint32_t c = lo_c; c <= hi_c; c += c < 0x10000 ? 1 : 0x555)
		if (goes_on_with_one(d, state, c))
			return true;
	return false;
}

/* ---- Leaves ------------------------------------------------------------------------------------------------------ */

static const struct node *leaf_node(const struct json *j, const struct place *p, uint32_t i)
{
	return &j->ps.schema->nodes[p->nodes[p->strings[i]]];
}

static uint32_t leaf_words(const struct node *n)
{
	return n->kind == NODE_TEXTS ? 2 : n->kind == NODE_PATTERN ? 1 : 0;
}

uint32_t track_words(const struct json *j, const struct place *p)
{
	uint32_t n = p->n_strings ? TRACK_HEAD : 0;
	for (uint32_t i = 0; i < p->n_strings; i++)
		n += leaf_words(leaf_node(j, p, i));
	return n;
}

static void break_leaf(uint32_t *failed, uint32_t leaf, uint32_t *data, const struct node *n)
{
	bit_set(failed, leaf);
	memset(data, 0, leaf_words(n) * sizeof *data);
}

void track_begin(const struct json *j, const struct place *p, uint32_t *failed, uint32_t *data)
{
	uint32_t at = TRACK_HEAD;
	for (uint32_t i = 0; i < p->n_strings; i++) {
		const struct node *n = leaf_node(j, p, i);
		if (n->kind == NODE_TEXTS) {
			data[at] = 0;
			data[at + 1] = n->n;
		} else if (n->kind == NODE_PATTERN) {
			data[at] = dfa_start(n->dfa);
			if (data[at] == DFA_DEAD)
				break_leaf(failed, p->strings[i], data + at, n);
		}
		at += leaf_words(n);
	}
}

static bool step_leaf(const struct json *j, const struct node *n, uint32_t *state, const uint32_t *data,
		      const struct json_text *t)
{
	if (n->kind == NODE_LENGTH)
		return data[TRACK_LENGTH] <= n->limits.max;
	if (n->kind == NODE_PATTERN) {
		if (t->kind != JSON_TEXT_BYTES)
			return dfa_goes_on_with(n->dfa, *state, t->lo, t->hi);
		for (unsigned b = 0; b < t->n; b++)
			*state = dfa_step(n->dfa, *state, t->bytes[b]);
		return *state != DFA_DEAD;
	}
	const struct text *texts = j->ps.schema->texts + n->first;
	if (t->kind != JSON_TEXT_BYTES)
		return texts_go_on(texts, state[0], state[1], data[TRACK_BYTES], t->lo, t->hi);
	for (unsigned b = 0; b < t->n; b++)
		texts_narrow(texts, &state[0], &state[1], data[TRACK_BYTES] + b, t->bytes[b]);
	return state[0] < state[1];
}

bool track_conflict(const struct json *j, const struct place *p, const uint32_t *failed, const uint32_t *data,
		    uint32_t *pattern, uint32_t *length)
{
	uint32_t at = TRACK_HEAD, need = 0, left = NO_LIMIT;
	for (uint32_t i = 0; i < p->n_strings; i++) {
		const struct node *n = leaf_node(j, p, i);
		if (bit_get(failed, p->strings[i])) {
		} else if (n->kind == NODE_LENGTH && n->limits.max != NO_LIMIT &&
			   n->limits.max - data[TRACK_LENGTH] < left) {
			left = n->limits.max - data[TRACK_LENGTH];
			*length = p->strings[i];
		} else if (n->kind == NODE_PATTERN && (dfa_distance(n->dfa, data[at]) + 3) / 4 > need) {
			need = (dfa_distance(n->dfa, data[at]) + 3) / 4; /* characters of up to four bytes */
			*pattern = p->strings[i];
		}
		at += leaf_words(n);
	}
	return need > left;
}

void track_step(const struct json *j, const struct place *p, uint32_t *failed, uint32_t *data,
		const struct json_text *t)
{
	uint32_t at = TRACK_HEAD;
	if (p->n_strings == 0)
		return;
	data[TRACK_LENGTH] += t->begins;
	for (uint32_t i = 0; i < p->n_strings; i++) {
		const struct node *n = leaf_node(j, p, i);
		if (!bit_get(failed, p->strings[i]) && !step_leaf(j, n, data + at, data, t))
			break_leaf(failed, p->strings[i], data + at, n);
		at += leaf_words(n);
	}
	data[TRACK_BYTES] += t->n;
}

void track_end(const struct json *j, const struct place *p, uint32_t *failed, const uint32_t *data)
{
	uint32_t at = TRACK_HEAD;
	for (uint32_t i = 0; i < p->n_strings; i++) {
		const struct node *n = leaf_node(j, p, i);
		bool ok = true;
		if (bit_get(failed, p->strings[i])) {
		} else if (n->kind == NODE_LENGTH) {
			ok = data[TRACK_LENGTH] >= n->limits.min;
		} else if (n->kind == NODE_PATTERN) {
			ok = dfa_accepts(n->dfa, data[at]);
		} else { /* of those that begin so the shortest comes first */
			ok = j->ps.schema->texts[n->first + data[at]].n == data[TRACK_BYTES];
		}
		if (!ok)
			bit_set(failed, p->strings[i]);
		at += leaf_words(n);
	}
}

uint32_t track_settle(const struct json *j, const struct place *p, const uint32_t *failed, uint32_t *data,
		      uint32_t *limit)
{
	uint32_t at = TRACK_HEAD, counted = 0, max = NO_LIMIT;
	bool free = true, bytes = false;
	*limit = NOWHERE;
	for (uint32_t i = 0; i < p->n_strings; i++) {
		const struct node *n = leaf_node(j, p, i);
		if (bit_get(failed, p->strings[i])) {
		} else if (n->kind == NODE_LENGTH) {
			*limit = n->limits.max < max ? p->strings[i] : *limit;
			max = n->limits.max < max ? n->limits.max : max;
			counted = n->limits.min > counted ? n->limits.min : counted;
		} else if (n->kind == NODE_PATTERN) {
			free &= dfa_sated(n->dfa, data[at]);
		} else {
			free = false;
			bytes = true;
		}
		at += leaf_words(n);
	}
	if (p->n_strings == 0)
		return FREE_ANY;
	/* Characters beyond those that are counted, bytes that no list asks for: no difference. */
	uint32_t left = max != NO_LIMIT ? max - data[TRACK_LENGTH] : data[TRACK_LENGTH] < counted ? FREE_MAX : FREE_ANY;
	counted = max != NO_LIMIT ? NO_LIMIT : counted;
	data[TRACK_LENGTH] = data[TRACK_LENGTH] < counted ? data[TRACK_LENGTH] : counted;
	data[TRACK_BYTES] = bytes ? data[TRACK_BYTES] : 0;
	return !free ? 0 : left < FREE_MAX || left == FREE_ANY ? left : FREE_MAX;
}
