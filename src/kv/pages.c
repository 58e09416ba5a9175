/* pages.c: see pages.h.
 *
 * Invariants (kv_check proves them):
 *  1. Every page below fresh is in use (refs > 0), on the free list or on the cold list, in exactly one of them.
 *  2. page_bytes_used and page_bytes_free are the strides of pages in use and on free lists.
 *  3. page_bytes_used + page_bytes_free + table_bytes <= memory_bytes.
 *  4. n_cached and page_bytes_cached count the pages with refs == tree > 0.
 *  5. A packed page has refs == tree and a slot of its own; it counts as the stride of the slots. */
#include "kv/pages.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"

/* The inverse of an odd number modulo 2^64, by Newton's iteration: each round doubles the bits that are right. */
static uint64_t inverse_of(uint64_t odd)
{
	uint64_t x = odd; /* 3 bits are right */
	for (int bits = 3; bits < 64; bits *= 2)
		x *= 2 - odd * x;
	return x;
}

/* Offsets are exact multiples of the stride, so that dividing is multiplying by the inverse. */
static uint32_t page_number(const struct page_group *g, const uint8_t *page)
{
	return (uint32_t)(((uint64_t)(page - g->base) >> g->shift) * g->inverse);
}

static int slots_init(struct pages *p, struct packed_slots *s, uint32_t capacity, struct kvik_err *err)
{
	s->capacity = capacity;
	s->free = PAGE_NONE;
	s->next = mem_zalloc(capacity, sizeof *s->next);
	void *base = mmap(NULL, (size_t)capacity * s->stride, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base != MAP_FAILED)
		s->base = base;
	if (!s->base || !s->next)
		return err_set(err, KVIK_ERR_NOMEM, "no address space for packed pages: lower --kv-memory");
	pages_count_table(p, (int64_t)(capacity * sizeof *s->next));
	return 0;
}

static int group_init(struct pages *p, struct page_group *g, const struct kv_group_desc *d, struct kvik_err *err)
{
	size_t system = (size_t)sysconf(_SC_PAGESIZE);
	*g = (struct page_group){.page_bytes = d->page_bytes, .free = PAGE_NONE, .cold = PAGE_NONE};
	g->stride = (d->page_bytes + system - 1) / system * system;
	g->shift = (uint32_t)__builtin_ctzll(g->stride);
	g->inverse = inverse_of(g->stride >> g->shift);
	if (d->packed_bytes && p->convert)
		g->packed.stride = (d->packed_bytes + system - 1) / system * system;
	if (g->packed.stride >= g->stride)
		g->packed.stride = 0; /* nothing would be gained */
	uint64_t capacity = p->memory_bytes / (g->packed.stride ? g->packed.stride : g->stride);
	if (p->memory_bytes < g->stride)
		return err_set(err, KVIK_ERR_LIMIT,
			       "the KV cache may use %llu bytes, but one page needs %zu: raise --kv-memory",
			       (unsigned long long)p->memory_bytes, g->stride);
	g->capacity = capacity < PAGE_NONE ? (uint32_t)capacity : PAGE_NONE - 1;
	g->info = mem_zalloc(g->capacity, sizeof *g->info);
	void *base = mmap(NULL, (size_t)g->capacity * g->stride, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base != MAP_FAILED)
		g->base = base;
	if (!g->base || !g->info)
		return err_set(err, KVIK_ERR_NOMEM, "no address space for a KV cache of %llu bytes: lower --kv-memory",
			       (unsigned long long)p->memory_bytes);
	pages_count_table(p, (int64_t)(g->capacity * sizeof *g->info));
	return g->packed.stride ? slots_init(p, &g->packed, g->capacity, err) : 0;
}

