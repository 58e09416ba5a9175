/* state.c: see state.h; kv.h says what models and schedulers may rely on.
 *
 * Invariants (kv_check proves them):
 *  1. live has pages exactly if at is a position above 0; at <= tokens.
 *  2. next has pages exactly if tokens are reserved; those of live, or pages that nobody else holds.
 *  3. outs lie between tokens and the end of what is reserved, in pages that nobody else holds.
 *  4. A node holds states of all STATE groups or of none; they are those of its end. */
#include <string.h>

#include "kv/kv_impl.h"

/* A snapshot is not worth its memory so soon behind another one. */
enum { STATE_NEAR = 32 };

static void ref_all(struct kv *kv, kv_page *to, const kv_page *from)
{
	for (uint32_t i = 0; i < kv->n_states; i++) {
		to[i] = from[i];
		if (to[i])
			pages_ref(&kv->pages, kv->n_paged + i, to[i]);
	}
}

static void unref_all(struct kv *kv, kv_page *pages)
{
	for (uint32_t i = 0; i < kv->n_states; i++) {
		if (pages[i])
			pages_unref(&kv->pages, kv->n_paged + i, pages[i]);
		pages[i] = KV_PAGE_NONE;
	}
}

static void set_live(struct kv *kv, struct seq_states *st, const kv_page *pages, uint32_t at)
{
	kv_page old[KV_STATES_MAX];
	memcpy(old, st->live, sizeof old);
	ref_all(kv, st->live, pages);
	unref_all(kv, old);
	st->at = at;
}

static void get_all(struct kv *kv, kv_page *pages)
{
	for (uint32_t i = 0; i < kv->n_states; i++)
		pages[i] = pages_get(&kv->pages, kv->n_paged + i);
}

/* ---- Reserve ----------------------------------------------------------------------------------------------------- */

/* May the next step overwrite the live state? */
static bool goes_in_place(const struct kv *kv, const struct seq_states *st)
{
	if (st->keep || st->at == 0)
		return false;
	for (uint32_t i = 0; i < kv->n_states; i++) {
		const struct page_info *page = pages_info(&kv->pages, kv->n_paged + i, st->live[i]);
		if (page->refs > 1 || page->form != PAGE_HOT) /* which may be on its way to the store */
			return false;
	}
	return true;
}

static bool in_place(const struct seq_states *st)
{
	return st->next[0] == st->live[0] && st->live[0];
}

bool state_needs_pages(const struct kv *kv, const struct kv_seq *s)
{
	const struct seq_states *st = &s->states;
	if (kv->n_states == 0)
		return false;
	return st->next[0] ? st->keep && in_place(st) : !goes_in_place(kv, st);
}

void state_reserve(struct kv *kv, struct kv_seq *s)
{
	struct seq_states *st = &s->states;
	if (state_needs_pages(kv, s)) {
		get_all(kv, st->next);
		return;
	}
	if (kv->n_states == 0 || st->next[0])
		return;
	memcpy(st->next, st->live, sizeof st->next);
	for (uint32_t i = 0; i < kv->n_states && kv->pages.store; i++)
		pages_forget(&kv->pages, kv->n_paged + i, st->next[i]);
}

void state_drop_reserved(struct kv *kv, struct kv_seq *s)
{
	struct seq_states *st = &s->states;
	while (st->n_outs > 0)
		unref_all(kv, st->outs[--st->n_outs]);
	if (in_place(st))
		memset(st->next, 0, sizeof st->next);
	unref_all(kv, st->next);
}

/* ---- A step ------------------------------------------------------------------------------------------------------ */

void kv_state_keep(struct kv *kv, struct kv_seq *s, bool keep)
{
	(void)kv;
	s->states.keep = keep;
}

bool kv_can_stop(const struct kv *kv, const struct kv_seq *s, uint32_t n)
{
	return kv->n_states == 0 || n == s->reserved;
}

