/* match.c: how a sequence starts from what is known, now or soon.
 *
 *     ids   ######################..........      # in the tree: kv_match moves s to the end of it
 *                                 ↑ s             . announced by a running sequence: hit.pending
 *
 * A sequence that is computing a prompt is itself in the tree up to what it has committed, and its announced ids say
 * how it will go on. Another with the same prompt is told so, waits (or does other work), and matches again after each
 * step; it has then what the first has. When the first is cancelled, nothing is pending any more and the waiting one
 * goes on from where the first stopped. */
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
		[KV_WINDOW] = "the tokens are cached, but a sliding window there was given up for memory"};
	return (unsigned)why < KV_WHY_COUNT ? text[why] : "unknown";
}

static const struct kv_scope public_scope; /* no secret */

/* ---- Announcements ----------------------------------------------------------------------------------------------- */

void kv_announce(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	if (s->n_announced > 0) {
		if (s->prev_announced)
			s->prev_announced->next_announced = s->next_announced;
		else
			kv->announced = s->next_announced;
		if (s->next_announced)
			s->next_announced->prev_announced = s->prev_announced;
	}
	s->announced = ids;
	s->n_announced = n;
	if (n == 0)
		return;
	s->prev_announced = NULL;
	s->next_announced = kv->announced;
	if (s->next_announced)
		s->next_announced->prev_announced = s;
	kv->announced = s;
}

static bool may_read(const struct kv_share *share, const struct kv_scope *scope)
{
	return memcmp(&share->scope, scope, sizeof *scope) == 0 ||
	       (share->read_public && memcmp(&public_scope, scope, sizeof *scope) == 0);
}

/* Up to which position q will have computed the same. */
static uint32_t common_with(const struct kv_seq *q, const uint32_t *ids, uint32_t n)
{
	uint32_t most = q->n_announced < n ? q->n_announced : n, equal = 0;
	while (equal < most && q->announced[equal] == ids[equal])
		equal++;
	return equal > q->tokens ? equal : 0;
}

static void find_leader(const struct kv *kv, const struct kv_seq *self, const struct kv_share *share,
			const uint32_t *ids, uint32_t n, struct kv_hit *hit)
{
	for (struct kv_seq *q = kv->announced; q; q = q->next_announced) {
		if (q == self || !q->node || !may_read(share, &q->share.scope) || hit->tokens >= n ||
		    q->n_announced <= hit->tokens || q->announced[hit->tokens] != ids[hit->tokens])
			continue;
		uint32_t common = common_with(q, ids, n);
		if (common > hit->tokens && common > hit->pending) {
			hit->pending = common;
			hit->leader = q;
		}
	}
}

/* ---- Match ------------------------------------------------------------------------------------------------------- */

/* A walk down the tree of one scope. */
struct path {
	const struct kv_scope *scope;
	struct node *deepest; /* NULL: the scope has no tree */
	uint32_t matched, usable;
};

static struct path follow(const struct kv *kv, const struct kv_scope *scope, struct node *from, const struct kv_seq *s,
			  const uint32_t *ids, uint32_t n)
{
	struct path p = {.scope = scope, .deepest = from};
	if (!from)
		return p;
	p.deepest = tree_walk(&kv->tree, from, ids, n, &p.matched);
	p.usable = tree_usable(&kv->tree, p.deepest, p.matched, s ? s->table : NULL, s ? s->tokens : 0);
	return p;
}

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

