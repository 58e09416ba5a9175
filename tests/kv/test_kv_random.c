/* test_kv_random.c: random operations on the whole room against a naive twin.
 *
 * The twin of a sequence is the plain array of its token ids. What a page slot must hold follows from them: the value
 * of a token is a hash of its scope, of all ids before it and of the group, so that a slot that was overwritten, mixed
 * up, or taken from another tenant shows. After each operation kv_check proves the room's invariants, and all that the
 * next query of each sequence sees is compared. One operation in twelve meets a failing allocation.
 *
 * A failing run replays with the printed seed: KVIK_SEED=...; KVIK_STEPS sets the length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "base/mem.h"
#include "fake_disk.h"
#include "fake_memory.h"
#include "kv/kv.h"
#include "support/seed.h"

enum { SEQS = 14, TOKENS_MAX = 400, TEXTS = 12, SCOPES = 4, STEPS = 20000 };

static const struct kv_group_desc groups[] = {
	{.page_tokens = 16, .page_bytes = 256},
	{.page_tokens = 16, .page_bytes = 128, .window = 20},
	{.page_tokens = 4, .page_bytes = 64, .window = 37, .sinks = 6},
};

/* The same with pages that are packed when idle, but for the last. */
static const struct kv_group_desc packing[] = {
	{.page_tokens = 16, .page_bytes = 9216, .packed_bytes = 64},
	{.page_tokens = 16, .page_bytes = 12288, .packed_bytes = 4160, .window = 20},
	{.page_tokens = 4, .page_bytes = 64, .window = 37, .sinks = 6, .packed_bytes = 64},
};

/* With states of two shapes. */
static const struct kv_group_desc recurrent[] = {
	{.page_tokens = 16, .page_bytes = 256},
	{.page_tokens = 16, .page_bytes = 128, .window = 20},
	{.page_bytes = 64},
	{.page_bytes = 12288},
};

/* Scope 0 is public, 3 stands for sequences that do not share. */
static const struct kv_scope scopes[SCOPES] = {{{0, 0}}, {{7, 1}}, {{7, 2}}, {{9, 9}}};
enum { PRIVATE = 3 };

struct twin {
	struct kv_seq *s;
	uint32_t scope; /* of which its tokens are: changes to PRIVATE when it leaves the tree */
	struct kv_share share;
	uint32_t n;               /* tokens */
	uint32_t ids[TOKENS_MAX]; /* of them, and of the text it follows */
	uint32_t n_text;          /* >= n */
	uint32_t reserved;        /* behind n */
	bool announces;
	uint32_t n_announced; /* of ids; with announces */
	bool has_state;       /* there must be a live state of n tokens */
};

struct world {
	struct kv *kv;
	struct fake_memory memory; /* granule 0: the host's is used */
	struct fake_disk disk;     /* store.io_max 0: there is none */
	bool packs;
	uint32_t n_groups, n_paged; /* behind the paged ones: states */
	const struct kv_group_desc *desc;
	struct twin twins[SEQS];
	uint32_t texts[TEXTS][TOKENS_MAX], n_text[TEXTS]; /* from which new texts take their beginning */
	uint64_t random, now;
	bool failed; /* an allocation of this step may have failed */
	uint64_t hits, partial_hits, joins, full, nomem, outs, in_place, loads;
};

static uint32_t below(struct world *w, uint32_t n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->random >> 33) % n;
}

static uint32_t mix(uint32_t h, uint32_t v)
{
	h = (h ^ v) * 0x9E3779B1u;
	return h ^ h >> 15;
}

/* ---- What is in the pages ---------------------------------------------------------------------------------------- */

