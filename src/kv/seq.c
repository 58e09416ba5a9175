/* seq.c: sequences: reserve, commit, truncate, fork.
 *
 * A sequence has tokens committed (their keys and values are written and final) and reserved (pages are there, the
 * model is writing). Any number of sequences and tree nodes may share a page. Its slots are claimed in order: a
 * sequence may append to a shared page in place if it ends where the claims end, and copies the page otherwise; so of
 * all that continue from one point the first copies nothing and each other one page per group. Slots claimed by a
 * commit are never written again. */
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "kv/kv_impl.h"

static int new_seq(struct kv_seq **out, struct kv *kv, struct kvik_err *err)
{
	*out = NULL;
	if (!tree_make_table_room(&kv->tree, seq_bytes(kv)))
		return err_set(err, KVIK_ERR_FULL, "the KV cache has no room for another sequence");
	struct kv_seq *s = mem_zalloc(1, seq_bytes(kv));
	if (!s)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for a sequence");
	pages_count_table(&kv->pages, (int64_t)seq_bytes(kv));
	LIST_PUSH(kv->seqs, s);
	kv->n_seqs++;
	for (uint32_t g = 0; g < kv->n_paged; g++)
		s->table[g].head = kv->desc[g].window ? blocks_for(&kv->desc[g], kv->desc[g].sinks) : 0;
	*out = s;
	return 0;
}

int kv_seq_new(struct kv_seq **out, struct kv *kv, struct kvik_err *err)
{
	return new_seq(out, kv, err);
}

int kv_seq_new_shared(struct kv_seq **out, struct kv *kv, const struct kv_share *share, struct kvik_err *err)
{
	uint32_t promised = 1;
	int rc = new_seq(out, kv, err);
	if (rc)
		return rc;
	struct kv_seq *s = *out;
	rc = tree_promise(&kv->tree, promised, err);
	if (rc) {
		kv_seq_free(kv, s);
		*out = NULL;
		return rc;
	}
	s->share = *share;
	s->node = tree_root(&kv->tree, &share->scope);
	if (!s->node)
		s->node = tree_add_root(&kv->tree, &share->scope, &promised);
	s->node->users++;
	tree_unpromise(&kv->tree, promised);
	return 0;
}

void seq_break_promise(struct kv *kv, struct kv_seq *s)
{
	tree_unpromise(&kv->tree, s->promised);
	s->promised = 0;
}

/* Nobody else has claims behind the committed tokens of the one that has reservations there. */
static void drop_reserved(struct kv *kv, struct kv_seq *s)
{
	if (s->reserved == 0)
		return;
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		uint32_t p = kv->desc[g].page_tokens;
		table_drop(&kv->pages, &s->table[g], g, blocks_for(&kv->desc[g], s->tokens));
		if (s->tokens % p != 0)
			pages_claim(&kv->pages, g, table_page(&s->table[g], s->tokens / p), s->tokens % p);
	}
	s->reserved = 0;
	state_drop_reserved(kv, s);
	seq_break_promise(kv, s);
}

void kv_seq_free(struct kv *kv, struct kv_seq *s)
{
	if (!s)
		return;
	drop_reserved(kv, s);
	kv_announce(kv, s, NULL, 0);
	share_finish(kv, s);
	state_release(kv, s);
	for (uint32_t g = 0; g < kv->n_paged; g++)
		table_release(&kv->pages, &s->table[g], g);
	share_leave(kv, s); /* now it can be told what evicting its node would free */
	LIST_REMOVE(kv->seqs, s);
	kv->n_seqs--;
	pages_count_table(&kv->pages, -(int64_t)seq_bytes(kv));
	mem_free(s);
}

uint32_t kv_seq_tokens(const struct kv_seq *s)
{
	return s->tokens;
}

bool kv_seq_shares(const struct kv_seq *s)
{
	return s->node != NULL;
}

const struct kv_share *kv_seq_share(const struct kv_seq *s)
{
	return &s->share;
}

struct page_table kv_seq_blocks(const struct kv_seq *s, uint32_t group, uint32_t *n_blocks)
{
	const struct kv_table *t = &s->table[group];
	if (n_blocks)
		*n_blocks = t->n_blocks;
	return (struct page_table){.ids = t->pages, .head = t->head, .gone = t->gone};
}

/* ---- Reserve and commit ------------------------------------------------------------------------------------------ */

