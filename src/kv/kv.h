/* kv.h: the paged cache: one budget, pages per group of layers, sequences with a block table per group, and a tree of
 * all known prefixes from which new sequences start.
 *
 * The room knows nothing of weights or dtypes: a page is page_bytes opaque bytes that hold page_tokens tokens of one
 * group. It has no clock and no randomness: time comes in by kv_clock. Owner: one thread. Rules, reasons and costs:
 * src/kv/README.md. */
#ifndef KVIK_KV_KV_H
#define KVIK_KV_KV_H

#include "kv/memory.h"
#include "kv/store.h"

enum { KV_STATES_MAX = 4, KV_STATE_OUTS = 8, KV_MARKS_MAX = 4 };

/* What layers of a group keep. Groups of states come behind all others, at most KV_STATES_MAX of them, and not
 * alone. */
enum kv_kind {
	KV_KIND_PAGES,  /* something for each token */
	KV_KIND_WINDOW, /* the same, as long as a later query can see it */
	KV_KIND_STATE   /* one value for all tokens so far, valid at one position: see States below */
};

struct kv_group_desc {
	uint32_t page_tokens; /* a power of two; of a state 0 */
	size_t page_bytes;    /* a multiple of 64; of a state its bytes */
	uint32_t window;      /* 0 = every token stays; else a page is freed once no later query can see it */
	uint32_t sinks;       /* with a window: the first so many tokens stay */
	size_t packed_bytes;  /* of the page's packed form, see kv_config.pack_after; 0: it has none */
};

static inline enum kv_kind kv_kind(const struct kv_group_desc *d)
{
	return d->page_tokens == 0 ? KV_KIND_STATE : d->window ? KV_KIND_WINDOW : KV_KIND_PAGES;
}

struct kv_config {
	uint64_t memory_bytes; /* hard ceiling over pages, tables, tree and all else the cache allocates */
	uint32_t n_groups;
	const struct kv_group_desc *groups;
	uint32_t seq_tokens_max; /* longest sequence */
	/* Pages that only the tree holds and nobody has used for so long (in units of kv_clock; 0: never) are kept in
	 * their packed form, until a sequence takes them. A packed form that loses something makes what is computed
	 * from it depend on time. */
	uint64_t pack_after;
	uint32_t state_every; /* snapshots of states are taken at multiples of so many tokens; 0: only where wanted */
	/* Where the pages lie; borrowed, its context for as long as the cache lives. NULL: the host's memory. */
	const struct kv_memory *memory;
	/* Where victims go that are worth it; borrowed, for as long as the cache lives. NULL: nowhere. */
	const struct kv_store *store;
	kv_convert_fn *convert; /* with pack_after, in the host's memory */
	void *convert_ctx;
};

struct kv;
struct kv_seq;

/* Errors: ARG, NOMEM, LIMIT (the ceiling holds not even one page per group). Pages are backed by memory when used. */
int kv_new(struct kv **out, const struct kv_config *c, struct kvik_err *err) MUST_CHECK;
void kv_free(struct kv *kv); /* sequences included */

/* The caller's time, in a unit of its choice (the one of kv_share.ttl), never going back; once per step. Drops the
 * cached prefixes whose time to live is over. */
void kv_clock(struct kv *kv, uint64_t now);

/* ---- Sequences --------------------------------------------------------------------------------------------------- */

/* Who may meet whom in the tree: sequences with the same secret share, others never see or time each other's. */
struct kv_scope {
	uint64_t secret[2]; /* of a tenant; both 0: the public scope */
};

/* How a sequence shares; all 0: publicly, with no extra rights. */
struct kv_share {
	struct kv_scope scope;
	bool read_public; /* may also start from prefixes of the public scope; writes only into its own */
	uint8_t priority; /* a prefix is evicted only when none of a lower priority is left */
	uint64_t ttl;     /* its tokens leave the cache so long after their last use; 0 = no limit */
};