static uint32_t *slot(const struct world *w, const struct kv_seq *s, uint32_t g, uint32_t position)
{
	uint32_t n_blocks, p = w->desc[g].page_tokens;
	(void)kv_seq_blocks(s, g, &n_blocks);
	assert_true(position / p < n_blocks);
	struct page_table table = kv_seq_blocks(s, g, NULL);
	kv_page id = page_table_at(&table, position / p);
	uint8_t *page = kv_host_page(w->kv, s, g, position / p);
	if (w->memory.granule)
		page = id ? fake_address(&w->memory, KV_AREA_PAGES(g), id) : NULL;
	return page ? (uint32_t *)(void *)page + position % p : NULL;
}

static uint8_t *place(const struct world *w, uint32_t g, kv_page page)
{
	struct page_area area = kv_host_pages(w->kv, g);
	return w->memory.granule ? fake_address(&w->memory, KV_AREA_PAGES(g), page) : page_address(&area, page);
}

static uint8_t *disk_page(void *ctx, uint32_t group, kv_page page)
{
	return place(ctx, group, page);
}

static void run_disk(struct world *w, bool all)
{
	if (w->disk.store.io_max)
		disk_run(&w->disk, w->kv, w->desc, disk_page, w, all);
}

/* The first and the last word of a state. */
static void write_state(const struct world *w, uint32_t g, kv_page page, uint32_t value)
{
	uint8_t *at = place(w, g, page);
	memcpy(at, &value, sizeof value);
	memcpy(at + w->desc[g].page_bytes - sizeof value, &value, sizeof value);
}

/* The state of the first n tokens, of their scope or of the public one. */
static void check_state(const struct world *w, const struct twin *t, uint32_t g, kv_page page, uint32_t n)
{
	uint32_t own = mix(1, t->scope), public = mix(1, 0), value[2];
	assert_int_equal(page == KV_PAGE_NONE, n == 0);
	if (n == 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		own = mix(own, t->ids[i]);
		public = mix(public, t->ids[i]);
	}
	const uint8_t *at = place(w, g, page);
	memcpy(&value[0], at, sizeof *value);
	memcpy(&value[1], at + w->desc[g].page_bytes - sizeof *value, sizeof *value);
	if (value[0] != value[1] || (value[0] != mix(own, ~g) && (value[0] != mix(public, ~g) || t->scope == PRIVATE)))
		fail_msg("the state of %u tokens, group %u: not what was written", n, g);
}

static void compare_states(const struct world *w, const struct twin *t)
{
	for (uint32_t g = w->n_paged; g < w->n_groups; g++) {
		kv_page page;
		uint32_t at = kv_state_at(w->kv, t->s, g, &page);
		assert_true(at == t->n || !t->has_state);
		if (at != UINT32_MAX)
			check_state(w, t, g, page, at);
	}
}

/* Everything that a query at position n sees is of this prefix and of this scope or the public one. */
static void compare(const struct world *w, const struct twin *t)
{
	uint32_t own = mix(1, t->scope), public = mix(1, 0);
	assert_int_equal(kv_seq_tokens(t->s), t->n);
	compare_states(w, t);
	for (uint32_t i = 0; i < t->n; i++) {
		own = mix(own, t->ids[i]);
		public = mix(public, t->ids[i]);
		for (uint32_t g = 0; g < w->n_paged; g++) {
			const struct kv_group_desc *d = &w->desc[g];
			if (d->window && i + d->window <= t->n && i >= d->sinks)
				continue;
			const uint32_t *at = slot(w, t->s, g, i);
			assert_non_null(at);
			if (*at != mix(own, g) && (*at != mix(public, g) || t->scope == PRIVATE))
				fail_msg("token %u of %u, group %u: not what was written", i, t->n, g);
		}
	}
}

static void compute_states(struct world *w, struct twin *t, uint32_t n)
{
	kv_state_begin(w->kv, t->s);
	for (uint32_t g = w->n_paged; g < w->n_groups; g++) {
		struct kv_state_step step;
		uint32_t own = mix(1, t->scope), k = 0;
		kv_state_step(w->kv, t->s, g, &step);
		assert_true(step.n >= 1 && step.position[step.n - 1] >= t->n + n);
		check_state(w, t, g, step.from, t->n);
		w->outs += step.n - 1;
		w->in_place += step.page[step.n - 1] == step.from;
		for (uint32_t i = 0; i < t->n + n; i++) {
			own = mix(own, t->ids[i]);
			if (i + 1 < step.position[k] || k == step.n)
				continue;
			assert_true(i + 1 == step.position[k] && i + 1 > t->n);
			write_state(w, g, step.page[k++], mix(own, ~g));
		}
	}
}

