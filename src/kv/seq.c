/* seq.c: sequences: reserve, commit, truncate, fork.
 *
 * A sequence has tokens committed (their keys and values are written and final) and reserved (pages are there, the
 * model is writing). Any number of sequences and tree nodes may share a page. Its slots are claimed in order: a
 * sequence may append to a shared page in place if it ends where the claims end, and copies the page otherwise; so of
 * all that continue from one point the first copies nothing and each other one page per group. Slots claimed by a
 * commit are never written again. */
#include <string.h>

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
	s->next = kv->seqs;
	if (s->next)
		s->next->prev = s;
	kv->seqs = s;
	kv->n_seqs++;
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
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		uint32_t p = kv->desc[g].page_tokens;
		table_drop(&kv->pages, &s->table[g], g, blocks_for(&kv->desc[g], s->tokens));
		if (s->tokens % p != 0)
			pages_info(&kv->pages, g, s->table[g].pages[s->tokens / p])->claimed = s->tokens % p;
	}
	s->reserved = 0;
	seq_break_promise(kv, s);
}

void kv_seq_free(struct kv *kv, struct kv_seq *s)
{
	if (!s)
		return;
	drop_reserved(kv, s);
	kv_announce(kv, s, NULL, 0);
	share_finish(kv, s);
	share_leave(kv, s);
	for (uint32_t g = 0; g < kv->n_groups; g++)
		table_release(&kv->pages, &s->table[g], g);
	if (s->prev)
		s->prev->next = s->next;
	else
		kv->seqs = s->next;
	if (s->next)
		s->next->prev = s->prev;
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

uint8_t *const *kv_seq_pages(const struct kv_seq *s, uint32_t group, uint32_t *n_blocks)
{
	*n_blocks = s->table[group].n_blocks;
	return s->table[group].pages;
}

/* ---- Reserve and commit ------------------------------------------------------------------------------------------ */

int seq_grow_tables(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t g = 0; g < kv->n_groups && !rc; g++) {
		uint32_t blocks = blocks_for(&kv->desc[g], tokens);
		if (blocks <= s->table[g].cap)
			continue;
		if (!tree_make_table_room(&kv->tree, table_more_bytes(&s->table[g], blocks)))
			return err_set(err, KVIK_ERR_FULL, "the KV cache is full: no room for a longer block table");
		rc = table_grow(&kv->pages, &s->table[g], &kv->desc[g], blocks, err);
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
		pages_info(&kv->pages, group, s->table[group].pages[block_of(&kv->desc[group], s->tokens)]);
	return i->refs > 1 && i->claimed != offset;
}

/* The node of s takes the copy too: nobody else may need the other page any more. */
static void copy_last(struct kv *kv, struct kv_seq *s, uint32_t group)
{
	uint32_t block = block_of(&kv->desc[group], s->tokens);
	uint8_t **last = &s->table[group].pages[block], *own = pages_get(&kv->pages, group);
	memcpy(own, *last, kv->desc[group].page_bytes);
	if (s->node && s->node->pages[tree_slot(&kv->tree, group, block)] == *last)
		tree_set_page(&kv->tree, s->node, group, block, own);
	pages_unref(&kv->pages, group, *last);
	*last = own;
	kv->pages_copied++;
}

/* Bytes of pages that n more tokens take. */
static uint64_t bytes_to_reserve(const struct kv *kv, const struct kv_seq *s, uint32_t n)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		uint32_t blocks = blocks_for(&kv->desc[g], s->tokens + n), have = s->table[g].n_blocks;
		uint64_t pages = (blocks > have ? blocks - have : 0) + must_copy(kv, s, g);
		bytes += pages * kv->pages.group[g].stride;
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
		t->pages[t->n_blocks++] = pages_get(&kv->pages, group);
	for (uint32_t b = block_of(&kv->desc[group], s->tokens); b < blocks; b++) {
		uint32_t filled = end - b * p;
		pages_info(&kv->pages, group, t->pages[b])->claimed = filled < p ? filled : p;
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

/* Most tokens of a decoding sequence fit behind the others into pages that it may go on writing: they are claimed, and
 * that is all. */
static bool claim_in_place(struct kv *kv, struct kv_seq *s, uint32_t n)
{
	struct page_info *last[KV_GROUPS_MAX];
	uint32_t claim[KV_GROUPS_MAX];
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		uint32_t offset = s->tokens & (d->page_tokens - 1);
		claim[g] = offset + n;
		if (s->reserved > 0 || offset == 0 || claim[g] > d->page_tokens)
			return false;
		last[g] = pages_info(&kv->pages, g, s->table[g].pages[block_of(d, s->tokens)]);
		if (last[g]->refs > 1 && last[g]->claimed != offset)
			return false;
	}
	for (uint32_t g = 0; g < kv->n_groups; g++)
		last[g]->claimed = claim[g];
	s->reserved = n;
	return true;
}

int kv_reserve(struct kv *kv, struct kv_seq *s, uint32_t n, struct kvik_err *err)
{
	if (n > kv->seq_tokens_max - s->tokens)
		return err_set(err, KVIK_ERR_LIMIT,
			       "the sequence holds %u tokens and would grow by %u, but may hold %u: raise --ctx",
			       s->tokens, n, kv->seq_tokens_max);
	if (n <= s->reserved)
		return 0;
	uint32_t promised_before = s->promised;
	int rc = seq_promise_nodes(kv, s, n, err);
	if (!rc && claim_in_place(kv, s, n))
		return 0;
	if (!rc)
		rc = seq_grow_tables(kv, s, s->tokens + n, err);
	if (rc) {
		tree_unpromise(&kv->tree, s->promised - promised_before);
		s->promised = promised_before;
		return rc;
	}
	uint64_t bytes = bytes_to_reserve(kv, s, n);
	if (!tree_make_room(&kv->tree, bytes)) {
		tree_unpromise(&kv->tree, s->promised - promised_before);
		s->promised = promised_before;
		return full(kv, bytes, err);
	}
	for (uint32_t g = 0; g < kv->n_groups; g++)
		take_pages(kv, s, g, n);
	s->reserved = n;
	return 0;
}

void kv_commit_ids(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	if (s->node) {
		tree_use_units(&kv->tree, s->node->hash, ids, s->tokens, n, false);
		share_insert(kv, s, ids, n);
	}
	s->tokens += n;
	s->reserved -= n;
	for (uint32_t g = 0; g < kv->n_groups; g++)
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
static uint8_t *page_of(const struct kv *kv, const struct kv_seq *s, const struct node **at, uint32_t g, uint32_t block,
			uint32_t tokens)
{
	uint8_t *page = s->table[g].pages[block];
	return page || !*at ? page : tree_path_page(&kv->tree, at, g, block, s->tokens, tokens);
}

/* Can a sequence go on after the first `tokens` tokens of s? */
static int check_prefix(const struct kv *kv, const struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	if (tokens > s->tokens)
		return err_set(err, KVIK_ERR_ARG, "the sequence has %u tokens, not %u", s->tokens, tokens);
	for (uint32_t g = 0; g < kv->n_groups; g++) {
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

/* Bytes that unpacking takes which restore_window and share_pages will take from the tree; unpack: it is done. */
static uint64_t unpack_prefix(struct kv *kv, const struct kv_seq *s, uint32_t tokens, bool unpack)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		const struct node *at = s->node;
		uint32_t first = block_of(d, visible_from(d, tokens));
		uint32_t end = kv->pages.group[g].n_packed > 0 ? blocks_for(d, tokens) : 0;
		for (uint32_t b = end; b-- > first;) {
			uint8_t *page = s->table[g].pages[b] ? NULL : page_of(kv, s, &at, g, b, tokens);
			if (!page)
				continue;
			bytes += pages_unpack_bytes(&kv->pages, g, page);
			if (unpack)
				pages_unpack(&kv->pages, g, page);
		}
	}
	return bytes;
}

/* check_prefix, and all pages it found are unpacked. Room for them may cost window pages, so it is asked again. */
static int ready_prefix(struct kv *kv, const struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	for (;;) {
		int rc = check_prefix(kv, s, tokens, err);
		if (rc)
			return rc;
		uint64_t bytes = unpack_prefix(kv, s, tokens, false);
		if (pages_room(&kv->pages) >= bytes) {
			unpack_prefix(kv, s, tokens, bytes > 0);
			return 0;
		}
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
	for (uint32_t b = blocks_for(&kv->desc[g], tokens); b-- > first;) {
		if (t->pages[b])
			continue;
		t->pages[b] = page_of(kv, s, &at, g, b, tokens);
		pages_ref(&kv->pages, g, t->pages[b]);
	}
	t->freed = first;
}

/* Holes of the tables into which a truncated sequence would write again. */
static int fill_holes(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		struct kv_table *t = &s->table[g];
		if (block_of(d, visible_from(d, tokens)) >= t->hole_end)
			continue;
		if (!tree_make_table_room(&kv->tree, t->hole_bytes))
			return full(kv, t->hole_bytes, err);
		table_fill_holes(&kv->pages, t);
	}
	return 0;
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
	s->node = tree_split(&kv->tree, old, tokens, &promised);
	s->node->users++;
	tree_unpromise(&kv->tree, promised);
	old->users--;
	tree_tidy(&kv->tree, old);
}

int kv_truncate(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	int rc = fill_holes(kv, s, tokens, err);
	if (!rc)
		rc = ready_prefix(kv, s, tokens, err);
	if (rc)
		return rc;
	drop_reserved(kv, s);
	if (tokens < s->tokens)
		share_finish(kv, s);
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		restore_window(kv, s, g, tokens);
		table_drop(&kv->pages, &s->table[g], g, blocks_for(&kv->desc[g], tokens));
	}
	move_back(kv, s, tokens);
	s->tokens = tokens;
	return 0;
}

/* f gets the pages of s that a query at position tokens needs. */
static void share_pages(struct kv *kv, struct kv_seq *f, const struct kv_seq *s, uint32_t g, uint32_t tokens)
{
	const struct kv_group_desc *d = &kv->desc[g];
	const struct node *at = s->node;
	struct kv_table *t = &f->table[g];
	t->n_blocks = blocks_for(d, tokens);
	t->freed = block_of(d, visible_from(d, tokens));
	for (uint32_t b = t->n_blocks; b-- > 0;) {
		t->pages[b] = is_needed(d, b, tokens) ? page_of(kv, s, &at, g, b, tokens) : NULL;
		if (t->pages[b])
			pages_ref(&kv->pages, g, t->pages[b]);
	}
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
	if (!rc)
		rc = seq_grow_tables(kv, f, tokens <= s->tokens ? tokens : 0, err);
	if (!rc)
		rc = ready_prefix(kv, s, tokens, err);
	if (rc) {
		kv_seq_free(kv, f);
		tree_unpromise(&kv->tree, promised);
		return rc;
	}
	for (uint32_t g = 0; g < kv->n_groups; g++)
		share_pages(kv, f, s, g, tokens);
	f->tokens = tokens;
	f->share = s->share;
	f->asked = s->asked;
	if (s->node) {
		f->node = tree_split(&kv->tree, s->node, tokens, &promised);
		f->node->users++;
	}
	tree_unpromise(&kv->tree, promised);
	*out = f;
	return 0;
}
