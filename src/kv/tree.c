/* tree.c: nodes of the prefix tree, their index and their pages; see tree.h.
 *
 * Children are found through one hash table over (parent, first token), so that a step down costs one probe however
 * many branches a node has; all tokens are compared, the hash decides nothing.
 *
 * Invariants (tree_check.c proves them):
 *  1. start < end within one frame, start = end of the parent; roots are 0..0 and have children or users.
 *  2. Siblings begin with different tokens; roots have different secrets.
 *  3. A node has a page for each of its blocks, but for window groups, which may lack any that holds no sink; and none
 *     for other blocks. Each counts one reference of the tree.
 *  4. hash = that of the parent rolled over the node's tokens.
 *  5. The states of a node are those of its end; it has them of all STATE groups or of none.
 *  6. table_bytes counts nodes, spare nodes and buckets. */
#include "kv/tree.h"

#include <assert.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"

enum { FRAME_MIN = 128, BUCKETS_MIN = 64 };

/* ---- The tree as a whole ----------------------------------------------------------------------------------------- */

void tree_lay_out(struct tree *t)
{
	t->frame = FRAME_MIN;
	for (uint32_t g = 0; g < t->n_groups; g++)
		if (t->desc[g].page_tokens > t->frame)
			t->frame = t->desc[g].page_tokens;
	for (uint32_t g = 0; g < t->n_groups; g++) {
		t->slot0[g + 1] = t->slot0[g] + t->frame / t->desc[g].page_tokens;
		if (t->desc[g].window > t->window_max)
			t->window_max = t->desc[g].window;
	}
	t->token0 = t->slot0[t->n_groups] + t->n_states;
	t->node_bytes = sizeof(struct node) + t->token0 * sizeof(kv_page) + t->frame * sizeof(uint32_t);
}

/* Tokens cost pages of the full groups, nodes, and states every so often; where there are only windows, count as if they
 * kept everything. */
static uint64_t unit_bytes(const struct tree *t, uint32_t state_every)
{
	uint64_t full = 0, all = 0, nodes = t->node_bytes * GHOST_UNIT_TOKENS / t->frame;
	uint64_t states = state_every ? tree_state_bytes(t) * GHOST_UNIT_TOKENS / state_every : 0;
	for (uint32_t g = 0; g < t->n_groups; g++) {
		uint64_t bytes = t->pages->group[g].stride * GHOST_UNIT_TOKENS / t->desc[g].page_tokens + 1;
		all += bytes;
		full += t->desc[g].window ? 0 : bytes;
	}
	return nodes + states + (full ? full : all);
}

int tree_init(struct tree *t, struct pages *p, const struct kv_group_desc *desc, uint32_t n_groups, uint32_t n_states,
	      uint32_t state_every, struct kvik_err *err)
{
	*t = (struct tree){.pages = p, .desc = desc, .n_groups = n_groups, .n_states = n_states};
	tree_lay_out(t);
	evict_init(t);
	uint64_t unit = unit_bytes(t, state_every), units = pages_room(p) / unit;
	t->bytes_per_token = (double)unit / GHOST_UNIT_TOKENS;
	t->patience = (double)units * GHOST_UNIT_TOKENS / 4 + 1;
	int rc = ghost_init(&t->ghost, units, p->memory_bytes / 256, err);
	if (rc)
		return rc;
	t->buckets = mem_zalloc(BUCKETS_MIN, sizeof(struct node *));
	if (!t->buckets)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for the prefix tree");
	t->n_buckets = BUCKETS_MIN;
	pages_count_table(p, (int64_t)(ghost_bytes(&t->ghost) + t->n_buckets * sizeof *t->buckets));
	return 0;
}

static void free_chain(struct node *n)
{
	while (n) {
		struct node *next = n->chain;
		mem_free(n);
		n = next;
	}
}

void tree_release(struct tree *t)
{
	for (uint32_t i = 0; i < t->n_buckets; i++)
		free_chain(t->buckets[i]);
	free_chain(t->spare);
	mem_free(t->buckets);
	ghost_release(&t->ghost);
	*t = (struct tree){0};
}

/* ---- Index ------------------------------------------------------------------------------------------------------- */

