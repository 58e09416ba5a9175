/* restore.c: room for a text that was computed elsewhere (a snapshot), as a whole.
 *
 * Only what the next query sees gets pages, as in a sequence that had computed all of it; so nothing of the text can be taken
 * for a place whose window or state nobody has. Owner: the cache's thread. */
#include "kv/kv_impl.h"

bool kv_block_needed(const struct kv_group_desc *d, uint32_t block, uint32_t tokens)
{
	return is_needed(d, block, tokens);
}

/* Pages of each group; returns their bytes. */
static uint64_t pages_of_text(const struct kv *kv, uint32_t n, uint32_t *pages)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		pages[g] = g < kv->n_paged ? 0 : 1;
		for (uint32_t b = 0; g < kv->n_paged && b < blocks_for(d, n); b++)
			pages[g] += is_needed(d, b, n);
		bytes += pages[g] * (uint64_t)kv->pages.group[g].stride;
	}
	return bytes;
}

static void take_blocks(struct kv *kv, struct kv_seq *s, uint32_t g, uint32_t n)
{
	const struct kv_group_desc *d = &kv->desc[g];
	struct kv_table *t = &s->table[g];
	t->n_blocks = blocks_for(d, n);
	t->freed = block_of(d, visible_from(d, n));
	for (uint32_t b = 0; b < t->n_blocks; b++) {
		if (!table_has(t, b))
			continue;
		kv_page page = is_needed(d, b, n) ? pages_get(&kv->pages, g) : KV_PAGE_NONE;
		*table_entry(t, b) = page;
		if (page)
			pages_claim(&kv->pages, g, page,
				    n - b * d->page_tokens < d->page_tokens ? n % d->page_tokens : d->page_tokens);
	}
}

int kv_reserve_whole(struct kv *kv, struct kv_seq *s, uint32_t n, struct kvik_err *err)
{
	uint32_t pages[KV_GROUPS_MAX];
	if (s->tokens > 0 || s->reserved > 0 || n == 0)
		return err_set(err, KVIK_ERR_ARG, "kv: only a new sequence takes a whole text");
	if (n > kv->seq_tokens_max)
		return err_set(err, KVIK_ERR_LIMIT, "the text has %u tokens; a sequence may hold %u: raise --ctx", n,
			       kv->seq_tokens_max);
	int rc = seq_promise_nodes(kv, s, n, err);
	for (uint32_t g = 0; g < kv->n_paged; g++)
		s->table[g].gone = table_gone(&s->table[g], block_of(&kv->desc[g], visible_from(&kv->desc[g], n)));
	if (!rc)
		rc = seq_grow_tables(kv, s, n, err);
	uint64_t bytes = pages_of_text(kv, n, pages);
	if (!rc && !tree_make_room(&kv->tree, bytes))
		rc = seq_full(kv, bytes, err);
	if (!rc)
		rc = pages_prepare(&kv->pages, pages, err);
	if (rc) {
		for (uint32_t g = 0; g < kv->n_paged; g++)
			s->table[g].gone = 0;
		seq_break_promise(kv, s);
		return rc;
	}
	for (uint32_t g = 0; g < kv->n_paged; g++)
		take_blocks(kv, s, g, n);
	state_reserve(kv, s);
	s->reserved = n;
	return 0;
}