int seq_grow_tables(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t g = 0; g < kv->n_paged && !rc; g++) {
		uint32_t blocks = blocks_for(&kv->desc[g], tokens);
		uint64_t more = table_more_bytes(&s->table[g], blocks);
		if (more == 0)
			continue;
		if (!tree_make_table_room(&kv->tree, more))
			return err_set(err, KVIK_ERR_FULL, "the KV cache is full: no room for a longer block table");
		rc = table_grow(&kv->pages, &s->table[g], blocks, err);
	}
	return rc;
}

/* Is the next slot in a page that s may not go on writing? */
static bool must_copy(const struct kv *kv, const struct kv_seq *s, uint32_t group)
{
	uint32_t offset = s->tokens & (kv->desc[group].page_tokens - 1);
	if (offset == 0 || s->reserved > 0)
		return false;
	const struct page_info *i =
		pages_info(&kv->pages, group, table_page(&s->table[group], block_of(&kv->desc[group], s->tokens)));
	return i->refs > 1 && i->claimed != offset;
}

/* The node of s takes the copy too: nobody else may need the other page any more. */
static void copy_last(struct kv *kv, struct kv_seq *s, uint32_t group)
{
	uint32_t block = block_of(&kv->desc[group], s->tokens);
	kv_page *last = table_entry(&s->table[group], block), own = pages_get(&kv->pages, group);
	pages_copy(&kv->pages, group, own, *last);
	if (s->node && s->node->pages[tree_slot(&kv->tree, group, block)] == *last)
		tree_set_page(&kv->tree, s->node, group, block, own);
	pages_unref(&kv->pages, group, *last);
	*last = own;
	kv->pages_copied++;
}

/* Pages of each group that n more tokens take; returns their bytes. */
static uint64_t pages_to_reserve(const struct kv *kv, const struct kv_seq *s, uint32_t n, uint32_t *pages)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		uint32_t blocks = blocks_for(&kv->desc[g], s->tokens + n), have = s->table[g].n_blocks;
		pages[g] = (blocks > have ? blocks - have : 0) + must_copy(kv, s, g);
		bytes += pages[g] * (uint64_t)kv->pages.group[g].stride;
	}
	for (uint32_t g = kv->n_paged; g < kv->n_groups; g++) {
		pages[g] = state_needs_pages(kv, s);
		bytes += pages[g] * (uint64_t)kv->pages.group[g].stride;
	}
	return bytes;
}

/* The pages of one group, claimed up to n tokens. */
static void take_pages(struct kv *kv, struct kv_seq *s, uint32_t group, uint32_t n)
{
	struct kv_table *t = &s->table[group];
	uint32_t p = kv->desc[group].page_tokens, end = s->tokens + n, blocks = blocks_for(&kv->desc[group], end);
	if (must_copy(kv, s, group))
		copy_last(kv, s, group);
	while (t->n_blocks < blocks)
		*table_entry(t, t->n_blocks++) = pages_get(&kv->pages, group);
	for (uint32_t b = block_of(&kv->desc[group], s->tokens); b < blocks; b++) {
		uint32_t filled = end - b * p;
		pages_claim(&kv->pages, group, table_page(t, b), filled < p ? filled : p);
	}
}

/* One per frame, begun ones included, and one by a split. */
static uint32_t nodes_to_promise(const struct kv *kv, const struct kv_seq *s, uint32_t n)
{
	return s->node ? (n >> __builtin_ctz(kv->tree.frame)) + 3 : 0;
}

int seq_promise_nodes(struct kv *kv, struct kv_seq *s, uint32_t n, struct kvik_err *err)
{
	uint32_t nodes = nodes_to_promise(kv, s, n);
	if (nodes <= s->promised)
		return 0;
	int rc = tree_promise(&kv->tree, nodes - s->promised, err);
	if (!rc)
		s->promised = nodes;
	return rc;
}

static int full(const struct kv *kv, uint64_t bytes, struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_FULL,
		       "the KV cache is full: %llu more bytes needed, %llu of %llu left; raise --kv-memory or shorten "
		       "the text",
		       (unsigned long long)bytes, (unsigned long long)pages_room(&kv->pages),
		       (unsigned long long)kv->pages.memory_bytes);
}

/* Memory for the pages that n more tokens take. */
static int prepare_pages(struct kv *kv, const struct kv_seq *s, uint32_t n, struct kvik_err *err)
{
	uint32_t pages[KV_GROUPS_MAX];
	uint64_t bytes = pages_to_reserve(kv, s, n, pages);
	if (!tree_make_room(&kv->tree, bytes))
		return full(kv, bytes, err);
	return pages_prepare(&kv->pages, pages, err);
}

