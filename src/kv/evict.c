/* evict.c: who leaves when memory is needed, and when time is over.
 *
 * Three kinds of things can go: a leaf that nobody uses, with all its pages (leaves first, so that a prefix never loses
 * its middle), and of a node inside the tree its window pages or its states. They are stakes; the least worthy goes
 * first:
 *
 *   rank 0          worthless: window pages that no place to come back to needs, leaves that no match can end in
 *   rank 1 + p      priority p; within a rank by worth
 *
 *   worth = value / (age + patience)        value = (hits + 1) * tokens / bytes freed
 *
 * That is what keeping it can be expected to save per byte and unit of time: its uses so far over the time since the last
 * (cf. hyperbolic caching: Blankstein, Sen, Freedman, 2017; least hit density: Beckmann et al., 2018). Time is counted in
 * tokens that came in, so that a quiet night ages nothing; patience, a quarter of what memory holds, keeps what has just
 * come from being worth more than all else. What is computed again after it was evicted gets its hits back, and one more,
 * as long as the history (ghost.h) goes back: with little room a text is rarely still there when it comes for the second
 * time. With states, the tokens are those behind the last position above that has them: so many are computed again without
 * this one; and the hits of states are the matches that ended just there.
 *
 * That a deep token costs more to compute does not enter: when it did, long texts that came once drove out the short ones
 * that came again (`kvik bench trace`).
 *
 * Worth changes with time, but of two stakes of equal value the older is always worth less. So there is a heap by age for
 * each class of values (half powers of two), and the least worthy of all is one of their tops: O(log n + classes).
 *
 * Places to come back to are ends of nodes that are leaves, forks or marked. What the window before the next such place
 * below does not reach is worthless, and found to be so only when its turn in the heap comes: until memory is needed,
 * every position can be come back to.
 *
 * Invariants: 1. what of a stake says what can go, and it is in the heap of its value exactly if it is not NONE; the node
 * is in by_expiry exactly if it is a leaf with an end of its time. 2. rank, value, since and judged do not change in a
 * heap. */
#include "kv/tree.h"

#include <math.h>

enum {
	VALUE_OF_ONE = 24,     /* class of a text that was never hit, and whose bytes are all its own */
	READS_PER_COMPUTE = 64 /* tokens that come from a disk while one is computed, about */
};

static bool older_before(const struct heap_link *la, const struct heap_link *lb)
{
	const struct stake *a = HEAP_ELEMENT(la, struct stake, link), *b = HEAP_ELEMENT(lb, struct stake, link);
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->since != b->since)
		return a->since < b->since;
	return a->judged < b->judged;
}

static bool expiry_before(const struct heap_link *la, const struct heap_link *lb)
{
	const struct node *a = HEAP_ELEMENT(la, struct node, by_expiry), *b = HEAP_ELEMENT(lb, struct node, by_expiry);
	return a->expires < b->expires;
}

void evict_init(struct tree *t)
{
	for (uint32_t i = 0; i < VALUE_CLASSES; i++)
		t->by_age[i].before = older_before;
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
			kv_page page = n->pages[tree_slot(t, g, b)];
			if (page && pages_info(t->pages, g, page)->refs == 1)
				bytes += pages_held(t->pages, g, page);
		}
	return bytes;
}

/* The same of its states, whoever else holds them; not 0, though they may be in the store. */
static uint64_t state_bytes_held(const struct tree *t, const struct node *n)
{
	uint64_t bytes = sizeof(kv_page);
	for (uint32_t i = 0; i < t->n_states; i++)
		bytes += pages_held(t->pages, t->n_groups + i, node_states(t, n)[i]);
	return bytes;
}

/* The class of what costs as much as computing so many tokens, for so many bytes. */
static uint8_t value_of(const struct tree *t, uint32_t hits, double tokens, uint64_t bytes)
{
	long half = VALUE_OF_ONE + lround(2 * log2((hits + 1.0) * tokens * t->bytes_per_token / (double)bytes));
	return (uint8_t)(half < 0 ? 0 : half < VALUE_CLASSES ? half : VALUE_CLASSES - 1);
}

static double worth_of(const struct tree *t, uint8_t value, uint64_t since)
{
	return exp2((value - VALUE_OF_ONE) / 2.0) / ((double)(t->tick - since) + t->patience);
}

/* Can a match end in this leaf, or in what is cold below it? */
static bool can_end_in(const struct tree *t, const struct node *n)
{
	uint32_t usable = tree_windows_usable(t, n, n->end, NULL, 0);
	if (n->child)
		return true;
	return t->n_states > 0 ? node_has_states(t, n) && usable == n->end : usable > n->start;
}

