/* tree.h: the radix tree of all known prefixes, one root per scope; nodes hold pages.
 *
 *     (root of a scope) ── [0,100) ──┬── [100,128) ── [128,190)        a node holds the tokens [start,end) of a path
 *                                    └── [100,117)                    and, per group, the pages of their blocks
 *
 * A frame is a range of positions as long as the longest page (at least 128) at a multiple of its length; no node
 * crosses from one into the next. So a node has a fixed size, its arrays are indexed by position modulo frame, and
 * split and merge cost at most a frame.
 *
 * The page that a node holds for a block is valid for all tokens of the path in that block up to the node's end, those
 * before its start included: a branch that begins inside a page brings its own copy of the head. Pages of window groups
 * may be missing; all others are there.
 *
 * Sequences sit on ends of nodes (users), so that what is below them can be evicted and what is above cannot.
 * Owner: one thread. */
#ifndef KVIK_KV_TREE_H
#define KVIK_KV_TREE_H

#include "base/heap.h"
#include "kv/ghost.h"
#include "kv/table.h"

#define NODE_FOREVER UINT64_MAX

/* What of a node can be evicted. */
enum stake_kind {
	STAKE_NONE,
	STAKE_LEAF,    /* all of it: nobody is on it or below, and what is below is cold */
	STAKE_WINDOWS, /* somebody is on it or below: its pages of window groups */
	STAKE_STATES,  /* the same: its states */
};

enum { VALUE_CLASSES = 96 };

/* Something that can go; who goes first: evict.c. */
struct stake {
	struct heap_link link;
	uint64_t since;  /* tick of the last use, when it was judged */
	uint64_t judged; /* tick at which since, rank and value were set */
	uint16_t rank;   /* 0: worthless; else priority + 1 */
	uint8_t what;    /* enum stake_kind; in the heap of its value unless NONE */
	uint8_t value;   /* class of what its loss costs: half powers of two */
};

struct node {
	struct node *parent, *child; /* NULL: a root; first child */
	struct node *prev, *next;    /* siblings */
	struct node *chain;          /* of the index bucket */
	struct kv_seq *announcing;   /* those on its end that say how they will go on (kv_announce) */
	struct stake stake, state_stake;
	struct heap_link by_expiry;
	uint64_t hash;       /* of the scope and all tokens up to end */
	uint64_t used;       /* tick of the last use */
	uint64_t used_at;    /* its time */
	uint64_t ttl;        /* after the last use; or NODE_FOREVER */
	uint64_t expires;    /* time of kv_clock, or NODE_FOREVER */
	uint64_t state_used; /* tick of the last match that ended here */
	uint32_t start, end;
	uint32_t users;      /* sequences on its end */
	uint32_t n_warm;     /* children that are not cold */
	uint32_t hits;       /* matches that came through */
	uint32_t state_hits; /* those that ended here */
	uint32_t n_windows;  /* pages that STAKE_WINDOWS counts: of window groups, sinks aside */
	uint8_t priority;
	bool marked;
	bool cold;                  /* its pages are in the store, or on their way there (spill.c) */
	bool dirty;                 /* listed: the store may lack some of them */
	uint32_t postponed;         /* t->io.n_done, when it was to be evicted and some of its pages were under way */
	uint64_t dirty_at;          /* time of the first such change */
	struct node *older, *newer; /* of the list of dirty nodes */
	/* [slots], see tree_slot; behind them states of its end [n_states], then uint32_t tokens[frame], in a root the
	 * scope's secret */
	kv_page pages[];
};

struct ticket {
	struct kv_io io;
	uint32_t next; /* of the free ones, or of those that nobody has taken yet */
	bool out, taken;
};

/* Tickets for the store. */
struct io {
	struct ticket *tickets; /* [max] */
	uint32_t max, n_out;    /* max 0: there is no store */
	uint32_t free, first_new, last_new;
	uint64_t bytes;               /* of pages that are being written or read */
	uint64_t bytes_leaving;       /* of those being written */
	uint64_t node_bytes;          /* of all pages that a node can have */
	uint32_t n_done;              /* tickets that have ended */
	uint32_t *ids, ids_max;       /* [ids_max]: room for those of a path */
	struct node *oldest, *newest; /* nodes of which the store may lack something, by dirty_at */
};

struct tree {
	struct pages *pages; /* of the cache that owns the tree */
	const struct kv_group_desc *desc;
	uint32_t n_groups; /* with pages for tokens; behind them in desc are those of states */
	uint32_t n_states;
	uint32_t frame;                    /* a power of two */
	uint32_t slot0[KV_GROUPS_MAX + 1]; /* first slot of a group in node.pages */
	uint32_t token0;                   /* the tokens begin here, behind slots and states */
	uint32_t window_max;               /* longest window; 0: no window groups */
	size_t node_bytes;
	struct node **buckets;
	uint32_t n_buckets, n_nodes;
	struct node *spare; /* chained; allocated and counted */
	uint32_t n_spare;
	uint32_t n_promised; /* of the spare ones: for commits to come */
	struct heap by_age[VALUE_CLASSES], by_expiry;
	double bytes_per_token; /* of text in memory */
	double patience;        /* tokens, see evict.c */
	uint64_t now;
	uint64_t tick;       /* tokens that came in, and one for each use and judgement: the measure of age */
	uint64_t pack_after; /* 0: never */
	uint32_t pack_hand;  /* bucket to look into next */
	struct ghost ghost;
	struct io io;
	uint64_t tokens_spilled, tokens_lost, pages_spilled, pages_loaded, io_failed;
	uint64_t pages_merged, tokens_evicted, tokens_expired, pages_window_dropped, states_dropped;
};

