/* mask.c: the walk. A node's byte is a step from the state of the node above; where it leads nowhere its subtree is skipped. Inside
 * of a string in which characters make no difference nothing is walked: the trie's own flags say what stays inside, and only
 * what closes the string is followed further. */
#include "constrain/mask.h"

#include <string.h>

#include "base/mem.h"

enum { KEPT_BYTES_MAX = 8 << 20, COST_MAX = 4 << 20 };
#define UNKNOWN UINT32_MAX
#define ANY_NUMBER UINT32_MAX

static bool room_for(struct masks *ms, uint32_t state)
{
	if (state < ms->rows_n)
		return true;
	size_t n = 2 * (size_t)state + 64;
	uint32_t **rows = mem_realloc(ms->rows, n, sizeof *rows);
	if (rows)
		ms->rows = rows;
	uint32_t *slot_of = rows ? mem_realloc(ms->slot_of, n, sizeof *slot_of) : NULL;
	if (!slot_of)
		return false;
	ms->slot_of = slot_of;
	uint32_t *paid = mem_realloc(ms->paid, n, sizeof *paid);
	if (!paid)
		return false;
	ms->paid = paid;
	for (size_t i = ms->rows_n; i < n; i++) {
		rows[i] = NULL;
		slot_of[i] = paid[i] = 0;
	}
	ms->bytes += (n - ms->rows_n) * (sizeof *rows + sizeof *slot_of + sizeof *paid);
	ms->rows_n = n;
	return true;
}

/* NULL: no memory. */
static uint32_t *row_of(struct masks *ms, uint32_t state)
{
	if (!room_for(ms, state))
		return NULL;
	if (!ms->rows[state]) {
		ms->rows[state] = mem_alloc(256 * sizeof(uint32_t));
		if (ms->rows[state]) {
			memset(ms->rows[state], 0xFF, 256 * sizeof(uint32_t));
			ms->bytes += 256 * sizeof(uint32_t);
		}
	}
	return ms->rows[state];
}

uint32_t masks_step(struct masks *ms, uint32_t state, uint8_t byte)
{
	uint32_t *row = state ? row_of(ms, state) : NULL;
	if (!row)
		return state ? ms->m.step(ms->m.ctx, state, byte) : 0;
	if (row[byte] == UNKNOWN)
		row[byte] = ms->m.step(ms->m.ctx, state, byte);
	return row[byte];
}

/* Whether there is enough left to look at what follows a state. What it costs does not depend on what is remembered. */
static bool affordable(struct masks *ms, uint32_t state)
{
	if (!ms->m.cost)
		return true;
	if (state < ms->rows_n && ms->paid[state] == ms->mask_n)
		return ms->spent <= COST_MAX;
	ms->spent += 256 + ms->m.cost(ms->m.ctx, state);
	if (room_for(ms, state))
		ms->paid[state] = ms->mask_n;
	return ms->spent <= COST_MAX;
}

static uint32_t free_characters(const struct masks *ms, uint32_t state)
{
	return ms->m.free_characters ? ms->m.free_characters(ms->m.ctx, state) : 0;
}

static void allow(const struct trie *t, const struct trie_node *node, uint32_t *mask)
{
	uint32_t id = node->token;
	if (id == TRIE_NO_TOKEN)
		return;
	mask[id / 32] |= 1u << id % 32;
	while (node->flags & TRIE_TWINS && (id = t->same[id]) != TRIE_NO_TOKEN)
		mask[id / 32] |= 1u << id % 32;
}

static void forbid(const struct trie *t, const struct trie_node *node, uint32_t *mask)
{
	for (uint32_t id = node->token; id != TRIE_NO_TOKEN; id = t->same[id])
		mask[id / 32] &= ~(1u << id % 32);
}

/* ---- Subtrees ---------------------------------------------------------------------------------------------------- */

static void walk_free(struct masks *ms, uint32_t at, uint32_t state, uint32_t left, uint32_t *mask);
static void walk_closes(struct masks *ms, uint32_t at, uint32_t state, uint32_t left, uint32_t *mask);

/* A free state is between two characters, or within one. */
static bool is_between(struct masks *ms, uint32_t state)
{
	return masks_step(ms, state, 'a') != 0;
}