/* A private sequence: shares only with its forks. Errors: FULL, NOMEM. */
int kv_seq_new(struct kv_seq **out, struct kv *kv, struct kvik_err *err) MUST_CHECK;
/* A sequence in the tree: starts from what is cached there (kv_match) and adds what it commits (kv_commit_ids). */
int kv_seq_new_shared(struct kv_seq **out, struct kv *kv, const struct kv_share *share,
		      struct kvik_err *err) MUST_CHECK;
/* What a shared sequence committed stays in the tree as long as memory lasts. To pin a prefix, keep a sequence on it:
 * the pages of a sequence are never evicted; kv_hold sees to it that they are found. */
void kv_seq_free(struct kv *kv, struct kv_seq *s);

/* Room for n tokens after the last committed one, in every group, all or nothing; evicts cached prefixes as needed. A
 * page whose next slot another sequence has taken is copied first. FULL: no sequence has changed. LIMIT: past
 * seq_tokens_max. */
int kv_reserve(struct kv *kv, struct kv_seq *s, uint32_t n, struct kvik_err *err) MUST_CHECK;
/* Room in a new sequence for a text of n tokens that comes from elsewhere, all or nothing: pages of the blocks that the next
 * query sees (sinks too), and states of its end. The caller fills them, which kv_seq_blocks and kv_state_step name (no
 * kv_state_begin), and commits all n; or frees the sequence. ARG: s is not new; else as kv_reserve. */
int kv_reserve_whole(struct kv *kv, struct kv_seq *s, uint32_t n, struct kvik_err *err) MUST_CHECK;
/* Does the next query behind `tokens` tokens see anything of a block of theirs? Of groups with pages. */
bool kv_block_needed(const struct kv_group_desc *d, uint32_t block, uint32_t tokens);
/* The first n reserved tokens have been written; pages of window groups that no later query sees are freed. Until the
 * commit everything that the queries of the reserved tokens can see stays. A shared sequence becomes private. */
void kv_commit(struct kv *kv, struct kv_seq *s, uint32_t n);
/* The same, with the ids of these tokens: others may start from them at once, and where another sequence has computed
 * the same tokens before, one copy remains. */
void kv_commit_ids(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n);
/* Keeps the first tokens tokens, drops the rest and all reservations. ARG: more than there are; LIMIT: a window group
 * has already freed what the next query would see (a shared sequence finds it in the tree, mostly), or there are no
 * states of that position: kv_nearest says how far back it goes. */
int kv_truncate(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err) MUST_CHECK;
/* A new sequence that shares the first tokens tokens of s (committed ones), in the same scope; errors as for truncate
 * and kv_seq_new. */
int kv_fork(struct kv_seq **out, struct kv *kv, const struct kv_seq *s, uint32_t tokens,
	    struct kvik_err *err) MUST_CHECK;

/* The last position up to `tokens` (<= committed) to which truncate and fork could go now; what lies behind it is to be
 * computed again. */
uint32_t kv_nearest(const struct kv *kv, const struct kv_seq *s, uint32_t tokens);

uint32_t kv_seq_tokens(const struct kv_seq *s);              /* committed */
bool kv_seq_shares(const struct kv_seq *s);                  /* is in the tree */
const struct kv_share *kv_seq_share(const struct kv_seq *s); /* how; as it was made, or forked */
/* A shared sequence becomes private: it keeps its pages and needs no more nodes, and what the tree holds of its text
 * can be evicted. */
void kv_leave(struct kv *kv, struct kv_seq *s);
/* Block table of a group, of n_blocks blocks (n_blocks may be NULL); valid until the next call that changes s. */
struct page_table kv_seq_blocks(const struct kv_seq *s, uint32_t group, uint32_t *n_blocks);
/* Where the pages of a group lie in the host's memory; its base is NULL where they lie elsewhere. */
struct page_area kv_host_pages(const struct kv *kv, uint32_t group);
/* A block's page there; NULL: it is freed, or lies elsewhere. */
uint8_t *kv_host_page(const struct kv *kv, const struct kv_seq *s, uint32_t group, uint32_t block);