static struct node **bucket_of(const struct tree *t, const struct node *parent, uint32_t token)
{
	uint64_t key = ((uint64_t)(uintptr_t)parent >> 4) * UINT64_C(0x9E3779B97F4A7C15) + token;
	return &t->buckets[ghost_mix(key) & (t->n_buckets - 1)];
}

static uint32_t first_token(const struct tree *t, const struct node *n)
{
	return *tree_token(t, n, n->start);
}

static void index_add(struct tree *t, struct node *n)
{
	struct node **bucket = bucket_of(t, n->parent, first_token(t, n));
	n->chain = *bucket;
	*bucket = n;
}

static void index_remove(struct tree *t, struct node *n)
{
	struct node **at = bucket_of(t, n->parent, first_token(t, n));
	while (*at != n)
		at = &(*at)->chain;
	*at = n->chain;
	n->chain = NULL;
}

/* Twice the buckets, if there is room for them without evicting; else chains grow a little longer. */
static void index_grow(struct tree *t)
{
	uint32_t n_old = t->n_buckets;
	uint64_t more = n_old * sizeof *t->buckets;
	if (t->n_nodes < n_old || pages_room(t->pages) < 2 * more)
		return;
	pages_give_back(t->pages, 2 * more);
	struct node **old = t->buckets, **buckets = mem_zalloc(2 * n_old, sizeof *buckets);
	if (!buckets)
		return;
	t->buckets = buckets;
	t->n_buckets = 2 * n_old;
	for (uint32_t i = 0; i < n_old; i++)
		for (struct node *n = old[i], *next; n; n = next) {
			next = n->chain;
			index_add(t, n);
		}
	mem_free(old);
	pages_count_table(t->pages, (int64_t)more);
}

struct node *tree_child(const struct tree *t, const struct node *n, uint32_t token)
{
	struct node *c = n->child;
	if (!c || (first_token(t, c) == token))
		return c;
	if (!c->next)
		return NULL;
	for (c = *bucket_of(t, n, token); c; c = c->chain)
		if (c->parent == n && first_token(t, c) == token)
			return c;
	return NULL;
}

/* ---- Nodes come and go ------------------------------------------------------------------------------------------- */

int tree_promise(struct tree *t, uint32_t n, struct kvik_err *err)
{
	t->n_promised += n;
	while (t->n_spare < t->n_promised) {
		bool room = tree_make_table_room(t, t->node_bytes);
		struct node *node = room ? mem_alloc(t->node_bytes) : NULL;
		if (!node) {
			t->n_promised -= n;
			return room ? err_set(err, KVIK_ERR_NOMEM, "kv: no memory for the prefix tree")
				    : err_set(err, KVIK_ERR_FULL, "the KV cache is full: no room for the prefix tree");
		}
		pages_count_table(t->pages, (int64_t)t->node_bytes);
		node->chain = t->spare;
		t->spare = node;
		t->n_spare++;
	}
	return 0;
}

void tree_unpromise(struct tree *t, uint32_t n)
{
	t->n_promised -= n;
}

static struct node *take_spare(struct tree *t, uint32_t *promised)
{
	struct node *n = t->spare;
	assert(*promised > 0 && n);
	--*promised;
	t->n_promised--;
	t->spare = n->chain;
	t->n_spare--;
	t->n_nodes++;
	memset(n, 0, offsetof(struct node, pages) + t->token0 * sizeof n->pages[0]);
	index_grow(t);
	return n;
}

void tree_trim_spare(struct tree *t)
{
	while (t->n_spare > t->n_promised) {
		struct node *n = t->spare;
		t->spare = n->chain;
		t->n_spare--;
		mem_free(n);
		pages_count_table(t->pages, -(int64_t)t->node_bytes);
	}
}

static void link_child(struct tree *t, struct node *parent, struct node *n)
{
	n->parent = parent;
	n->prev = n->next = NULL;
	if (parent) {
		LIST_PUSH(parent->child, n);
		parent->n_warm += !n->cold;
	}
	index_add(t, n);
}

static void unlink_child(struct tree *t, struct node *n)
{
	index_remove(t, n);
	if (!n->parent)
		return;
	n->parent->n_warm -= !n->cold;
	LIST_REMOVE(n->parent->child, n);
}

