/* dfa.c: subsets of a byte automaton, made when they are first reached. Bytes that no instruction tells apart share a class, so
 * that a row of transitions is short. A set that holds the loop behind a search matches whatever comes: all such sets are
 * one. */
#include "constrain/dfa.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define UNKNOWN UINT32_MAX
enum { SET_INSTS_MAX = 16 << 20 }; /* of all sets */

struct dfa_state {
	uint32_t first, n; /* of `sets` */
	uint32_t distance;
	bool accepts, sated;
};

struct dfa {
	struct re_prog prog;
	uint8_t class_of[256];
	uint32_t n_classes;
	uint8_t sample[256]; /* a byte of each class */
	uint32_t *distance;  /* [prog.n]: bytes from an instruction to RE_MATCH */
	struct dfa_state *states;
	size_t n, cap;
	uint32_t *next; /* [n][n_classes] */
	size_t next_cap;
	uint32_t *sets; /* BYTES and MATCH instructions, in the order in which they are met */
	size_t sets_n, sets_cap;
	uint32_t *index; /* hash table of states, [index_n], a power of two; UNKNOWN: empty */
	size_t index_n;
	/* Of a set in the making. */
	uint32_t *set, *stack, set_n;
	uint32_t *seen, round; /* [prog.n]: in this round */
	uint32_t start;
};

/* ---- Once -------------------------------------------------------------------------------------------------------- */

static void make_classes(struct dfa *d)
{
	bool cut[257] = {true};
	for (uint32_t i = 0; i < d->prog.n; i++)
		if (d->prog.inst[i].op == RE_BYTES && d->prog.inst[i].lo <= d->prog.inst[i].hi) {
			cut[d->prog.inst[i].lo] = true;
			cut[d->prog.inst[i].hi + 1] = true;
		}
	for (unsigned b = 0; b < 256; b++) {
		if (cut[b])
			d->sample[d->n_classes++] = (uint8_t)b;
		d->class_of[b] = (uint8_t)(d->n_classes - 1);
	}
}

/* Shortest ways to the end, by relaxation: instructions mostly lead to ones emitted before them, so few rounds do. */
static void make_distances(struct dfa *d)
{
	const struct re_inst *inst = d->prog.inst;
	bool changed = true;
	for (uint32_t i = 0; i < d->prog.n; i++)
		d->distance[i] = inst[i].op == RE_MATCH ? 0 : UNKNOWN;
	while (changed) {
		changed = false;
		for (uint32_t i = 0; i < d->prog.n; i++) {
			uint32_t way = UNKNOWN;
			if (inst[i].op == RE_MATCH || inst[i].op == RE_BEGIN || /* only at the start: set_add */
			    (inst[i].op == RE_BYTES && inst[i].lo > inst[i].hi))
				continue;
			way = d->distance[inst[i].next];
			if (inst[i].op == RE_BYTES && way != UNKNOWN)
				way++;
			if (inst[i].op == RE_SPLIT && d->distance[inst[i].other] < way)
				way = d->distance[inst[i].other];
			if (way < d->distance[i]) {
				d->distance[i] = way;
				changed = true;
			}
		}
	}
}

/* ---- Sets -------------------------------------------------------------------------------------------------------- */

/* Adds i and what it leads to without a byte; what leads to no end stays out. */
static void set_add(struct dfa *d, uint32_t i, bool begins)
{
	uint32_t n = 0;
	d->stack[n++] = i;
	while (n > 0) {
		i = d->stack[--n];
		const struct re_inst *r = &d->prog.inst[i];
		bool ends = r->op != RE_SPLIT && r->op != RE_BEGIN;
		if (d->seen[i] == d->round || (ends && d->distance[i] == UNKNOWN))
			continue;
		d->seen[i] = d->round;
		switch (r->op) {
		case RE_SPLIT:
			d->stack[n++] = r->other;
			d->stack[n++] = r->next;
			break;
		case RE_BEGIN:
			if (begins)
				d->stack[n++] = r->next;
			break;
		default: d->set[d->set_n++] = i; break;
		}
	}
}

