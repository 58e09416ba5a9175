/* kv.c: the cache as a whole: its budget, its sequences' lives, its figures.
 *
 *     kv ── pages   (pages.c)  memory, references, claims
 *        ── seqs    (seq.c)    tokens committed and reserved ── table (table.c) per group: block -> page
 *        ── tree    (tree.c)   known prefixes: node -> pages ── evict.c: who leaves; ghost.c: what left
 *                   (share.c)  sequences start from the tree and add to it
 *
 * Invariants (kv_check proves them, with those of the files named):
 *  1. n_blocks of every table = blocks of tokens + reserved.
 *  2. A page's references = table entries + tree nodes that name it; its claims reach at least to what each may read,
 *     and at most one sequence writes behind them.
 *  3. A shared sequence sits on the node that ends at its tokens.
 *  4. A failed call changes no sequence.
 *  5. Bytes counted = bytes held, never above memory_bytes.
 *
 * Owner: one thread (the engine's). */
#include "kv/kv.h"

#include <string.h>

#include "base/mem.h"
#include "kv/io.h"

static int check_config(const struct kv_config *c, struct kvik_err *err)
{
	if (c->n_groups < 1 || c->n_groups > KV_GROUPS_MAX)
		return err_set(err, KVIK_ERR_ARG, "kv: %u groups; must be 1..%d", c->n_groups, KV_GROUPS_MAX);
	if (c->seq_tokens_max < 1 || c->seq_tokens_max > 1u << 30)
		return err_set(err, KVIK_ERR_ARG, "kv: sequences of %u tokens; must be 1..2^30", c->seq_tokens_max);
	uint32_t n_states = 0;
	for (uint32_t i = 0; i < c->n_groups; i++) {
		const struct kv_group_desc *g = &c->groups[i];
		bool state = kv_kind(g) == KV_KIND_STATE;
		n_states += state;
		if ((!state && n_states > 0) || n_states > KV_STATES_MAX || (state && (i == 0 || g->packed_bytes)))
			return err_set(err, KVIK_ERR_ARG,
				       "kv: at most %d groups of states, unpacked, behind at least one of pages",
				       KV_STATES_MAX);
		if ((g->page_tokens & (g->page_tokens - 1)) != 0 || g->page_tokens > 4096)
			return err_set(err, KVIK_ERR_ARG, "kv: pages of %u tokens; must be a power of two up to 4096",
				       g->page_tokens);
		if (g->page_bytes == 0 || g->page_bytes % 64 != 0 || g->page_bytes > SIZE_MAX / 4)
			return err_set(err, KVIK_ERR_ARG, "kv: pages of %zu bytes; must be a multiple of 64",
				       g->page_bytes);
	}
	return 0;
}

/* The ceiling must hold what is allocated from the start and one page of each group. */
static int check_room(const struct kv *kv, struct kvik_err *err)
{
	uint64_t one_of_each = 0;
	for (uint32_t g = 0; g < kv->n_groups; g++)
		one_of_each += kv->pages.group[g].stride;
	if (pages_room(&kv->pages) >= one_of_each)
		return 0;
	return err_set(err, KVIK_ERR_LIMIT,
		       "the KV cache may use %llu bytes, but one page of each group and the tables need %llu: "
		       "raise --kv-memory",
		       (unsigned long long)kv->pages.memory_bytes,
		       (unsigned long long)(one_of_each + kv->pages.table_bytes));
}

int kv_new(struct kv **out, const struct kv_config *c, struct kvik_err *err)
{
	*out = NULL;
	int rc = check_config(c, err);
	if (rc)
		return rc;
	struct kv *kv = mem_zalloc(1, sizeof *kv);
	if (!kv)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory");
	memcpy(kv->desc, c->groups, c->n_groups * sizeof *c->groups);
	kv->n_groups = c->n_groups;
	kv->state_every = c->state_every;
	while (kv->n_paged < c->n_groups && kv_kind(&c->groups[kv->n_paged]) != KV_KIND_STATE)
		kv->n_paged++;
	kv->n_states = c->n_groups - kv->n_paged;
	kv->seq_tokens_max = c->seq_tokens_max;
	kv->host = (struct kv_host){.convert = c->convert, .convert_ctx = c->convert_ctx};
	struct kv_memory host = kv_host_memory(&kv->host);
	rc = pages_init(&kv->pages, c, c->memory ? c->memory : &host, err);
	pages_count_table(&kv->pages, sizeof *kv);
	if (!rc)
		rc = tree_init(&kv->tree, &kv->pages, kv->desc, kv->n_paged, kv->n_states, kv->state_every, err);
	kv->tree.pack_after = c->pack_after;
	if (!rc && c->store)
		rc = io_init(&kv->tree, c->store, c->seq_tokens_max, err);
	pages_count_table(&kv->pages, (int64_t)io_bytes(&kv->tree.io));
	if (!rc)
		rc = check_room(kv, err);
	kv->bytes_fixed = kv->pages.table_bytes;
	if (rc)
		kv_free(kv);
	else
		*out = kv;
	return rc;
}

