/* io.c: pages leave for the store and come back; see store.h.
 *
 * Victims of eviction that the store keeps stay in the tree: their pages are written, then their memory goes, and the
 * node is `cold`. A cold node has no users and only cold children, so the leaves that eviction sees are the ends of what
 * is warm. It stays a stake: its node is memory too, and when its turn comes it is dropped with what is below.
 *
 * Tickets name pages, not nodes: a node may be split, merged or dropped while its pages are on their way.
 *
 * Invariants: 1. A page is WRITING or READING exactly while a ticket for it is out. 2. cold nodes have neither users nor
 * warm children; n_warm counts the children that are not cold. */
#include "kv/io.h"

#include "base/mem.h"

enum { AHEAD_PART = 8 }; /* one of so many parts of the memory is kept free, or on its way out */
enum { READS_MAX = 2 };  /* times that a sequence may have its prefix read before it has to compute it */

int io_init(struct tree *t, const struct kv_store *store, struct kvik_err *err)
{
	struct io *io = &t->io;
	*io = (struct io){.max = store->io_max};
	if (io->max < 1 || io->max > KV_IO_MAX || !store->keep || !store->forget)
		return err_set(err, KVIK_ERR_ARG, "kv: a store has 1..%d tickets, and hears what to keep and to forget",
			       KV_IO_MAX);
	io->tickets = mem_zalloc(io->max, sizeof *io->tickets);
	if (!io->tickets)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for I/O tickets");
	for (uint32_t i = 0; i < io->max; i++)
		io->tickets[i].next = i + 1;
	io->first_new = io->last_new = io->max;
	for (uint32_t g = 0; g < t->n_groups + t->n_states; g++)
		io->node_bytes += (g < t->n_groups ? t->slot0[g + 1] - t->slot0[g] : 1) * t->pages->group[g].stride;
	return 0;
}

uint64_t io_memory(const struct pages *p)
{
	uint64_t part = p->memory_bytes / IO_MEMORY_PART, page = 0;
	for (uint32_t g = 0; g < p->n_groups; g++)
		page = p->group[g].stride > page ? p->group[g].stride : page;
	return !p->store ? 0 : part > page ? part : page;
}

void io_release(struct io *io)
{
	mem_free(io->tickets);
	*io = (struct io){0};
}

uint64_t io_bytes(const struct io *io)
{
	return io->max * sizeof *io->tickets;
}

/* ---- Tickets ----------------------------------------------------------------------------------------------------- */

static uint32_t n_free(const struct io *io)
{
	return io->max - io->n_out;
}

/* Memory of so many bytes more may be under way. */
static bool has_memory(const struct tree *t, uint64_t bytes)
{
	return t->io.bytes + bytes <= io_memory(t->pages);
}

static void add_ticket(struct tree *t, struct kv_io ticket)
{
	struct io *io = &t->io;
	uint32_t i = io->free;
	uint64_t bytes = t->pages->group[ticket.group].stride;
	io->bytes += bytes;
	io->bytes_leaving += ticket.write ? bytes : 0;
	io->free = io->tickets[i].next;
	io->n_out++;
	ticket.ticket = i;
	io->tickets[i] = (struct ticket){.io = ticket, .out = true, .next = io->max};
	if (io->first_new == io->max)
		io->first_new = i;
	else
		io->tickets[io->last_new].next = i;
	io->last_new = i;
}

bool kv_io_next(struct kv *kv, struct kv_io *out)
{
	struct io *io = &kv->tree.io;
	if (io->n_out == 0 || io->first_new == io->max)
		return false;
	struct ticket *t = &io->tickets[io->first_new];
	*out = t->io;
	t->taken = true;
	io->first_new = t->next;
	return true;
}

/* ---- Out --------------------------------------------------------------------------------------------------------- */

/* What of a node could leave: each page that is its own, in memory, and not on its way already. */
struct own_page {
	uint32_t group, block, tokens;
	kv_page page;
};

static bool is_parents(const struct tree *t, const struct node *n, uint32_t g, uint32_t block, kv_page page)
{
	const struct node *p = n->parent;
	return p->parent && block <= node_last(t, p, g) && p->pages[tree_slot(t, g, block)] == page;
}

