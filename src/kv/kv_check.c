/* kv_check.c: proves the invariants of kv.c, seq.c and pages.c from scratch; slow, for tests and debug builds. */
#include "base/mem.h"
#include "kv/io.h"

/* A block of a table, of which `reach` slots may be read; writes: a reservation goes on behind `offset` in it. */
static const char *see_page(const struct kv *kv, uint32_t g, kv_page page, uint32_t reach, bool writes,
			    struct page_seen *seen)
{
	const struct page_group *pg = &kv->pages.group[g];
	if (page > pg->fresh)
		return "a block names no page of its group";
	struct page_seen *s = &seen[page];
	s->tables++;
	s->writers += writes;
	s->reach = s->reach > reach ? s->reach : reach;
	return NULL;
}

static const char *check_table(const struct kv *kv, const struct kv_seq *s, uint32_t g, struct page_seen *seen)
{
	const struct kv_table *t = &s->table[g];
	const struct kv_group_desc *d = &kv->desc[g];
	uint32_t end = s->tokens + s->reserved, from = visible_from(d, s->tokens);
	if (t->n_blocks != blocks_for(d, end))
		return "a block table does not fit its sequence's tokens";
	if (t->n_blocks - t->gone > t->cap || t->freed > t->n_blocks || t->freed > block_of(d, from) ||
	    (t->gone > 0 && t->head + t->gone > t->freed))
		return "a block table is longer than its memory, or freed too much";
	for (uint32_t b = 0; b < t->n_blocks; b++) {
		uint32_t reach = end - b * d->page_tokens;
		const char *broken = NULL;
		kv_page page = table_page(t, b);
		if (!page && (is_sink(d, b) || b >= block_of(d, from)))
			return "a visible block has no page";
		if (page && b < t->freed && !is_sink(d, b))
			return "a block below the window still has its page";
		if (page)
			broken = see_page(kv, g, page, reach < d->page_tokens ? reach : d->page_tokens,
					  s->reserved > 0 && (b + 1) * d->page_tokens > s->tokens, seen);
		if (broken)
			return broken;
	}
	return NULL;
}

/* Pages of all groups, or (!want) none; each is seen as held by a sequence. */
static const char *see_states(const struct kv *kv, const kv_page *pages, bool want, struct page_seen *const *seen)
{
	for (uint32_t i = 0; i < kv->n_states; i++) {
		if ((pages[i] != KV_PAGE_NONE) != want || pages[i] > kv->pages.group[kv->n_paged + i].fresh)
			return "a sequence lacks states, or has some that it should not have";
		if (want)
			seen[kv->n_paged + i][pages[i]].tables++;
	}
	return NULL;
}

/* The invariants of state.c. */
static const char *check_states(const struct kv *kv, const struct kv_seq *s, struct page_seen *const *seen)
{
	const struct seq_states *st = &s->states;
	bool in_place = st->next[0] && st->next[0] == st->live[0];
	uint32_t before = s->tokens;
	const char *broken = see_states(kv, st->live, st->at > 0 && st->at != STATE_NOWHERE, seen);
	if (!broken && !in_place)
		broken = see_states(kv, st->next, s->reserved > 0, seen);
	for (uint32_t i = 0; i < st->n_outs && !broken; i++) {
		broken = see_states(kv, st->outs[i], true, seen);
		if (st->out_at[i] <= before || st->out_at[i] >= s->tokens + s->reserved)
			broken = "a state in passing is outside of what is reserved";
		before = st->out_at[i];
	}
	if (!broken && kv->n_states > 0 && st->at != STATE_NOWHERE && st->at > s->tokens)
		return "a live state is ahead of its sequence";
	for (uint32_t i = 0; i < kv->n_states && !broken && s->reserved > 0; i++)
		if (pages_info(&kv->pages, kv->n_paged + i, st->next[i])->refs != 1)
			return "a state is written that somebody else holds";
	return broken;
}

static const char *check_seq(const struct kv *kv, const struct kv_seq *s, struct page_seen *const *seen)
{
	const char *broken = NULL;
	for (uint32_t g = 0; g < kv->n_paged && !broken; g++)
		broken = check_table(kv, s, g, seen[g]);
	if (!broken)
		broken = check_states(kv, s, seen);
	if (!broken && s->node && s->node->end != s->tokens)
		return "a sequence is not where its tokens end in the tree";
	return broken;
}

