/* fake_cache.c: see fake_cache.h. */
#include "fake_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(cond)                                                            \
	do {                                                                  \
		if (!(cond)) {                                                \
			printf("fake cache, line %d: %s\n", __LINE__, #cond); \
			abort();                                              \
		}                                                             \
	} while (0)

void fake_init(struct fake_cache *f, uint32_t capacity)
{
	MUST(capacity <= FAKE_PAGES_MAX);
	for (uint32_t i = 0; i < f->n_nodes_hw; i++)
		f->node[i].used = false;
	f->capacity = capacity;
	f->used = f->unreferenced = f->n_nodes_hw = f->n_seqs = 0;
	f->clock = 0;
	for (uint32_t i = 0; i < FAKE_SEQS_MAX; i++)
		f->seq[i].used = false;
}

uint32_t fake_tokens(const struct fake_seq *s)
{
	return s->n_path * FAKE_PAGE + s->n_tail;
}

bool fake_holds(const struct fake_seq *s, const uint32_t *ids, uint32_t n)
{
	if (fake_tokens(s) != n)
		return false;
	for (uint32_t i = 0; i < s->n_path; i++)
		if (memcmp(s->path[i]->ids, ids + i * FAKE_PAGE, sizeof s->path[i]->ids) != 0)
			return false;
	return memcmp(s->tail, ids + s->n_path * FAKE_PAGE, s->n_tail * sizeof *ids) == 0;
}

/* ---- Pages ------------------------------------------------------------------------------------------------------- */

static void evict(struct fake_cache *f)
{
	struct fake_node *oldest = NULL;
	for (uint32_t i = 0; i < f->n_nodes_hw; i++) {
		struct fake_node *n = &f->node[i];
		if (n->used && n->refs == 0 && n->n_children == 0 && (!oldest || n->touched < oldest->touched))
			oldest = n;
	}
	MUST(oldest);
	if (oldest->parent)
		oldest->parent->n_children--;
	oldest->used = false;
	f->unreferenced--;
	f->used--;
}

static bool take_pages(struct fake_cache *f, uint32_t n)
{
	if (n > f->capacity - f->used + f->unreferenced)
		return false;
	while (n > f->capacity - f->used)
		evict(f);
	f->used += n;
	return true;
}

static void ref_node(struct fake_cache *f, struct fake_seq *s, struct fake_node *n)
{
	if (n->refs++ == 0)
		f->unreferenced--;
	n->touched = ++f->clock;
	s->path[s->n_path++] = n;
}

static struct fake_node *parent_of(const struct fake_seq *s)
{
	return s->n_path ? s->path[s->n_path - 1] : NULL;
}

/* The child below s whose page has most tokens in common with ids[0..max), *common of them. */
static struct fake_node *find_child(struct fake_cache *f, const struct fake_seq *s, const uint32_t *ids, uint32_t max,
				    uint32_t *common)
{
	struct fake_node *best = NULL;
	*common = 0;
	for (uint32_t i = 0; i < f->n_nodes_hw; i++) {
		struct fake_node *n = &f->node[i];
		uint32_t k = 0;
		if (!n->used || n->parent != parent_of(s) || n->share != s->share)
			continue;
		while (k < FAKE_PAGE && k < max && n->ids[k] == ids[k])
			k++;
		if (k > *common) {
			*common = k;
			best = n;
		}
	}
	return best;
}

/* The full tail becomes a node, or is merged with one that is there. */
static void tail_to_node(struct fake_cache *f, struct fake_seq *s)
{
	uint32_t common;
	struct fake_node *n = find_child(f, s, s->tail, FAKE_PAGE, &common);
	s->n_tail = 0;
	s->n_pages--;
	if (n && common == FAKE_PAGE) {
		f->used--;
		ref_node(f, s, n);
		return;
	}
	n = f->node;
	while (n->used)
		n++;
	MUST(n < f->node + FAKE_PAGES_MAX);
	if (n >= f->node + f->n_nodes_hw)
		f->n_nodes_hw = (uint32_t)(n - f->node) + 1;
	*n = (struct fake_node){.used = true, .parent = parent_of(s), .share = s->share};
	memcpy(n->ids, s->tail, sizeof n->ids);
	if (n->parent)
		n->parent->n_children++;
	f->unreferenced++; /* which ref_node takes back */
	ref_node(f, s, n);
}

/* ---- Operations -------------------------------------------------------------------------------------------------- */

static int fake_open(void *ctx, void **out, const void *share)
{
	struct fake_cache *f = ctx;
	struct fake_seq *s = f->seq;
	while (s->used)
		s++;
	MUST(s < f->seq + FAKE_SEQS_MAX);
	s->used = true;
	s->share = share;
	s->n_path = s->n_tail = s->n_pages = s->reserved = s->n_announced = 0;
	f->n_seqs++;
	*out = s;
	return 0;
}

static uint32_t pending(const struct fake_cache *f, const struct fake_seq *s, const uint32_t *ids, uint32_t max)
{
	uint32_t best = 0;
	for (uint32_t i = 0; i < FAKE_SEQS_MAX; i++) {
		const struct fake_seq *o = &f->seq[i];
		uint32_t n = 0;
		if (!o->used || o == s || o->share != s->share || !s->share || fake_tokens(o) >= o->n_announced)
			continue;
		while (n < max && n < o->n_announced && o->announced[n] == ids[n])
			n++;
		if (n > best && n > fake_tokens(o))
			best = n;
	}
	return best;
}

static int fake_match(void *ctx, void *seq, const uint32_t *ids, uint32_t max, struct sched_match *m)
{
	struct fake_cache *f = ctx;
	struct fake_seq *s = seq;
	MUST(s->used && s->reserved == 0 && fake_tokens(s) <= max && fake_holds(s, ids, fake_tokens(s)));
	while (s->share) {
		uint32_t from = s->n_path * FAKE_PAGE, common;
		struct fake_node *n = find_child(f, s, ids + from, max - from, &common);
		if (!n || common <= s->n_tail)
			break;
		if (n->reads > 0) { /* it, and what is known behind it */
			n->reads--;
			*m = (struct sched_match){.tokens = fake_tokens(s), .loading = from + common};
			return 0;
		}
		if (common == FAKE_PAGE) {
			f->used -= s->n_pages;
			s->n_tail = s->n_pages = 0;
			ref_node(f, s, n);
			continue;
		}
		if (s->n_pages == 0 && !take_pages(f, 1))
			break;
		s->n_pages = 1;
		memcpy(s->tail, ids + from, common * sizeof *ids);
		s->n_tail = common;
		break;
	}
	*m = (struct sched_match){.tokens = fake_tokens(s), .pending = pending(f, s, ids, max)};
	return 0;
}

static void fake_announce(void *ctx, void *seq, const uint32_t *ids, uint32_t n)
{
	struct fake_seq *s = seq;
	(void)ctx;
	s->announced = ids;
	s->n_announced = n;
}

static int fake_reserve(void *ctx, void *seq, uint32_t n, bool drafts)
{
	struct fake_cache *f = ctx;
	struct fake_seq *s = seq;
	MUST(s->used && n > 0);
	uint32_t pages = (s->n_tail + n + FAKE_PAGE - 1) / FAKE_PAGE;
	if (pages > s->n_pages) {
		if (!take_pages(f, pages - s->n_pages))
			return KVIK_ERR_FULL;
		s->n_pages = pages;
	}
	if (n > s->reserved)
		s->reserved = n;
	s->drafts = drafts;
	return 0;
}

static uint32_t fake_commit(void *ctx, void *seq, const uint32_t *ids, uint32_t n)
{
	struct fake_cache *f = ctx;
	struct fake_seq *s = seq;
	MUST(s->used && n <= s->reserved);
	if (f->whole && n < s->reserved) {
		MUST(s->drafts);
		uint32_t pages = (s->n_tail + FAKE_PAGE - 1) / FAKE_PAGE;
		f->used -= s->n_pages - pages;
		s->n_pages = pages;
		s->reserved = 0;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		s->tail[s->n_tail++] = ids[i];
		if (s->n_tail == FAKE_PAGE)
			tail_to_node(f, s);
	}
	s->reserved -= n;
	MUST(s->n_pages == (s->n_tail + s->reserved + FAKE_PAGE - 1) / FAKE_PAGE);
	return n;
}

static int fake_fork(void *ctx, void **out, const void *seq, uint32_t tokens)
{
	struct fake_cache *f = ctx;
	const struct fake_seq *from = seq;
	MUST(from->used && fake_tokens(from) == tokens && from->reserved == 0);
	if (from->n_tail && !take_pages(f, 1))
		return KVIK_ERR_FULL;
	(void)fake_open(f, out, from->share);
	struct fake_seq *s = *out;
	for (uint32_t i = 0; i < from->n_path; i++)
		ref_node(f, s, from->path[i]);
	memcpy(s->tail, from->tail, sizeof s->tail);
	s->n_tail = from->n_tail;
	s->n_pages = s->n_tail > 0;
	return 0;
}

static void fake_mark(void *ctx, void *seq)
{
	(void)ctx;
	MUST(((struct fake_seq *)seq)->used);
}

static void fake_mark_at(void *ctx, void *seq, uint32_t position)
{
	(void)ctx;
	MUST(((struct fake_seq *)seq)->used && position > 0);
}

static void fake_release(void *ctx, void *seq)
{
	struct fake_cache *f = ctx;
	struct fake_seq *s = seq;
	MUST(s->used);
	for (uint32_t i = 0; i < s->n_path; i++)
		if (--s->path[i]->refs == 0) {
			f->unreferenced++;
			s->path[i]->reads = f->reads;
		}
	f->used -= s->n_pages;
	s->used = false;
	f->n_seqs--;
}

static uint64_t fake_cost(void *ctx, uint32_t from, uint32_t to)
{
	(void)ctx;
	return (to + FAKE_PAGE - 1) / FAKE_PAGE - from / FAKE_PAGE;
}

static uint64_t fake_room(void *ctx)
{
	const struct fake_cache *f = ctx;
	return f->capacity - f->used + f->unreferenced;
}

static uint64_t fake_capacity(void *ctx)
{
	return ((const struct fake_cache *)ctx)->capacity;
}

struct sched_cache fake_ops(struct fake_cache *f)
{
	return (struct sched_cache){.ctx = f,
				    .open = fake_open,
				    .match = fake_match,
				    .announce = fake_announce,
				    .fork = fake_fork,
				    .reserve = fake_reserve,
				    .commit = fake_commit,
				    .mark = fake_mark,
				    .mark_at = fake_mark_at,
				    .release = fake_release,
				    .cost = fake_cost,
				    .room = fake_room,
				    .capacity = fake_capacity};
}

const char *fake_check(const struct fake_cache *f)
{
	uint32_t used = 0, unreferenced = 0, n_seqs = 0;
	for (uint32_t i = 0; i < f->n_nodes_hw; i++) {
		used += f->node[i].used;
		unreferenced += f->node[i].used && f->node[i].refs == 0;
	}
	for (uint32_t i = 0; i < FAKE_SEQS_MAX; i++)
		if (f->seq[i].used) {
			used += f->seq[i].n_pages;
			n_seqs++;
		}
	if (used != f->used || unreferenced != f->unreferenced || n_seqs != f->n_seqs)
		return "the fake cache has lost pages";
	return f->used <= f->capacity ? NULL : "the fake cache holds more than its ceiling";
}
