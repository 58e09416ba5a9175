/* evict.c: who leaves when memory is needed, and when time is over.
 *
 * Two kinds of things can go: a leaf that nobody uses, with all its pages (leaves first, so that a prefix never loses
 * its middle), and the window pages of a node inside the tree. They stand in one heap, least worth first:
 *
 *   rank 0          worthless: window pages that no place to come back to needs, leaves that no match can end in
 *   rank 1 + p      priority p; within a rank by worth, then by age
 *
 *   worth = floor + (hits + 1) * tokens * (1 + start / ATTENTION_TOKENS) / bytes freed
 *
 * This is Greedy-Dual-Size-Frequency (Cherkasova, 1998): cost of recomputing (a token deep in a text attends to more)
 * times the chance of reuse (hits so far) per byte; the floor rises to the worth of each victim, so what is not used
 * again is overtaken by what is, whatever its merits were. What is computed again soon after it was evicted gets its
 * hits back, and one more.
 *
 * Places to come back to are ends of nodes that are leaves, forks or marked. What the window before the next such place
 * below does not reach is worthless, and found to be so only when its turn in the heap comes: until memory is needed,
 * every position can be come back to.
 *
 * Invariants: 1. stake says what of a node can go, and the node is in by_worth exactly if it is not NONE; in by_expiry
 * exactly if it is a leaf with an end of its time. 2. rank, worth and judged do not change while it is in a heap. */
#include <assert.h>

#include "kv/tree.h"

#define ATTENTION_TOKENS 4096.0 /* depth at which attention costs about as much as the rest of a token */

static bool worth_before(const struct heap_link *la, const struct heap_link *lb)
{
	const struct node *a = HEAP_ELEMENT(la, struct node, by_worth), *b = HEAP_ELEMENT(lb, struct node, by_worth);
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->worth < b->worth || a->worth > b->worth)
		return a->worth < b->worth;
	return a->judged < b->judged;
}

static bool expiry_before(const struct heap_link *la, const struct heap_link *lb)
{
	const struct node *a = HEAP_ELEMENT(la, struct node, by_expiry), *b = HEAP_ELEMENT(lb, struct node, by_expiry);
	return a->expires < b->expires;
}

void evict_init(struct tree *t)
{
	t->by_worth.before = worth_before;
	t->by_expiry.before = expiry_before;
}

/* ---- Worth ------------------------------------------------------------------------------------------------------- */

static bool is_place(const struct node *n)
{
	return !n->child || n->child->next || n->marked;
}

/* Does the window before a place at or below n reach back into n? */
static bool has_place_in_reach(const struct tree *t, const struct node *n)
{
	const struct node *place = n;
	while (place->end - n->end < t->window_max && !is_place(place))
		place = place->child;
	return place->end + 1 - n->end < t->window_max;
}

/* Bytes that come free with the pages that only this node holds. */
static uint64_t bytes_freed(const struct tree *t, const struct node *n)
{
	uint64_t bytes = t->node_bytes;
	for (uint32_t g = 0; g < t->n_groups; g++)
		for (uint32_t b = node_first(t, n, g); b <= node_last(t, n, g); b++) {
			const uint8_t *page = n->pages[tree_slot(t, g, b)];
			if (page && pages_info(t->pages, g, page)->refs == 1)
				bytes += pages_held(t->pages, g, page);
		}
	return bytes;
}

static double worth_of(const struct tree *t, const struct node *n)
{
	double cost = (n->end - n->start) * (1 + n->start / ATTENTION_TOKENS);
	return t->worth_floor + (n->hits + 1.0) * cost / (double)bytes_freed(t, n);
}

static void set_worth(struct tree *t, struct node *n)
{
	bool use = n->stake == STAKE_LEAF ? tree_usable(t, n, n->end, NULL, 0) > n->start : has_place_in_reach(t, n);
	n->rank = use ? (uint16_t)(n->priority + 1) : 0;
	n->worth = use ? worth_of(t, n) : 0;
	n->judged = ++t->tick;
}

void tree_unstake(struct tree *t, struct node *n)
{
	if (n->stake != STAKE_NONE)
		heap_remove(&t->by_worth, &n->by_worth);
	if (heap_has(&t->by_expiry, &n->by_expiry))
		heap_remove(&t->by_expiry, &n->by_expiry);
	n->stake = STAKE_NONE;
}

