/* back.c: going back: truncate a sequence, fork it at an earlier token, and how far back either can go.
 *
 * What a shorter sequence needs is in its own table, or, where a window has freed it, in the tree: there it may be packed,
 * or evicted, or in the store; what is not in memory is not there. Nothing changes before everything that is needed has been
 * found and unpacked. Owner: the cache's thread. */
#include "kv/kv_impl.h"

/* The page with which a sequence that ends at `tokens` could go on from s: of its table, or else of the tree. */
static kv_page page_of(const struct kv *kv, const struct kv_seq *s, const struct node **at, uint32_t g, uint32_t block,
		       uint32_t tokens)
{
	kv_page page = table_page(&s->table[g], block);
	if (page || !*at)
		return page;
	page = tree_path_page(&kv->tree, at, g, block, s->tokens, tokens);
	return page && pages_resident(&kv->pages, g, page) ? page : KV_PAGE_NONE;
}

/* Can a sequence go on after the first `tokens` tokens of s: s itself, or another one besides it (forks)? */
static int check_prefix(const struct kv *kv, const struct kv_seq *s, uint32_t tokens, bool forks, struct kvik_err *err)
{
	if (tokens > s->tokens)
		return err_set(err, KVIK_ERR_ARG, "the sequence has %u tokens, not %u", s->tokens, tokens);
	if (!state_is_at(kv, s, tokens, forks))
		return err_set(err, KVIK_ERR_LIMIT, "there is no state of token %u to go back to", tokens);
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		const struct node *at = s->node;
		uint32_t first = block_of(d, visible_from(d, tokens));
		if (first >= s->table[g].freed)
			continue;
		for (uint32_t b = blocks_for(d, tokens); b-- > first;)
			if (!page_of(kv, s, &at, g, b, tokens))
				return err_set(err, KVIK_ERR_LIMIT,
					       "cannot go back to token %u: the window of %u has already freed what it "
					       "needs",
					       tokens, d->window);
	}
	return 0;
}

/* Unpacks what restore_window and share_pages will take from the tree; with `bytes` it only says how many it needs for
 * that. */
static int unpack_prefix(struct kv *kv, const struct kv_seq *s, uint32_t tokens, uint64_t *bytes, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		const struct node *at = s->node;
		uint32_t first = block_of(d, visible_from(d, tokens));
		uint32_t end = kv->pages.group[g].n_packed > 0 ? blocks_for(d, tokens) : 0;
		for (uint32_t b = end; b-- > first && !rc;) {
			kv_page page = table_page(&s->table[g], b) ? 0 : page_of(kv, s, &at, g, b, tokens);
			if (!page)
				continue;
			if (bytes)
				*bytes += pages_unpack_bytes(&kv->pages, g, page);
			else
				rc = pages_unpack(&kv->pages, g, page, err);
		}
	}
	return rc;
}

static uint32_t nearest_in_tree(const struct kv *kv, const struct node *n, uint32_t tokens)
{
	uint32_t usable = tree_usable(&kv->tree, n, tokens, NULL, 0);
	return kv->pages.n_away ? tree_resident(&kv->tree, n, tokens, NULL, 0, usable) : usable;
}

uint32_t kv_nearest(const struct kv *kv, const struct kv_seq *s, uint32_t tokens)
{
	uint32_t live = s->states.at, nearest = 0;
	if (check_prefix(kv, s, tokens, true, NULL) == 0)
		return tokens;
	if (s->node)
		nearest = nearest_in_tree(kv, s->node, tokens < s->tokens ? tokens : s->tokens);
	/* The tree may offer another page of a block than the one that going back would take. */
	while (nearest > 0 && check_prefix(kv, s, nearest, true, NULL) != 0)
		nearest = nearest_in_tree(kv, s->node, nearest - 1);
	if (kv->n_states > 0 && live < tokens && live > nearest && check_prefix(kv, s, live, true, NULL) == 0)
		return live;
	return nearest;
}

/* check_prefix, and all pages it found are unpacked. Room for them may cost window pages, so it is asked again. */
static int ready_prefix(struct kv *kv, const struct kv_seq *s, uint32_t tokens, bool forks, struct kvik_err *err)
{
	for (;;) {
		int rc = check_prefix(kv, s, tokens, forks, err);
		if (rc)
			return rc;
		uint64_t bytes = 0;
		(void)!unpack_prefix(kv, s, tokens, &bytes, NULL);
		if (pages_room(&kv->pages) >= bytes)
			return bytes > 0 ? unpack_prefix(kv, s, tokens, NULL, err) : 0;
		if (!tree_make_room(&kv->tree, bytes))
			return seq_full(kv, bytes, err);
	}
}

/* Blocks of a shorter table that the window had freed come back from the tree. */
static void restore_window(struct kv *kv, struct kv_seq *s, uint32_t g, uint32_t tokens)
{
	struct kv_table *t = &s->table[g];
	const struct node *at = s->node;
	uint32_t first = block_of(&kv->desc[g], visible_from(&kv->desc[g], tokens));
	if (first >= t->freed)
		return;
	table_rewind(t, first);
	for (uint32_t b = blocks_for(&kv->desc[g], tokens); b-- > first;) {
		kv_page *entry = table_entry(t, b);
		if (*entry)
			continue;
		*entry = page_of(kv, s, &at, g, b, tokens);
		pages_ref(&kv->pages, g, *entry);
	}
	t->freed = first;
}

