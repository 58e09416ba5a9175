/* spill.c: what leaves for the store: victims of eviction, and copies of what is to survive the process.
 *
 * What is written is a record: a stretch of a path with the pages of all its blocks, so that with what lies before it,
 * it can be known again (kv_adopt). It begins with the first page that the store does not have:
 *
 *     a node     [32 ..................... 61)     pages of 32.., 48..
 *     the store has                                the page of 32..
 *     record               [48 ........... 61)     start and end of its tokens; its blocks are whole
 *
 * A page that a node shares with a branch below, which goes on in it, is in that one's record alone; one that it has from
 * above, and has gone on in, is in its own too. So no record lacks a page, and no page is written twice at a time.
 *
 * Victims stay in the tree: their pages are written, then their memory goes, and the node is `cold`. A cold node has no
 * users and only cold children, so the leaves that eviction sees are the ends of what is warm. It stays a stake: its node
 * is memory too, and when its turn comes it is dropped with what is below.
 *
 * Copies are of what has changed `sync_after` ago (tree.dirty: the nodes of which the store may lack something, in the order
 * of their first change); their pages stay in memory, and leaving later costs nothing. A page that a sequence still fills
 * waits until it is full, or the sequence gone.
 *
 * Packed pages do not leave: what their packed form has lost would count as exact in the store.
 *
 * Owner: the cache's thread. */
#include "kv/io.h"

enum { AHEAD_PART = 8 };  /* one of so many parts of the memory is kept free, or on its way out */
enum { BEHIND_MAX = 64 }; /* nodes that are looked at in one call */

/* ---- What a record holds ----------------------------------------------------------------------------------------- */

struct part {
	uint32_t group, block, tokens; /* of a state its position and 0 */
	kv_page page;
};

struct record {
	uint32_t start, end, n; /* n 0: there is nothing to write */
	bool waits;             /* some of it is being written or read just now */
	uint64_t bytes;
	struct part parts[IO_NODE_PAGES];
};

static bool is_state(const struct tree *t, uint32_t group)
{
	return group >= t->n_groups;
}

/* The store does not have it, nor will it soon. */
static bool is_dirty(const struct tree *t, uint32_t group, kv_page page)
{
	const struct page_info *i = pages_info(t->pages, group, page);
	return (i->form == PAGE_HOT && pages_place(t->pages, group, page) == 0) ||
	       (i->form == PAGE_WRITING && i->stale);
}

/* Does a branch below go on in the last page of n, in all groups? */
static bool goes_on(const struct tree *t, const struct node *n, const struct node *branch)
{
	bool same = false;
	for (uint32_t g = 0; g < t->n_groups; g++) {
		uint32_t last = node_last(t, n, g);
		kv_page page = n->pages[tree_slot(t, g, last)];
		if (!page || (n->end & (t->desc[g].page_tokens - 1)) == 0)
			continue;
		same = node_first(t, branch, g) == last && branch->pages[tree_slot(t, g, last)] == page;
		if (!same)
			return false;
	}
	return same;
}

static uint32_t align_down(const struct tree *t, uint32_t position)
{
	uint32_t longest = 1;
	for (uint32_t g = 0; g < t->n_groups; g++)
		longest = t->desc[g].page_tokens > longest ? t->desc[g].page_tokens : longest;
	return position & ~(longest - 1);
}

/* Is a page dirty that begins in the last, unfinished block of n? */
static bool ends_dirty(const struct tree *t, const struct node *n)
{
	uint32_t from = align_down(t, n->end);
	for (uint32_t g = 0; g < t->n_groups && from < n->end; g++)
		for (uint32_t b = node_last(t, n, g) + 1;
		     b-- > node_first(t, n, g) && b >= block_of(&t->desc[g], from);) {
			kv_page page = n->pages[tree_slot(t, g, b)];
			if (page && is_dirty(t, g, page))
				return true;
		}
	return false;
}

/* Where the record of n ends. leaves: n is a victim, and what is below it has left before. */
static uint32_t record_end(const struct tree *t, const struct node *n, bool leaves)
{
	if (node_has_states(t, n) || (leaves && ends_dirty(t, n)))
		return n->end;
	if (!leaves && n->users > 0)
		return align_down(t, n->end);
	for (const struct node *c = n->child; c; c = c->next)
		if (goes_on(t, n, c))
			return align_down(t, n->end);
	return n->end;
}

/* The first token up to `end` that is in a dirty page; end: there is none. */
static uint32_t first_dirty(const struct tree *t, const struct node *n, uint32_t end)
{
	uint32_t first = end;
	for (uint32_t g = 0; g < t->n_groups; g++)
		for (uint32_t b = node_first(t, n, g); b * t->desc[g].page_tokens < first; b++) {
			kv_page page = n->pages[tree_slot(t, g, b)];
			if (page && is_dirty(t, g, page))
				first = b * t->desc[g].page_tokens;
		}
	for (uint32_t i = 0; i < t->n_states && end == n->end && node_has_states(t, n); i++)
		if (first == end && is_dirty(t, t->n_groups + i, node_states(t, n)[i]))
			first = end - 1;
	return first;
}