static enum node_stake stake_of(const struct node *n)
{
	if (!n->parent)
		return STAKE_NONE;
	if (!n->child && n->users == 0)
		return STAKE_LEAF;
	return n->n_windows > 0 ? STAKE_WINDOWS : STAKE_NONE;
}

void tree_judge(struct tree *t, struct node *n)
{
	enum node_stake stake = stake_of(n);
	if (stake == n->stake)
		return;
	tree_unstake(t, n);
	n->stake = (uint8_t)stake;
	if (stake == STAKE_NONE)
		return;
	if (stake == STAKE_LEAF) {
		set_worth(t, n);
	} else { /* whether a place needs them is asked when their turn comes */
		n->rank = 0;
		n->worth = 0;
		n->judged = ++t->tick;
	}
	heap_push(&t->by_worth, &n->by_worth);
	if (stake == STAKE_LEAF && n->expires != NODE_FOREVER)
		heap_push(&t->by_expiry, &n->by_expiry);
}

/* ---- Eviction ---------------------------------------------------------------------------------------------------- */

static void drop_windows(struct tree *t, struct node *n)
{
	for (uint32_t g = 0; g < t->n_groups; g++)
		for (uint32_t b = node_first(t, n, g); b <= node_last(t, n, g) && t->desc[g].window; b++)
			if (!is_sink(&t->desc[g], b) && n->pages[tree_slot(t, g, b)]) {
				tree_set_page(t, n, g, b, NULL);
				t->pages_window_dropped++;
			}
	tree_judge(t, n);
}

static void drop_leaf(struct tree *t, struct node *n, enum kv_why cause)
{
	uint64_t *count = cause == KV_EXPIRED ? &t->tokens_expired : &t->tokens_evicted;
	*count += n->end - n->start;
	ghost_note_gone(&t->ghost, ghost_roll(n->parent->hash, *tree_token(t, n, n->start)), cause, n->hits);
	tree_remove(t, n);
}

/* Was n used, or did it become a matter of doubt, since it was judged? Then it is judged anew and stays. */
static bool judge_again(struct tree *t, struct node *n)
{
	bool doubt = n->stake == STAKE_WINDOWS && n->rank == 0 && has_place_in_reach(t, n);
	if (n->used <= n->judged && !doubt)
		return false;
	heap_remove(&t->by_worth, &n->by_worth);
	set_worth(t, n);
	heap_push(&t->by_worth, &n->by_worth);
	return true;
}

/* Evicts the least worthy; false: there is nothing. It may bring no bytes: others may hold the pages too. */
static bool evict_one(struct tree *t)
{
	struct node *n;
	do {
		if (!t->by_worth.top)
			return false;
		n = HEAP_ELEMENT(t->by_worth.top, struct node, by_worth);
	} while (judge_again(t, n));
	if (n->rank > 0 && n->worth > t->worth_floor)
		t->worth_floor = n->worth;
	if (n->stake == STAKE_LEAF)
		drop_leaf(t, n, KV_EVICTED);
	else
		drop_windows(t, n);
	return true;
}

bool tree_make_room(struct tree *t, uint64_t bytes)
{
	uint64_t at_most = t->pages->page_bytes_cached + (t->n_nodes + t->n_spare) * t->node_bytes;
	if (pages_room(t->pages) + at_most < bytes)
		return false;
	while (pages_room(t->pages) < bytes)
		if (t->n_spare > t->n_promised)
			tree_trim_spare(t);
		else if (!evict_one(t))
			return false;
	return true;
}

bool tree_make_table_room(struct tree *t, uint64_t bytes)
{
	if (!tree_make_room(t, bytes))
		return false;
	pages_give_back(t->pages, bytes);
	return true;
}

void tree_expire(struct tree *t)
{
	while (t->by_expiry.top) {
		struct node *n = HEAP_ELEMENT(t->by_expiry.top, struct node, by_expiry);
		if (n->expires > t->now)
			return;
		drop_leaf(t, n, KV_EXPIRED);
	}
}

void tree_drop_cached(struct tree *t)
{
	while (evict_one(t))
		;
}
