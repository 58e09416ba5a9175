/* dfa.h: a byte automaton made deterministic as far as it is used: a state is a set of instructions, met the first time a text
 * leads to it. States are numbers; DFA_DEAD is the state from which nothing can match any more.
 *
 * Bounded: beyond DFA_STATES_MAX states a step leads to DFA_DEAD, so that a text is refused rather than let through.
 * Owner: one thread at a time. */
#ifndef KVIK_CONSTRAIN_DFA_H
#define KVIK_CONSTRAIN_DFA_H

#include "constrain/re.h"

enum { DFA_DEAD = 0, DFA_STATES_MAX = 1 << 16 };

struct dfa;

/* Takes over what *p holds, also on an error: NOMEM. */
int dfa_new(struct dfa **out, struct re_prog *p) MUST_CHECK;
void dfa_free(struct dfa *d);

uint32_t dfa_start(const struct dfa *d);
uint32_t dfa_step(struct dfa *d, uint32_t state, uint8_t byte);
bool dfa_accepts(const struct dfa *d, uint32_t state); /* if the text ends here */
bool dfa_goes_on(struct dfa *d, uint32_t state);       /* some byte does not lead to DFA_DEAD */
bool dfa_sated(const struct dfa *d, uint32_t state);   /* whatever follows, it matches */
/* Bytes that must follow at least before it matches. */
uint32_t dfa_distance(const struct dfa *d, uint32_t state);

#endif