/* The first of trie.closes behind node `at`. */
static uint32_t first_close(const struct trie *t, uint32_t at)
{
	uint32_t lo = 0, hi = t->n_closes;
	while (lo < hi) {
		uint32_t m = lo + (hi - lo) / 2;
		if (t->closes[m] <= at)
			lo = m + 1;
		else
			hi = m;
	}
	return lo;
}

/* After so many characters and the quote. */
static uint32_t close_after(struct masks *ms, uint32_t state, uint32_t characters)
{
	for (; state && characters > 0; characters--)
		state = masks_step(ms, state, 'a');
	return masks_step(ms, state, '"');
}

/* The nodes first .. end, siblings and what is below them, from the state of the node above. */
static void walk(struct masks *ms, uint32_t first, uint32_t end, uint32_t state, uint32_t *mask)
{
	const struct trie *t = ms->t;
	uint32_t states[TRIE_DEPTH_MAX + 1];
	if (first < end)
		states[t->nodes[first].depth - 1] = state;
	for (uint32_t i = first; i < end;) {
		const struct trie_node *node = &t->nodes[i];
		uint32_t next = masks_step(ms, states[node->depth - 1], node->byte), left;
		if (!next) {
			i = node->skip;
			continue;
		}
		allow(t, node, mask);
		states[node->depth] = next;
		if (node->flags & TRIE_BETWEEN && node->skip > i + 8 && (left = free_characters(ms, next)) &&
		    is_between(ms, next)) {
			walk_free(ms, i, next, left, mask);
			i = node->skip;
		} else {
			i = node->skip == i + 1 || affordable(ms, next) ? i + 1 : node->skip;
		}
	}
}

/* What is below node `at`, which leads to a state in which `left` characters make no difference. */
static void walk_free(struct masks *ms, uint32_t at, uint32_t state, uint32_t left, uint32_t *mask)
{
	const struct trie *t = ms->t;
	uint32_t before = t->nodes[at].characters, end = t->nodes[at].skip;
	for (uint32_t i = at + 1; i < end;) {
		const struct trie_node *node = &t->nodes[i];
		bool stays = node->flags & TRIE_INSIDE && (uint32_t)node->characters - before <= left &&
			     node->characters < 255;
		if (stays)
			allow(t, node, mask);
		i = stays ? i + 1 : node->skip;
	}
	walk_closes(ms, at, state, left, mask);
}

/* ---- All tokens -------------------------------------------------------------------------------------------------- */

/* What closes the string below node `at`, whose state is a free one. */
static void walk_closes(struct masks *ms, uint32_t at, uint32_t state, uint32_t left, uint32_t *mask)
{
	const struct trie *t = ms->t;
	uint32_t before = t->nodes[at].characters, closed = 0, closed_after = UNKNOWN;
	for (uint32_t i = first_close(t, at); i < t->n_closes && t->closes[i] < t->nodes[at].skip; i++) {
		const struct trie_node *node = &t->nodes[t->closes[i]];
		uint32_t characters = (uint32_t)node->characters - before;
		if (characters > left)
			continue;
		if (closed_after == UNKNOWN || (left != ANY_NUMBER && closed_after != characters)) {
			closed = close_after(ms, state, left == ANY_NUMBER ? 0 : characters);
			closed_after = characters;
		}
		if (!closed)
			continue;
		allow(t, node, mask);
		walk(ms, t->closes[i] + 1, node->skip, closed, mask);
	}
}

static bool closes_below(const struct trie *t, uint32_t at)
{
	uint32_t i = first_close(t, at);
	return i < t->n_closes && t->closes[i] < t->nodes[at].skip;
}

/* The mask holds what a free string allows. Corrects it below the nodes first .. end, siblings under `state`, from which most
 * characters lead to a free state, with `left` characters from the beginning of the token on. */