/* Lists them; returns their number, or UINT32_MAX if one is packed: those stay out of the store. */
static uint32_t list_own(const struct tree *t, const struct node *n, struct own_page *own)
{
	uint32_t count = 0;
	for (uint32_t g = 0; g < t->n_groups + t->n_states; g++) {
		bool state = g >= t->n_groups;
		uint32_t first = state ? n->end : node_first(t, n, g), last = state ? n->end : node_last(t, n, g);
		for (uint32_t b = first; b <= last; b++) {
			kv_page page = state ? node_states(t, n)[g - t->n_groups] : n->pages[tree_slot(t, g, b)];
			const struct page_info *i = pages_info(t->pages, g, page);
			if (!page || i->refs != i->tree || (!state && is_parents(t, n, g, b, page)))
				continue;
			if (i->form == PAGE_PACKED)
				return UINT32_MAX;
			if (i->form == PAGE_HOT)
				own[count++] = (struct own_page){g, b, state ? 0 : i->claimed, page};
		}
	}
	return count;
}

static uint64_t ask_to_keep(const struct tree *t, const struct node *n, uint64_t bytes)
{
	const struct kv_store *store = t->pages->store;
	struct kv_leaving l = {.key = n->hash,
			       .parent = n->parent->hash,
			       .start = n->start,
			       .end = n->end,
			       .ids = tree_token(t, n, n->start),
			       .hits = n->hits,
			       .priority = n->priority,
			       .bytes = bytes};
	return store->keep(store->ctx, &l);
}

/* Is there room for these among the cold pages? */
static bool cold_fits(const struct tree *t, const struct own_page *own, uint32_t count)
{
	uint32_t more[KV_GROUPS_MAX] = {0};
	for (uint32_t i = 0; i < count; i++) {
		const struct page_group *g = &t->pages->group[own[i].group];
		if (g->n_cold + t->io.n_out + ++more[own[i].group] > g->cold_max)
			return false;
	}
	return true;
}

static void cool_node(struct tree *t, struct node *n)
{
	if (!n->cold) {
		n->cold = true;
		n->parent->n_warm--;
	}
	tree_unstake(t, n);
	tree_judge(t, n);
	tree_judge(t, n->parent);
}

bool io_spill(struct tree *t, struct node *n)
{
	struct own_page own[IO_NODE_PAGES];
	if (t->slot0[t->n_groups] + t->n_states > IO_NODE_PAGES)
		return false;
	uint32_t count = list_own(t, n, own), dirty = 0;
	uint64_t bytes = 0, record = 0;
	if (count == UINT32_MAX || (count == 0 && n->cold) || !cold_fits(t, own, count))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		bool clean = pages_place(t->pages, own[i].group, own[i].page) != 0;
		dirty += !clean;
		bytes += clean ? 0 : t->pages->group[own[i].group].stride;
	}
	if (dirty > n_free(&t->io) || !has_memory(t, bytes) || (dirty > 0 && (record = ask_to_keep(t, n, bytes)) == 0))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (pages_place(t->pages, own[i].group, own[i].page)) {
			pages_cool(t->pages, own[i].group, own[i].page);
			t->pages_spilled++;
			continue;
		}
		pages_write(t->pages, own[i].group, own[i].page);
		add_ticket(t, (struct kv_io){.write = true,
					     .group = own[i].group,
					     .page = own[i].page,
					     .tokens = own[i].tokens,
					     .block = own[i].block,
					     .record = record});
	}
	t->tokens_spilled += n->cold ? 0 : n->end - n->start;
	cool_node(t, n);
	return true;
}

void io_spill_ahead(struct tree *t)
{
	uint64_t aim = t->pages->memory_bytes / AHEAD_PART;
	uint32_t node = t->slot0[t->n_groups] + t->n_states, least = node < t->io.max ? node : t->io.max; /* tickets */
	uint64_t bytes = t->io.node_bytes < io_memory(t->pages) ? t->io.node_bytes : io_memory(t->pages);
	while (n_free(&t->io) > 0 && n_free(&t->io) >= least && has_memory(t, bytes) &&
	       pages_room(t->pages) + t->io.bytes_leaving < aim && tree_evict_one(t))
		;
}

