/* kv.c: sequences and their block tables over reference-counted pages.
 *
 * A sequence has tokens committed (their keys and values are written and final) and reserved (pages are there, the
 * model is writing). A page may be shared by any number of sequences; it is written only through the one that holds its
 * single reference: kv_reserve copies a shared last page before new tokens go into it. Full pages are never written
 * again.
 *
 * Invariants (kv_check proves them):
 *  1. n_blocks of every table = blocks of tokens + reserved.
 *  2. A page's reference count = the table entries that name it.
 *  3. Blocks a later query can see are there; blocks below `freed` are there only if they hold a sink.
 *  4. A failed call changes nothing.
 *
 * Owner: one thread (the engine's). */
#include "kv/kv.h"

#include <string.h>

#include "base/mem.h"
#include "kv/kv_impl.h"

static int check_config(const struct kv_config *c, struct kvik_err *err)
{
	if (c->n_groups < 1 || c->n_groups > KV_GROUPS_MAX)
		return err_set(err, KVIK_ERR_ARG, "kv: %u groups; must be 1..%d", c->n_groups, KV_GROUPS_MAX);
	if (c->seq_tokens_max < 1 || c->seq_tokens_max > 1u << 30)
		return err_set(err, KVIK_ERR_ARG, "kv: sequences of %u tokens; must be 1..2^30", c->seq_tokens_max);
	for (uint32_t i = 0; i < c->n_groups; i++) {
		const struct kv_group_desc *g = &c->groups[i];
		if (g->page_tokens == 0 || (g->page_tokens & (g->page_tokens - 1)) != 0)
			return err_set(err, KVIK_ERR_ARG, "kv: pages of %u tokens; must be a power of two",
				       g->page_tokens);
		if (g->page_bytes == 0 || g->page_bytes % 64 != 0 || g->page_bytes > SIZE_MAX / 4)
			return err_set(err, KVIK_ERR_ARG, "kv: pages of %zu bytes; must be a multiple of 64",
				       g->page_bytes);
	}
	return 0;
}

int kv_new(struct kv **out, const struct kv_config *c, struct kvik_err *err)
{
	*out = NULL;
	int rc = check_config(c, err);
	if (rc)
		return rc;
	struct kv *kv = mem_zalloc(1, sizeof *kv);
	if (!kv)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory");
	memcpy(kv->desc, c->groups, c->n_groups * sizeof *c->groups);
	kv->n_groups = c->n_groups;
	kv->seq_tokens_max = c->seq_tokens_max;
	rc = pages_init(&kv->pages, c, err);
	if (rc)
		kv_free(kv);
	else
		*out = kv;
	return rc;
}

void kv_free(struct kv *kv)
{
	if (!kv)
		return;
	while (kv->seqs)
		kv_seq_free(kv, kv->seqs);
	pages_release(&kv->pages);
	mem_free(kv);
}

/* ---- Sequences --------------------------------------------------------------------------------------------------- */

static size_t seq_bytes(const struct kv *kv)
{
	return sizeof(struct kv_seq) + kv->n_groups * sizeof(struct kv_table);
}

int kv_seq_new(struct kv_seq **out, struct kv *kv, struct kvik_err *err)
{
	*out = NULL;
	if (pages_room(&kv->pages) < seq_bytes(kv))
		return err_set(err, KVIK_ERR_FULL, "the KV cache has no room for another sequence");
	struct kv_seq *s = mem_zalloc(1, seq_bytes(kv));
	if (!s)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for a sequence");
	pages_count_table(&kv->pages, (int64_t)seq_bytes(kv));
	s->next = kv->seqs;
	if (s->next)
		s->next->prev = s;
	kv->seqs = s;
	kv->n_seqs++;
	*out = s;
	return 0;
}

/* Blocks first.. of a table lose their pages. */
static void drop_blocks(struct kv *kv, struct kv_seq *s, uint32_t group, uint32_t first)
{
	struct kv_table *t = &s->table[group];
	for (; t->n_blocks > first; t->n_blocks--) {
		uint8_t *page = t->pages[t->n_blocks - 1];
		if (page)
			pages_unref(&kv->pages, group, page);
	}
	if (t->freed > first)
		t->freed = first;
}