/* Sizes of nodes and frames, from desc and n_groups. */
void tree_lay_out(struct tree *t);
int tree_init(struct tree *t, struct pages *p, const struct kv_group_desc *desc, uint32_t n_groups, uint32_t n_states,
	      uint32_t state_every, struct kvik_err *err) MUST_CHECK;
/* All nodes; also after an error of tree_init. */
void tree_release(struct tree *t);

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */

static inline uint32_t tree_slot(const struct tree *t, uint32_t group, uint32_t block)
{
	return t->slot0[group] + (block & (t->slot0[group + 1] - t->slot0[group] - 1));
}

static inline uint32_t *tree_token(const struct tree *t, const struct node *n, uint32_t position)
{
	return (uint32_t *)(n->pages + t->token0) + (position & (t->frame - 1));
}

/* Blocks of a group that a node has tokens of: first..last; not for roots. */
static inline uint32_t node_first(const struct tree *t, const struct node *n, uint32_t group)
{
	return block_of(&t->desc[group], n->start);
}

static inline uint32_t node_last(const struct tree *t, const struct node *n, uint32_t group)
{
	return block_of(&t->desc[group], n->end - 1);
}

/* The states of a node's end, [n_states]. */
static inline const kv_page *node_states(const struct tree *t, const struct node *n)
{
	return n->pages + t->slot0[t->n_groups];
}

static inline bool node_has_states(const struct tree *t, const struct node *n)
{
	return t->n_states > 0 && node_states(t, n)[0] != KV_PAGE_NONE;
}

static inline uint64_t tree_expiry(const struct tree *t, uint64_t ttl)
{
	return t->now < NODE_FOREVER - ttl ? t->now + ttl : NODE_FOREVER;
}

static inline uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Nodes are made of spare ones that were promised before, so that no commit fails for want of memory: n more promises,
 * evicting as needed. FULL, NOMEM. */
int tree_promise(struct tree *t, uint32_t n, struct kvik_err *err) MUST_CHECK;
/* Gives n promises back. */
void tree_unpromise(struct tree *t, uint32_t n);
/* Frees spare nodes that nobody was promised. */
void tree_trim_spare(struct tree *t);

/* The hash of no tokens in a scope. */
uint64_t tree_scope_hash(const struct kv_scope *scope);
struct kv_scope tree_scope(const struct tree *t, const struct node *root);
/* The root of a scope; NULL when there is none. */
struct node *tree_root(const struct tree *t, const struct kv_scope *scope);
/* Makes it; like all that makes a node it takes one of the caller's *promised, of which there must be one. */
struct node *tree_add_root(struct tree *t, const struct kv_scope *scope, uint32_t *promised);
/* The child that begins with this token; NULL when there is none. */
struct node *tree_child(const struct tree *t, const struct node *n, uint32_t token);
/* Follows ids (all from position 0) from the end of `from`, at most to position n. Returns the deepest node on the way
 * and in *matched the position up to which it is equal. */
struct node *tree_walk(const struct tree *t, struct node *from, const uint32_t *ids, uint32_t n, uint32_t *matched);
/* The node on the path to n that ends at position (<= n->end), made by cutting one in two if need be. */
struct node *tree_split(struct tree *t, struct node *n, uint32_t position, uint32_t *promised);
/* A new node below parent, with one token so far and no pages yet. */
struct node *tree_add(struct tree *t, struct node *parent, uint32_t token, uint32_t *promised);
/* Sets the page of a block (or none), references and all. */
void tree_set_page(struct tree *t, struct node *n, uint32_t group, uint32_t block, kv_page page);
/* The node gets these states (NULL: none), references and all; n may be gone after it has lost them. */
void tree_set_states(struct tree *t, struct node *n, const kv_page *pages);
/* The node on the path to n that has the token before `position` (<= n->end); the root for 0. */
struct node *tree_node_before(struct node *n, uint32_t position);
/* The end of the last node above n that has states; 0: there is none. */
uint32_t tree_state_before(const struct tree *t, const struct node *n);
/* Bytes of the states of one position. */
uint64_t tree_state_bytes(const struct tree *t);
/* The page of a block on the path to *at, valid for the tokens before position `tokens` (<= deep <= (*at)->end): the
 * one of the deepest node that reaches no further than deep and has one. Moves *at up to that node, so ask for blocks
 * in descending order. None: missing, in a window group. */