/* Entries for the blocks that a truncated sequence needs, where the table has dropped them (table_rewind). */
static int grow_back(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t g = 0; g < kv->n_paged && !rc; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		struct kv_table *t = &s->table[g];
		uint32_t gone = table_gone(t, block_of(d, visible_from(d, tokens)));
		if (gone >= t->gone)
			continue;
		uint32_t blocks = blocks_for(d, tokens) + (t->gone - gone); /* as many entries as will be needed */
		uint64_t more = table_more_bytes(t, blocks);
		if (more > 0 && !tree_make_table_room(&kv->tree, more))
			return seq_full(kv, more, err);
		rc = table_grow(&kv->pages, t, blocks, err);
	}
	return rc;
}

/* s stays in the tree, on an earlier end. Without memory for the node it goes private. */
static void move_back(struct kv *kv, struct kv_seq *s, uint32_t tokens)
{
	uint32_t promised = 1;
	struct node *old = s->node;
	if (!old || tokens == s->tokens)
		return;
	if (tree_promise(&kv->tree, promised, NULL) != 0) {
		share_leave(kv, s);
		return;
	}
	share_move(kv, s, tree_split(&kv->tree, old, tokens, &promised));
	tree_unpromise(&kv->tree, promised);
}

int kv_truncate(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	int rc = grow_back(kv, s, tokens, err);
	if (!rc)
		rc = ready_prefix(kv, s, tokens, false, err);
	if (rc)
		return rc;
	seq_drop_reserved(kv, s);
	if (tokens < s->tokens)
		share_finish(kv, s);
	state_take(kv, s, s, tokens);
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		table_drop(&kv->pages, &s->table[g], g, blocks_for(&kv->desc[g], tokens));
		restore_window(kv, s, g, tokens);
	}
	move_back(kv, s, tokens);
	if (tokens < s->tokens) /* what was to come will not */
		s->n_marks = s->states.n_wanted = 0;
	s->tokens = tokens;
	s->heard = 0;
	return 0;
}

/* f is to have entries for what a query at position tokens needs. */
static void set_gone(const struct kv *kv, struct kv_seq *f, uint32_t tokens)
{
	for (uint32_t g = 0; g < kv->n_paged; g++)
		f->table[g].gone = table_gone(&f->table[g], block_of(&kv->desc[g], visible_from(&kv->desc[g], tokens)));
}

/* f gets the pages of blocks first..end-1, of s or of the tree. */
static void share_blocks(struct kv *kv, struct kv_seq *f, const struct kv_seq *s, uint32_t g, uint32_t first,
			 uint32_t end, uint32_t tokens)
{
	const struct node *at = s->node;
	for (uint32_t b = end; b-- > first;) {
		kv_page page = page_of(kv, s, &at, g, b, tokens);
		*table_entry(&f->table[g], b) = page;
		pages_ref(&kv->pages, g, page);
	}
}

/* f gets the pages of s that a query at position tokens needs. */
static void share_pages(struct kv *kv, struct kv_seq *f, const struct kv_seq *s, uint32_t g, uint32_t tokens)
{
	const struct kv_group_desc *d = &kv->desc[g];
	struct kv_table *t = &f->table[g];
	t->n_blocks = blocks_for(d, tokens);
	t->freed = block_of(d, visible_from(d, tokens));
	share_blocks(kv, f, s, g, t->freed, t->n_blocks, tokens);
	share_blocks(kv, f, s, g, 0, t->freed < t->head ? t->freed : t->head, tokens);
}

int kv_fork(struct kv_seq **out, struct kv *kv, const struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	struct kv_seq *f = NULL;
	uint32_t promised = s->node ? 1 : 0;
	*out = NULL;
	int rc = tree_promise(&kv->tree, promised, err);
	if (rc)
		return rc;
	rc = seq_make(&f, kv, err);
	if (!rc && tokens <= s->tokens) {
		set_gone(kv, f, tokens);
		rc = seq_grow_tables(kv, f, tokens, err);
	}
	if (!rc)
		rc = ready_prefix(kv, s, tokens, true, err);
	if (rc) {
		kv_seq_free(kv, f);
		tree_unpromise(&kv->tree, promised);
		return rc;
	}
	for (uint32_t g = 0; g < kv->n_paged; g++)
		share_pages(kv, f, s, g, tokens);
	f->tokens = tokens;
	f->share = s->share;
	f->asked = s->asked;
	state_take(kv, f, s, tokens);
	if (s->node) {
		f->node = tree_split(&kv->tree, s->node, tokens, &promised);
		f->node->users++;
		state_mark(kv, f);
	}
	tree_unpromise(&kv->tree, promised);
	*out = f;
	return 0;
}