/* False: its bytes cannot be had now. */
static bool add_part(const struct tree *t, struct record *r, struct part part)
{
	uint8_t form = pages_info(t->pages, part.group, part.page)->form;
	r->waits |= form == PAGE_WRITING || form == PAGE_READING;
	if (form != PAGE_HOT || r->n == IO_NODE_PAGES)
		return false;
	r->parts[r->n++] = part;
	r->bytes += t->pages->group[part.group].stride;
	return true;
}

static bool add_blocks(const struct tree *t, const struct node *n, uint32_t g, struct record *r)
{
	const struct kv_group_desc *d = &t->desc[g];
	for (uint32_t b = blocks_for(d, r->end); b-- > block_of(d, r->start);) {
		kv_page page = tree_path_page(t, &n, g, b, r->end, r->end);
		uint32_t tokens = r->end - b * d->page_tokens;
		tokens = tokens < d->page_tokens ? tokens : d->page_tokens;
		if (page && !add_part(t, r, (struct part){g, b, tokens, page}))
			return false;
	}
	return true;
}

/* What is to be written of the tokens of n up to `end`. False: some of it cannot be now. */
static bool plan_record(const struct tree *t, const struct node *n, uint32_t end, struct record *r)
{
	uint32_t first = first_dirty(t, n, end);
	*r = (struct record){.start = align_down(t, first), .end = end};
	if (first >= end || end <= n->start)
		return true;
	for (uint32_t g = 0; g < t->n_groups; g++)
		if (!add_blocks(t, n, g, r))
			return false;
	for (uint32_t i = 0; i < t->n_states && end == n->end && node_has_states(t, n); i++)
		if (!add_part(t, r, (struct part){t->n_groups + i, end, 0, node_states(t, n)[i]}))
			return false;
	return true;
}

/* All ids of the path to n. */
static const uint32_t *path_ids(const struct tree *t, const struct node *n)
{
	for (; n->parent; n = n->parent)
		for (uint32_t i = n->start; i < n->end; i++)
			t->io.ids[i] = *tree_token(t, n, i);
	return t->io.ids;
}

static struct kv_scope scope_of(const struct tree *t, const struct node *n)
{
	while (n->parent)
		n = n->parent;
	return tree_scope(t, n);
}

/* Is it worth its writing? */
static uint64_t ask_to_keep(const struct tree *t, const struct node *n, const struct record *r)
{
	const struct kv_store *store = t->pages->store;
	struct kv_scope scope = scope_of(t, n);
	struct kv_leaving l = {.scope = &scope,
			       .start = r->start,
			       .end = r->end,
			       .ids = path_ids(t, n),
			       .hits = n->hits,
			       .priority = n->priority,
			       .ttl = n->ttl == NODE_FOREVER ? 0 : n->ttl,
			       .n_pages = r->n,
			       .bytes = r->bytes};
	return store->keep(store->ctx, &l);
}

static bool is_parents(const struct tree *t, const struct node *n, uint32_t g, uint32_t block, kv_page page)
{
	const struct node *p = n->parent;
	return block < node_first(t, n, g) ||
	       (p->parent && block <= node_last(t, p, g) && p->pages[tree_slot(t, g, block)] == page);
}

/* Is it the tree's alone, and of this node the first that has it? Such a page goes with its node. */
static bool is_own(const struct tree *t, const struct node *n, uint32_t g, uint32_t block, kv_page page)
{
	const struct page_info *i = pages_info(t->pages, g, page);
	return i->refs == i->tree && (is_state(t, g) || !is_parents(t, n, g, block, page));
}

/* The parts are on their way from now on. leaves: those of n's own lose their memory then. */
static void write_record(struct tree *t, const struct node *n, const struct record *r, uint64_t name, bool leaves)
{
	for (uint32_t i = 0; i < r->n; i++) {
		const struct part *p = &r->parts[i];
		bool stays = !leaves || !is_own(t, n, p->group, p->block, p->page);
		pages_write(t->pages, p->group, p->page, stays);
		io_add(t, (struct kv_io){.write = true,
					 .group = p->group,
					 .page = p->page,
					 .tokens = p->tokens,
					 .block = p->block,
					 .record = name});
	}
}

/* ---- Victims ----------------------------------------------------------------------------------------------------- */

/* Calls fn for each of n's own pages that is in memory; false as soon as that says so. */
typedef bool own_fn(struct tree *t, uint32_t group, kv_page page, uint32_t *count);

static bool each_own(struct tree *t, const struct node *n, own_fn *fn, uint32_t *count)
{
	for (uint32_t g = 0; g < t->n_groups; g++)
		for (uint32_t b = node_first(t, n, g); b <= node_last(t, n, g); b++) {
			kv_page page = n->pages[tree_slot(t, g, b)];
			if (page && is_own(t, n, g, b, page) && !fn(t, g, page, count))
				return false;
		}
	for (uint32_t i = 0; i < t->n_states && node_has_states(t, n); i++) {
		kv_page page = node_states(t, n)[i];
		if (is_own(t, n, t->n_groups + i, n->end, page) && !fn(t, t->n_groups + i, page, count))
			return false;
	}
	return true;
}