static void judge_stake(struct tree *t, const struct node *n, struct stake *s)
{
	bool use = true, states = node_has_states(t, n) && s->what != STAKE_WINDOWS;
	if (s->what != STAKE_STATES)
		use = s->what == STAKE_LEAF ? can_end_in(t, n) : has_place_in_reach(t, n);
	uint64_t bytes = states ? state_bytes_held(t, n) : 0;
	bytes += s->what == STAKE_STATES ? 0 : bytes_freed(t, n);
	uint32_t start = states ? tree_state_before(t, n) : n->start;
	bool of_states = s->what == STAKE_STATES;
	double tokens = n->end - start;
	if (n->cold) /* others are read again when they come back; what is dropped here is computed */
		tokens *= READS_PER_COMPUTE;
	s->rank = use ? (uint16_t)(n->priority + 1) : 0;
	s->value = use ? value_of(t, of_states ? n->state_hits : n->hits, tokens, bytes) : 0;
	s->judged = ++t->tick;
	s->since = !use ? s->judged : of_states ? n->state_used : n->used;
}

static void push_stake(struct tree *t, struct stake *s)
{
	heap_push(&t->by_age[s->value], &s->link);
}

static void remove_stake(struct tree *t, struct stake *s)
{
	heap_remove(&t->by_age[s->value], &s->link);
}

void tree_unstake(struct tree *t, struct node *n)
{
	if (n->stake.what != STAKE_NONE)
		remove_stake(t, &n->stake);
	if (n->state_stake.what != STAKE_NONE)
		remove_stake(t, &n->state_stake);
	if (heap_has(&t->by_expiry, &n->by_expiry))
		heap_remove(&t->by_expiry, &n->by_expiry);
	n->stake.what = n->state_stake.what = STAKE_NONE;
}

static enum stake_kind stake_of(const struct node *n)
{
	if (!n->parent)
		return STAKE_NONE;
	if (n->n_warm == 0 && n->users == 0)
		return STAKE_LEAF;
	return n->n_windows > 0 ? STAKE_WINDOWS : STAKE_NONE;
}

/* Whether a place needs the window pages is asked when their turn comes. */
static void add_stake(struct tree *t, const struct node *n, struct stake *s)
{
	if (s->what == STAKE_WINDOWS) {
		s->rank = 0;
		s->value = 0;
		s->since = s->judged = ++t->tick;
	} else {
		judge_stake(t, n, s);
	}
	push_stake(t, s);
}

void tree_judge(struct tree *t, struct node *n)
{
	enum stake_kind what = stake_of(n), states = STAKE_NONE;
	if (what != STAKE_LEAF && n->parent && node_has_states(t, n))
		states = STAKE_STATES;
	if (what == n->stake.what && states == n->state_stake.what)
		return;
	tree_unstake(t, n);
	n->stake.what = (uint8_t)what;
	n->state_stake.what = (uint8_t)states;
	if (what != STAKE_NONE)
		add_stake(t, n, &n->stake);
	if (states != STAKE_NONE)
		add_stake(t, n, &n->state_stake);
	if (what == STAKE_LEAF && n->expires != NODE_FOREVER)
		heap_push(&t->by_expiry, &n->by_expiry);
}

/* ---- Eviction ---------------------------------------------------------------------------------------------------- */

static void drop_windows(struct tree *t, struct node *n)
{
	for (uint32_t g = 0; g < t->n_groups; g++)
		for (uint32_t b = node_first(t, n, g); b <= node_last(t, n, g) && t->desc[g].window; b++)
			if (!is_sink(&t->desc[g], b) && n->pages[tree_slot(t, g, b)]) {
				tree_set_page(t, n, g, b, KV_PAGE_NONE);
				t->pages_window_dropped++;
			}
	tree_judge(t, n);
}

static void count_gone(struct tree *t, const struct node *n, enum kv_why cause)
{
	uint64_t *count = cause == KV_EXPIRED ? &t->tokens_expired : &t->tokens_evicted;
	*count += n->end - n->start;
	ghost_note_gone(&t->ghost, ghost_roll(n->parent->hash, *tree_token(t, n, n->start)), cause, n->hits);
}

void tree_drop(struct tree *t, struct node *n, enum kv_why cause)
{
	while (n->child) {
		struct node *below = n->child;
		while (below->child)
			below = below->child;
		count_gone(t, below, cause);
		tree_remove(t, below, false);
	}
	count_gone(t, n, cause);
	tree_remove(t, n, true);
}

