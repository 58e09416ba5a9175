/* earley.c: see earley.h. */
#include "constrain/earley.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "constrain/re.h"

/* As it stands in a kernel. */
struct earley_item {
	uint32_t inst, origin, rule;
	uint32_t at; /* state of a piece; 0: outside of one */
};
enum { ITEM_WORDS = sizeof(struct earley_item) / sizeof(uint32_t) };

/* When `rule`, begun here, has ended: go on. */
struct earley_wait {
	uint32_t rule;
	struct earley_item then;
};

struct closure {
	uint32_t n, n_waits;
	bool accepts;
	struct earley_wait *waits;  /* [n_waits], by rule */
	struct earley_item items[]; /* [n]: those that take a byte */
};

/* ---- Closures ---------------------------------------------------------------------------------------------------- */

static size_t item_slot(const struct earley *e, const struct earley_item *i)
{
	size_t at = hash_bytes(i, sizeof *i) & (2 * EARLEY_ITEMS_MAX - 1);
	for (; e->index[at]; at = (at + 1) & (2 * EARLEY_ITEMS_MAX - 1))
		if (memcmp(&e->items[e->index[at] - 1], i, sizeof *i) == 0)
			break;
	return at;
}

static bool push(struct earley *e, uint32_t inst, uint32_t origin, uint32_t rule, uint32_t at)
{
	struct earley_item i = {inst, origin, rule, at};
	if (!(e->g->lives[inst] & 1)) /* leads to no end */
		return true;
	size_t slot = item_slot(e, &i);
	if (e->index[slot])
		return true;
	if (e->n_items >= EARLEY_ITEMS_MAX)
		return false;
	e->used[e->n_items] = (uint32_t)slot;
	e->items[e->n_items++] = i;
	e->index[slot] = e->n_items;
	return true;
}

static bool wait_for(struct earley *e, uint32_t rule, struct earley_item then)
{
	if (e->n_waits >= EARLEY_ITEMS_MAX)
		return false;
	e->waits[e->n_waits++] = (struct earley_wait){rule, then};
	return true;
}

static bool push_call(struct earley *e, uint32_t state, const struct re_inst *r, const struct earley_item *i)
{
	const struct grammar_rule *callee = &e->g->rules[r->other];
	if (e->g->prog.inst[r->next].op == RE_MATCH) /* called last */
		return push(e, callee->start, i->origin, i->rule, 0);
	struct earley_item then = {r->next, i->origin, i->rule, 0};
	return wait_for(e, r->other, then) && push(e, callee->start, state, r->other, 0) &&
	       (!callee->nullable || push(e, r->next, i->origin, i->rule, 0));
}

static bool push_piece(struct earley *e, const struct re_inst *r, struct earley_item i)
{
	struct piece *p = e->g->pieces[r->other];
	if (!i.at)
		return push(e, i.inst, i.origin, i.rule, piece_start(p));
	return !piece_accepts(p, i.at) || push(e, r->next, i.origin, i.rule, 0);
}

/* What waits for the rule where it was begun. What ends in the state that it was begun in is empty: push_call has gone on. */
static bool push_end(struct earley *e, uint32_t state, const struct earley_item *i)
{
	const struct closure *c = i->origin == state ? NULL : e->closures[i->origin];
	uint32_t lo = 0, hi = c ? c->n_waits : 0;
	while (lo < hi) {
		uint32_t m = lo + (hi - lo) / 2;
		if (c->waits[m].rule < i->rule)
			lo = m + 1;
		else
			hi = m;
	}
	for (; c && lo < c->n_waits && c->waits[lo].rule == i->rule; lo++) {
		const struct earley_item *t = &c->waits[lo].then;
		if (!push(e, t->inst, t->origin, t->rule, 0))
			return false;
	}
	return true;
}

static int compare_waits(const void *a, const void *b)
{
	const struct earley_wait *x = a, *y = b;
	return (x->rule > y->rule) - (x->rule < y->rule);
}

static struct closure *keep_closure(struct earley *e, uint32_t state, bool accepts)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < e->n_items; i++) {
		uint8_t op = e->g->prog.inst[e->items[i].inst].op;
		if (op == RE_BYTES || (op == RE_OTHER && e->items[i].at))
			e->items[n++] = e->items[i];
	}
	size_t bytes = sizeof(struct closure) + n * sizeof *e->items + e->n_waits * sizeof *e->waits;
	struct closure *c = mem_alloc(bytes);
	if (!c)
		return NULL;
	*c = (struct closure){.n = n, .n_waits = e->n_waits, .accepts = accepts};
	c->waits = (struct earley_wait *)(c->items + n);
	if (n)
		memcpy(c->items, e->items, n * sizeof *e->items);
	if (e->n_waits) {
		memcpy(c->waits, e->waits, e->n_waits * sizeof *e->waits);
		qsort(c->waits, c->n_waits, sizeof *c->waits, compare_waits);
	}
	e->bytes += bytes;
	return e->closures[state] = c;
}