void kv_seq_free(struct kv *kv, struct kv_seq *s)
{
	if (!s)
		return;
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		drop_blocks(kv, s, g, 0);
		pages_count_table(&kv->pages, -(int64_t)(s->table[g].cap * sizeof *s->table[g].pages));
		mem_free(s->table[g].pages);
	}
	if (s->prev)
		s->prev->next = s->next;
	else
		kv->seqs = s->next;
	if (s->next)
		s->next->prev = s->prev;
	kv->n_seqs--;
	pages_count_table(&kv->pages, -(int64_t)seq_bytes(kv));
	mem_free(s);
}

uint32_t kv_seq_tokens(const struct kv_seq *s)
{
	return s->tokens;
}

uint8_t *const *kv_seq_pages(const struct kv_seq *s, uint32_t group, uint32_t *n_blocks)
{
	*n_blocks = s->table[group].n_blocks;
	return s->table[group].pages;
}

static uint32_t blocks_for(const struct kv *kv, uint32_t group, uint32_t tokens)
{
	uint32_t p = kv->desc[group].page_tokens;
	return tokens / p + (tokens % p != 0);
}

/* ---- Reserve and commit ------------------------------------------------------------------------------------------ */

static bool must_copy(const struct kv *kv, const struct kv_seq *s, uint32_t group)
{
	uint32_t p = kv->desc[group].page_tokens;
	if (s->tokens % p == 0)
		return false;
	const uint8_t *last = s->table[group].pages[s->tokens / p];
	return pages_refs(&kv->pages, group, last) > 1;
}

/* Larger table of at least n blocks; a grown one stays when a later step of kv_reserve fails, which is harmless. */
static int grow_table(struct kv *kv, struct kv_table *t, uint32_t n, struct kvik_err *err)
{
	if (n <= t->cap)
		return 0;
	uint32_t cap = t->cap ? t->cap : 4;
	while (cap < n)
		cap *= 2;
	uint64_t more = (cap - t->cap) * sizeof *t->pages;
	if (pages_room(&kv->pages) < more)
		return err_set(err, KVIK_ERR_FULL, "the KV cache is full: no room for a longer block table");
	uint8_t **pages = mem_realloc(t->pages, cap, sizeof *pages);
	if (!pages)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for a block table");
	pages_count_table(&kv->pages, (int64_t)more);
	t->pages = pages;
	t->cap = cap;
	return 0;
}

static void copy_last(struct kv *kv, struct kv_seq *s, uint32_t group)
{
	uint8_t **last = &s->table[group].pages[s->tokens / kv->desc[group].page_tokens];
	uint8_t *own = pages_get(&kv->pages, group);
	memcpy(own, *last, kv->desc[group].page_bytes);
	pages_unref(&kv->pages, group, *last);
	*last = own;
	kv->pages_copied++;
}

int kv_reserve(struct kv *kv, struct kv_seq *s, uint32_t n, struct kvik_err *err)
{
	uint64_t need = 0;
	if (n > kv->seq_tokens_max - s->tokens)
		return err_set(err, KVIK_ERR_LIMIT,
			       "the sequence holds %u tokens and would grow by %u, but may hold %u: raise --ctx",
			       s->tokens, n, kv->seq_tokens_max);
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		int rc = grow_table(kv, &s->table[g], blocks_for(kv, g, s->tokens + n), err);
		if (rc)
			return rc;
	}
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		uint32_t blocks = blocks_for(kv, g, s->tokens + n), have = s->table[g].n_blocks;
		uint64_t pages = (blocks > have ? blocks - have : 0) + (n > 0 && must_copy(kv, s, g));
		need += pages * kv->pages.group[g].stride;
	}
	if (need > pages_room(&kv->pages))
		return err_set(err, KVIK_ERR_FULL,
			       "the KV cache is full: %llu more bytes needed, %llu of %llu left; raise --kv-memory or "
			       "shorten the text",
			       (unsigned long long)need, (unsigned long long)pages_room(&kv->pages),
			       (unsigned long long)kv->pages.memory_bytes);
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		struct kv_table *t = &s->table[g];
		if (n > 0 && must_copy(kv, s, g))
			copy_last(kv, s, g);
		for (uint32_t blocks = blocks_for(kv, g, s->tokens + n); t->n_blocks < blocks; t->n_blocks++)
			t->pages[t->n_blocks] = pages_get(&kv->pages, g);
	}
	if (n > s->reserved)
		s->reserved = n;
	return 0;
}