int pages_init(struct pages *p, const struct kv_config *c, struct kvik_err *err)
{
	*p = (struct pages){.memory_bytes = c->memory_bytes};
	if (c->pack_after) {
		p->convert = c->convert;
		p->convert_ctx = c->convert_ctx;
	}
	for (uint32_t i = 0; i < c->n_groups; i++) {
		p->n_groups = i + 1;
		int rc = group_init(p, &p->group[i], &c->groups[i], err);
		if (rc)
			return rc;
		if (p->group[i].packed.stride > p->scratch_bytes)
			p->scratch_bytes = p->group[i].packed.stride;
	}
	if (p->scratch_bytes)
		p->scratch = mem_alloc(p->scratch_bytes);
	if (p->scratch_bytes && !p->scratch)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for packing pages");
	pages_count_table(p, (int64_t)p->scratch_bytes);
	return 0;
}

void pages_release(struct pages *p)
{
	for (uint32_t i = 0; i < p->n_groups; i++) {
		struct page_group *g = &p->group[i];
		if (g->base)
			munmap(g->base, (size_t)g->capacity * g->stride);
		if (g->packed.base)
			munmap(g->packed.base, (size_t)g->packed.capacity * g->packed.stride);
		mem_free(g->info);
		mem_free(g->packed.next);
	}
	mem_free(p->scratch);
	*p = (struct pages){0};
}

uint64_t pages_room(const struct pages *p)
{
	uint64_t used = p->page_bytes_used + p->table_bytes; /* free pages can be given back */
	return used < p->memory_bytes ? p->memory_bytes - used : 0;
}

static void note_peak(struct pages *p)
{
	uint64_t now = p->page_bytes_used + p->page_bytes_free + p->table_bytes;
	if (now > p->bytes_peak)
		p->bytes_peak = now;
}

static uint32_t list_pop(struct page_group *g, uint32_t *head)
{
	uint32_t i = *head;
	*head = g->info[i].next;
	return i;
}

static void list_push(struct page_group *g, uint32_t *head, uint32_t i)
{
	g->info[i].next = *head;
	*head = i;
}

void pages_give_back(struct pages *p, uint64_t bytes)
{
	for (uint32_t i = 0; i < p->n_groups; i++) {
		struct page_group *g = &p->group[i];
		while (g->free != PAGE_NONE &&
		       p->page_bytes_used + p->page_bytes_free + p->table_bytes + bytes > p->memory_bytes) {
			uint32_t page = list_pop(g, &g->free);
			os_drop(g->base + (size_t)page * g->stride, g->stride);
			list_push(g, &g->cold, page);
			g->n_free--;
			p->page_bytes_free -= g->stride;
		}
	}
}

uint8_t *pages_get(struct pages *p, uint32_t group)
{
	struct page_group *g = &p->group[group];
	uint32_t i;
	assert(pages_room(p) >= g->stride);
	if (g->free != PAGE_NONE) {
		i = list_pop(g, &g->free);
		g->n_free--;
		p->page_bytes_free -= g->stride;
	} else {
		pages_give_back(p, g->stride);
		i = g->cold != PAGE_NONE ? list_pop(g, &g->cold) : g->fresh++;
	}
	assert(i < g->capacity);
	g->info[i] = (struct page_info){.refs = 1, .next = PAGE_NONE};
	g->n_used++;
	p->page_bytes_used += g->stride;
	note_peak(p);
	return g->base + (size_t)i * g->stride;
}

struct page_info *pages_info(const struct pages *p, uint32_t group, const uint8_t *page)
{
	const struct page_group *g = &p->group[group];
	return &g->info[page_number(g, page)];
}

static uint64_t held_bytes(const struct page_group *g, const struct page_info *i)
{
	return i->next == PAGE_NONE ? g->stride : g->packed.stride;
}

uint64_t pages_held(const struct pages *p, uint32_t group, const uint8_t *page)
{
	return held_bytes(&p->group[group], pages_info(p, group, page));
}

static uint32_t take_slot(struct packed_slots *s)
{
	uint32_t slot = s->free;
	if (slot == PAGE_NONE)
		return s->fresh++;
	s->free = s->next[slot];
	return slot;
}

static void release_slot(struct page_group *g, struct page_info *i)
{
	struct packed_slots *s = &g->packed;
	os_drop(s->base + (size_t)i->next * s->stride, s->stride);
	s->next[i->next] = s->free;
	s->free = i->next;
	i->next = PAGE_NONE;
	g->n_packed--;
}