static void compute(struct world *w, struct twin *t, uint32_t n)
{
	uint32_t own = mix(1, t->scope);
	for (uint32_t i = 0; i < t->n + n; i++) {
		own = mix(own, t->ids[i]);
		for (uint32_t g = 0; g < w->n_paged && i >= t->n; g++)
			*slot(w, t->s, g, i) = mix(own, g);
	}
	compute_states(w, t, n);
}

/* The packed form is the complement, of no more tokens than there are. */
static void convert(void *ctx, uint32_t group, bool pack, uint32_t tokens, const uint8_t *from, uint8_t *to)
{
	const struct world *w = ctx;
	(void)pack;
	assert_true(tokens <= w->desc[group].page_tokens);
	for (uint32_t i = 0; i < tokens; i++)
		((uint32_t *)(void *)to)[i] = ~((const uint32_t *)(const void *)from)[i];
}

/* ---- Operations -------------------------------------------------------------------------------------------------- */

static uint64_t evictions(const struct world *w)
{
	struct kv_stats st = kv_stats(w->kv);
	return st.tokens_evicted + st.pages_window_dropped + st.states_dropped + st.tokens_spilled + st.pages_spilled;
}

/* Fine: success, or a reason that this world can give. */
static bool went_well(struct world *w, int rc)
{
	w->full += rc == KVIK_ERR_FULL;
	w->nomem += rc == KVIK_ERR_NOMEM;
	assert_true(rc == 0 || rc == KVIK_ERR_FULL || (rc == KVIK_ERR_NOMEM && w->failed));
	return rc == 0;
}

/* Some beginning of a known text and a tail of its own, of few different ids, so that texts part and meet anywhere. */
static void choose_text(struct world *w, struct twin *t)
{
	uint32_t i = below(w, TEXTS), keep = below(w, w->n_text[i] + 1);
	if (w->disk.store.io_max && w->n_text[i] > 0 && below(w, 4)) { /* what is in the store comes back */
		memcpy(t->ids, w->texts[i], sizeof w->texts[i]);
		t->n_text = w->n_text[i];
		return;
	}
	memcpy(t->ids, w->texts[i], keep * sizeof *t->ids);
	t->n_text = keep + below(w, TOKENS_MAX - keep + 1);
	if (below(w, 3) == 0 && keep > 0)
		t->n_text = keep;
	for (uint32_t k = keep; k < t->n_text; k++)
		t->ids[k] = below(w, 3);
	i = below(w, TEXTS);
	w->n_text[i] = t->n_text;
	memcpy(w->texts[i], t->ids, t->n_text * sizeof *t->ids);
}

/* LIMIT, though it is possible to go back there? Making room may have cost what was needed. */
static bool limit_is_right(const struct world *w, const struct twin *t, uint32_t keep, uint32_t nearest, uint64_t gone)
{
	return gone != evictions(w) || (nearest < keep && kv_nearest(w->kv, t->s, keep) == nearest);
}

static void add_fork(struct world *w, struct twin *t, const struct twin *from)
{
	uint32_t keep = below(w, 3) ? from->n : below(w, from->n + 1);
	struct kv_seq *s;
	uint64_t gone = evictions(w);
	uint32_t nearest = kv_nearest(w->kv, from->s, keep);
	int rc = kv_fork(&s, w->kv, from->s, keep, NULL);
	assert_true(rc != KVIK_ERR_LIMIT || limit_is_right(w, from, keep, nearest, gone));
	if (rc == KVIK_ERR_LIMIT || !went_well(w, rc)) {
		assert_null(s);
		return;
	}
	*t = *from;
	t->s = s;
	t->n = keep;
	t->reserved = 0;
	t->has_state = true;
	t->announces = false;
	for (uint32_t i = keep + below(w, 4); i < t->n_text; i++)
		t->ids[i] = below(w, 3);
}

