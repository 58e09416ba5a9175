/* match.c: how a sequence starts from what is known, now or soon.
 *
 * A look-up (lookup.c) says how far the tree holds the same tokens; acquiring them gives the sequence their pages and
 * moves it to their end. A sequence that is computing a prompt is itself in the tree up to what it has committed, and
 * its announced ids say how it will go on. Another with the same prompt is told so, waits (or does other work), and
 * matches again after each step; it has then what the first has. When the first is cancelled, nothing is pending any
 * more and the waiting one goes on from where the first stopped. */
#include <string.h>

#include "kv/kv_impl.h"

void kv_announce(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n)
{
	share_unlist(s);
	s->announced = ids;
	s->n_announced = n;
	s->announcement = ++kv->announcements;
	if (n > 0)
		kv_state_want(kv, s, n - 1); /* as far as another one with the same prompt can go */
	share_list(s);
}

/* ---- Acquire ----------------------------------------------------------------------------------------------------- */

/* s goes on from a prefix of the public scope; its own scope shares the pages. */
static void take_public(struct kv *kv, struct kv_seq *s, const struct path *p, const uint32_t *ids)
{
	share_adopt(kv, s, p->deepest, p->matched, p->usable);
	state_adopt(kv, s, tree_node_before(p->deepest, p->usable));
	share_touch(kv, p->deepest, NULL, s->tokens);
	share_insert(kv, s, ids + s->tokens, p->usable - s->tokens);
	s->tokens = p->usable;
	state_snapshot(kv, s, 0);
}

static void take_own(struct kv *kv, struct kv_seq *s, const struct path *p)
{
	share_adopt(kv, s, p->deepest, p->matched, p->usable);
	share_move(kv, s, tree_split(&kv->tree, p->deepest, p->usable, &s->promised));
	state_adopt(kv, s, s->node);
	share_touch(kv, s->node, &s->share, s->tokens);
	s->tokens = p->usable;
}

/* Unpacks the pages of p that s is going to take. To make room for them may cost window pages, so that p may end
 * earlier. FULL: nothing has changed but what was cached. */
static int unpack_path(struct kv *kv, const struct kv_seq *s, struct path *p, const uint32_t *ids, uint32_t n,
		       struct kvik_err *err)
{
	while (p->usable > s->tokens) {
		uint64_t bytes = 0;
		(void)!share_unpack(kv, s, p->deepest, p->matched, p->usable, &bytes, NULL);
		if (bytes == 0)
			return 0;
		if (pages_room(&kv->pages) >= bytes)
			return share_unpack(kv, s, p->deepest, p->matched, p->usable, NULL, err);
		p->deepest->users++; /* the path stays */
		tree_judge(&kv->tree, p->deepest);
		bool room = tree_make_room(&kv->tree, bytes);
		p->deepest->users--;
		tree_tidy(&kv->tree, p->deepest);
		if (!room)
			return err_set(err, KVIK_ERR_FULL, "the KV cache is full: no room to unpack a prefix");
		*p = path_find(kv, p->scope, p->from, s, ids, n);
	}
	return 0;
}

static void count_query(struct kv *kv, struct kv_seq *s, const struct kv_scope *scope, const uint32_t *ids, uint32_t n,
			uint32_t hit)
{
	if (s->uncounted)
		return;
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

/* Moves s forward along what its own scope and the public one hold. *p becomes the path that it took last. */
static int acquire(struct kv *kv, struct kv_seq *s, struct path *p, const uint32_t *ids, uint32_t n,
		   struct leader *leader, struct kvik_err *err)
{
	int rc = unpack_path(kv, s, p, ids, n, err);
	if (rc)
		return rc;
	path_leader(p, s, ids, n, leader);
	if (p->usable > s->tokens)
		take_own(kv, s, p);
	struct path other = path_find(kv, &public_scope, path_public_root(kv, &s->share), s, ids, n);
	path_leader(&other, s, ids, n, leader);
	if (unpack_path(kv, s, &other, ids, n, NULL) == 0 && other.usable > s->tokens) {
		take_public(kv, s, &other, ids);
		*p = other;
	}
	return 0;
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
	struct leader leader = {0};
	struct path p = path_find(kv, &s->share.scope, s->node, s, ids, n);
	rc = acquire(kv, s, &p, ids, n, &leader, err);
	seq_break_promise(kv, s);
	if (rc)
		return rc;
	count_query(kv, s, p.scope, ids, n, s->tokens - before);
	hit->tokens = s->tokens;
	path_explain(kv, &p, ids, n, hit);
	path_tell_leader(&leader, hit);
	if (hit->matched > hit->tokens)
		kv_state_want(kv, s, hit->matched);
	if (hit->leader)
		kv_state_want(kv, hit->leader, hit->pending);
	s->heard = hit->leader ? hit->leader->announcement : 0;
	s->heard_common = hit->pending;
	return 0;
}

int kv_match_uncounted(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t n, struct kv_hit *hit,
		       struct kvik_err *err)
{
	s->uncounted = true;
	return kv_match(kv, s, ids, n, hit, err);
}

void kv_mark(struct kv *kv, struct kv_seq *s)
{
	if (s->node && s->node->parent)
		s->node->marked = true;
	state_mark(kv, s);
}

void kv_mark_at(struct kv *kv, struct kv_seq *s, uint32_t position)
{
	uint32_t at = s->n_marks;
	if (!s->node || position <= s->tokens || (kv->n_states == 0 && kv->tree.window_max == 0))
		return;
	kv_state_want(kv, s, position);
	while (at > 0 && s->marks[at - 1] > position)
		at--;
	if (s->n_marks == KV_MARKS_MAX || (at > 0 && s->marks[at - 1] == position))
		return;
	memmove(&s->marks[at + 1], &s->marks[at], (s->n_marks - at) * sizeof *s->marks);
	s->marks[at] = position;
	s->n_marks++;
}