/* ---- States ------------------------------------------------------------------------------------------------------
 *
 * Layers with a recurrence keep a value that sums up all tokens so far. A sequence has one live state per group, valid
 * at its committed tokens. A step of n tokens starts from it and leaves the state n tokens further, in place if nobody
 * shares it; on its way it also leaves the states of some positions in between, which become snapshots in the tree when
 * it is committed. A prefix can be taken only up to a position that has one. So where a prefill is cut into chunks is
 * the scheduler's choice alone: positions that fall into a chunk are written out in passing.
 *
 * Snapshots are taken at multiples of kv_config.state_every, before the last token of what is announced, where a text
 * parts from one that is known or being computed, at marks, forks, and where a sequence ends or is cut; those in
 * passing only if memory is free or holds what is worth less. They are evicted by worth, like pages.
 *
 * Without groups of states all of this does nothing. A sequence may lack a live state (a commit that ended where none
 * was asked for, or a step that was begun in place and given up): kv_reserve and kv_fork then say LIMIT, until
 * kv_truncate brings it back to kv_nearest. */

/* s is to leave a snapshot at this position; forgotten if there are too many, or if it is not ahead. */
void kv_state_want(struct kv *kv, struct kv_seq *s, uint32_t position);
/* From the next reservation on (one that extends another, too) steps of s are (not) kept out of the live state, so that
 * kv_truncate to the committed tokens drops what a step has speculated and the next one starts from the same state.
 * Costs a second state. */
void kv_state_keep(struct kv *kv, struct kv_seq *s, bool keep);
/* Can only n of the reserved tokens be committed? Not if there are states, which the step leaves at its end: then it is
 * dropped whole (kv_truncate to the committed tokens), or committed whole. */
bool kv_can_stop(const struct kv *kv, const struct kv_seq *s, uint32_t n);
/* The reserved tokens of s are about to be computed: to be called once all sequences of the step have their pages.
 * Makes the pages for snapshots on the way. */
void kv_state_begin(struct kv *kv, struct kv_seq *s);

/* A begun step, for one group of states. */
struct kv_state_step {
	kv_page from; /* holds the state of the committed tokens; KV_PAGE_NONE: of no tokens at all */
	uint32_t n;   /* 1.. */
	/* The states to leave, in ascending order of positions (tokens before which they are valid), the last at the
	 * end of what is reserved. Only the last page may be `from` itself. */
	uint32_t position[KV_STATE_OUTS + 1];
	kv_page page[KV_STATE_OUTS + 1];
};
void kv_state_step(const struct kv *kv, const struct kv_seq *s, uint32_t group, struct kv_state_step *step);
/* Position and page of the live state; UINT32_MAX: there is none; no page: it is that of no tokens. */
uint32_t kv_state_at(const struct kv *kv, const struct kv_seq *s, uint32_t group, kv_page *page);

/* ---- Room, for those who plan before they reserve ---------------------------------------------------------------- */

/* Upper bound of the bytes that a sequence of `from` tokens takes to become one of `to` >= from, at most chunk tokens
 * being reserved at a time: pages, tables and nodes. */
uint64_t kv_cost(const struct kv *kv, uint32_t from, uint32_t to, uint32_t chunk);
/* Bytes that could be reserved now, what is cached being evicted. */
uint64_t kv_room(const struct kv *kv);
/* Bytes that sequences could have if there were none yet. */
uint64_t kv_capacity(const struct kv *kv);
/* Upper bound of the bytes that the tree takes for a sequence of so many tokens, at most chunk tokens being reserved at
 * a time: nodes and their index, no pages. */
uint64_t kv_tree_bytes(const struct kv_group_desc *groups, uint32_t n_groups, uint32_t tokens, uint32_t chunk);

/* ---- Prefixes ---------------------------------------------------------------------------------------------------- */