static void drop(struct world *w, struct twin *t)
{
	kv_seq_free(w->kv, t->s);
	t->s = NULL;
}

/* A step was given up, or committed up to where there is no state: t goes back to the last one. */
static bool go_back(struct world *w, struct twin *t)
{
	uint64_t gone = evictions(w);
	uint32_t nearest = kv_nearest(w->kv, t->s, t->n);
	int rc = kv_truncate(w->kv, t->s, nearest, NULL);
	if (rc == KVIK_ERR_LIMIT && gone != evictions(w))
		return false;
	if (!went_well(w, rc))
		return false;
	t->n = nearest;
	t->reserved = 0;
	t->has_state = true;
	return true;
}

/* The twin may have lost its place in the tree for want of memory: its tokens stay those of its scope. */
static void append(struct world *w, struct twin *t)
{
	uint32_t n = 1 + below(w, below(w, 4) ? 3 : 80), commit = below(w, 4) ? n : below(w, n + 1);
	if (t->n + n > TOKENS_MAX) {
		assert_int_equal(kv_reserve(w->kv, t->s, n, NULL), KVIK_ERR_LIMIT);
		return;
	}
	if (w->n_paged < w->n_groups && !t->has_state) {
		kv_page page;
		if (kv_state_at(w->kv, t->s, w->n_paged, &page) != t->n)
			assert_int_equal(kv_reserve(w->kv, t->s, n, NULL), KVIK_ERR_LIMIT);
		if (!go_back(w, t))
			return;
	}
	for (; t->n_text < t->n + n; t->n_text++)
		t->ids[t->n_text] = below(w, 3);
	if (!went_well(w, kv_reserve(w->kv, t->s, n, NULL)))
		return;
	compute(w, t, n);
	if (!kv_seq_shares(t->s))
		kv_commit(w->kv, t->s, commit);
	else
		kv_commit_ids(w->kv, t->s, t->ids + t->n, commit);
	t->n += commit;
	t->reserved = n > t->reserved ? n - commit : t->reserved - commit;
	t->has_state = t->reserved == 0;
}

static void truncate_some(struct world *w, struct twin *t)
{
	uint32_t keep = below(w, 2) ? below(w, t->n + 1) : t->n - (t->n ? below(w, t->n < 9 ? t->n : 9) : 0);
	uint64_t gone = evictions(w);
	uint32_t nearest = kv_nearest(w->kv, t->s, keep);
	int rc = kv_truncate(w->kv, t->s, keep, NULL);
	assert_true(rc != KVIK_ERR_LIMIT || limit_is_right(w, t, keep, nearest, gone));
	if (rc == KVIK_ERR_LIMIT || !went_well(w, rc))
		return;
	t->n = keep;
	t->reserved = 0;
	t->has_state = true;
	if (!t->announces)
		for (uint32_t i = keep; i < t->n_text; i++)
			t->ids[i] = below(w, 3);
}

/* Up to where somebody who has at least `from` tokens of t's text says that he will compute more of it than `tokens`;
 * 0: nobody. */
static uint32_t pending(const struct world *w, const struct twin *t, uint32_t from, uint32_t tokens)
{
	uint32_t most = 0;
	for (int i = 0; i < SEQS; i++) {
		const struct twin *u = &w->twins[i];
		uint32_t equal = 0;
		bool readable = u->s && u->announces && kv_seq_shares(u->s) && u != t &&
				(u->scope == t->scope || (u->scope == 0 && t->share.read_public));
		while (readable && equal < t->n_text && equal < u->n_announced && u->ids[equal] == t->ids[equal])
			equal++;
		if (readable && u->n >= from && equal > u->n && equal > tokens && equal > most)
			most = equal;
	}
	return most;
}

