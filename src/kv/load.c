/* load.c: what comes in from the store: pages that a sequence waits for, and what is there from before.
 *
 * Owner: the cache's thread. */
#include "kv/io.h"

enum { READS_MAX = 2 }; /* times that a sequence may have its prefix read before it has to compute it */

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
	if (io_free(&t->io) == 0 || !io_has_memory(t, bytes))
		return t->io.n_out > 0;
	if (!room || pages_read(t->pages, g, page, NULL) != 0)
		return false;
	s->reads++;
	io_add(t, (struct kv_io){.group = g,
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
	for (uint32_t from = s->tokens; from < p->stored && io_free(&t->io) > 0; from = end) {
		end = (from | (t->frame - 1)) + 1;
		end = end < p->stored ? end : p->stored;
		for (uint32_t g = 0; g < t->n_groups; g++)
			loading |= load_blocks(t, s, p, g, from, end, p->stored);
	}
	return loading || io_free(&t->io) == 0;
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
	tree_cool(t, n);
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