/* A page in use that nobody needs any more. */
static void release_page(struct pages *p, struct page_group *g, struct page_info *i)
{
	g->n_used--;
	p->page_bytes_used -= held_bytes(g, i);
	if (i->next != PAGE_NONE) {
		release_slot(g, i);
		list_push(g, &g->cold, (uint32_t)(i - g->info));
		return;
	}
	list_push(g, &g->free, (uint32_t)(i - g->info));
	g->n_free++;
	p->page_bytes_free += g->stride;
}

/* Changes both counts of a page and, with them, whether it is in use and whether only the tree holds it. */
static void change_refs(struct pages *p, uint32_t group, const uint8_t *page, int refs, int tree)
{
	struct page_group *g = &p->group[group];
	struct page_info *i = pages_info(p, group, page);
	bool was_cached = i->refs == i->tree;
	assert(i->refs > 0 && (i->next == PAGE_NONE || refs == tree));
	i->refs += (uint32_t)refs;
	i->tree += (uint32_t)tree;
	bool cached = i->refs == i->tree && i->refs > 0;
	if (was_cached != cached) {
		uint64_t bytes = held_bytes(g, i);
		g->n_cached = cached ? g->n_cached + 1 : g->n_cached - 1;
		p->page_bytes_cached = cached ? p->page_bytes_cached + bytes : p->page_bytes_cached - bytes;
	}
	if (i->refs == 0)
		release_page(p, g, i);
}

void pages_ref(struct pages *p, uint32_t group, const uint8_t *page)
{
	change_refs(p, group, page, 1, 0);
}

void pages_unref(struct pages *p, uint32_t group, const uint8_t *page)
{
	change_refs(p, group, page, -1, 0);
}

void pages_ref_tree(struct pages *p, uint32_t group, const uint8_t *page)
{
	change_refs(p, group, page, 1, 1);
}

void pages_unref_tree(struct pages *p, uint32_t group, const uint8_t *page)
{
	change_refs(p, group, page, -1, -1);
}

/* ---- Packing ----------------------------------------------------------------------------------------------------- */

/* The page's memory, as it is counted, changes to that of its other form. */
static void count_form(struct pages *p, int64_t bytes)
{
	p->page_bytes_used = (uint64_t)((int64_t)p->page_bytes_used + bytes);
	p->page_bytes_cached = (uint64_t)((int64_t)p->page_bytes_cached + bytes);
	note_peak(p);
}

bool pages_pack(struct pages *p, uint32_t group, const uint8_t *page)
{
	struct page_group *g = &p->group[group];
	struct packed_slots *s = &g->packed;
	struct page_info *i = pages_info(p, group, page);
	if (!s->base || i->next != PAGE_NONE || i->refs != i->tree)
		return false;
	p->convert(p->convert_ctx, group, true, i->claimed, page, p->scratch);
	os_drop(g->base + (size_t)(i - g->info) * g->stride, g->stride);
	i->next = take_slot(s);
	memcpy(s->base + (size_t)i->next * s->stride, p->scratch, s->stride);
	count_form(p, (int64_t)s->stride - (int64_t)g->stride);
	g->n_packed++;
	p->packs++;
	return true;
}

uint64_t pages_unpack_bytes(const struct pages *p, uint32_t group, const uint8_t *page)
{
	return p->group[group].stride - pages_held(p, group, page);
}

void pages_unpack(struct pages *p, uint32_t group, uint8_t *page)
{
	struct page_group *g = &p->group[group];
	struct page_info *i = pages_info(p, group, page);
	if (i->next == PAGE_NONE)
		return;
	memcpy(p->scratch, g->packed.base + (size_t)i->next * g->packed.stride, g->packed.stride);
	release_slot(g, i);
	pages_give_back(p, g->stride - g->packed.stride);
	p->convert(p->convert_ctx, group, false, i->claimed, p->scratch, page);
	count_form(p, (int64_t)g->stride - (int64_t)g->packed.stride);
	p->unpacks++;
}

void pages_count_table(struct pages *p, int64_t bytes)
{
	p->table_bytes = (uint64_t)((int64_t)p->table_bytes + bytes);
	note_peak(p);
}