/* Does the set match if the text ends here? Goes through RE_END. */
static bool set_accepts(struct dfa *d)
{
	for (uint32_t i = 0; i < d->set_n; i++) {
		uint32_t at = d->set[i];
		if (d->prog.inst[at].op == RE_MATCH)
			return true;
		if (d->prog.inst[at].op == RE_END)
			set_add(d, d->prog.inst[at].next, false);
	}
	return false;
}

/* Any byte, again and again, and a match at any time. */
static bool is_tail(const struct dfa *d, uint32_t i)
{
	const struct re_inst *r = &d->prog.inst[i];
	if (r->op != RE_BYTES || r->lo != 0 || r->hi != 255)
		return false;
	const struct re_inst *loop = &d->prog.inst[r->next];
	return loop->op == RE_SPLIT && loop->other == i && d->prog.inst[loop->next].op == RE_MATCH;
}

static uint64_t set_hash(const uint32_t *set, uint32_t n)
{
	return n ? hash_bytes(set, n * sizeof *set) : 0;
}

static bool index_grow(struct dfa *d)
{
	size_t n = d->index_n ? 2 * d->index_n : 64;
	uint32_t *index = mem_alloc(n * sizeof *index);
	if (!index)
		return false;
	memset(index, 0xFF, n * sizeof *index);
	for (size_t s = 0; s < d->n; s++) {
		size_t at = set_hash(d->sets + d->states[s].first, d->states[s].n) & (n - 1);
		while (index[at] != UNKNOWN)
			at = (at + 1) & (n - 1);
		index[at] = (uint32_t)s;
	}
	mem_free(d->index);
	d->index = index;
	d->index_n = n;
	return true;
}

static bool room_for_state(struct dfa *d, uint32_t set_n)
{
	struct dfa_state *states = mem_grow(d->states, &d->cap, d->n, sizeof *states);
	if (!states)
		return false;
	d->states = states;
	if ((d->n + 1) * d->n_classes > d->next_cap) {
		size_t cap = d->next_cap ? 2 * d->next_cap : 16 * (size_t)d->n_classes;
		uint32_t *next = mem_realloc(d->next, cap, sizeof *next);
		if (!next)
			return false;
		d->next = next;
		d->next_cap = cap;
	}
	while (!d->sets || d->sets_n + set_n > d->sets_cap) {
		size_t cap = d->sets_cap ? 2 * d->sets_cap : 256;
		uint32_t *sets = mem_realloc(d->sets, cap, sizeof *sets);
		if (!sets)
			return false;
		d->sets = sets;
		d->sets_cap = cap;
	}
	return 2 * (d->n + 1) <= d->index_n || index_grow(d);
}

/* The state of d->set; DFA_DEAD also when there is no room. */
static uint32_t state_of_set(struct dfa *d)
{
	uint32_t n = d->set_n;
	for (uint32_t i = 0; i < n; i++)
		if (is_tail(d, d->set[i])) {
			d->set[0] = d->set[i]; /* stands for all sets that hold it */
			n = d->set_n = 1;
		}
	if (d->n > 0) {
		size_t at = set_hash(d->set, n) & (d->index_n - 1);
		for (; d->index[at] != UNKNOWN; at = (at + 1) & (d->index_n - 1)) {
			const struct dfa_state *s = &d->states[d->index[at]];
			if (s->n == n && (n == 0 || memcmp(d->sets + s->first, d->set, n * sizeof *d->set) == 0))
				return d->index[at];
		}
	}
	if (d->n >= DFA_STATES_MAX || d->sets_n + n > SET_INSTS_MAX || !room_for_state(d, n))
		return DFA_DEAD;
	struct dfa_state s = {.first = (uint32_t)d->sets_n, .n = n, .distance = UNKNOWN};
	if (n > 0)
		memcpy(d->sets + d->sets_n, d->set, n * sizeof *d->set);
	d->sets_n += n;
	s.sated = n == 1 && is_tail(d, d->set[0]);
	for (uint32_t i = 0; i < n; i++)
		s.distance = d->distance[d->set[i]] < s.distance ? d->distance[d->set[i]] : s.distance;
	s.accepts = s.sated || set_accepts(d);
	s.distance = s.accepts ? 0 : s.distance;
	d->states[d->n] = s;
	memset(d->next + d->n * d->n_classes, 0xFF, d->n_classes * sizeof *d->next);
	size_t at = set_hash(d->sets + s.first, n) & (d->index_n - 1);
	while (d->index[at] != UNKNOWN)
		at = (at + 1) & (d->index_n - 1);
	d->index[at] = (uint32_t)d->n;
	return (uint32_t)d->n++;
}