void kv_state_want(struct kv *kv, struct kv_seq *s, uint32_t position)
{
	struct seq_states *st = &s->states;
	uint32_t at = st->n_wanted;
	if (kv->n_states == 0 || position <= s->tokens)
		return;
	while (at > 0 && st->wanted[at - 1] > position)
		at--;
	if (st->n_wanted == STATE_WANTED || (at > 0 && st->wanted[at - 1] == position))
		return;
	memmove(&st->wanted[at + 1], &st->wanted[at], (st->n_wanted - at) * sizeof *st->wanted);
	st->wanted[at] = position;
	st->n_wanted++;
}

/* The next position behind `after` at which a state is wanted. */
static uint32_t next_wanted(const struct kv *kv, const struct kv_seq *s, uint32_t after)
{
	const struct seq_states *st = &s->states;
	uint64_t next = kv->state_every ? (after / kv->state_every + UINT64_C(1)) * kv->state_every : UINT64_MAX;
	for (uint32_t i = 0; i < st->n_wanted; i++)
		if (st->wanted[i] > after && st->wanted[i] < next)
			next = st->wanted[i];
	return next < UINT32_MAX ? (uint32_t)next : UINT32_MAX;
}

/* Pages for a snapshot at `position`, if memory is free or holds what is worth less. */
static bool take_out(struct kv *kv, struct kv_seq *s, uint32_t position)
{
	struct seq_states *st = &s->states;
	uint32_t pages[KV_GROUPS_MAX] = {0}, last = st->n_outs ? st->out_at[st->n_outs - 1] : s->tokens;
	uint64_t bytes = tree_state_bytes(&kv->tree);
	for (uint32_t i = 0; i < kv->n_states; i++)
		pages[kv->n_paged + i] = 1;
	if (!tree_make_room_for_states(&kv->tree, s->share.priority, last, position) ||
	    (s->node && tree_promise(&kv->tree, 1, NULL) != 0))
		return false;
	s->promised += s->node != NULL;
	if (pages_room(&kv->pages) < bytes || pages_prepare(&kv->pages, pages, NULL) != 0)
		return false;
	get_all(kv, st->outs[st->n_outs]);
	st->out_at[st->n_outs++] = position;
	return true;
}

void kv_state_begin(struct kv *kv, struct kv_seq *s)
{
	struct seq_states *st = &s->states;
	uint32_t end = s->tokens + s->reserved, after = st->n_outs ? st->out_at[st->n_outs - 1] : s->tokens;
	if (kv->n_states == 0 || s->reserved == 0)
		return;
	for (uint32_t p = next_wanted(kv, s, after); p < end && st->n_outs < KV_STATE_OUTS; p = next_wanted(kv, s, p))
		if (!take_out(kv, s, p)) {
			kv->states_missed++;
			break;
		}
	if (!in_place(st))
		return;
	memset(st->live, 0, sizeof st->live); /* the model works on it */
	st->at = STATE_NOWHERE;
}

void kv_state_step(const struct kv *kv, const struct kv_seq *s, uint32_t group, struct kv_state_step *step)
{
	const struct seq_states *st = &s->states;
	uint32_t i = group - kv->n_paged;
	*step = (struct kv_state_step){.from = st->at == STATE_NOWHERE ? st->next[i] : st->live[i],
				       .n = st->n_outs + 1};
	for (uint32_t k = 0; k < st->n_outs; k++) {
		step->position[k] = st->out_at[k];
		step->page[k] = st->outs[k][i];
	}
	step->position[st->n_outs] = s->tokens + s->reserved;
	step->page[st->n_outs] = st->next[i];
}

/* ---- Commit ------------------------------------------------------------------------------------------------------ */

bool state_next_out(const struct kv_seq *s, uint32_t end, uint32_t *position)
{
	const struct seq_states *st = &s->states;
	if (st->n_outs == 0 || st->out_at[0] > end)
		return false;
	*position = st->out_at[0];
	return true;
}

