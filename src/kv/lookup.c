/* lookup.c: what is known of a text, and by whom the rest is being computed: pure, nothing changes.
 *
 *     ids   ######################..........      # in the tree
 *                     ^ from      ^ q             . announced by q, which sits here: pending
 *
 * A walk leads down from where the sequence is (or from a root). Whoever announces a text that goes on like ids has
 * computed its tokens so far, so it sits on an end of the walked path: only those are compared, and only behind their
 * tokens; what one that waits has compared before is not compared again. */
#include <string.h>

#include "kv/kv_impl.h"

const char *kv_why_text(enum kv_why why)
{
	static const char *const text[KV_WHY_COUNT] = {
		[KV_ALL] = "all of it is cached",
		[KV_NEW] = "nothing longer is known",
		[KV_DIFFERS] = "the cached text goes on differently",
		[KV_EVICTED] = "the rest was evicted to make room",
		[KV_EXPIRED] = "the time to live of the rest was over",
		[KV_WINDOW] = "the tokens are cached, but a sliding window there was given up for memory",
		[KV_STATE] = "the tokens are cached, but no state of a recurrent layer there"};
	return (unsigned)why < KV_WHY_COUNT ? text[why] : "unknown";
}

const struct kv_scope public_scope; /* no secret */

struct path path_find(const struct kv *kv, const struct kv_scope *scope, struct node *from, const struct kv_seq *s,
		      const uint32_t *ids, uint32_t n)
{
	struct path p = {.scope = scope, .from = from, .deepest = from};
	if (!from)
		return p;
	p.deepest = tree_walk(&kv->tree, from, ids, n, &p.matched);
	p.usable = p.stored = tree_usable(&kv->tree, p.deepest, p.matched, s ? s->table : NULL, s ? s->tokens : 0);
	if (kv->pages.n_away > 0)
		p.usable = tree_resident(&kv->tree, p.deepest, p.matched, s ? s->table : NULL, s ? s->tokens : 0,
					 p.stored);
	return p;
}

struct node *path_public_root(const struct kv *kv, const struct kv_share *share)
{
	return share->read_public ? tree_root(&kv->tree, &public_scope) : NULL;
}

/* ---- Why it ends there ------------------------------------------------------------------------------------------- */

/* Of all matched tokens, which may end inside a node. */
static uint64_t hash_of(const struct tree *t, const struct path *p)
{
	const struct node *n = p->deepest;
	if (!n)
		return tree_scope_hash(p->scope);
	if (p->matched == n->end)
		return n->hash;
	uint64_t hash = n->parent->hash;
	for (uint32_t i = n->start; i < p->matched; i++)
		hash = ghost_roll(hash, *tree_token(t, n, i));
	return hash;
}

void path_explain(const struct kv *kv, const struct path *p, const uint32_t *ids, uint32_t n, struct kv_hit *hit)
{
	const struct tree *t = &kv->tree;
	const struct node *deepest = p->deepest;
	hit->matched = p->matched;
	hit->stored = p->stored > hit->tokens ? p->stored : hit->tokens;
	if (hit->tokens >= n) {
		hit->why = KV_ALL;
	} else if (hit->tokens < p->stored) {
		hit->why = KV_EVICTED; /* to the store */
	} else if (hit->tokens < p->matched) {
		hit->why = tree_windows_usable(t, deepest, p->matched, NULL, 0) > hit->tokens && t->n_states > 0
				   ? KV_STATE
				   : KV_WINDOW;
	} else {
		hit->why = ghost_cause(&t->ghost, ghost_roll(hash_of(t, p), ids[p->matched]));
		if (hit->why != KV_NEW)
			return;
		if (deepest && p->matched < deepest->end) {
			hit->why = KV_DIFFERS;
			hit->other = *tree_token(t, deepest, p->matched);
		} else if (deepest && deepest->child) {
			hit->why = KV_DIFFERS;
			hit->other = *tree_token(t, deepest->child, deepest->end);
		}
	}
}

/* ---- Who computes the rest --------------------------------------------------------------------------------------- */

/* Up to which position q will have computed ids; 0: it goes on differently. */
static uint32_t common_with(const struct kv_seq *q, const struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	uint32_t most = q->n_announced < n ? q->n_announced : n, equal = q->tokens;
	if (s && s->heard == q->announcement && s->heard_common > equal)
		equal = s->heard_common < most ? s->heard_common : most;
	while (equal < most && q->announced[equal] == ids[equal])
		equal++;
	return equal > q->tokens ? equal : 0;
}

void path_leader(const struct path *p, const struct kv_seq *s, const uint32_t *ids, uint32_t n, struct leader *l)
{
	for (const struct node *at = p->deepest; at; at = at == p->from ? NULL : at->parent)
		for (struct kv_seq *q = at->announcing; q && at->end <= p->matched; q = q->next_announcing) {
			uint32_t common = q == s ? 0 : common_with(q, s, ids, n);
			if (common > l->common)
				*l = (struct leader){q, common};
		}
}

void path_tell_leader(const struct leader *l, struct kv_hit *hit)
{
	if (l->common <= hit->tokens)
		return;
	hit->pending = l->common;
	hit->leader = l->seq;
}

/* ---- Looking only ------------------------------------------------------------------------------------------------ */

static void look(const struct kv *kv, const struct kv_share *share, struct node *from, const struct kv_seq *s,
		 const uint32_t *ids, uint32_t n, struct kv_hit *hit)
{
	struct path own = path_find(kv, &share->scope, from, s, ids, n);
	struct path other = path_find(kv, &public_scope, path_public_root(kv, share), s, ids, n);
	struct leader leader = {0};
	path_leader(&own, s, ids, n, &leader);
	path_leader(&other, s, ids, n, &leader);
	if (other.usable > own.usable)
		own = other;
	*hit = (struct kv_hit){.tokens = s && s->tokens > own.usable ? s->tokens : own.usable};
	path_explain(kv, &own, ids, n, hit);
	path_tell_leader(&leader, hit);
}

void kv_lookup(const struct kv *kv, const struct kv_seq *s, const uint32_t *ids, uint32_t n, struct kv_hit *hit)
{
	*hit = (struct kv_hit){.tokens = s->tokens, .matched = s->tokens};
	if (s->node)
		look(kv, &s->share, s->node, s, ids, n < kv->seq_tokens_max ? n : kv->seq_tokens_max, hit);
}

static bool may_read(const struct kv_share *share, const struct kv_scope *scope)
{
	return memcmp(&share->scope, scope, sizeof *scope) == 0 ||
	       (share->read_public && memcmp(&public_scope, scope, sizeof *scope) == 0);
}

static bool is_elsewhere(const struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t n,
			 uint32_t matched)
{
	const struct tree *t = &kv->tree;
	for (uint32_t i = 0; i < t->n_buckets; i++)
		for (struct node *root = t->buckets[i]; root; root = root->chain) {
			struct kv_scope scope = tree_scope(t, root);
			if (!root->parent && !may_read(share, &scope) &&
			    path_find(kv, &scope, root, NULL, ids, n).matched > matched)
				return true;
		}
	return false;
}

void kv_explain(const struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t n, struct kv_hit *hit)
{
	look(kv, share, tree_root(&kv->tree, &share->scope), NULL, ids, n, hit);
	hit->elsewhere = is_elsewhere(kv, share, ids, n, hit->matched);
}
