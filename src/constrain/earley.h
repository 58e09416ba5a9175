/* earley.h: texts under a grammar, byte by byte, after Earley (1970). A state is a set of items: how far a rule has come, and the
 * state in which it was begun. Written that way equal sets are one state whatever text led there (struct intern), and what was
 * found out about a state serves all texts that come to it.
 *
 *   item    instruction, origin, rule, state of a piece
 *           "rule" has come to the instruction; when it ends, what waits for it in the state `origin` goes on (0: the text may end)
 *
 *   sum: sum "+" INT | INT        after "1+":  {sum: sum "+" . INT, begun at the start}, whatever the sum before was
 *   list: "(" list? ")"           after "((":  {list: "(" . list? ")", begun in {list: "(" . list? ")", begun at the start}}
 *
 * A state is named by the items that a byte has led to, its kernel; the rest follows from them (struct closure), and what the state
 * itself begins has the state as origin. A rule that is called last in another takes over its origin, so that repetition by
 * recursion on the right needs no room (Leo 1991); on the left it never did.
 *
 * Bounded: a text whose state has too many items is refused. Owner: one thread at a time. */
#ifndef KVIK_CONSTRAIN_EARLEY_H
#define KVIK_CONSTRAIN_EARLEY_H

#include "constrain/grammar.h"
#include "constrain/intern.h"

enum { EARLEY_DEAD = 0, EARLEY_KERNEL_MAX = 1 << 9, EARLEY_ITEMS_MAX = 1 << 13 };

struct closure;

struct earley {
	const struct grammar *g;
	struct intern kernels;
	struct closure **closures; /* [kernels.n + 1]; NULL: not asked for yet */
	size_t cap, bytes;
	/* Of a closure in the making. */
	struct earley_item *items; /* [EARLEY_ITEMS_MAX] */
	uint32_t n_items;
	struct earley_wait *waits; /* [EARLEY_ITEMS_MAX] */
	uint32_t n_waits;
	uint32_t *index; /* hash table of items, [2 * EARLEY_ITEMS_MAX]: 1 + number */
	uint32_t *used;  /* [n_items]: its slots that are not empty */
	uint32_t start;
};

/* The grammar is borrowed. NOMEM. */
int earley_init(struct earley *e, const struct grammar *g, struct kvik_err *err) MUST_CHECK;
void earley_release(struct earley *e);

uint32_t earley_step(struct earley *e, uint32_t state, uint8_t byte);
bool earley_accepts(struct earley *e, uint32_t state); /* the text may end here */
/* As machine.free_characters and machine.cost (mask.h). */
uint32_t earley_free_characters(const struct earley *e, uint32_t state);
uint32_t earley_cost(struct earley *e, uint32_t state);
/* What is kept for all states, in bytes. */
size_t earley_bytes(const struct earley *e);

#endif
