/* json_number.c: numbers as values. Where bounds or lists of numbers ask for it, the text so far is part of the state.
 *
 * Data, with such leaves: the bytes of the text, the text; then for each leaf the stretch lo, hi of its list (NUMBERS), or two
 * words of zeros. */
#include <string.h>

#include "constrain/json_state.h"
#include "constrain/json_track.h"
#include "constrain/range.h"

enum part { MINUS, ZERO, WHOLE, POINT, FRACTION, EXPONENT, EXPONENT_SIGN, EXPONENT_DIGITS };
enum { TEXT_WORDS = 26, TEXT_MAX = 4 * (TEXT_WORDS - 1) };

static const struct node *leaf_node(const struct json *j, const struct rec *r, uint32_t i)
{
	return rec_node(j, r, r->p->numbers[i]);
}

static uint32_t *stretch(const struct rec *r, uint32_t i)
{
	return r->data + TEXT_WORDS + 2 * (size_t)i;
}

static void step_leaf(struct json *j, struct rec *r, uint32_t i, uint8_t byte)
{
	const struct node *n = leaf_node(j, r, i);
	const char *text = (const char *)(r->data + 1);
	uint32_t part = r->w[REC_X] >> 8;
	bool ok;
	if (bit_get(r->failed, r->p->numbers[i]))
		return;
	if (n->kind == NODE_RANGE) {
		ok = range_reachable(n->range, text, r->data[0], part >= POINT, part >= EXPONENT);
	} else {
		texts_narrow(j->ps.schema->texts + n->first, stretch(r, i), stretch(r, i) + 1, r->data[0] - 1, byte);
		ok = stretch(r, i)[0] < stretch(r, i)[1];
	}
	if (!ok) {
		bit_set(r->failed, r->p->numbers[i]);
		stretch(r, i)[0] = stretch(r, i)[1] = 0;
	}
}

static uint32_t take(struct json *j, struct rec *r, uint8_t byte)
{
	bool kept = false;
	for (uint32_t i = 0; i < r->p->n_numbers; i++)
		kept |= !bit_get(r->failed, r->p->numbers[i]);
	if (kept) {
		if (r->data[0] >= TEXT_MAX)
			return JSON_DEAD;
		((uint8_t *)(r->data + 1))[r->data[0]++] = byte;
		for (uint32_t i = 0; i < r->p->n_numbers; i++)
			step_leaf(j, r, i, byte);
	} else if (r->p->n_numbers) {
		memset(r->data, 0, TEXT_WORDS * sizeof *r->data);
	}
	return json_raise(j, r);
}

static bool is_long(const struct decimal *d)
{
	return d->n > JSON_ANSWER_DIGITS || d->exponent > JSON_ANSWER_DIGITS || d->exponent < -JSON_ANSWER_DIGITS / 2;
}

/* An answer gets the digits that it needs. */
static uint32_t digits_max(const struct json *j, const struct rec *r)
{
	for (uint32_t i = 0; i < r->p->n_numbers; i++) {
		const struct node *n = leaf_node(j, r, i);
		if (n->kind != NODE_RANGE || (n->range->has_min && is_long(&n->range->min)) ||
		    (n->range->has_max && is_long(&n->range->max)) || n->range->multiple_scaled)
			return JSON_DIGITS_MAX;
	}
	return j->answers ? JSON_ANSWER_DIGITS : JSON_DIGITS_MAX;
}

static bool enter(struct json *j, struct rec *r, enum part part)
{
	enum part before = r->w[REC_X] >> 8;
	uint32_t digits = before == part ? (r->w[REC_X] & 0xFF) + 1 : 1;
	uint32_t most = part == EXPONENT_DIGITS ? RANGE_EXPONENT_DIGITS : digits_max(j, r);
	if (digits > most)
		return false;
	r->w[REC_X] = (uint32_t)part << 8 | digits;
	/* An integer is written as one: readers of 1.0 get a float, whatever the specification says that it is. */
	if (part >= POINT)
		place_typed(&j->ps, r->p, TYPE_FRACTION, r->failed);
	return true;
}

uint32_t json_begin_number(struct json *j, uint32_t parent, uint32_t place, const uint32_t *failed, uint8_t byte)
{
	const struct place *p = place_get(&j->ps, place);
	struct rec r;
	if (!rec_new(j, &r, parent, place, MODE_NUMBER, p->n_numbers ? TEXT_WORDS + 2 * p->n_numbers : 0))
		return JSON_DEAD;
	memcpy(r.failed, failed, p->words * sizeof *failed);
	for (uint32_t i = 0; i < p->n_numbers; i++)
		if (leaf_node(j, &r, i)->kind == NODE_NUMBERS && !bit_get(r.failed, p->numbers[i]))
			stretch(&r, i)[1] = leaf_node(j, &r, i)->n;
	r.w[REC_X] = (uint32_t)(byte == '-' ? MINUS : byte == '0' ? ZERO : WHOLE) << 8 | 1;
	return take(j, &r, byte);
}

uint32_t json_step_number(struct json *j, struct rec *r, uint8_t byte)
{
	enum part part = r->w[REC_X] >> 8, next;
	bool digit = byte >= '0' && byte <= '9';
	if (digit && part == MINUS)
		next = byte == '0' ? ZERO : WHOLE;
	else if (digit && part == WHOLE)
		next = WHOLE;
	else if (digit && (part == POINT || part == FRACTION))
		next = FRACTION;
	else if (digit && part >= EXPONENT)
		next = EXPONENT_DIGITS;
	else if (byte == '.' && (part == ZERO || part == WHOLE))
		next = POINT;
	else if ((byte == 'e' || byte == 'E') && (part == ZERO || part == WHOLE || part == FRACTION))
		next = EXPONENT;
	else if ((byte == '+' || byte == '-') && part == EXPONENT)
		next = EXPONENT_SIGN;
	else
		return JSON_DEAD;
	return enter(j, r, next) ? take(j, r, byte) : JSON_DEAD;
}

uint32_t json_end_number(struct json *j, struct rec *r)
{
	enum part part = r->w[REC_X] >> 8;
	if (part != ZERO && part != WHOLE && part != FRACTION && part != EXPONENT_DIGITS)
		return JSON_DEAD;
	for (uint32_t i = 0; i < r->p->n_numbers; i++) {
		const struct node *n = leaf_node(j, r, i);
		bool ok;
		if (bit_get(r->failed, r->p->numbers[i]))
			continue;
		if (n->kind == NODE_RANGE)
			ok = range_holds(n->range, (const char *)(r->data + 1), r->data[0]);
		else
			ok = j->ps.schema->texts[n->first + stretch(r, i)[0]].n == r->data[0];
		if (!ok)
			bit_set(r->failed, r->p->numbers[i]);
	}
	return json_end(j, r);
}