/* Walks a list, marking pages in seen; returns its length or UINT32_MAX when it is broken. */
static uint32_t walk(const struct page_group *g, uint32_t head, struct page_seen *seen)
{
	uint32_t n = 0;
	for (uint32_t i = head; i != 0; i = g->info[i].next, n++) {
		if (i > g->fresh || seen[i].writers || g->info[i].refs != 0)
			return UINT32_MAX;
		seen[i].writers = 1;
	}
	return n;
}

static bool on_its_way(const struct page_info *i)
{
	return i->form == PAGE_WRITING || i->form == PAGE_READING;
}

static const char *check_lists(const struct page_group *g, struct page_seen *seen)
{
	uint32_t n_free = walk(g, g->free, seen), n_cold = walk(g, g->cold, seen), n_used = 0, n_cached = 0,
		 n_limbo = 0;
	if (n_free == UINT32_MAX || n_cold == UINT32_MAX)
		return "a page is on two lists, or on one while in use";
	for (uint32_t i = 1; i <= g->fresh; i++) {
		n_used += g->info[i].refs > 0;
		n_cached += g->info[i].refs > 0 && g->info[i].refs == g->info[i].tree;
		n_limbo += g->info[i].refs == 0 && on_its_way(&g->info[i]);
	}
	if (n_free != g->n_free || n_used != g->n_used || (uint64_t)n_free + n_cold + n_used + n_limbo != g->fresh ||
	    n_cached != g->n_cached || n_limbo != g->n_limbo)
		return "pages were lost or counted wrongly";
	return NULL;
}

/* Slots in use and free ones are all that were given out, each once. */
static const char *check_packed(const struct page_group *g)
{
	const struct packed_slots *s = &g->packed;
	uint32_t n = 0, n_free = 0;
	uint64_t sum = 0;
	for (uint32_t i = 1; i <= g->fresh; i++) {
		const struct page_info *info = &g->info[i];
		if (info->refs == 0 || info->form != PAGE_PACKED)
			continue;
		if (info->refs != info->tree || info->next == 0 || info->next > s->fresh)
			return "a packed page is held by a table, or has no slot";
		n++;
		sum += info->next;
	}
	for (uint32_t i = s->free; i != 0 && n_free <= s->fresh; i = s->next[i], n_free++)
		sum += i;
	if (n != g->n_packed || n + n_free != s->fresh || (s->fresh && sum != (s->fresh + UINT64_C(1)) * s->fresh / 2))
		return "slots of packed pages were lost, or counted wrongly";
	return NULL;
}

static const char *check_group(const struct page_group *g, struct page_seen *seen)
{
	for (uint32_t i = 1; i <= g->fresh; i++) {
		const struct page_info *info = &g->info[i];
		if (info->refs != seen[i].tables + seen[i].nodes || info->tree != seen[i].nodes)
			return "a page's references are not those that tables and nodes hold";
		if (seen[i].reach > 0 && info->claimed < seen[i].reach)
			return "somebody reads slots of a page that nobody has claimed";
		if (seen[i].writers > 1)
			return "two sequences write into the same page";
	}
	const char *broken = check_packed(g);
	return broken ? broken : check_lists(g, seen);
}

/* What is cold, or being read, is the tree's alone; where a page lies in the store is known while it is cold. */
static const char *check_forms(const struct page_group *g, uint32_t *on_way, uint32_t *away)
{
	uint32_t n_cold = 0;
	for (uint32_t i = 1; i <= g->fresh; i++) {
		const struct page_info *info = &g->info[i];
		bool used = info->refs > 0, cold = used && info->form == PAGE_COLD;
		n_cold += cold;
		*on_way += on_its_way(info);
		*away += cold || info->form == PAGE_READING;
		if (used && (cold || info->form == PAGE_READING) && (info->refs != info->tree || g->place[i] == 0))
			return "a page that is not in memory is held by a table, or lies nowhere";
	}
	return n_cold == g->n_cold && n_cold <= g->cold_max ? NULL : "cold pages are counted wrongly, or too many";
}

/* Each page on its way has one ticket, which says the direction. */
static const char *check_tickets(const struct kv *kv, uint32_t on_way)
{
	const struct io *io = &kv->tree.io;
	uint32_t n = 0;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < io->max; i++) {
		if (!io->tickets[i].out)
			continue;
		const struct kv_io *t = &io->tickets[i].io;
		uint8_t form = pages_info(&kv->pages, t->group, t->page)->form;
		if (form != (t->write ? PAGE_WRITING : PAGE_READING))
			return "a ticket is for a page that is not on its way";
		bytes += kv->pages.group[t->group].stride;
		n++;
	}
	if (bytes != io->bytes || bytes > io_memory(&kv->tree))
		return "more memory is on its way than may be, or it is counted wrongly";
	return n == io->n_out && n == on_way ? NULL : "tickets were lost, or pages are on their way without one";
}