static void match(struct world *w, struct twin *t)
{
	struct kv_hit hit, told, seen;
	bool fresh = t->n == 0;
	uint32_t before = t->n;
	if (!kv_seq_shares(t->s) || (t->reserved > 0 && kv_truncate(w->kv, t->s, t->n, NULL) != 0))
		return;
	t->reserved = 0;
	t->has_state = true;
	uint64_t gone = evictions(w);
	kv_explain(w->kv, &t->share, t->ids, t->n_text, &told);
	kv_lookup(w->kv, t->s, t->ids, t->n_text, &seen);
	if (!went_well(w, kv_match(w->kv, t->s, t->ids, t->n_text, &hit, NULL)))
		return;
	if (gone == evictions(w)) {
		assert_true(seen.tokens <= hit.tokens);
		assert_true(t->share.read_public ||
			    (seen.tokens == hit.tokens && seen.matched == hit.matched && seen.why == hit.why &&
			     seen.pending == hit.pending && seen.stored == hit.stored));
	}
	if (!t->share.read_public) /* in the public scope it looks from the beginning */
		assert_int_equal(hit.pending, pending(w, t, before, hit.tokens));
	else
		assert_true(hit.pending == 0 || hit.pending <= pending(w, t, 0, hit.tokens));
	assert_true(hit.tokens >= t->n && hit.tokens <= t->n_text && hit.matched >= hit.tokens);
	assert_true(hit.pending == 0 || (hit.pending > hit.tokens && hit.leader && hit.leader != t->s));
	assert_int_equal(hit.why == KV_ALL, hit.tokens == t->n_text);
	if (fresh && gone == evictions(w)) {
		assert_true(told.tokens <= hit.tokens); /* windows of both scopes together may reach further */
		assert_true(t->share.read_public ||
			    (told.tokens == hit.tokens && told.matched == hit.matched && told.why == hit.why));
	}
	assert_true(hit.stored >= hit.tokens && hit.stored <= hit.matched);
	if (hit.stored > hit.tokens && below(w, 4))
		w->loads += kv_load(w->kv, t->s, t->ids, t->n_text);
	w->hits += hit.tokens > t->n;
	w->partial_hits += hit.tokens > t->n && hit.tokens % 16 != 0;
	t->n = hit.tokens;
}

static void add(struct world *w, struct twin *t)
{
	*t = (struct twin){.scope = below(w, SCOPES), .has_state = true};
	choose_text(w, t);
	if (t->scope == PRIVATE) {
		went_well(w, kv_seq_new(&t->s, w->kv, NULL));
		return;
	}
	t->share = (struct kv_share){.scope = scopes[t->scope],
				     .read_public = below(w, 2),
				     .priority = (uint8_t)(below(w, 4) ? 0 : below(w, 3)),
				     .ttl = below(w, 3) ? 0 : 1 + below(w, 300)};
	if (went_well(w, kv_seq_new_shared(&t->s, w->kv, &t->share, NULL)) && below(w, 4))
		match(w, t);
}

/* A second sequence with the text of one that is computing: it learns of it, and has what the first has. */
static void join(struct world *w, struct twin *t, struct twin *leader)
{
	struct kv_hit hit;
	if (!kv_seq_shares(leader->s) || leader->n_text == leader->n)
		return;
	kv_announce(w->kv, leader->s, leader->ids, leader->n_text);
	leader->announces = true;
	leader->n_announced = leader->n_text;
	*t = (struct twin){.scope = leader->scope, .share = leader->share, .n_text = leader->n_text, .has_state = true};
	memcpy(t->ids, leader->ids, sizeof t->ids);
	if (!went_well(w, kv_seq_new_shared(&t->s, w->kv, &t->share, NULL)) ||
	    !went_well(w, kv_match(w->kv, t->s, t->ids, t->n_text, &hit, NULL)))
		return;
	t->n = hit.tokens;
	if (kv_seq_shares(t->s) && t->n < t->n_text)
		assert_true(hit.pending == leader->n_text && hit.leader);
	w->joins++;
}