/* Why a match ended where it did. */
enum kv_why {
	KV_ALL,     /* all n tokens are there */
	KV_NEW,     /* nothing longer was ever cached, as far as is remembered */
	KV_DIFFERS, /* the cache goes on with other tokens; `other` is one of them */
	KV_EVICTED, /* it was there and was evicted for memory */
	KV_EXPIRED, /* it was there and its time to live was over */
	KV_WINDOW,  /* the tokens are there, but a window group has dropped what the next query would see */
	KV_STATE,   /* the tokens are there, but no states of a position so far */
	KV_WHY_COUNT
};
const char *kv_why_text(enum kv_why why);

struct kv_hit {
	uint32_t tokens;  /* of the sequence now (kv_explain: that it would have) */
	uint32_t matched; /* the tree holds the same tokens up to here; ids[matched] is the first one that differs */
	uint32_t stored;  /* >= tokens: so many it would be if what is in the store were loaded (kv_load) */
	enum kv_why why;
	uint32_t other; /* DIFFERS: the id that the tree has at `matched` */
	/* > tokens: another sequence is computing the same tokens up to here: wait for it, match again. */
	uint32_t pending;
	struct kv_seq *leader; /* that sequence */
	bool elsewhere; /* kv_explain only: a scope out of reach holds more of it. For the operator, never a tenant */
};

/* What kv_match would find for s (or a little less: what two scopes hold together is seen only on the way). Pure. */
void kv_lookup(const struct kv *kv, const struct kv_seq *s, const uint32_t *ids, uint32_t n, struct kv_hit *hit);
/* Looks up and acquires: moves a shared sequence without reservations forward as far as the tree holds the n tokens of
 * ids (all from position 0, the first of them those of s). At any time: what others have computed meanwhile is taken
 * over. At most n tokens, so give one less than the prompt when logits of its last token are needed, or less when not
 * all is wanted that a look-up has found. Ids that were found pending stay the same until s is truncated or freed:
 * they are not compared again. FULL, NOMEM: nothing has changed. */
int kv_match(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n, struct kv_hit *hit,
	     struct kvik_err *err) MUST_CHECK;
/* The same without being counted as a query: not a text that comes, but somebody who keeps one. */
int kv_match_uncounted(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n, struct kv_hit *hit,
		       struct kvik_err *err) MUST_CHECK;
/* Begins to load what kv_match(s, ids, n) would need from the store, from its start on, as far as memory and tickets
 * allow. True: some of it is under way, or waits until something else has arrived: match again after kv_io_done, and
 * load again. False: nothing will come (also when it was read twice and each time had to leave before s could take it):
 * compute it. A sequence that gives up needs to do nothing. */
bool kv_load(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n);
/* s is about to compute the n tokens of ids (from position 0): others that match see it as `pending`. ids stays the
 * caller's and unchanged until s has committed them or was freed, or until kv_announce with n = 0 (s was preempted).
 * A sequence that waits for a leader must not announce. */
void kv_announce(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n);
/* The end of s as it stands is a place to come back to (the end of a prompt): the windows before it are evicted late,
 * like those before forks in the tree and ends of sequences, and its states are kept. */
void kv_mark(struct kv *kv, struct kv_seq *s);
/* The same of a position that s has not come to yet (the border of a message). At most KV_MARKS_MAX at a time: more are
 * forgotten, as are those that are not ahead of s when it commits. */
void kv_mark_at(struct kv *kv, struct kv_seq *s, uint32_t position);
/* Others are to find the end of s, which does not move: what the tree has given up there for memory (windows, states) it gets
 * back from s, which holds it anyway. Quick if there is nothing; before a match. */
void kv_hold(struct kv *kv, struct kv_seq *s);
/* What kv_match would find for a new sequence; changes nothing. */
void kv_explain(const struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t n, struct kv_hit *hit);
/* Drops all cached prefixes that no sequence holds. */
void kv_drop_cached(struct kv *kv);

