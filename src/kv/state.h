/* state.h: states of a sequence: the values of STATE groups (recurrences, convolutions), each valid at one position.
 *
 *     position     ....... T ............ p ............ T+n      T tokens committed, n reserved
 *     state              [live]         [out]          [next]     p was asked for (kv_state_want, kv_mark_at)
 *
 * A state is a page of its group, with references like any other: a snapshot is a node of the tree that holds the same
 * pages as the sequence, and costs nothing until the sequence goes on. A step starts from `live` and leaves the state
 * at its end in `next`: the same pages, written in place, when nobody else holds them, else others. Between a step's
 * beginning and its commit nobody may take what is being written: there is no live state then.
 *
 * The state at position 0, before any token, has no pages. All STATE groups of a cache go together.
 * Owner: one thread. */
#ifndef KVIK_KV_STATE_H
#define KVIK_KV_STATE_H

#include "kv/pages.h"

#define STATE_NOWHERE UINT32_MAX

enum { STATE_WANTED = 8 };

struct seq_states {
	uint32_t at; /* position of live; STATE_NOWHERE: there is none */
	bool keep;   /* steps are never written in place */
	uint32_t n_wanted, n_outs;
	uint32_t wanted[STATE_WANTED];  /* ascending; above the sequence's tokens when they were asked for */
	uint32_t out_at[KV_STATE_OUTS]; /* ascending */
	kv_page live[KV_STATES_MAX];    /* none: at position 0, or nowhere */
	kv_page next[KV_STATES_MAX];    /* none: nothing is reserved */
	kv_page outs[KV_STATE_OUTS][KV_STATES_MAX];
};

#endif