/* Can it leave? It can if it is clean: what is not is in the record. Is there room among the cold pages? */
static bool can_leave(struct tree *t, uint32_t g, kv_page page, uint32_t *count)
{
	const struct page_group *pg = &t->pages->group[g];
	const struct page_info *i = &pg->info[page];
	count[g] += i->form == PAGE_HOT;
	return i->form != PAGE_PACKED && pg->n_cold + t->io.n_out + count[g] <= pg->cold_max;
}

static bool leave(struct tree *t, uint32_t g, kv_page page, uint32_t *count)
{
	struct page_info *i = pages_info(t->pages, g, page);
	(void)count;
	if (i->form == PAGE_WRITING) {
		i->stays = false;
	} else if (i->form == PAGE_HOT) {
		pages_cool(t->pages, g, page);
		t->pages_spilled++;
	}
	return true;
}

enum spilled io_spill(struct tree *t, struct node *n)
{
	struct record r;
	uint32_t count[KV_GROUPS_MAX] = {0}, hot = 0;
	uint64_t name = 0;
	if (!each_own(t, n, can_leave, count))
		return SPILLED_NOT;
	if (!plan_record(t, n, record_end(t, n, true), &r))
		return r.waits ? SPILLED_LATER : SPILLED_NOT;
	for (uint32_t g = 0; g < t->n_groups + t->n_states; g++)
		hot += count[g];
	if (r.n > io_free(&t->io) || !io_has_memory(t, r.bytes) || (n->cold && r.n + hot == 0))
		return SPILLED_NOT;
	if (r.n > 0 && (name = ask_to_keep(t, n, &r)) == 0)
		return SPILLED_NOT;
	write_record(t, n, &r, name, true);
	(void)each_own(t, n, leave, count);
	t->tokens_spilled += n->cold ? 0 : n->end - n->start;
	tree_cool(t, n);
	return SPILLED;
}

void io_spill_ahead(struct tree *t)
{
	uint64_t aim = t->pages->memory_bytes / AHEAD_PART;
	uint32_t node = t->slot0[t->n_groups] + t->n_states, least = node < t->io.max ? node : t->io.max; /* tickets */
	uint64_t bytes = t->io.node_bytes < io_memory(t) ? t->io.node_bytes : io_memory(t);
	while (io_free(&t->io) > 0 && io_free(&t->io) >= least && io_has_memory(t, bytes) &&
	       pages_room(t->pages) + t->io.bytes_leaving < aim && tree_evict_one(t))
		;
}

/* ---- Copies ------------------------------------------------------------------------------------------------------ */

void io_note_changed(struct tree *t, struct node *n)
{
	if (!n->parent)
		return;
	n->dirty = true;
	n->dirty_at = t->now;
	n->older = t->io.newest;
	n->newer = NULL;
	*(n->older ? &n->older->newer : &t->io.oldest) = n;
	t->io.newest = n;
}

void io_settled(struct tree *t, struct node *n)
{
	if (!n->dirty)
		return;
	n->dirty = false;
	*(n->older ? &n->older->newer : &t->io.oldest) = n->newer;
	*(n->newer ? &n->newer->older : &t->io.newest) = n->older;
}

/* Copies what the store lacks of n. False: there is no room for more now. */
static bool copy_node(struct tree *t, struct node *n)
{
	struct record r;
	uint64_t name;
	bool whole = plan_record(t, n, record_end(t, n, false), &r) && r.n <= t->io.max && r.bytes <= io_memory(t);
	if (!whole && r.waits)
		return true; /* again when it is its turn again */
	if (whole && r.n > 0) {
		uint64_t half = t->io.bytes > 0 ? io_memory(t) / 2 : 0; /* the other half is for who cannot wait */
		if (r.n > io_free(&t->io) || !io_has_memory(t, r.bytes + half))
			return false;
		name = ask_to_keep(t, n, &r);
		if (name)
			write_record(t, n, &r, name, false);
	}
	io_settled(t, n);
	return true;
}

static void copy_older(struct tree *t, uint64_t age, uint32_t most)
{
	struct node *n = t->io.oldest, *next;
	for (; n && most > 0 && (age == 0 || t->now - n->dirty_at >= age); n = next, most--) {
		next = n->newer;
		if (!copy_node(t, n))
			return;
	}
}

void io_write_behind(struct tree *t)
{
	if (t->io.max > 0 && t->pages->store->sync_after > 0)
		copy_older(t, t->pages->store->sync_after, BEHIND_MAX);
}

bool kv_store_waits(const struct kv *kv)
{
	return kv->tree.io.oldest && kv->tree.pages->store->sync_after > 0;
}

bool kv_store_all(struct kv *kv)
{
	copy_older(&kv->tree, 0, UINT32_MAX);
	return kv->tree.io.oldest || kv->tree.io.bytes_leaving > 0;
}