static void other(struct world *w, struct twin *t)
{
	switch (below(w, 8)) {
	case 0:
		w->now += below(w, 100);
		for (int i = w->packs ? 8 : 1; i > 0; i--) /* packs a few pages each time */
			kv_clock(w->kv, w->now);
		break;
	case 1:
		kv_mark(w->kv, t->s);
		kv_state_want(w->kv, t->s, t->n + below(w, 60));
		kv_mark_at(w->kv, t->s, t->n + below(w, 200));
		if (below(w, 4) == 0)
			kv_state_keep(w->kv, t->s, below(w, 2));
		break;
	case 2:
		kv_announce(w->kv, t->s, t->ids, t->announces ? 0 : t->n_text);
		t->announces = !t->announces && t->n_text > 0;
		t->n_announced = t->n_text;
		break;
	case 3:
		if (below(w, 20) == 0)
			kv_drop_cached(w->kv);
		break;
	case 4:
		if (below(w, 4) == 0 && kv_truncate(w->kv, t->s, t->n, NULL) == 0 && t->n < TOKENS_MAX &&
		    kv_reserve(w->kv, t->s, 1, NULL) == 0) {
			t->ids[t->n] = below(w, 3);
			t->n_text = t->n_text > t->n ? t->n_text : t->n + 1;
			compute(w, t, 1);
			kv_commit(w->kv, t->s, 1);
			t->n++;
			t->reserved = 0;
			t->has_state = true;
			assert_false(kv_seq_shares(t->s));
		}
		break;
	default: match(w, t); break;
	}
}

static void step(struct world *w)
{
	uint32_t seqs = w->disk.store.io_max ? 5 : SEQS; /* with a store, what is left is to be evicted */
	struct twin *t = &w->twins[below(w, seqs)], *u = &w->twins[below(w, seqs)];
	uint32_t what = below(w, 20);
	w->failed = below(w, 12) == 0;
	if (below(w, 3) == 0)
		run_disk(w, false);
	mem_fail_at(w->failed ? 1 + (long)below(w, 3) : 0);
	if (!t->s && u->s && what < 6)
		add_fork(w, t, u);
	else if (!t->s && u->s && what < 10)
		join(w, t, u);
	else if (!t->s)
		add(w, t);
	else if (what < 2 || (w->disk.store.io_max && what > 16)) /* with a store, more come and go */
		drop(w, t);
	else if (what < 4)
		truncate_some(w, t);
	else if (what < 9)
		other(w, t);
	else
		append(w, t);
	mem_fail_at(0);
}

static void check(const struct world *w, long i, bool all)
{
	const char *broken = kv_check(w->kv);
	if (broken)
		fail_msg("step %ld: %s", i, broken);
	for (int s = 0; s < SEQS && all; s++)
		if (w->twins[s].s)
			compare(w, &w->twins[s]);
	struct kv_stats st = kv_stats(w->kv);
	assert_true(st.bytes_peak <= st.memory_bytes);
	assert_true(st.bytes_tables + w->memory.bytes <= st.memory_bytes);
}