static void correct(struct masks *ms, uint32_t first, uint32_t end, uint32_t state, uint32_t left, uint32_t *mask)
{
	const struct trie *t = ms->t;
	for (uint32_t i = first, behind; i < end; i = behind) {
		const struct trie_node *node = &t->nodes[i];
		uint32_t next = masks_step(ms, state, node->byte), free = next ? free_characters(ms, next) : 0;
		behind = node->skip;
		bool same = free && node->flags & TRIE_BETWEEN &&
			    free == (left == ANY_NUMBER ? left : left - node->characters);
		if (same && is_between(ms, next)) {
			walk_closes(ms, i, next, free, mask);
		} else if (same && !closes_below(t, i)) {
			continue;
		} else if (next) {
			allow(t, node, mask);
			correct(ms, i + 1, behind, next, left, mask);
		} else if (node->flags & TRIE_INSIDE) {
			for (uint32_t k = i; k < behind; k = t->nodes[k].flags & TRIE_INSIDE ? k + 1 : t->nodes[k].skip)
				if (t->nodes[k].flags & TRIE_INSIDE)
					forbid(t, &t->nodes[k], mask);
		}
	}
}

/* What tokens do that stay in a free string of up to `left` characters. */
static void fill_inside(const struct trie *t, uint32_t left, uint32_t *mask)
{
	size_t which = left == ANY_NUMBER ? TRIE_LENGTHS : left < TRIE_LENGTHS ? left : TRIE_LENGTHS - 1;
	memcpy(mask, t->free_masks + which * t->words, t->words * sizeof *mask);
	for (uint32_t i = 0; i < t->n_long && left != ANY_NUMBER; i++)
		if (t->nodes[t->longs[i]].characters <= left && t->nodes[t->longs[i]].characters < 255)
			allow(t, &t->nodes[t->longs[i]], mask);
}

/* How much room a string has from this state on when its next character is an unusual one; 0: it is no free string then. */
static uint32_t free_after_unusual(struct masks *ms, uint32_t state)
{
	static const char unusual[] = "~^`\x7f|";
	for (const char *c = unusual; *c; c++) {
		uint32_t next = masks_step(ms, state, (uint8_t)*c), free = next ? free_characters(ms, next) : 0;
		if (free)
			return free == ANY_NUMBER ? free : free + 1;
	}
	return 0;
}

static void keep(struct masks *ms, uint32_t state, const uint32_t *mask)
{
	size_t words = ms->t->words;
	if (!room_for(ms, state) || (ms->kept_n + 1) * words * sizeof *mask > KEPT_BYTES_MAX)
		return;
	if (ms->kept_n == ms->kept_cap) {
		size_t cap = ms->kept_cap ? 2 * ms->kept_cap : 4;
		uint32_t *kept = mem_realloc(ms->kept, cap * words, sizeof *kept);
		if (!kept)
			return;
		ms->bytes += (cap - ms->kept_cap) * words * sizeof *kept;
		ms->kept = kept;
		ms->kept_cap = cap;
	}
	memcpy(ms->kept + ms->kept_n * words, mask, words * sizeof *mask);
	ms->slot_of[state] = (uint32_t)++ms->kept_n;
}

void masks_fill(struct masks *ms, uint32_t state, uint32_t *mask)
{
	uint32_t words = ms->t->words, left;
	if (state < ms->rows_n && ms->slot_of[state]) {
		memcpy(mask, ms->kept + (size_t)(ms->slot_of[state] - 1) * words, words * sizeof *mask);
		return;
	}
	memset(mask, 0, words * sizeof *mask);
	ms->mask_n++;
	ms->spent = 0;
	if (!state)
		return;
	if ((left = free_after_unusual(ms, state))) {
		fill_inside(ms->t, left, mask);
		correct(ms, 0, ms->t->n, state, left, mask);
	} else {
		walk(ms, 0, ms->t->n, state, mask);
	}
	keep(ms, state, mask);
}

void masks_release(struct masks *ms)
{
	for (size_t i = 0; i < ms->rows_n; i++)
		mem_free(ms->rows[i]);
	mem_free(ms->rows);
	mem_free(ms->slot_of);
	mem_free(ms->paid);
	mem_free(ms->kept);
	ms->rows = NULL;
	ms->slot_of = ms->paid = ms->kept = NULL;
	ms->rows_n = ms->kept_n = ms->kept_cap = ms->bytes = 0;
}
