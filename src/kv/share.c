/* share.c: what sequences put into the tree and take out of it.
 *
 * A sequence adds its tokens when it commits them. Three cases, piece by piece:
 *
 *   the tree already has them       s steps down; where a block is complete its own page goes, the tree's takes its
 *                                   place (the bits are the same, promise P1); a window page that the tree lacks, and
 *                                   one that it has packed, it gets
 *   s is alone on a leaf            the leaf grows, to the end of its frame
 *   else                            a new leaf
 *
 * All pages it gives stay its own as well; whoever writes next behind shared tokens settles that by the claims of the
 * page (seq.c). */
#include "kv/kv_impl.h"

/* How long the tokens of a sequence stay after their last use. */
static uint64_t ttl_of(const struct kv_share *share)
{
	return share->ttl ? share->ttl : NODE_FOREVER;
}

void share_touch(struct kv *kv, struct node *n, const struct kv_share *share, uint32_t hit_from)
{
	struct tree *t = &kv->tree;
	t->tick++;
	tree_warm(t, n);
	for (; n->parent; n = n->parent) {
		bool leaf = n->stake.what == STAKE_LEAF;
		if (leaf)
			tree_unstake(t, n);
		if (share) {
			n->ttl = later(n->ttl, ttl_of(share));
			n->priority = n->priority > share->priority ? n->priority : share->priority;
		}
		n->used = t->tick;
		n->used_at = t->now;
		n->expires = tree_expiry(t, n->ttl);
		n->hits += n->end > hit_from;
		if (leaf)
			tree_judge(t, n);
	}
}

void share_unlist(struct kv_seq *s)
{
	if (s->n_announced == 0 || !s->node)
		return;
	if (s->prev_announcing)
		s->prev_announcing->next_announcing = s->next_announcing;
	else
		s->node->announcing = s->next_announcing;
	if (s->next_announcing)
		s->next_announcing->prev_announcing = s->prev_announcing;
}

void share_list(struct kv_seq *s)
{
	if (s->n_announced == 0 || !s->node)
		return;
	s->prev_announcing = NULL;
	s->next_announcing = s->node->announcing;
	if (s->next_announcing)
		s->next_announcing->prev_announcing = s;
	s->node->announcing = s;
}

void share_move(struct kv *kv, struct kv_seq *s, struct node *to)
{
	struct node *from = s->node;
	if (from == to)
		return;
	share_unlist(s);
	s->node = to;
	share_list(s);
	to->users++;
	from->users--;
	tree_judge(&kv->tree, to);
	tree_tidy(&kv->tree, from);
}

void share_leave(struct kv *kv, struct kv_seq *s)
{
	struct node *from = s->node;
	if (!from)
		return;
	share_unlist(s);
	s->node = NULL;
	seq_break_promise(kv, s);
	from->users--;
	io_changed(&kv->tree, from); /* the page that s was filling will not change any more */
	tree_tidy(&kv->tree, from);
}

void kv_leave(struct kv *kv, struct kv_seq *s)
{
	kv->leaves += s->node != NULL;
	share_leave(kv, s);
}

/* ---- Into the tree ----------------------------------------------------------------------------------------------- */

/* Equal pages become one. */
static void merge_page(struct kv *kv, struct kv_table *table, struct node *n, uint32_t g, uint32_t block)
{
	kv_page theirs = n->pages[tree_slot(&kv->tree, g, block)], mine = table_page(table, block);
	if (theirs == mine || !mine)
		return;
	if (!theirs || !pages_in_place(&kv->pages, g, theirs)) {
		tree_set_page(&kv->tree, n, g, block, mine);
	} else if ((uint64_t)(block + 1) * kv->desc[g].page_tokens <= n->end) {
		pages_ref(&kv->pages, g, theirs);
		pages_unref(&kv->pages, g, mine);
		*table_entry(table, block) = theirs;
		kv->tree.pages_merged++;
	}
}

/* How many of the n tokens does the child have? */
static uint32_t equal_tokens(const struct tree *t, const struct node *child, const uint32_t *ids, uint32_t n)
{
	const uint32_t *tokens = tree_token(t, child, child->start);
	uint32_t most = child->end - child->start < n ? child->end - child->start : n, equal = 1;
	while (equal < most && tokens[equal] == ids[equal])
		equal++;
	return equal;
}

/* s has computed what the tree has: it steps down. Returns the number of tokens. */
static uint32_t step_down(struct kv *kv, struct kv_seq *s, struct node *child, const uint32_t *ids, uint32_t n)
{
	struct tree *t = &kv->tree;
	uint32_t equal = equal_tokens(t, child, ids, n);
	tree_use_units(t, s->node->hash, ids, child->start, equal, false);
	struct node *to = tree_split(t, child, child->start + equal, &s->promised);
	for (uint32_t g = 0; g < kv->n_paged; g++)
		for (uint32_t b = node_first(t, to, g), last = node_last(t, to, g); b <= last; b++)
			merge_page(kv, &s->table[g], to, g, b);
	tree_warm(t, to);
	share_move(kv, s, to);
	return equal;
}

/* May tokens of s join this leaf? Their life must be that of the others in it. */
static bool may_grow(const struct tree *t, const struct node *n, const struct kv_share *share)
{
	return n->parent && !n->child && !n->marked && !node_has_states(t, n) && n->users == 1 &&
	       (n->end & (t->frame - 1)) != 0 && n->priority == share->priority && n->ttl == ttl_of(share);
}