/* ---- In ---------------------------------------------------------------------------------------------------------- */

/* A page of the path to a look-up's end: loads it if it is cold. Returns whether it is under way then, or waits until
 * others are no longer. */
static bool load_page(struct tree *t, struct kv_seq *s, uint32_t g, uint32_t block, kv_page page)
{
	const struct page_info *i = pages_info(t->pages, g, page);
	uint64_t bytes = t->pages->group[g].stride;
	if (i->form == PAGE_READING)
		return true;
	if (i->form != PAGE_COLD)
		return false;
	bool room = tree_make_room(t, bytes); /* which may take tickets, or window pages of the path */
	if (i->refs == 0 || i->form != PAGE_COLD)
		return false;
	if (n_free(&t->io) == 0 || !has_memory(t, bytes))
		return true;
	if (!room || pages_read(t->pages, g, page, NULL) != 0)
		return false;
	s->reads++;
	add_ticket(t, (struct kv_io){.group = g,
				     .page = page,
				     .tokens = g < t->n_groups ? i->claimed : 0,
				     .block = block,
				     .place = pages_place(t->pages, g, page)});
	return true;
}

/* The pages of a group for tokens from..end of the path; `tokens` of it are wanted in all. */
static bool load_blocks(struct tree *t, struct kv_seq *s, const struct path *p, uint32_t g, uint32_t from, uint32_t end,
			uint32_t tokens)
{
	const struct kv_group_desc *d = &t->desc[g];
	const struct node *at = p->deepest;
	bool loading = false;
	for (uint32_t b = blocks_for(d, end); b-- > block_of(d, from);) {
		kv_page page = KV_PAGE_NONE;
		if (is_needed(d, b, tokens))
			page = tree_path_page(t, &at, g, b, p->matched, tokens);
		if (page)
			loading |= load_page(t, s, g, b, page);
	}
	return loading;
}

/* Frame by frame from the start of the path: what has come can be taken while the rest is under way. */
static bool load_path(struct tree *t, struct kv_seq *s, const struct path *p)
{
	uint32_t end;
	bool loading = false;
	const struct node *last = tree_node_before(p->deepest, p->stored);
	for (uint32_t i = 0; i < t->n_states && node_has_states(t, last); i++)
		loading |= load_page(t, s, t->n_groups + i, p->stored, node_states(t, last)[i]);
	for (uint32_t from = s->tokens; from < p->stored && n_free(&t->io) > 0; from = end) {
		end = (from | (t->frame - 1)) + 1;
		end = end < p->stored ? end : p->stored;
		for (uint32_t g = 0; g < t->n_groups; g++)
			loading |= load_blocks(t, s, p, g, from, end, p->stored);
	}
	return loading || n_free(&t->io) == 0;
}

/* What is read may have to leave again before it is taken: a sequence has not more read for it than twice what it needs. */
static bool may_read_more(const struct tree *t, const struct kv_seq *s, uint32_t tokens)
{
	uint64_t pages = t->n_states;
	for (uint32_t g = 0; g < t->n_groups; g++)
		pages += blocks_for(&t->desc[g], tokens);
	return s->reads < READS_MAX * pages;
}

bool kv_load(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	struct tree *t = &kv->tree;
	if (!s->node || t->pages->n_away == 0)
		return false;
	struct path p = path_find(kv, &s->share.scope, s->node, s, ids, n);
	struct path other = path_find(kv, &public_scope, path_public_root(kv, &s->share), s, ids, n);
	if (other.stored > p.stored)
		p = other;
	if (p.stored <= p.usable || p.stored <= s->tokens || !may_read_more(t, s, p.stored))
		return false;
	share_touch(kv, p.deepest, NULL, UINT32_MAX);
	p.deepest->users++; /* the path stays while room is made */
	tree_judge(t, p.deepest);
	bool loading = load_path(t, s, &p);
	p.deepest->users--;
	tree_tidy(t, p.deepest);
	return loading;
}