static uint32_t make_step(struct dfa *d, uint32_t state, uint8_t byte)
{
	d->round++;
	d->set_n = 0;
	for (uint32_t i = 0; i < d->states[state].n; i++) {
		const struct re_inst *r = &d->prog.inst[d->sets[d->states[state].first + i]];
		if (r->op == RE_BYTES && byte >= r->lo && byte <= r->hi)
			set_add(d, r->next, false);
	}
	return state_of_set(d);
}

/* ---- Use --------------------------------------------------------------------------------------------------------- */

int dfa_new(struct dfa **out, struct re_prog *p)
{
	struct dfa *d = mem_zalloc(1, sizeof *d);
	*out = d;
	if (!d) {
		re_prog_release(p);
		return KVIK_ERR_NOMEM;
	}
	d->prog = *p;
	*p = (struct re_prog){0};
	uint32_t n = d->prog.n;
	d->distance = mem_zalloc(n, sizeof *d->distance);
	d->set = mem_zalloc(n, sizeof *d->set);
	d->stack = mem_zalloc(2 * (size_t)n + 2, sizeof *d->stack);
	d->seen = mem_zalloc(n, sizeof *d->seen);
	if (!d->distance || !d->set || !d->stack || !d->seen) {
		dfa_free(d);
		*out = NULL;
		return KVIK_ERR_NOMEM;
	}
	make_classes(d);
	make_distances(d);
	if (state_of_set(d) != DFA_DEAD || d->n != 1) { /* the empty set is the first state: DFA_DEAD */
		dfa_free(d);
		*out = NULL;
		return KVIK_ERR_NOMEM;
	}
	d->round = 1;
	set_add(d, d->prog.start, true);
	d->start = state_of_set(d);
	return 0;
}

void dfa_free(struct dfa *d)
{
	if (!d)
		return;
	re_prog_release(&d->prog);
	mem_free(d->distance);
	mem_free(d->states);
	mem_free(d->next);
	mem_free(d->sets);
	mem_free(d->index);
	mem_free(d->set);
	mem_free(d->stack);
	mem_free(d->seen);
	mem_free(d);
}

uint32_t dfa_start(const struct dfa *d)
{
	return d->start;
}

uint32_t dfa_step(struct dfa *d, uint32_t state, uint8_t byte)
{
	size_t at = (size_t)state * d->n_classes + d->class_of[byte];
	uint32_t next = d->next[at];
	if (next == UNKNOWN) {
		next = make_step(d, state, byte);
		d->next[at] = next;
	}
	return next;
}

bool dfa_accepts(const struct dfa *d, uint32_t state)
{
	return d->states[state].accepts;
}

bool dfa_sated(const struct dfa *d, uint32_t state)
{
	return d->states[state].sated;
}

bool dfa_goes_on(struct dfa *d, uint32_t state)
{
	for (uint32_t c = 0; c < d->n_classes; c++)
		if (dfa_step(d, state, d->sample[c]) != DFA_DEAD)
			return true;
	return false;
}

uint32_t dfa_distance(const struct dfa *d, uint32_t state)
{
	return d->states[state].distance;
}