/* What is on the disk is known to a new cache, whose texts begin with it. */
static void restart(struct world *w, const struct kv_config *c)
{
	uint32_t adopted, found = 0;
	w->disk.fails_one_in = w->disk.refuses_one_in = 0;
	while (kv_store_all(w->kv))
		run_disk(w, true);
	kv_free(w->kv);
	assert_int_equal(w->memory.bytes, 0);
	assert_int_equal(kv_new(&w->kv, c, NULL), 0);
	adopted = disk_adopt(&w->disk, w->kv, w->desc, w->n_groups);
	check(w, -1, false);
	for (uint32_t i = 0; i < TEXTS * (SCOPES - 1); i++) {
		struct twin *t = &w->twins[0];
		struct kv_hit hit;
		*t = (struct twin){.scope = i % (SCOPES - 1), .n_text = w->n_text[i / (SCOPES - 1)], .has_state = true};
		memcpy(t->ids, w->texts[i / (SCOPES - 1)], sizeof t->ids);
		t->share = (struct kv_share){.scope = scopes[t->scope]};
		assert_int_equal(kv_seq_new_shared(&t->s, w->kv, &t->share, NULL), 0);
		assert_int_equal(kv_match(w->kv, t->s, t->ids, t->n_text, &hit, NULL), 0);
		while (hit.stored > hit.tokens && kv_load(w->kv, t->s, t->ids, t->n_text)) {
			run_disk(w, true);
			assert_int_equal(kv_match(w->kv, t->s, t->ids, t->n_text, &hit, NULL), 0);
		}
		t->n = hit.tokens;
		found += hit.tokens;
		check(w, i, true);
		drop(w, t);
	}
	printf("  restart: %u tokens adopted, %u found\n", adopted, found);
	assert_true(adopted == 0 || found > 0 || w->n_groups > 1); /* or without the windows or states of its end */
}

static uint64_t seed;

/* granule: of the fake memory; 0: the host's. cold_bytes: of the store; 0: there is none. */
static void run_with_store(const struct kv_group_desc *desc, uint32_t n_groups, uint64_t memory_bytes, size_t granule,
			   uint64_t cold_bytes, long steps)
{
	struct world *w = calloc(1, sizeof *w);
	*w = (struct world){.n_groups = n_groups,
			    .n_paged = n_groups,
			    .desc = desc,
			    .random = seed,
			    .packs = desc->packed_bytes > 0};
	while (kv_kind(&desc[w->n_paged - 1]) == KV_KIND_STATE)
		w->n_paged--;
	if (cold_bytes)
		disk_init(&w->disk, cold_bytes, 1 + (uint32_t)(seed % 40), seed);
	w->disk.store.sync_after = seed % 3 == 0 ? 0 : 20;
	w->memory = (struct fake_memory){.granule = granule, .convert = convert, .convert_ctx = w};
	struct kv_memory memory = fake_memory_ops(&w->memory);
	struct kv_config c = {.memory_bytes = memory_bytes,
			      .n_groups = n_groups,
			      .groups = desc,
			      .seq_tokens_max = TOKENS_MAX,
			      .state_every = 64,
			      .store = cold_bytes ? &w->disk.store : NULL,
			      .pack_after = w->packs ? 120 : 0,
			      .memory = granule ? &memory : NULL,
			      .convert = convert,
			      .convert_ctx = w};
	assert_int_equal(kv_new(&w->kv, &c, NULL), 0);
	for (long i = 0; i < steps; i++) {
		step(w);
		check(w, i, steps <= STEPS || i % 8 == 0);
	}
	struct kv_stats st = kv_stats(w->kv);
	printf("%ld steps: %lu hits (%lu inside a page), %lu joins, %lu times full, %lu failed allocations; pages: %lu "
	       "merged, %lu given up by windows, %lu packed, %lu unpacked; tokens: %lu evicted, %lu expired\n",
	       steps, w->hits, w->partial_hits, w->joins, w->full, w->nomem, st.pages_merged, st.pages_window_dropped,
	       st.packs, st.unpacks, st.tokens_evicted, st.tokens_expired);
	if (w->n_paged < n_groups)
		printf("  states: %lu in passing, %lu in place, %lu snapshots, %lu dropped, %lu missed\n", w->outs,
		       w->in_place, st.states_taken, st.states_dropped, st.states_missed);
	if (cold_bytes)
		printf("  store: %lu kept, %lu refused, %lu pages written, %lu read, %lu failed; %lu loads; %lu tokens "
		       "lost\n",
		       w->disk.kept, w->disk.refused, w->disk.written, w->disk.read, w->disk.failed, w->loads,
		       st.tokens_lost);
	run_disk(w, true);
	assert_true(!w->packs || steps < 1000 || (st.packs > 0 && (st.unpacks > 0 || w->full > 0)));
	for (int s = 0; s < SEQS; s++)
		if (w->twins[s].s)
			drop(w, &w->twins[s]);
	if (cold_bytes) {
		restart(w, &c);
		disk_release(&w->disk); /* it has what no cache names any more */
		kv_free(w->kv);
		assert_int_equal(w->memory.bytes, 0);
		free(w);
		return;
	}
	kv_drop_cached(w->kv);
	check(w, steps, true);
	st = kv_stats(w->kv);
	assert_int_equal(st.sequences + st.nodes, 0);
	for (uint32_t g = 0; g < n_groups; g++)
		assert_int_equal(st.group[g].pages_used, 0);
	kv_free(w->kv);
	assert_int_equal(w->memory.bytes, 0);
	free(w);
}

