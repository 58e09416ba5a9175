/* ghost.c: see ghost.h.
 *
 * Invariants (ghost entries are data, not pages: a wrong one costs a figure, never a token):
 *  1. An entry is on the free list, or on exactly one of the four lists and in the bucket of its key.
 *  2. list[i].n <= list[i].cap; a list holds keys only when the ones before it are full. */
#include "kv/ghost.h"

#include <math.h>

#include "base/mem.h"

enum {
	BYTES_PER_ENTRY = sizeof(struct ghost_entry) + 2 * sizeof(uint32_t),
	HISTORY_LEAST = 4096,
	HISTORY_MOST = 1 << 24
};

static uint32_t power_of_two_below(uint64_t n, uint32_t most)
{
	uint32_t p = 1;
	while (p < most && (uint64_t)p * 2 <= n)
		p *= 2;
	return p;
}

static void push_first(struct ghost *g, uint32_t list, uint32_t i)
{
	struct ghost_list *l = &g->list[list];
	g->entries[i].list = list;
	g->entries[i].prev = GHOST_NONE;
	g->entries[i].next = l->first;
	if (l->first != GHOST_NONE)
		g->entries[l->first].prev = i;
	else
		l->last = i;
	l->first = i;
	l->n++;
}

static void unlink_entry(struct ghost *g, uint32_t i)
{
	const struct ghost_entry *e = &g->entries[i];
	struct ghost_list *l = &g->list[e->list];
	if (e->prev != GHOST_NONE)
		g->entries[e->prev].next = e->next;
	else
		l->first = e->next;
	if (e->next != GHOST_NONE)
		g->entries[e->next].prev = e->prev;
	else
		l->last = e->prev;
	l->n--;
}

/* List i ends where a cache of 2^(i-1) times the memory does. */
static void size_lists(struct ghost *g, uint64_t units)
{
	uint64_t half = (units >> g->sample_bits) / 2;
	for (uint32_t i = 0; i < KV_GHOSTS; i++) {
		uint64_t cap = i < 2 ? half : half << (i - 1);
		g->list[i] = (struct ghost_list){.first = GHOST_NONE, .last = GHOST_NONE, .cap = (uint32_t)cap};
		g->n_entries += (uint32_t)cap;
	}
}

int ghost_init(struct ghost *g, uint64_t units, uint64_t bytes_max, struct kvik_err *err)
{
	*g = (struct ghost){0};
	while ((units >> g->sample_bits) * 4 > bytes_max / BYTES_PER_ENTRY)
		g->sample_bits++;
	size_lists(g, units);
	g->n_entries++; /* the one that overflows the last list */
	g->n_buckets = power_of_two_below(g->n_entries, UINT32_C(1) << 30);
	/* A node is some 8 units: so it goes back 8 caches full of nodes, though a place has room for one alone. */
	uint64_t history = units < HISTORY_LEAST ? HISTORY_LEAST : units < HISTORY_MOST ? units : HISTORY_MOST;
	g->n_history = power_of_two_below(bytes_max / sizeof *g->history / 2, (uint32_t)history);
	g->entries = mem_alloc(g->n_entries * sizeof *g->entries);
	g->buckets = mem_alloc(g->n_buckets * sizeof *g->buckets);
	g->history = mem_zalloc(g->n_history, sizeof *g->history);
	if (!g->entries || !g->buckets || !g->history)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for the ghost list");
	for (uint32_t i = 0; i < g->n_buckets; i++)
		g->buckets[i] = GHOST_NONE;
	g->free = 0;
	for (uint32_t i = 0; i < g->n_entries; i++)
		g->entries[i].next = i + 1 < g->n_entries ? i + 1 : GHOST_NONE;
	return 0;
}

void ghost_release(struct ghost *g)
{
	mem_free(g->entries);
	mem_free(g->buckets);
	mem_free(g->history);
	*g = (struct ghost){0};
}