static const char *check_store(const struct kv *kv)
{
	uint32_t on_way = 0, away = 0;
	const char *broken = NULL;
	for (uint32_t g = 0; g < kv->n_groups && !broken; g++)
		broken = check_forms(&kv->pages.group[g], &on_way, &away);
	if (!broken && away != kv->pages.n_away)
		return "pages that are not in memory are counted wrongly";
	return broken ? broken : check_tickets(kv, on_way);
}

static uint64_t books(const struct page_group *g)
{
	uint64_t places = g->place ? (g->capacity + UINT64_C(1)) * sizeof *g->place : 0;
	uint64_t slots = g->packed.stride ? (g->packed.capacity + UINT64_C(1)) * sizeof(uint32_t) : 0;
	return (g->capacity + UINT64_C(1)) * sizeof(struct page_info) + slots + places;
}

static uint64_t counted_bytes(const struct kv *kv)
{
	const struct tree *t = &kv->tree;
	uint64_t bytes = sizeof *kv + kv->pages.convert_bytes + ghost_bytes(&t->ghost) + io_bytes(&t->io) +
			 t->n_buckets * sizeof *t->buckets + (t->n_nodes + t->n_spare) * t->node_bytes;
	for (uint32_t g = 0; g < kv->n_groups; g++)
		bytes += books(&kv->pages.group[g]);
	for (const struct kv_seq *s = kv->seqs; s; s = s->next) {
		bytes += seq_bytes(kv);
		for (uint32_t g = 0; g < kv->n_groups; g++)
			bytes += table_bytes(&s->table[g]);
	}
	return bytes;
}

static const char *check_bytes(const struct kv *kv)
{
	uint64_t used = 0, unused = 0, cached = 0;
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		const struct page_group *pg = &kv->pages.group[g];
		uint32_t leaving = 0; /* cached, but their memory is not to be had now */
		for (uint32_t i = 1; i <= pg->fresh; i++)
			leaving += on_its_way(&pg->info[i]) && pg->info[i].refs > 0 &&
				   pg->info[i].refs == pg->info[i].tree;
		used += pages_group_bytes(pg, pg->n_used) + pg->n_limbo * (uint64_t)pg->stride;
		unused += pg->n_free * (uint64_t)pg->stride;
		cached += pages_group_bytes(pg, pg->n_cached) - leaving * (uint64_t)pg->stride;
	}
	if (used != kv->pages.page_bytes_used || unused != kv->pages.page_bytes_free ||
	    cached != kv->pages.page_bytes_cached)
		return "the byte counters differ from the pages";
	if (counted_bytes(kv) != kv->pages.table_bytes)
		return "the byte counter of the tables differs from the tables";
	if (used + unused + kv->pages.table_bytes > kv->pages.memory_bytes)
		return "more bytes are held than the ceiling allows";
	return NULL;
}

static const char *check_all(const struct kv *kv, struct page_seen *const *seen)
{
	uint32_t nodes, users, seated = 0;
	uint64_t promised = 0;
	const char *broken = tree_check(&kv->tree, seen, &nodes, &users);
	for (const struct kv_seq *s = kv->seqs; s && !broken; s = s->next) {
		broken = check_seq(kv, s, seen);
		seated += s->node != NULL;
		promised += s->promised;
	}
	if (!broken && (seated != users || promised != kv->tree.n_promised))
		return "users or promises of the tree are not those of the sequences";
	for (uint32_t g = 0; g < kv->n_groups && !broken; g++)
		broken = check_group(&kv->pages.group[g], seen[g]);
	if (!broken)
		broken = check_store(kv);
	return broken ? broken : check_bytes(kv);
}

const char *kv_check(const struct kv *kv)
{
	struct page_seen *seen[KV_GROUPS_MAX] = {NULL};
	const char *broken = NULL;
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		seen[g] = mem_zalloc(kv->pages.group[g].fresh + 1, sizeof *seen[g]);
		if (!seen[g])
			broken = "no memory for the check";
	}
	if (!broken)
		broken = check_all(kv, seen);
	for (uint32_t g = 0; g < kv->n_groups; g++)
		mem_free(seen[g]);
	return broken;
}