void kv_free(struct kv *kv)
{
	if (!kv)
		return;
	while (kv->seqs)
		kv_seq_free(kv, kv->seqs);
	io_release(&kv->tree.io);
	tree_release(&kv->tree);
	pages_release(&kv->pages);
	mem_free(kv);
}

struct page_area kv_host_pages(const struct kv *kv, uint32_t group)
{
	return kv->host.area[KV_AREA_PAGES(group)].at;
}

uint8_t *kv_host_page(const struct kv *kv, const struct kv_seq *s, uint32_t group, uint32_t block)
{
	kv_page page = table_page(&s->table[group], block);
	const struct page_area *at = &kv->host.area[KV_AREA_PAGES(group)].at;
	return page && at->base ? page_address(at, page) : NULL;
}

void kv_clock(struct kv *kv, uint64_t now)
{
	kv->tree.now = now;
	tree_expire(&kv->tree);
	tree_pack_idle(&kv->tree);
	io_write_behind(&kv->tree);
	io_spill_ahead(&kv->tree);
}

void kv_drop_cached(struct kv *kv)
{
	tree_drop_cached(&kv->tree);
}

/* ---- Figures ----------------------------------------------------------------------------------------------------- */

static void tree_stats(const struct tree *t, struct kv_stats *st)
{
	st->nodes = t->n_nodes;
	st->pages_merged = t->pages_merged;
	st->tokens_evicted = t->tokens_evicted;
	st->tokens_expired = t->tokens_expired;
	st->pages_window_dropped = t->pages_window_dropped;
	st->states_dropped = t->states_dropped;
	st->tokens_spilled = t->tokens_spilled;
	st->tokens_lost = t->tokens_lost;
	st->pages_spilled = t->pages_spilled;
	st->pages_loaded = t->pages_loaded;
	st->io_failed = t->io_failed;
	for (uint32_t i = 0; i < KV_GHOSTS; i++)
		st->ghost[i] = ghost_rate(&t->ghost, i);
}

uint64_t kv_waste(const struct kv *kv)
{
	uint64_t bytes = 0;
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		const struct page_group *pg = &kv->pages.group[g];
		uint64_t slots = 0;
		for (uint32_t i = 1; i <= pg->fresh && g < kv->n_paged; i++)
			if (pg->info[i].refs > 0 && pg->info[i].form != PAGE_PACKED && pg->info[i].form != PAGE_COLD)
				slots += kv->desc[g].page_tokens - pg->info[i].claimed;
		bytes += slots * (g < kv->n_paged ? pg->page_bytes / kv->desc[g].page_tokens : 0) +
			 (pg->n_used - pg->n_packed - pg->n_cold) * (uint64_t)(pg->stride - pg->page_bytes);
	}
	return bytes;
}

struct kv_stats kv_stats(const struct kv *kv)
{
	const struct pages *p = &kv->pages;
	struct kv_stats st = {.memory_bytes = p->memory_bytes,
			      .bytes_used = p->page_bytes_used + p->table_bytes,
			      .bytes_peak = p->bytes_peak,
			      .bytes_tables = p->table_bytes,
			      .bytes_cached = p->page_bytes_cached,
			      .sequences = kv->n_seqs,
			      .pages_copied = kv->pages_copied,
			      .pages_freed_by_window = kv->pages_freed_by_window,
			      .queries = kv->queries,
			      .tokens_queried = kv->tokens_queried,
			      .tokens_hit = kv->tokens_hit,
			      .tokens_joined = kv->tokens_joined,
			      .leaves = kv->leaves,
			      .states_taken = kv->states_taken,
			      .states_missed = kv->states_missed,
			      .packs = p->packs,
			      .unpacks = p->unpacks};
	tree_stats(&kv->tree, &st);
	for (uint32_t g = 0; g < kv->n_groups; g++)
		st.group[g] =
			(struct kv_group_stats){.pages_used = p->group[g].n_used,
						.pages_free = p->group[g].n_free,
						.pages_cached = p->group[g].n_cached,
						.pages_packed = p->group[g].n_packed,
						.pages_cold = p->group[g].n_cold,
						.bytes_used = pages_group_bytes(&p->group[g], p->group[g].n_used)};
	return st;
}