/* NULL: too many items, or no memory. */
static const struct closure *closure_of(struct earley *e, uint32_t state)
{
	uint32_t words;
	bool accepts = false, ok = true;
	if (e->closures[state])
		return e->closures[state];
	const uint32_t *kernel = intern_words(&e->kernels, state, &words);
	e->n_items = e->n_waits = 0;
	for (uint32_t i = 0; i < words && ok; i += ITEM_WORDS)
		ok = push(e, kernel[i], kernel[i + 1], kernel[i + 2], kernel[i + 3]);
	for (uint32_t i = 0; i < e->n_items && ok; i++) {
		struct earley_item item = e->items[i];
		const struct re_inst *r = &e->g->prog.inst[item.inst];
		switch (r->op) {
		case RE_SPLIT:
			ok = push(e, r->next, item.origin, item.rule, 0) &&
			     push(e, r->other, item.origin, item.rule, 0);
			break;
		case RE_CALL: ok = push_call(e, state, r, &item); break;
		case RE_OTHER: ok = push_piece(e, r, item); break;
		case RE_MATCH:
			accepts = accepts || item.origin == 0;
			ok = item.origin == 0 || push_end(e, state, &item);
			break;
		default: break;
		}
	}
	for (uint32_t i = 0; i < e->n_items; i++)
		e->index[e->used[i]] = 0;
	return ok ? keep_closure(e, state, accepts) : NULL;
}

/* ---- Steps ------------------------------------------------------------------------------------------------------- */

static int compare_items(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct earley_item));
}

/* The state of e->items; EARLEY_DEAD: none, too many, or no memory. */
static uint32_t state_of_items(struct earley *e)
{
	uint32_t n = 0;
	if (e->n_items == 0)
		return EARLEY_DEAD;
	if (e->n_items > 1)
		qsort(e->items, e->n_items, sizeof *e->items, compare_items);
	for (uint32_t i = 0; i < e->n_items; i++)
		if (n == 0 || compare_items(&e->items[n - 1], &e->items[i]) != 0)
			e->items[n++] = e->items[i];
	if (n > EARLEY_KERNEL_MAX)
		return EARLEY_DEAD;
	uint32_t state = intern_add(&e->kernels, (const uint32_t *)e->items, n * ITEM_WORDS);
	if (state < e->cap)
		return state;
	size_t cap = 2 * (size_t)state + 64;
	struct closure **closures = mem_realloc(e->closures, cap, sizeof *closures);
	if (!closures)
		return EARLEY_DEAD;
	memset(closures + e->cap, 0, (cap - e->cap) * sizeof *closures);
	e->closures = closures;
	e->bytes += (cap - e->cap) * sizeof *closures;
	e->cap = cap;
	return state;
}

uint32_t earley_step(struct earley *e, uint32_t state, uint8_t byte)
{
	const struct closure *c = state ? closure_of(e, state) : NULL;
	if (!c)
		return EARLEY_DEAD;
	e->n_items = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		struct earley_item item = c->items[i];
		const struct re_inst *r = &e->g->prog.inst[item.inst];
		if (r->op == RE_BYTES) {
			if (byte < r->lo || byte > r->hi)
				continue;
			item.inst = r->next;
		} else if (!(item.at = piece_step(e->g->pieces[r->other], item.at, byte))) {
			continue;
		}
		e->items[e->n_items++] = item;
	}
	return state_of_items(e);
}

bool earley_accepts(struct earley *e, uint32_t state)
{
	const struct closure *c = state ? closure_of(e, state) : NULL;
	return c && c->accepts;
}

uint32_t earley_free_characters(const struct earley *e, uint32_t state)
{
	uint32_t words;
	const uint32_t *kernel = intern_words(&e->kernels, state, &words);
	const struct re_inst *r = &e->g->prog.inst[kernel[0]];
	if (words != ITEM_WORDS || r->op != RE_OTHER || !kernel[3])
		return 0;
	return piece_free_characters(e->g->pieces[r->other], kernel[3]);
}

uint32_t earley_cost(struct earley *e, uint32_t state)
{
	const struct closure *c = closure_of(e, state);
	return c ? 64 + c->n + c->n_waits : 64;
}

size_t earley_bytes(const struct earley *e)
{
	size_t bytes = e->kernels.bytes + e->bytes;
	for (size_t i = 0; i < e->g->n_pieces; i++)
		bytes += piece_bytes(e->g->pieces[i]);
	return bytes;
}

int earley_init(struct earley *e, const struct grammar *g, struct kvik_err *err)
{
	*e = (struct earley){.g = g};
	e->items = mem_alloc(EARLEY_ITEMS_MAX * sizeof *e->items);
	e->waits = mem_alloc(EARLEY_ITEMS_MAX * sizeof *e->waits);
	e->index = mem_zalloc(2 * EARLEY_ITEMS_MAX, sizeof *e->index);
	e->used = mem_alloc(EARLEY_ITEMS_MAX * sizeof *e->used);
	if (e->items && e->waits && e->index && e->used) {
		e->items[0] = (struct earley_item){g->rules[g->start].start, 0, g->start, 0};
		e->n_items = 1;
		e->start = state_of_items(e);
	}
	return e->start ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for a constraint");
}

void earley_release(struct earley *e)
{
	for (size_t i = 0; i < e->cap; i++)
		mem_free(e->closures[i]);
	mem_free(e->closures);
	intern_release(&e->kernels);
	mem_free(e->items);
	mem_free(e->waits);
	mem_free(e->index);
	mem_free(e->used);
	*e = (struct earley){0};
}