/* Not linked, not staked, without pages. */
static void free_node(struct tree *t, struct node *n)
{
	io_settled(t, n);
	mem_free(n);
	t->n_nodes--;
	pages_count_table(t->pages, -(int64_t)t->node_bytes);
}

uint64_t tree_scope_hash(const struct kv_scope *scope)
{
	return ghost_mix(scope->secret[0] ^ ghost_mix(scope->secret[1] + 1));
}

struct kv_scope tree_scope(const struct tree *t, const struct node *root)
{
	struct kv_scope scope;
	memcpy(&scope, tree_token(t, root, 0), sizeof scope);
	return scope;
}

struct node *tree_root(const struct tree *t, const struct kv_scope *scope)
{
	uint32_t first;
	memcpy(&first, scope->secret, sizeof first);
	struct node *n = *bucket_of(t, NULL, first);
	while (n && (n->parent || memcmp(tree_token(t, n, 0), scope->secret, sizeof scope->secret) != 0))
		n = n->chain;
	return n;
}

struct node *tree_add_root(struct tree *t, const struct kv_scope *scope, uint32_t *promised)
{
	struct node *n = take_spare(t, promised);
	memcpy(tree_token(t, n, 0), scope->secret, sizeof scope->secret);
	n->hash = tree_scope_hash(scope);
	link_child(t, NULL, n);
	return n;
}

struct node *tree_add(struct tree *t, struct node *parent, uint32_t token, uint32_t *promised)
{
	struct node *n = take_spare(t, promised);
	n->start = parent->end;
	n->end = n->start + 1;
	*tree_token(t, n, n->start) = token;
	n->hash = ghost_roll(parent->hash, token);
	n->used_at = t->now;
	link_child(t, parent, n);
	tree_judge(t, parent);
	return n;
}

static void put_states(struct tree *t, struct node *n, const kv_page *pages)
{
	kv_page *states = n->pages + t->slot0[t->n_groups];
	for (uint32_t i = 0; i < t->n_states; i++) {
		kv_page old = states[i];
		states[i] = pages ? pages[i] : KV_PAGE_NONE;
		if (states[i])
			pages_ref_tree(t->pages, t->n_groups + i, states[i]);
		if (old)
			pages_unref_tree(t->pages, t->n_groups + i, old);
	}
}

void tree_remove(struct tree *t, struct node *n, bool tidy)
{
	struct node *parent = n->parent;
	assert(!n->child && n->users == 0);
	tree_unstake(t, n);
	for (uint32_t g = 0; g < t->n_groups && parent; g++)
		for (uint32_t b = node_first(t, n, g); b <= node_last(t, n, g); b++)
			tree_set_page(t, n, g, b, KV_PAGE_NONE);
	put_states(t, n, NULL);
	unlink_child(t, n);
	free_node(t, n);
	if (parent && tidy)
		tree_tidy(t, parent);
}

/* ---- Pages ------------------------------------------------------------------------------------------------------- */

void tree_set_page(struct tree *t, struct node *n, uint32_t group, uint32_t block, kv_page page)
{
	kv_page *slot = &n->pages[tree_slot(t, group, block)], old = *slot;
	bool counts = t->desc[group].window && !is_sink(&t->desc[group], block);
	if (page == old)
		return;
	if (page)
		pages_ref_tree(t->pages, group, page);
	if (old)
		pages_unref_tree(t->pages, group, old);
	n->n_windows += (uint32_t)(counts && page) - (uint32_t)(counts && old);
	*slot = page;
	if (page)
		io_changed(t, n);
}

/* ---- States ------------------------------------------------------------------------------------------------------ */

void tree_set_states(struct tree *t, struct node *n, const kv_page *pages)
{
	tree_unstake(t, n);
	put_states(t, n, pages);
	if (pages)
		io_changed(t, n);
	n->state_hits = 0;
	n->state_used = ++t->tick;
	tree_judge(t, n);
	if (!pages)
		tree_merge(t, n);
}

struct node *tree_node_before(struct node *n, uint32_t position)
{
	while (n->parent && n->start >= position)
		n = n->parent;
	return n;
}

uint32_t tree_state_before(const struct tree *t, const struct node *n)
{
	if (!n->parent)
		return 0;
	for (n = n->parent; n->parent && !node_has_states(t, n);)
		n = n->parent;
	return n->end;
}