static void run(const struct kv_group_desc *desc, uint32_t n_groups, uint64_t memory_bytes, size_t granule, long steps)
{
	run_with_store(desc, n_groups, memory_bytes, granule, 0, steps);
}

static long steps_given(void)
{
	const char *given = getenv("KVIK_STEPS");
	return given ? atol(given) : STEPS;
}

static void test_all_groups_roomy(void **state)
{
	(void)state;
	run(groups, 3, 16 << 20, 1024, steps_given() / 6); /* never full */
}

static void test_all_groups_tight(void **state)
{
	(void)state;
	run(groups, 3, 900 << 10, 4096,
	    steps_given() / 6); /* often full: pages move between groups, the tree is evicted */
}

static void test_full_attention(void **state)
{
	(void)state;
	run(groups, 1, 500 << 10, 0, steps_given() / 6);
}

static void test_windows_alone(void **state)
{
	(void)state;
	run(groups + 1, 2, 400 << 10, 4096, steps_given() / 6);
}

static void test_packing_roomy(void **state)
{
	(void)state;
	run(packing, 3, 64 << 20, 0, steps_given() / 6);
}

static void test_packing_tight(void **state)
{
	(void)state;
	run(packing, 3, 1400 << 10, 4096, steps_given() / 6);
}

static void test_states_roomy(void **state)
{
	(void)state;
	run(recurrent, 4, 16 << 20, 1024, steps_given() / 6);
}

static void test_states_tight(void **state)
{
	(void)state;
	run(recurrent, 4, 640 << 10, 4096, steps_given() / 6);
}

static void test_states_without_windows(void **state)
{
	static const struct kv_group_desc plain[] = {{.page_tokens = 16, .page_bytes = 256}, {.page_bytes = 4096}};
	(void)state;
	run(plain, 2, 300 << 10, 0, steps_given() / 6);
}

static void test_store(void **state)
{
	(void)state;
	run_with_store(groups, 1, 400 << 10, 0, 16 << 20, steps_given() / 6);
}

static void test_store_with_windows(void **state)
{
	(void)state;
	run_with_store(groups, 3, 700 << 10, 4096, 16 << 20, steps_given() / 6);
}

static void test_store_with_states(void **state)
{
	(void)state;
	run_with_store(recurrent, 4, 640 << 10, 4096, 1 << 20, steps_given() / 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_groups_roomy),       cmocka_unit_test(test_all_groups_tight),
		cmocka_unit_test(test_full_attention),         cmocka_unit_test(test_windows_alone),
		cmocka_unit_test(test_packing_roomy),          cmocka_unit_test(test_packing_tight),
		cmocka_unit_test(test_states_roomy),           cmocka_unit_test(test_states_tight),
		cmocka_unit_test(test_states_without_windows), cmocka_unit_test(test_store),
		cmocka_unit_test(test_store_with_windows),     cmocka_unit_test(test_store_with_states),
	};
	seed = seed_of_run();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
