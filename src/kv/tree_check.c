/* tree_check.c: proves the invariants of tree.c and evict.c from scratch; slow, for tests and debug builds. */
#include "kv/tree.h"

#include <string.h>

/* Pages of one group of a node; see invariant 3 of tree.c. */
static const char *check_pages(const struct tree *t, const struct node *n, uint32_t g, struct page_seen *seen,
			       uint32_t *n_windows)
{
	const struct kv_group_desc *d = &t->desc[g];
	const struct page_group *pg = &t->pages->group[g];
	uint32_t slots = t->slot0[g + 1] - t->slot0[g], first = node_first(t, n, g), last = node_last(t, n, g),
		 held = 0;
	for (uint32_t i = 0; i < slots; i++)
		held += n->pages[t->slot0[g] + i] != KV_PAGE_NONE;
	for (uint32_t b = first; b <= last; b++) {
		kv_page page = n->pages[tree_slot(t, g, b)];
		if (!page) {
			if (!d->window || is_sink(d, b))
				return "a node lacks a page";
			continue;
		}
		if (page > pg->fresh)
			return "a node names no page of its group";
		struct page_seen *s = &seen[page];
		uint32_t reach = n->end - b * d->page_tokens;
		s->nodes++;
		reach = reach < d->page_tokens ? reach : d->page_tokens;
		s->reach = s->reach > reach ? s->reach : reach;
		*n_windows += d->window && !is_sink(d, b);
		held--;
	}
	return held ? "a node has a page outside of its tokens" : NULL;
}

static const char *check_family(const struct tree *t, const struct node *n)
{
	uint64_t hash = n->parent->hash;
	if (n->start != n->parent->end || n->end <= n->start || n->start / t->frame != (n->end - 1) / t->frame)
		return "a node does not continue its parent, or crosses its frame";
	for (uint32_t i = n->start; i < n->end; i++)
		hash = ghost_roll(hash, *tree_token(t, n, i));
	if (hash != n->hash)
		return "a node's hash is not that of its tokens";
	for (const struct node *o = n->parent->child; o != n; o = o->next) {
		if (!o)
			return "a node is not among its parent's children";
		if (*tree_token(t, o, o->start) == *tree_token(t, n, n->start))
			return "two siblings begin with the same token";
	}
	if (tree_child(t, n->parent, *tree_token(t, n, n->start)) != n)
		return "the index does not find a node";
	return NULL;
}

static const char *check_stake(const struct tree *t, const struct node *n)
{
	enum stake_kind want = STAKE_NONE, states = STAKE_NONE;
	if (n->parent && n->n_warm == 0 && n->users == 0)
		want = STAKE_LEAF;
	if (n->parent && (n->n_warm > 0 || n->users > 0) && n->n_windows > 0)
		want = STAKE_WINDOWS;
	if (n->parent && want != STAKE_LEAF && node_has_states(t, n))
		states = STAKE_STATES;
	if (n->stake.what != want || heap_has(&t->by_age[n->stake.value], &n->stake.link) != (want != STAKE_NONE) ||
	    n->state_stake.what != states ||
	    heap_has(&t->by_age[n->state_stake.value], &n->state_stake.link) != (states != STAKE_NONE))
		return "a node's stake is wrong, or it is not where its stake wants it";
	if (heap_has(&t->by_expiry, &n->by_expiry) != (want == STAKE_LEAF && n->expires != NODE_FOREVER))
		return "a node that will expire is not known to, or the other way";
	return NULL;
}

static const char *check_warmth(const struct node *n)
{
	uint32_t n_warm = 0;
	for (const struct node *c = n->child; c; c = c->next)
		n_warm += !c->cold;
	if (n_warm != n->n_warm || (n->cold && (n_warm > 0 || n->users > 0 || !n->parent)))
		return "a cold node has users or warm children, or those are counted wrongly";
	return NULL;
}

static const char *check_root(const struct tree *t, const struct node *n)
{
	struct kv_scope scope = tree_scope(t, n);
	if (n->start != 0 || n->end != 0 || (!n->child && n->users == 0))
		return "a root has tokens, or neither children nor users";
	return tree_root(t, &scope) == n ? NULL : "two roots have the same secret";
}

/* Of all groups or of none; each is seen as held by a node. */
static const char *check_states(const struct tree *t, const struct node *n, struct page_seen *const *seen)
{
	uint32_t held = 0;
	for (uint32_t i = 0; i < t->n_states; i++) {
		kv_page page = node_states(t, n)[i];
		if (page > t->pages->group[t->n_groups + i].fresh)
			return "a node names no state of its group";
		if (page)
			seen[t->n_groups + i][page].nodes++;
		held += page != KV_PAGE_NONE;
	}
	return held == 0 || (held == t->n_states && n->parent) ? NULL : "a node has states of some groups only";
}

static const char *check_node(const struct tree *t, const struct node *n, struct page_seen *const *seen)
{
	const char *broken = n->parent ? check_family(t, n) : check_root(t, n);
	uint32_t n_windows = 0;
	for (uint32_t g = 0; g < t->n_groups && n->parent && !broken; g++)
		broken = check_pages(t, n, g, seen[g], &n_windows);
	if (!broken && n_windows != n->n_windows)
		return "a node's window pages are counted wrongly";
	if (!broken)
		broken = check_states(t, n, seen);
	if (!broken)
		broken = check_warmth(n);
	return broken ? broken : check_stake(t, n);
}

const char *tree_check(const struct tree *t, struct page_seen *const *seen, uint32_t *nodes, uint32_t *users)
{
	uint32_t n_spare = 0;
	*nodes = *users = 0;
	for (uint32_t i = 0; i < t->n_buckets; i++)
		for (const struct node *n = t->buckets[i]; n; n = n->chain) {
			const char *broken = check_node(t, n, seen);
			if (broken)
				return broken;
			++*nodes;
			*users += n->users;
		}
	for (const struct node *n = t->spare; n; n = n->chain)
		n_spare++;
	if (*nodes != t->n_nodes || n_spare != t->n_spare || n_spare < t->n_promised)
		return "nodes were lost or counted wrongly";
	return NULL;
}
