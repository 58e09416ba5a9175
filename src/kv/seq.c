/* seq.c: sequences: begin, reserve, commit, end; back.c truncates and forks them.
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

int seq_make(struct kv_seq **out, struct kv *kv, struct kvik_err *err)
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
	return seq_make(out, kv, err);
}

int kv_seq_new_shared(struct kv_seq **out, struct kv *kv, const struct kv_share *share, struct kvik_err *err)
{
	uint32_t promised = 1;
	int rc = seq_make(out, kv, err);
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
void seq_drop_reserved(struct kv *kv, struct kv_seq *s)
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
	seq_drop_reserved(kv, s);
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

/* One per frame, begun ones included, one behind each mark, and one by a split. */
static uint32_t nodes_to_promise(const struct kv *kv, const struct kv_seq *s, uint32_t n)
{
	return s->node ? (n >> __builtin_ctz(kv->tree.frame)) + 3 + s->n_marks : 0;
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

int seq_full(const struct kv *kv, uint64_t bytes, struct kvik_err *err)
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
		return seq_full(kv, bytes, err);
	return pages_prepare(&kv->pages, pages, err);
}

/* The page of the begun block. */
static kv_page last_page(const struct kv *kv, const struct kv_seq *s, uint32_t g)
{
	return *table_entry(&s->table[g], block_of(&kv->desc[g], s->tokens));
}

/* Most tokens of a decoding sequence fit behind the others into pages that it may go on writing: they are claimed, and
 * that is all. */
static bool claim_in_place(struct kv *kv, struct kv_seq *s, uint32_t n)
{
	struct page_info *last[KV_GROUPS_MAX];
	uint32_t claimed[KV_GROUPS_MAX], n_paged = kv->n_paged;
	if (s->reserved > 0 || (kv->n_states > 0 && state_needs_pages(kv, s)))
		return false;
	for (uint32_t g = 0; g < n_paged; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		uint32_t offset = s->tokens & (d->page_tokens - 1);
		claimed[g] = offset + n;
		if (offset == 0 || claimed[g] > d->page_tokens)
			return false;
		last[g] = pages_info(&kv->pages, g, last_page(kv, s, g));
		if (last[g]->refs > 1 && last[g]->claimed != offset)
			return false;
	}
	for (uint32_t g = 0; g < n_paged; g++)
		last[g]->claimed = claimed[g];
	for (uint32_t g = 0; g < n_paged && kv->pages.store; g++)
		pages_forget(&kv->pages, g, last_page(kv, s, g));
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

/* Forgets the marks up to `at`. True: one was just there. */
static bool pass_marks(struct kv_seq *s, uint32_t at)
{
	uint32_t passed = 0;
	while (passed < s->n_marks && s->marks[passed] <= at)
		passed++;
	bool there = passed > 0 && s->marks[passed - 1] == at;
	s->n_marks -= passed;
	memmove(s->marks, s->marks + passed, s->n_marks * sizeof *s->marks);
	return there;
}

/* Puts the tokens start..end into the tree, piece by piece between marks and the states that the step has left on its
 * way. */
static void insert_to(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t start, uint32_t end)
{
	uint32_t at = start, out;
	(void)pass_marks(s, start);
	for (;;) {
		uint32_t mark = s->n_marks > 0 ? s->marks[0] : UINT32_MAX, stop = mark < end ? mark : end;
		bool leaves = state_next_out(s, stop, &out);
		stop = leaves ? out : stop;
		if (s->node)
			share_insert(kv, s, ids + (at - start), stop - at);
		if (leaves)
			state_pass_out(kv, s, stop == end);
		if (pass_marks(s, stop) && s->node)
			s->node->marked = true;
		at = stop;
		if (at == end && !state_next_out(s, end, &out))
			return;
	}
}

static void slide_windows(struct kv *kv, struct kv_seq *s)
{
	for (uint32_t g = 0; g < kv->n_paged; g++)
		if (kv->desc[g].window)
			kv->pages_freed_by_window += table_slide(&kv->pages, &s->table[g], g, &kv->desc[g], s->tokens);
}

void kv_commit_ids(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	if (kv->n_states > 0 || s->n_marks > 0)
		insert_to(kv, s, ids, s->tokens, s->tokens + n);
	else if (s->node)
		share_insert(kv, s, ids, n);
	s->tokens += n;
	s->reserved -= n;
	if (kv->n_states > 0)
		state_arrive(kv, s);
	if (kv->tree.window_max > 0)
		slide_windows(kv, s);
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