/* ---- The end of it ----------------------------------------------------------------------------------------------- */

static bool names(const struct tree *t, const struct node *n, const struct kv_io *io)
{
	if (!n->parent)
		return false;
	if (io->group >= t->n_groups)
		return node_states(t, n)[io->group - t->n_groups] == io->page;
	return io->block >= node_first(t, n, io->group) && io->block <= node_last(t, n, io->group) &&
	       n->pages[tree_slot(t, io->group, io->block)] == io->page;
}

/* The deepest node that names the page of a ticket; NULL: none does any more. Failures are rare: it looks at all. */
static struct node *find_holder(const struct tree *t, const struct kv_io *io, bool cold)
{
	struct node *deepest = NULL;
	for (uint32_t i = 0; i < t->n_buckets; i++)
		for (struct node *n = t->buckets[i]; n; n = n->chain)
			if (names(t, n, io) && (!cold || n->cold) && (!deepest || n->end > deepest->end))
				deepest = n;
	return deepest;
}

/* A branch that begins inside the block has a page of its own for it, which holds the same head. None: no branch has. */
static kv_page page_of_branch(const struct tree *t, const struct node *n, const struct kv_io *io)
{
	for (const struct node *c = n->child; c && block_of(&t->desc[io->group], n->end) == io->block; c = c->next) {
		kv_page page = c->pages[tree_slot(t, io->group, io->block)];
		if (page && page != io->page)
			return page;
	}
	return KV_PAGE_NONE;
}

/* What needs a page that is lost leaves the tree: it will be computed again. Where sequences are on a branch, that has a
 * page of its own, else theirs would not have left memory. */
static void give_up(struct tree *t, const struct kv_io *io)
{
	for (struct node *n; (n = find_holder(t, io, false));) {
		kv_page other = io->group < t->n_groups ? page_of_branch(t, n, io) : KV_PAGE_NONE;
		if (io->group >= t->n_groups) {
			tree_set_states(t, n, NULL);
		} else if (other) {
			tree_set_page(t, n, io->group, io->block, other);
		} else if (t->desc[io->group].window && !is_sink(&t->desc[io->group], io->block)) {
			tree_set_page(t, n, io->group, io->block, KV_PAGE_NONE);
			tree_judge(t, n);
		} else {
			t->tokens_lost += n->end - n->start;
			tree_drop(t, n, KV_EVICTED);
		}
	}
}

void kv_io_done(struct kv *kv, uint32_t ticket, bool ok, uint64_t place)
{
	struct tree *t = &kv->tree;
	struct io *io = &t->io;
	struct kv_io done = io->tickets[ticket].io;
	io->tickets[ticket].out = io->tickets[ticket].taken = false;
	io->tickets[ticket].next = io->free;
	io->free = ticket;
	io->n_out--;
	io->bytes -= t->pages->group[done.group].stride;
	t->io_failed += !ok;
	if (done.write) {
		io->bytes_leaving -= t->pages->group[done.group].stride;
		bool cold = pages_written(t->pages, done.group, done.page, ok ? place : 0);
		t->pages_spilled += cold;
		for (struct node *n; !ok && (n = find_holder(t, &done, true));)
			tree_warm(t, n);
		return;
	}
	bool named = pages_info(t->pages, done.group, done.page)->refs > 0;
	pages_was_read(t->pages, done.group, done.page, ok);
	t->pages_loaded += ok;
	if (!ok && named)
		give_up(t, &done);
}

/* ---- What the store has from before ------------------------------------------------------------------------------ */

/* Which of places is that of a block of a piece that begins at start? */
static uint32_t place_index(const struct tree *t, uint32_t group, uint32_t block, uint32_t start, uint32_t end)
{
	uint32_t before = 0;
	for (uint32_t g = 0; g < group && g < t->n_groups; g++)
		before += block_of(&t->desc[g], end - 1) - block_of(&t->desc[g], start) + 1;
	return group < t->n_groups ? before + block - block_of(&t->desc[group], start) : before + group - t->n_groups;
}