kv_page tree_path_page(const struct tree *t, const struct node **at, uint32_t group, uint32_t block, uint32_t deep,
		       uint32_t tokens);
/* The largest position <= matched (<= deepest->end) at which a sequence could go on from the path to deepest: every
 * window group has what the query there sees, and where there are STATE groups the path holds the states of just that
 * position. Blocks of the first own_tokens tokens are looked up in own (tables of all
 * groups) instead; own may be NULL. */
uint32_t tree_windows_usable(const struct tree *t, const struct node *deepest, uint32_t matched,
			     const struct kv_table *own, uint32_t own_tokens); /* as if there were no STATE groups */
uint32_t tree_usable(const struct tree *t, const struct node *deepest, uint32_t matched, const struct kv_table *own,
		     uint32_t own_tokens);

/* The largest usable position up to `position`, itself usable, all of whose pages behind own_tokens are in memory. */
uint32_t tree_resident(const struct tree *t, const struct node *deepest, uint32_t matched, const struct kv_table *own,
		       uint32_t own_tokens, uint32_t position);

/* Tells the ghost list of the units that end in the n tokens from position start on; hash: of what is before. */
void tree_use_units(struct tree *t, uint64_t hash, const uint32_t *ids, uint32_t start, uint32_t n, bool asked);

/* Takes a leaf that nobody uses out of the tree, and a root that has thereby become empty (tidy: or else leaves the
 * parent as it is). */
void tree_remove(struct tree *t, struct node *n, bool tidy);
/* A node between others on which nobody sits becomes one with its only child, where both are in one frame. */
void tree_merge(struct tree *t, struct node *n);
/* After a node has lost a child or a user: judges and merges it; an empty root goes. n may be gone afterwards. */
void tree_tidy(struct tree *t, struct node *n);

/* ---- Eviction (evict.c) ------------------------------------------------------------------------------------------ */

void evict_init(struct tree *t);
/* Out of both heaps. */
void tree_unstake(struct tree *t, struct node *n);
/* To be called when users, children, window pages or states of a node have changed. */
void tree_judge(struct tree *t, struct node *n);
/* Evicts the least worthy thing; false: there is none. */
bool tree_evict_one(struct tree *t) MUST_CHECK;
/* Evicts until pages_room() is `bytes`; false: it cannot, and where that was plain nothing was evicted. */
bool tree_make_room(struct tree *t, uint64_t bytes) MUST_CHECK;
/* The same for states at `end` when the last ones on the way are at `start`: nothing that is worth more goes. */
bool tree_make_room_for_states(struct tree *t, uint8_t priority, uint32_t start, uint32_t end) MUST_CHECK;
/* The same for memory of tables and nodes, which is taken from the system at once. */
bool tree_make_table_room(struct tree *t, uint64_t bytes) MUST_CHECK;
void tree_expire(struct tree *t);
void tree_drop_cached(struct tree *t);
/* Drops a node and what is below; nobody is there. */
void tree_drop(struct tree *t, struct node *n, enum kv_why cause);
/* A cold node, and those above it, is in memory again, or going to be. */
void tree_warm(struct tree *t, struct node *n);
/* The pages of a leaf are in the store, or going to be. */
void tree_cool(struct tree *t, struct node *n);

/* ---- The store (io.c) -------------------------------------------------------------------------------------------- */

/* Writes what the store lacks of a leaf's pages, and gives their memory back; LATER: some of them are just being written
 * for another node; NOT: it is to be dropped. */
enum spilled { SPILLED, SPILLED_LATER, SPILLED_NOT };
enum spilled io_spill(struct tree *t, struct node *n);
/* Writes ahead of need, so that memory is there when it is needed: victims of that moment could only be dropped. */
void io_spill_ahead(struct tree *t);
/* The store may lack some of the pages or states of n from now on; no longer, or n goes. */
void io_note_changed(struct tree *t, struct node *n);
static inline void io_changed(struct tree *t, struct node *n)
{
	if (t->io.max > 0 && !n->dirty)
		io_note_changed(t, n);
}
void io_settled(struct tree *t, struct node *n);
/* Copies what has changed long enough ago. */
void io_write_behind(struct tree *t);

/* ---- Packing (pack.c) -------------------------------------------------------------------------------------------- */

/* Packs some of the pages that have been idle for pack_after. */
void tree_pack_idle(struct tree *t);

/* ---- Checks (tree_check.c) --------------------------------------------------------------------------------------- */

/* What the checks have seen of a page. */
struct page_seen {
	uint32_t tables, nodes; /* references */
	uint32_t reach;         /* slots that somebody may read or write */
	uint32_t writers;       /* sequences with reservations behind their tokens in it */
};

/* NULL, or what is broken. seen: per group [fresh], counted up for each node. nodes and users: what a walk
 * has found. */
const char *tree_check(const struct tree *t, struct page_seen *const *seen, uint32_t *nodes, uint32_t *users);

#endif