/* Most tokens of a decoding sequence fit behind the others into pages that it may go on writing: they are claimed, and
 * that is all. */
static bool claim_in_place(struct kv *kv, struct kv_seq *s, uint32_t n)
{
	struct page_info *last[KV_GROUPS_MAX];
	if (kv->n_states > 0 && state_needs_pages(kv, s))
		return false;
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		uint32_t offset = s->tokens & (d->page_tokens - 1);
		if (s->reserved > 0 || offset == 0 || offset + n > d->page_tokens)
			return false;
		struct page_info *i = last[g] =
			pages_info(&kv->pages, g, *table_entry(&s->table[g], block_of(d, s->tokens)));
		if (i->refs > 1 && i->claimed != offset)
			return false;
	}
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		last[g]->claimed = (s->tokens & (kv->desc[g].page_tokens - 1)) + n;
		if (kv->pages.store)
			pages_forget(&kv->pages, g, *table_entry(&s->table[g], block_of(&kv->desc[g], s->tokens)));
	}
	if (kv->n_states > 0)
		state_reserve(kv, s);
	s->reserved = n;
	return true;
}

int kv_reserve(struct kv *kv, struct kv_seq *s, uint32_t n, struct kvik_err *err)
{
	if (n > kv->seq_tokens_max - s->tokens)
		return err_set(err, KVIK_ERR_LIMIT,
			       "the sequence holds %u tokens and would grow by %u, but may hold %u: raise --ctx",
			       s->tokens, n, kv->seq_tokens_max);
	if (kv->n_states > 0 && s->states.at != s->tokens)
		return err_set(err, KVIK_ERR_LIMIT, "there is no state of token %u to go on from: go back to token %u",
			       s->tokens, kv_nearest(kv, s, s->tokens));
	if (n <= s->reserved)
		return 0;
	uint32_t promised_before = s->promised;
	int rc = seq_promise_nodes(kv, s, n, err);
	if (!rc && claim_in_place(kv, s, n))
		return 0;
	if (!rc)
		rc = seq_grow_tables(kv, s, s->tokens + n, err);
	if (!rc)
		rc = prepare_pages(kv, s, n, err);
	if (rc) {
		tree_unpromise(&kv->tree, s->promised - promised_before);
		s->promised = promised_before;
		return rc;
	}
	for (uint32_t g = 0; g < kv->n_paged; g++)
		take_pages(kv, s, g, n);
	state_reserve(kv, s);
	s->reserved = n;
	return 0;
}

/* Puts the tokens start..end into the tree, piece by piece between the states that the step has left on its way. */
static void insert_to(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t start, uint32_t end)
{
	uint32_t at = start, out;
	while (state_next_out(s, end, &out)) {
		if (s->node)
			share_insert(kv, s, ids + (at - start), out - at);
		state_pass_out(kv, s, out == end);
		at = out;
	}
	if (s->node)
		share_insert(kv, s, ids + (at - start), end - at);
}

void kv_commit_ids(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	if (s->node)
		tree_use_units(&kv->tree, s->node->hash, ids, s->tokens, n, false);
	if (kv->n_states > 0)
		insert_to(kv, s, ids, s->tokens, s->tokens + n);
	else if (s->node)
		share_insert(kv, s, ids, n);
	s->tokens += n;
	s->reserved -= n;
	if (kv->n_states > 0)
		state_arrive(kv, s);
	for (uint32_t g = 0; g < kv->n_paged && kv->tree.window_max > 0; g++)
		if (kv->desc[g].window)
			kv->pages_freed_by_window += table_slide(&kv->pages, &s->table[g], g, &kv->desc[g], s->tokens);
	if (s->reserved == 0 &&
	    s->promised > nodes_to_promise(kv, s, 1)) /* the next token's stays: it is asked for each time */
		seq_break_promise(kv, s);
}

void kv_commit(struct kv *kv, struct kv_seq *s, uint32_t n)
{
	if (n > 0)
		share_leave(kv, s);
	kv_commit_ids(kv, s, NULL, n);
}

/* ---- Truncate and fork ------------------------------------------------------------------------------------------- */

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
			return full(kv, bytes, err);
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
			return full(kv, more, err);
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
	drop_reserved(kv, s);
	if (tokens < s->tokens)
		share_finish(kv, s);
	state_take(kv, s, s, tokens);
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		table_drop(&kv->pages, &s->table[g], g, blocks_for(&kv->desc[g], tokens));
		restore_window(kv, s, g, tokens);
	}
	move_back(kv, s, tokens);
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
	rc = new_seq(&f, kv, err);
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
