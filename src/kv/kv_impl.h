/* kv_impl.h: the structs that the files of this room share; nobody else includes it. */
#ifndef KVIK_KV_KV_IMPL_H
#define KVIK_KV_KV_IMPL_H

#include "kv/tree.h"

struct kv_seq {
	struct kv_seq *prev, *next; /* all sequences of the cache */
	uint32_t tokens;            /* committed */
	uint32_t reserved;          /* writable behind them */
	struct node *node;          /* ends at `tokens`; NULL: private */
	struct kv_share share;
	uint32_t promised; /* nodes for the commits to come */
	bool asked;        /* kv_match was called: statistics count a query once */
	/* kv_announce: what s is computing; the caller's. In the list of all that announce while n_announced > 0. */
	const uint32_t *announced;
	uint32_t n_announced;
	struct kv_seq *prev_announced, *next_announced;
	struct kv_table table[]; /* [n_groups] */
};

struct kv {
	struct pages pages;
	struct tree tree;
	struct kv_group_desc desc[KV_GROUPS_MAX];
	uint32_t n_groups;
	uint32_t seq_tokens_max;
	uint32_t n_seqs;
	uint64_t bytes_fixed;     /* taken by kv_new */
	struct kv_seq *seqs;      /* owned */
	struct kv_seq *announced; /* first that announces */
	uint64_t pages_copied, pages_freed_by_window;
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

/* ---- share.c ----------------------------------------------------------------------------------------------------- */

/* Puts the n tokens after s->tokens, for which the tables have pages, into the tree and moves s to their end; where
 * others were first, their pages take the place of equal ones. Without memory for it s goes private. */
void share_insert(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n);
/* Bytes that unpacking what share_adopt would take needs; unpack: it is done. */
uint64_t share_unpack(struct kv *kv, const struct kv_seq *s, const struct node *deepest, uint32_t matched,
		      uint32_t tokens, bool unpack);
/* The tables of s get the pages on the path to deepest for the tokens up to `tokens` (<= matched <= deepest->end), at
 * which the path is usable; they are long enough, and the pages unpacked. The caller moves s. */
void share_adopt(struct kv *kv, struct kv_seq *s, const struct node *deepest, uint32_t matched, uint32_t tokens);
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
