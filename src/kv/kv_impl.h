/* kv_impl.h: the structs that the files of this room share; nobody else includes it. */
#ifndef KVIK_KV_KV_IMPL_H
#define KVIK_KV_KV_IMPL_H

#include "kv/state.h"
#include "kv/tree.h"

struct kv_seq {
	struct kv_seq *prev, *next; /* all sequences of the cache */
	uint32_t tokens;            /* committed */
	uint32_t reserved;          /* writable behind them */
	struct node *node;          /* ends at `tokens`; NULL: private */
	struct kv_share share;
	uint32_t promised; /* nodes for the commits to come */
	uint64_t held;     /* kv_hold: what the tree had given up by then */
	bool uncounted;    /* its matches are no queries */
	bool asked;        /* kv_match was called: statistics count a query once */
	uint32_t reads;    /* pages that kv_load has begun to read for it */
	/* kv_announce: what s is computing; the caller's. While n_announced > 0 it is in the list of its node. */
	const uint32_t *announced;
	uint32_t n_announced;
	uint64_t announcement; /* number of the last call */
	struct kv_seq *prev_announcing, *next_announcing;
	uint64_t heard;        /* the announcement that s waits for; 0: none */
	uint32_t heard_common; /* it was found equal up to here */
	struct seq_states states;
	uint32_t n_marks, marks[KV_MARKS_MAX]; /* kv_mark_at: ascending */
	struct kv_table table[];               /* [n_groups]; those of states are empty */
};

struct kv {
	struct kv_host host; /* where the pages lie, unless the caller has other memory */
	struct pages pages;
	struct tree tree;
	struct kv_group_desc desc[KV_GROUPS_MAX];
	uint32_t n_groups;
	uint32_t n_paged, n_states; /* of them: with pages for tokens; behind those, states */
	uint32_t state_every;
	uint32_t seq_tokens_max;
	uint32_t n_seqs;
	uint64_t bytes_fixed; /* taken by kv_new */
	struct kv_seq *seqs;  /* owned */
	uint64_t pages_copied, pages_freed_by_window;
	uint64_t states_taken, states_missed;
	uint64_t announcements;
	uint64_t queries, tokens_queried, tokens_hit, tokens_joined, leaves;
};

static inline size_t seq_bytes(const struct kv *kv)
{
	return sizeof(struct kv_seq) + kv->n_groups * sizeof(struct kv_table);
}

/* ---- seq.c ------------------------------------------------------------------------------------------------------- */

/* Tables long enough for `tokens` tokens; evicts as needed. FULL, NOMEM. */
int seq_grow_tables(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err) MUST_CHECK;
/* s is promised the nodes that a commit of n tokens can make; those for one token it keeps after the commit. */
int seq_promise_nodes(struct kv *kv, struct kv_seq *s, uint32_t n, struct kvik_err *err) MUST_CHECK;
void seq_break_promise(struct kv *kv, struct kv_seq *s);
/* A private sequence without tokens. FULL, NOMEM. */
int seq_make(struct kv_seq **out, struct kv *kv, struct kvik_err *err) MUST_CHECK;
void seq_drop_reserved(struct kv *kv, struct kv_seq *s);
/* FULL, with a text: so many more bytes were needed. */
int seq_full(const struct kv *kv, uint64_t bytes, struct kvik_err *err) MUST_CHECK;

/* ---- state.c ----------------------------------------------------------------------------------------------------- */