/* ---- The store: store.h says how pages go there and come back ------------------------------------------------------ */

/* The next ticket that nobody has taken; false: there is none now. */
bool kv_io_next(struct kv *kv, struct kv_io *out);
/* The I/O of a taken ticket has ended, in any order. Written: place says where, not 0. Not ok: what was to be written
 * stays in memory; what could not be read, or was not right, leaves the tree. Before kv_free all are to be done. */
void kv_io_done(struct kv *kv, uint32_t ticket, bool ok, uint64_t place);

/* Begins to write everything that the store lacks, whatever its age; what sequences still fill, as far as blocks are full.
 * True: some of it is under way, or waits for tickets: go on after kv_io_done. */
bool kv_store_all(struct kv *kv);
bool kv_store_waits(const struct kv *kv); /* something will be written when it is old enough */

/* The store has this piece of text from before (it says so at its start): tokens start..end of ids[0..end), all within one
 * multiple of the longest page, at least 128. The tree must know what is before start, or get to know it first. places:
 * for each group, block by block of the piece, where its page is (0: missing, in window groups only); then of each group
 * of states (all or none). *taken: they are the tree's now; not if it knows the text. ARG, LIMIT (cold_bytes), FULL,
 * NOMEM. */
int kv_adopt(struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t start, uint32_t end,
	     const uint64_t *places, bool *taken, struct kvik_err *err) MUST_CHECK;

/* ---- Figures ----------------------------------------------------------------------------------------------------- */

struct kv_group_stats {
	uint32_t pages_used, pages_free; /* backed by memory */
	uint32_t pages_cached;           /* of those used: held by the tree alone */
	uint32_t pages_packed;           /* of those cached */
	uint32_t pages_cold;             /* of those cached: in the store alone */
	uint64_t bytes_used;
};

/* The hit rate that a larger or smaller cache would have had: kv_stats.ghost. */
enum { KV_GHOST_HALF, KV_GHOST_SAME, KV_GHOST_DOUBLE, KV_GHOST_QUADRUPLE, KV_GHOSTS };

struct kv_stats {
	uint64_t memory_bytes, bytes_used, bytes_peak, bytes_tables;
	uint64_t bytes_cached; /* of bytes_used: pages held by the tree alone, evicted when room is needed */
	uint32_t sequences;
	uint32_t nodes; /* of the tree */
	uint64_t pages_copied, pages_freed_by_window;
	uint64_t pages_merged;                   /* equal pages of which one copy was dropped */
	uint64_t packs, unpacks;                 /* of pages */
	uint64_t queries;                        /* sequences that asked kv_match */
	uint64_t tokens_queried, tokens_hit;     /* over all queries */
	uint64_t tokens_joined;                  /* taken over later from another running sequence */
	uint64_t tokens_evicted, tokens_expired; /* left the tree for memory, for age */
	uint64_t pages_window_dropped;           /* window pages the tree gave up, their tokens staying */
	uint64_t states_taken, states_dropped;   /* snapshots; dropped for memory, their tokens staying */
	uint64_t states_missed;                  /* for which there was no memory */
	uint64_t tokens_spilled, tokens_lost;    /* went to the store; left the tree since it failed */
	uint64_t pages_spilled, pages_loaded, io_failed;
	uint64_t leaves;         /* sequences that went private for want of memory for the tree */
	double ghost[KV_GHOSTS]; /* predicted share of queried tokens that hit; NAN: nothing seen */
	struct kv_group_stats group[KV_GROUPS_MAX];
};
struct kv_stats kv_stats(const struct kv *kv);
/* Bytes of pages in use that hold no token: slots that nobody has claimed, and the rounding of pages. O(pages). */
uint64_t kv_waste(const struct kv *kv);

/* Proves every invariant (tests, debug builds): NULL, or a text that says which one is broken. */
const char *kv_check(const struct kv *kv);

#endif