/* That the rest was there once says more than that something else is there now. */
static void explain_end(const struct tree *t, const struct path *p, const uint32_t *ids, uint32_t n, struct kv_hit *hit)
{
	const struct node *deepest = p->deepest;
	hit->matched = p->matched;
	if (hit->tokens >= n) {
		hit->why = KV_ALL;
	} else if (hit->tokens < p->matched) {
		hit->why = KV_WINDOW;
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

static struct node *public_root(const struct tree *t, const struct kv_share *share)
{
	return share->read_public ? tree_root(t, &public_scope) : NULL;
}

/* s goes on from a prefix of the public scope; its own scope shares the pages. */
static void take_public(struct kv *kv, struct kv_seq *s, const struct path *p, const uint32_t *ids)
{
	share_adopt(kv, s, p->deepest, p->matched, p->usable);
	share_touch(kv, p->deepest, NULL, s->tokens);
	share_insert(kv, s, ids + s->tokens, p->usable - s->tokens);
	s->tokens = p->usable;
}

static void take_own(struct kv *kv, struct kv_seq *s, const struct path *p)
{
	share_adopt(kv, s, p->deepest, p->matched, p->usable);
	share_move(kv, s, tree_split(&kv->tree, p->deepest, p->usable, &s->promised));
	share_touch(kv, s->node, &s->share, s->tokens);
	s->tokens = p->usable;
}

/* Unpacks the pages of p that s is going to take. To make room for them may cost window pages, so that p may end
 * earlier. FULL: nothing has changed but what was cached. */
static int unpack_path(struct kv *kv, const struct kv_seq *s, struct path *p, struct node *from, const uint32_t *ids,
		       uint32_t n, struct kvik_err *err)
{
	uint64_t bytes;
	while (p->usable > s->tokens && (bytes = share_unpack(kv, s, p->deepest, p->matched, p->usable, false)) > 0) {
		if (pages_room(&kv->pages) >= bytes) {
			share_unpack(kv, s, p->deepest, p->matched, p->usable, true);
			return 0;
		}
		p->deepest->users++; /* the path stays */
		tree_judge(&kv->tree, p->deepest);
		bool room = tree_make_room(&kv->tree, bytes);
		p->deepest->users--;
		tree_tidy(&kv->tree, p->deepest);
		if (!room)
			return err_set(err, KVIK_ERR_FULL, "the KV cache is full: no room to unpack a prefix");
		*p = follow(kv, p->scope, from, s, ids, n);
	}
	return 0;
}

static void count_query(struct kv *kv, struct kv_seq *s, const struct kv_scope *scope, const uint32_t *ids, uint32_t n,
			uint32_t hit)
{
	if (s->asked) {
		kv->tokens_joined += hit;
		return;
	}
	s->asked = true;
	kv->queries++;
	kv->tokens_queried += n;
	kv->tokens_hit += hit;
	tree_use_units(&kv->tree, tree_scope_hash(scope), ids, 0, n, true);
}

int kv_match(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n, struct kv_hit *hit, struct kvik_err *err)
{
	*hit = (struct kv_hit){.tokens = s->tokens};
	if (!s->node || s->reserved > 0)
		return err_set(err, KVIK_ERR_ARG, "kv: only a shared sequence without reservations can match");
	if (n > kv->seq_tokens_max)
		n = kv->seq_tokens_max;
	int rc = seq_grow_tables(kv, s, n, err);
	if (!rc)
		rc = seq_promise_nodes(kv, s, n + kv->tree.frame, err); /* take_own makes one more */
	if (rc)
		return rc;
	uint32_t before = s->tokens;
	const struct kv_scope *scope = &s->share.scope;
	struct path own = follow(kv, &s->share.scope, s->node, s, ids, n);
	rc = unpack_path(kv, s, &own, s->node, ids, n, err);
	if (rc) {
		seq_break_promise(kv, s);
		return rc;
	}
	if (own.usable > s->tokens)
		take_own(kv, s, &own);
	struct node *public = public_root(&kv->tree, &s->share);
	struct path other = follow(kv, &public_scope, public, s, ids, n);
	if (unpack_path(kv, s, &other, public, ids, n, NULL) == 0 && other.usable > s->tokens) {
		scope = &public_scope;
		take_public(kv, s, &other, ids);
		own = other;
	}
	seq_break_promise(kv, s);
	count_query(kv, s, scope, ids, n, s->tokens - before);
	hit->tokens = s->tokens;
	explain_end(&kv->tree, &own, ids, n, hit);
	find_leader(kv, s, &s->share, ids, n, hit);
	return 0;
}

void kv_mark(struct kv *kv, struct kv_seq *s)
{
	(void)kv;
	if (s->node && s->node->parent)
		s->node->marked = true;
}

/* ---- Explain ----------------------------------------------------------------------------------------------------- */

static bool is_elsewhere(const struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t n,
			 uint32_t matched)
{
	const struct tree *t = &kv->tree;
	for (uint32_t i = 0; i < t->n_buckets; i++)
		for (struct node *root = t->buckets[i]; root; root = root->chain) {
			struct kv_scope scope;
			memcpy(&scope, tree_token(t, root, 0), sizeof scope);
			if (!root->parent && !may_read(share, &scope) &&
			    follow(kv, &scope, root, NULL, ids, n).matched > matched)
				return true;
		}
	return false;
}

void kv_explain(const struct kv *kv, const struct kv_share *share, const uint32_t *ids, uint32_t n, struct kv_hit *hit)
{
	struct path own = follow(kv, &share->scope, tree_root(&kv->tree, &share->scope), NULL, ids, n);
	struct path other = follow(kv, &public_scope, public_root(&kv->tree, share), NULL, ids, n);
	if (other.usable > own.usable)
		own = other;
	*hit = (struct kv_hit){.tokens = own.usable};
	explain_end(&kv->tree, &own, ids, n, hit);
	find_leader(kv, NULL, share, ids, n, hit);
	hit->elsewhere = is_elsewhere(kv, share, ids, n, hit->matched);
}