void tree_warm(struct tree *t, struct node *n)
{
	for (; n->parent && n->cold; n = n->parent) {
		n->cold = false;
		n->parent->n_warm++;
		tree_unstake(t, n);
		tree_judge(t, n);
	}
	tree_judge(t, n);
}

void tree_cool(struct tree *t, struct node *n)
{
	if (!n->cold) {
		n->cold = true;
		n->parent->n_warm--;
	}
	tree_unstake(t, n);
	tree_judge(t, n);
	tree_judge(t, n->parent);
}

static struct node *node_of(const struct stake *s)
{
	return s->what == STAKE_STATES ? HEAP_ELEMENT(s, struct node, state_stake)
				       : HEAP_ELEMENT(s, struct node, stake);
}

/* Was it used, or did it become a matter of doubt, since it was judged? Then it is judged anew and stays. */
static bool judge_again(struct tree *t, struct stake *s)
{
	const struct node *n = node_of(s);
	bool doubt = s->what == STAKE_WINDOWS && s->rank == 0 && has_place_in_reach(t, n);
	if ((s->what == STAKE_STATES ? n->state_used : n->used) <= s->judged && !doubt)
		return false;
	remove_stake(t, s);
	judge_stake(t, n, s);
	push_stake(t, s);
	return true;
}

/* The least worthy of all; NULL: there is nothing to evict. */
static struct stake *least_worthy(struct tree *t)
{
	struct stake *least;
	do {
		double worth = 0;
		least = NULL;
		for (uint32_t i = 0; i < VALUE_CLASSES; i++) {
			if (!t->by_age[i].top)
				continue;
			struct stake *s = HEAP_ELEMENT(t->by_age[i].top, struct stake, link);
			double w = worth_of(t, s->value, s->since);
			if (least && (s->rank > least->rank || (s->rank == least->rank && w >= worth)))
				continue;
			least = s;
			worth = w;
		}
	} while (least && judge_again(t, least));
	return least;
}

/* A leaf goes to the store or away. What has to wait for its own I/O gets another turn, once until something ends. */
static void evict_leaf(struct tree *t, struct stake *s)
{
	struct node *n = node_of(s);
	enum spilled how = t->io.max == 0 || s->rank == 0 ? SPILLED_NOT : io_spill(t, n);
	if (how == SPILLED_LATER && n->postponed != t->io.n_done) {
		n->postponed = t->io.n_done;
		n->used = t->tick; /* behind the others */
		tree_unstake(t, n);
		tree_judge(t, n);
	} else if (how != SPILLED) {
		tree_drop(t, n, KV_EVICTED);
	}
}

/* It may bring no bytes: others may hold the pages too. */
static void evict(struct tree *t, struct stake *s)
{
	struct node *n = node_of(s);
	if (s->what == STAKE_LEAF) {
		evict_leaf(t, s);
	} else if (s->what == STAKE_WINDOWS) {
		drop_windows(t, n);
	} else {
		t->states_dropped++;
		tree_set_states(t, n, NULL);
	}
}

bool tree_evict_one(struct tree *t)
{
	struct stake *s = least_worthy(t);
	if (s)
		evict(t, s);
	return s != NULL;
}

/* Evicts what is in the way of `bytes`, as long as it is of a lower rank, or of this one and worth less. */
static bool make_room(struct tree *t, uint64_t bytes, uint32_t rank, double worth)
{
	uint64_t at_most = t->pages->page_bytes_cached + (t->n_nodes + t->n_spare) * t->node_bytes;
	if (pages_room(t->pages) + at_most < bytes)
		return false;
	while (pages_room(t->pages) < bytes) {
		struct stake *s = NULL;
		if (t->n_spare > t->n_promised)
			tree_trim_spare(t);
		else if ((s = least_worthy(t)) &&
			 (s->rank < rank || (s->rank == rank && worth_of(t, s->value, s->since) < worth)))
			evict(t, s);
		else
			return false;
	}
	return true;
}

bool tree_make_room(struct tree *t, uint64_t bytes)
{
	return make_room(t, bytes, UINT32_MAX, 0);
}

bool tree_make_room_for_states(struct tree *t, uint8_t priority, uint32_t start, uint32_t end)
{
	uint64_t bytes = tree_state_bytes(t);
	return make_room(t, bytes, priority + 1u, worth_of(t, value_of(t, 0, end - start, bytes), t->tick));
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
		tree_drop(t, n, KV_EXPIRED);
	}
}

void tree_drop_cached(struct tree *t)
{
	for (struct stake *s; (s = least_worthy(t));)
		if (s->what == STAKE_LEAF)
			tree_drop(t, node_of(s), KV_EVICTED);
		else
			evict(t, s);
}