/* Tokens that the tree does not have, as many as fit into one node. Returns their number. */
static uint32_t grow(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	struct tree *t = &kv->tree;
	struct node *to = s->node;
	uint32_t start = to->end, room = t->frame - (start & (t->frame - 1)), count = n < room ? n : room;
	uint64_t hash = to->hash;
	if (!may_grow(t, to, &s->share)) {
		to = tree_add(t, to, *ids, &s->promised);
		to->priority = s->share.priority;
		to->hits = ghost_return_hits(&t->ghost, to->hash);
		to->ttl = ttl_of(&s->share);
		to->expires = tree_expiry(t, to->ttl);
	}
	uint32_t *tokens = tree_token(t, to, start);
	for (uint32_t i = 0; i < count; i++) {
		tokens[i] = ids[i];
		hash = ghost_roll(hash, ids[i]);
		if ((start + i + 1) % GHOST_UNIT_TOKENS == 0)
			ghost_use(&t->ghost, hash, false);
	}
	to->hash = hash;
	to->end = start + count;
	t->tick += count;
	io_changed(t, to);
	bool new_pages = false;
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		uint32_t last = node_last(t, to, g);
		for (uint32_t b = block_of(&kv->desc[g], start); b <= last; b++) {
			kv_page page = table_page(&s->table[g], b);
			if (to->pages[tree_slot(t, g, b)] == page)
				continue;
			tree_set_page(t, to, g, b, page);
			new_pages = true;
		}
	}
	if (s->node != to)
		share_move(kv, s, to);
	if (new_pages)
		tree_judge(t, to); /* they may be its first window pages */
	return count;
}

void share_insert(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	while (n > 0) {
		if (s->promised == 0 && seq_promise_nodes(kv, s, 0, NULL) != 0) {
			kv_leave(kv, s);
			return;
		}
		struct node *child = tree_child(&kv->tree, s->node, *ids);
		uint32_t count = child ? step_down(kv, s, child, ids, n) : grow(kv, s, ids, n);
		ids += count;
		n -= count;
	}
}

/* ---- Out of the tree --------------------------------------------------------------------------------------------- */

/* The page for a block of the path, with a reference for a table. */
static kv_page take_page(struct kv *kv, const struct node **at, uint32_t g, uint32_t block, uint32_t matched,
			 uint32_t tokens)
{
	kv_page page = tree_path_page(&kv->tree, at, g, block, matched, tokens);
	struct page_info *i = pages_info(&kv->pages, g, page);
	uint32_t p = kv->desc[g].page_tokens;
	if (tokens < (block + 1) * p && i->refs == 1 && (*at)->end - block * p < i->claimed)
		i->claimed = (*at)->end - block * p; /* who wrote behind the node's end is gone */
	pages_ref(&kv->pages, g, page);
	return page;
}

int share_unpack(struct kv *kv, const struct kv_seq *s, const struct node *deepest, uint32_t matched, uint32_t tokens,
		 uint64_t *bytes, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		const struct node *at = deepest;
		uint32_t end = kv->pages.group[g].n_packed > 0 ? blocks_for(d, tokens) : 0;
		for (uint32_t b = end; b-- > block_of(d, s->tokens) && !rc;) {
			if (!is_needed(d, b, tokens))
				continue;
			kv_page page = tree_path_page(&kv->tree, &at, g, b, matched, tokens);
			if (bytes)
				*bytes += pages_unpack_bytes(&kv->pages, g, page);
			else
				rc = pages_unpack(&kv->pages, g, page, err);
		}
	}
	return rc;
}

void share_adopt(struct kv *kv, struct kv_seq *s, const struct node *deepest, uint32_t matched, uint32_t tokens)
{
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		const struct node *at = deepest;
		struct kv_table *t = &s->table[g];
		uint32_t blocks = blocks_for(d, tokens);
		for (uint32_t b = blocks; b-- > block_of(d, s->tokens);) {
			kv_page old = b < t->n_blocks ? table_page(t, b) : KV_PAGE_NONE;
			*table_entry(t, b) = is_needed(d, b, tokens) ? take_page(kv, &at, g, b, matched, tokens) : 0;
			if (old)
				pages_unref(&kv->pages, g, old);
		}
		t->n_blocks = blocks;
		kv->pages_freed_by_window += table_slide(&kv->pages, t, g, d, tokens);
	}
}

/* To the node `at` above n. */
static void give_window_page(struct tree *t, struct node *n, const struct node *at, uint32_t g, uint32_t block,
			     kv_page page)
{
	while (n != at)
		n = n->parent;
	tree_set_page(t, n, g, block, page);
	tree_judge(t, n);
}

/* Window pages of the place where s stands which the tree has given up. */
static void give_windows(struct kv *kv, struct kv_seq *s)
{
	struct tree *t = &kv->tree;
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		const struct node *at = s->node;
		uint32_t first = block_of(&kv->desc[g], visible_from(&kv->desc[g], s->tokens));
		for (uint32_t b = s->table[g].n_blocks; b-- > first && kv->desc[g].window;)
			if (!tree_path_page(t, &at, g, b, s->tokens, s->tokens))
				give_window_page(t, s->node, at, g, b, table_page(&s->table[g], b));
	}
}

void kv_hold(struct kv *kv, struct kv_seq *s)
{
	uint64_t given_up = kv->tree.pages_window_dropped + kv->tree.states_dropped;
	if (!s->node || s->reserved > 0 || s->held == given_up)
		return;
	s->held = given_up;
	give_windows(kv, s);
	state_snapshot(kv, s, 0);
}

void share_finish(struct kv *kv, struct kv_seq *s)
{
	if (!s->node)
		return;
	give_windows(kv, s);
	state_snapshot(kv, s, 2); /* a conversation goes on here; what lies a token before is as good */
	share_touch(kv, s->node, &s->share, UINT32_MAX);
}