/* First position that a query at `position` sees, sinks aside. */
static uint32_t visible_from(const struct kv_group_desc *d, uint32_t position)
{
	return d->window && position + 1 > d->window ? position + 1 - d->window : 0;
}

/* Frees what the query at s->tokens and later ones cannot see. */
static void slide_window(struct kv *kv, struct kv_seq *s, uint32_t group)
{
	const struct kv_group_desc *d = &kv->desc[group];
	struct kv_table *t = &s->table[group];
	uint32_t end = visible_from(d, s->tokens) / d->page_tokens;
	for (; t->freed < end; t->freed++) {
		uint8_t **page = &t->pages[t->freed];
		if (!*page || t->freed * d->page_tokens < d->sinks)
			continue;
		pages_unref(&kv->pages, group, *page);
		*page = NULL;
		kv->pages_freed_by_window++;
	}
}

void kv_commit(struct kv *kv, struct kv_seq *s, uint32_t n)
{
	s->tokens += n;
	s->reserved -= n;
	for (uint32_t g = 0; g < kv->n_groups; g++)
		slide_window(kv, s, g);
}

/* ---- Truncate and fork ------------------------------------------------------------------------------------------- */

/* Can a sequence go on after the first `tokens` tokens of s? */
static int check_prefix(const struct kv *kv, const struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	if (tokens > s->tokens)
		return err_set(err, KVIK_ERR_ARG, "the sequence has %u tokens, not %u", s->tokens, tokens);
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		const struct kv_group_desc *d = &kv->desc[g];
		if (tokens > 0 && visible_from(d, tokens) / d->page_tokens < s->table[g].freed)
			return err_set(err, KVIK_ERR_LIMIT,
				       "cannot go back to token %u: the window of %u has already freed what it needs",
				       tokens, d->window);
	}
	return 0;
}

int kv_truncate(struct kv *kv, struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	int rc = check_prefix(kv, s, tokens, err);
	if (rc)
		return rc;
	for (uint32_t g = 0; g < kv->n_groups; g++)
		drop_blocks(kv, s, g, blocks_for(kv, g, tokens));
	s->tokens = tokens;
	s->reserved = 0;
	return 0;
}

int kv_fork(struct kv_seq **out, struct kv *kv, const struct kv_seq *s, uint32_t tokens, struct kvik_err *err)
{
	struct kv_seq *f = NULL;
	*out = NULL;
	int rc = check_prefix(kv, s, tokens, err);
	if (!rc)
		rc = kv_seq_new(&f, kv, err);
	for (uint32_t g = 0; g < kv->n_groups && !rc; g++)
		rc = grow_table(kv, &f->table[g], blocks_for(kv, g, tokens), err);
	if (rc) {
		kv_seq_free(kv, f);
		return rc;
	}
	for (uint32_t g = 0; g < kv->n_groups; g++) {
		struct kv_table *t = &f->table[g];
		for (uint32_t blocks = blocks_for(kv, g, tokens); t->n_blocks < blocks; t->n_blocks++) {
			uint8_t *page = s->table[g].pages[t->n_blocks];
			t->pages[t->n_blocks] = page;
			if (page)
				pages_ref(&kv->pages, g, page);
		}
		t->freed = s->table[g].freed < t->n_blocks ? s->table[g].freed : t->n_blocks;
	}
	f->tokens = tokens;
	*out = f;
	return 0;
}

/* ---- Figures ----------------------------------------------------------------------------------------------------- */

struct kv_stats kv_stats(const struct kv *kv)
{
	const struct pages *p = &kv->pages;
	struct kv_stats st = {.memory_bytes = p->memory_bytes,
			      .bytes_used = p->page_bytes_used + p->table_bytes,
			      .bytes_peak = p->bytes_peak,
			      .bytes_tables = p->table_bytes,
			      .sequences = kv->n_seqs,
			      .pages_copied = kv->pages_copied,
			      .pages_freed_by_window = kv->pages_freed_by_window};
	for (uint32_t g = 0; g < kv->n_groups; g++)
		st.group[g] = (struct kv_group_stats){.pages_used = p->group[g].n_used,
						      .pages_free = p->group[g].n_free,
						      .bytes_used = p->group[g].n_used * (uint64_t)p->group[g].stride};
	return st;
}