uint64_t ghost_bytes(const struct ghost *g)
{
	return g->n_entries * sizeof *g->entries + g->n_buckets * sizeof *g->buckets +
	       g->n_history * sizeof *g->history;
}

static uint32_t *bucket_of(const struct ghost *g, uint64_t key)
{
	return &g->buckets[key & (g->n_buckets - 1)];
}

static uint32_t find(const struct ghost *g, uint64_t key)
{
	uint32_t i = *bucket_of(g, key);
	while (i != GHOST_NONE && g->entries[i].key != key)
		i = g->entries[i].chain;
	return i;
}

static uint32_t add(struct ghost *g, uint64_t key)
{
	uint32_t i = g->free, *bucket = bucket_of(g, key);
	g->free = g->entries[i].next;
	g->entries[i] = (struct ghost_entry){.key = key, .chain = *bucket};
	*bucket = i;
	return i;
}

static void forget(struct ghost *g, uint32_t i)
{
	uint32_t *at = bucket_of(g, g->entries[i].key);
	while (*at != i)
		at = &g->entries[*at].chain;
	*at = g->entries[i].chain;
	unlink_entry(g, i);
	g->entries[i].next = g->free;
	g->free = i;
}

/* The lists pass their oldest keys on until none is too long. */
static void overflow(struct ghost *g)
{
	for (uint32_t l = 0; l < KV_GHOSTS && g->list[l].n > g->list[l].cap; l++) {
		uint32_t oldest = g->list[l].last;
		if (l + 1 == KV_GHOSTS) {
			forget(g, oldest);
			return;
		}
		unlink_entry(g, oldest);
		push_first(g, l + 1, oldest);
	}
}

void ghost_use(struct ghost *g, uint64_t hash, bool asked)
{
	uint64_t key = ghost_mix(hash);
	if (g->sample_bits > 0 && key >> (64 - g->sample_bits) != 0)
		return;
	uint32_t i = find(g, key);
	g->asked += asked;
	if (i == GHOST_NONE) {
		i = add(g, key);
	} else {
		g->hits[g->entries[i].list] += asked;
		unlink_entry(g, i);
	}
	push_first(g, 0, i);
	overflow(g);
}

double ghost_rate(const struct ghost *g, uint32_t size)
{
	uint64_t hits = 0;
	for (uint32_t i = 0; i <= size; i++)
		hits += g->hits[i];
	return g->asked ? (double)hits / (double)g->asked : (double)NAN;
}

/* ---- History -----------------------------------------------------------------------------------------------------
 *
 *     63                        6 5    2 1   0
 *     [ key                      | hits | cause ]     an entry; cause 0: empty */

enum { CAUSE_EVICTED = 1, CAUSE_EXPIRED = 2, HITS_MAX = 15, CODE_BITS = 6 };

static uint64_t *entry_of(const struct ghost *g, uint64_t key)
{
	return &g->history[key >> CODE_BITS & (g->n_history - 1)];
}

void ghost_note_gone(struct ghost *g, uint64_t hash, enum kv_why cause, uint32_t hits)
{
	uint64_t key = ghost_mix(hash), code = cause == KV_EVICTED ? CAUSE_EVICTED : CAUSE_EXPIRED;
	code |= (uint64_t)(hits < HITS_MAX ? hits : HITS_MAX) << 2;
	*entry_of(g, key) = key >> CODE_BITS << CODE_BITS | code;
}

enum kv_why ghost_cause(const struct ghost *g, uint64_t hash)
{
	uint64_t key = ghost_mix(hash), found = *entry_of(g, key);
	if ((found ^ key) >> CODE_BITS != 0 || (found & 3) == 0)
		return KV_NEW;
	return (found & 3) == CAUSE_EVICTED ? KV_EVICTED : KV_EXPIRED;
}

uint32_t ghost_return_hits(const struct ghost *g, uint64_t hash)
{
	uint64_t found = *entry_of(g, ghost_mix(hash));
	return ghost_cause(g, hash) == KV_EVICTED ? (uint32_t)(found >> 2 & HITS_MAX) + 1 : 0;
}