uint64_t tree_state_bytes(const struct tree *t)
{
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < t->n_states; i++)
		bytes += t->pages->group[t->n_groups + i].stride;
	return bytes;
}

/* ---- Walk, split, merge ------------------------------------------------------------------------------------------ */

struct node *tree_walk(const struct tree *t, struct node *from, const uint32_t *ids, uint32_t n, uint32_t *matched)
{
	uint32_t at = from->end;
	while (at < n) {
		struct node *c = tree_child(t, from, ids[at]);
		if (!c)
			break;
		const uint32_t *tokens = tree_token(t, c, at);
		uint32_t end = c->end < n ? c->end - at : n - at, equal = 1;
		while (equal < end && tokens[equal] == ids[at + equal])
			equal++;
		from = c;
		at += equal;
		if (at < c->end)
			break;
	}
	*matched = at;
	return from;
}

/* Blocks of head's tokens move from tail to head; one that holds tokens of both is shared. */
static void split_pages(struct tree *t, struct node *head, struct node *tail, uint32_t group)
{
	for (uint32_t b = node_first(t, head, group); b <= node_last(t, head, group); b++) {
		kv_page page = tail->pages[tree_slot(t, group, b)];
		tree_set_page(t, head, group, b, page);
		if (b < node_first(t, tail, group))
			tree_set_page(t, tail, group, b, KV_PAGE_NONE);
	}
}

static void copy_tokens(const struct tree *t, struct node *to, const struct node *from, uint32_t start, uint32_t end)
{
	memcpy(tree_token(t, to, start), tree_token(t, from, start), (end - start) * sizeof(uint32_t));
}

struct node *tree_split(struct tree *t, struct node *n, uint32_t position, uint32_t *promised)
{
	n = tree_node_before(n, position);
	if (n->end == position || !n->parent)
		return n;
	struct node *head = take_spare(t, promised);
	head->start = n->start;
	head->end = position;
	head->used = n->used;
	head->used_at = n->used_at;
	head->ttl = n->ttl;
	head->expires = n->expires;
	head->hits = n->hits;
	head->priority = n->priority;
	head->cold = n->cold;
	copy_tokens(t, head, n, n->start, position);
	head->hash = n->parent->hash;
	for (uint32_t i = head->start; i < position; i++)
		head->hash = ghost_roll(head->hash, *tree_token(t, head, i));
	unlink_child(t, n);
	link_child(t, n->parent, head);
	n->start = position;
	link_child(t, head, n);
	for (uint32_t g = 0; g < t->n_groups; g++)
		split_pages(t, head, n, g);
	tree_judge(t, head);
	tree_judge(t, n);
	return head;
}

/* The child's page of a block that holds tokens of both is the one that is valid for both. */
static void merge_pages(struct tree *t, struct node *n, struct node *child, uint32_t group)
{
	for (uint32_t b = node_first(t, n, group); b <= node_last(t, n, group); b++) {
		if (b < node_first(t, child, group))
			tree_set_page(t, child, group, b, n->pages[tree_slot(t, group, b)]);
		tree_set_page(t, n, group, b, KV_PAGE_NONE);
	}
}

void tree_merge(struct tree *t, struct node *n)
{
	struct node *c = n->child, *parent = n->parent;
	if (!parent || n->users > 0 || n->marked || node_has_states(t, n) || !c || c->next ||
	    c->start % t->frame == 0 || c->cold != n->cold || c->expires != n->expires || c->ttl != n->ttl ||
	    c->priority != n->priority)
		return;
	tree_unstake(t, n);
	for (uint32_t g = 0; g < t->n_groups; g++)
		merge_pages(t, n, c, g);
	unlink_child(t, c);
	unlink_child(t, n);
	copy_tokens(t, c, n, n->start, n->end);
	c->start = n->start;
	link_child(t, parent, c);
	free_node(t, n);
	tree_judge(t, c);
}

void tree_tidy(struct tree *t, struct node *n)
{
	if (!n->parent && !n->child && n->users == 0) {
		tree_remove(t, n, true);
		return;
	}
	tree_judge(t, n);
	tree_merge(t, n);
}