static int check_places(const struct tree *t, uint32_t start, uint32_t end, const uint64_t *places,
			struct kvik_err *err)
{
	for (uint32_t g = 0; g < t->n_groups; g++) {
		const struct kv_group_desc *d = &t->desc[g];
		uint32_t last = block_of(d, end - 1);
		for (uint32_t b = block_of(d, start); b <= last; b++)
			if (places[place_index(t, g, b, start, end)] == 0 && (!d->window || is_sink(d, b)))
				return err_set(err, KVIK_ERR_ARG, "kv: a stored piece lacks a page");
		if (t->pages->group[g].n_cold + t->io.n_out + last + 1 - block_of(d, start) >
		    t->pages->group[g].cold_max)
			return err_set(err, KVIK_ERR_LIMIT, "kv: no room for more cold pages");
	}
	for (uint32_t i = 0; i < t->n_states; i++)
		if ((places[place_index(t, t->n_groups + i, 0, start, end)] == 0) !=
		    (places[place_index(t, t->n_groups, 0, start, end)] == 0))
			return err_set(err, KVIK_ERR_ARG, "kv: a stored piece has states of some groups only");
	return 0;
}

static void adopt_pages(struct tree *t, struct node *n, uint32_t start, const uint64_t *places)
{
	for (uint32_t g = 0; g < t->n_groups; g++)
		for (uint32_t b = node_first(t, n, g); b <= node_last(t, n, g); b++) {
			uint64_t place = places[place_index(t, g, b, start, n->end)];
			uint32_t p = t->desc[g].page_tokens, filled = n->end - b * p;
			if (place == 0)
				continue;
			n->pages[tree_slot(t, g, b)] = pages_adopt(t->pages, g, place, filled < p ? filled : p);
			n->n_windows += t->desc[g].window && !is_sink(&t->desc[g], b);
		}
	for (uint32_t i = 0; i < t->n_states; i++) {
		uint64_t place = places[place_index(t, t->n_groups + i, 0, start, n->end)];
		if (place)
			n->pages[t->slot0[t->n_groups] + i] = pages_adopt(t->pages, t->n_groups + i, place, 0);
	}
}

static void adopt_node(struct tree *t, struct node *parent, const struct kv_share *share, const uint32_t *ids,
		       uint32_t start, uint32_t end, const uint64_t *places, uint32_t *promised)
{
	struct node *n = tree_add(t, parent, ids[parent->end], promised);
	for (uint32_t i = n->end; i < end; i++) {
		*tree_token(t, n, i) = ids[i];
		n->hash = ghost_roll(n->hash, ids[i]);
	}
	n->end = end;
	n->priority = share->priority;
	n->ttl = share->ttl ? share->ttl : NODE_FOREVER;
	n->expires = tree_expiry(t, n->ttl);
	adopt_pages(t, n, start, places);
	cool_node(t, n);
}

int kv_adopt(struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t start, uint32_t end,
	     const uint64_t *places, bool *taken, struct kvik_err *err)
{
	struct tree *t = &kv->tree;
	uint32_t promised = 3, matched; /* a root, a split, the piece */
	*taken = false;
	if (!t->pages->store || start >= end || start / t->frame != (end - 1) / t->frame || end > kv->seq_tokens_max)
		return err_set(err, KVIK_ERR_ARG, "kv: a stored piece is too long, or crosses a frame");
	int rc = check_places(t, start, end, places, err);
	if (!rc)
		rc = tree_promise(t, promised, err);
	if (rc)
		return rc;
	struct node *root = tree_root(t, &share->scope);
	if (!root)
		root = tree_add_root(t, &share->scope, &promised);
	struct node *at = tree_walk(t, root, ids, end, &matched);
	if (matched < start) {
		rc = err_set(err, KVIK_ERR_ARG, "kv: what comes before a stored piece is not known");
	} else if (matched < end) {
		at = tree_split(t, at, matched, &promised);
		adopt_node(t, at, share, ids, start, end, places, &promised);
		*taken = true;
	}
	tree_unpromise(t, promised);
	if (!root->child)
		tree_tidy(t, root);
	return rc;
}