void state_pass_out(struct kv *kv, struct kv_seq *s, bool ends)
{
	struct seq_states *st = &s->states;
	if (s->node && !node_has_states(&kv->tree, s->node)) {
		tree_set_states(&kv->tree, s->node, st->outs[0]);
		kv->states_taken++;
	}
	if (ends)
		set_live(kv, st, st->outs[0], st->out_at[0]);
	unref_all(kv, st->outs[0]);
	st->n_outs--;
	memmove(st->out_at, st->out_at + 1, st->n_outs * sizeof *st->out_at);
	memmove(st->outs, st->outs + 1, st->n_outs * sizeof *st->outs);
}

void state_arrive(struct kv *kv, struct kv_seq *s)
{
	struct seq_states *st = &s->states;
	uint32_t passed = 0;
	while (passed < st->n_wanted && st->wanted[passed] <= s->tokens)
		passed++;
	bool asked = (passed > 0 && st->wanted[passed - 1] == s->tokens) ||
		     (kv->state_every && s->tokens % kv->state_every == 0);
	st->n_wanted -= passed;
	memmove(st->wanted, st->wanted + passed, st->n_wanted * sizeof *st->wanted);
	if (s->reserved > 0 || !st->next[0])
		return;
	if (!in_place(st))
		unref_all(kv, st->live);
	memcpy(st->live, st->next, sizeof st->live);
	memset(st->next, 0, sizeof st->next);
	st->at = s->tokens;
	if (asked)
		state_snapshot(kv, s, 0);
}

/* ---- Snapshots in the tree --------------------------------------------------------------------------------------- */

void state_snapshot(struct kv *kv, struct kv_seq *s, uint32_t near)
{
	struct seq_states *st = &s->states;
	if (kv->n_states == 0 || !s->node || st->at != s->node->end || st->at == 0 || in_place(st) ||
	    node_has_states(&kv->tree, s->node) || s->node->end - tree_state_before(&kv->tree, s->node) < near)
		return;
	tree_set_states(&kv->tree, s->node, st->live);
	kv->states_taken++;
}

void state_mark(struct kv *kv, struct kv_seq *s)
{
	state_snapshot(kv, s, STATE_NEAR);
}

bool state_is_at(const struct kv *kv, const struct kv_seq *s, uint32_t tokens, bool shares)
{
	if (kv->n_states == 0 || tokens == 0)
		return true;
	if (s->states.at == tokens && !(shares && in_place(&s->states)))
		return true;
	const struct node *n = s->node ? tree_node_before(s->node, tokens) : NULL;
	if (!n || n->end != tokens || !node_has_states(&kv->tree, n))
		return false;
	for (uint32_t i = 0; i < kv->n_states; i++)
		if (!pages_resident(&kv->pages, kv->n_paged + i, node_states(&kv->tree, n)[i]))
			return false;
	return true;
}

void state_take(struct kv *kv, struct kv_seq *f, const struct kv_seq *s, uint32_t tokens)
{
	static const kv_page none[KV_STATES_MAX];
	const kv_page *from = none;
	if (kv->n_states == 0)
		return;
	if (tokens > 0 && s->states.at == tokens && !in_place(&s->states))
		from = s->states.live;
	else if (tokens > 0)
		from = node_states(&kv->tree, tree_node_before(s->node, tokens));
	set_live(kv, &f->states, from, tokens);
}

void state_adopt(struct kv *kv, struct kv_seq *s, struct node *n)
{
	if (kv->n_states == 0)
		return;
	n->state_hits++;
	n->state_used = ++kv->tree.tick;
	set_live(kv, &s->states, node_states(&kv->tree, n), n->end);
}

void state_release(struct kv *kv, struct kv_seq *s)
{
	unref_all(kv, s->states.live);
}

uint32_t kv_state_at(const struct kv *kv, const struct kv_seq *s, uint32_t group, kv_page *page)
{
	*page = s->states.live[group - kv->n_paged];
	return s->states.at;
}