/* Does a step need pages for the state at its end? */
bool state_needs_pages(const struct kv *kv, const struct kv_seq *s);
/* Takes them, which are prepared. */
void state_reserve(struct kv *kv, struct kv_seq *s);
void state_drop_reserved(struct kv *kv, struct kv_seq *s);
/* Of a commit up to `end`: where the first state in passing is; false: there is none. */
bool state_next_out(const struct kv_seq *s, uint32_t end, uint32_t *position);
/* s sits at the first state in passing, which becomes a snapshot; ends: the commit ends there. */
void state_pass_out(struct kv *kv, struct kv_seq *s, bool ends);
/* A commit has come to its end. */
void state_arrive(struct kv *kv, struct kv_seq *s);
/* The live states become a snapshot at the node of s, if there is none there, nor one less than `near` tokens above. */
void state_snapshot(struct kv *kv, struct kv_seq *s, uint32_t near);
/* The same for places where a snapshot helps, but one a little before is as good. */
void state_mark(struct kv *kv, struct kv_seq *s);
/* Are there states of this position of s? shares: s goes on with them too. */
bool state_is_at(const struct kv *kv, const struct kv_seq *s, uint32_t tokens, bool shares);
/* Those become the live ones of f, which may be s. */
void state_take(struct kv *kv, struct kv_seq *f, const struct kv_seq *s, uint32_t tokens);
/* Those of a node become the live ones. */
void state_adopt(struct kv *kv, struct kv_seq *s, struct node *n);
void state_release(struct kv *kv, struct kv_seq *s);

/* ---- lookup.c ---------------------------------------------------------------------------------------------------- */

extern const struct kv_scope public_scope;

/* A walk down the tree of one scope. */
struct path {
	const struct kv_scope *scope;
	struct node *from, *deepest; /* NULL: the scope has no tree */
	uint32_t matched, usable;
	uint32_t stored; /* usable, once pages that are in the store are loaded */
};

/* From a node on which s sits (or a root, with s or without). */
struct path path_find(const struct kv *kv, const struct kv_scope *scope, struct node *from, const struct kv_seq *s,
		      const uint32_t *ids, uint32_t n);
/* The public scope's root, if it may be read; NULL: it may not, or there is none. */
struct node *path_public_root(const struct kv *kv, const struct kv_share *share);
/* Sets matched, why and other from hit->tokens and the path that led there. That the rest was there once says more than
 * that something else is there now. */
void path_explain(const struct kv *kv, const struct path *p, const uint32_t *ids, uint32_t n, struct kv_hit *hit);

/* Who will have computed most of a text. */
struct leader {
	struct kv_seq *seq; /* NULL: nobody computes any of it */
	uint32_t common;    /* up to here */
};

/* *l becomes the best of the path, if it is better. s: who looks, or NULL. */
void path_leader(const struct path *p, const struct kv_seq *s, const uint32_t *ids, uint32_t n, struct leader *l);
void path_tell_leader(const struct leader *l, struct kv_hit *hit);

/* ---- share.c ----------------------------------------------------------------------------------------------------- */

/* Puts the n tokens after s->tokens, for which the tables have pages, into the tree and moves s to their end; where
 * others were first, their pages take the place of equal ones. Without memory for it s goes private. */
void share_insert(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n);
/* Unpacks what share_adopt would take; with `bytes` it only says how many it needs for that. NOMEM. */
int share_unpack(struct kv *kv, const struct kv_seq *s, const struct node *deepest, uint32_t matched, uint32_t tokens,
		 uint64_t *bytes, struct kvik_err *err) MUST_CHECK;
/* The tables of s get the pages on the path to deepest for the tokens up to `tokens` (<= matched <= deepest->end), at
 * which the path is usable; they are long enough, and the pages unpacked. The caller moves s. */
void share_adopt(struct kv *kv, struct kv_seq *s, const struct node *deepest, uint32_t matched, uint32_t tokens);
/* Out of its node's list of those that announce, and back into it: around each change of s->node. */
void share_unlist(struct kv_seq *s);
void share_list(struct kv_seq *s);
/* s sits on this node from now on. */
void share_move(struct kv *kv, struct kv_seq *s, struct node *to);
/* The path to n is used, by a sequence that shares so (NULL: by one of another scope, which may renew its life but not
 * change it); nodes that end behind `hit_from` count a hit. */
void share_touch(struct kv *kv, struct node *n, const struct kv_share *share, uint32_t hit_from);
/* s goes private. */
void share_leave(struct kv *kv, struct kv_seq *s);
/* Before s leaves its node: the tree gets the window pages that it lacks, and the path its time to live. */
void share_finish(struct kv *kv, struct kv_seq *s);

#endif
