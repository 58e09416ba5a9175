/* pages.c: see pages.h.
 *
 * Invariants (kv_check proves them):
 *  1. Every page 1..fresh is in use (refs > 0), on the free list or on the cold list, in exactly one of them.
 *  2. page_bytes_used and page_bytes_free are the strides of pages in use and on free lists.
 *  3. page_bytes_used + page_bytes_free + table_bytes <= memory_bytes.
 *  4. n_cached and page_bytes_cached count the pages with refs == tree > 0.
 *  5. A packed page has refs == tree and a slot of its own; it counts as the stride of the slots. */
#include "kv/pages.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

static int slots_init(struct pages *p, uint32_t group, size_t bytes, struct kvik_err *err)
{
	struct page_group *g = &p->group[group];
	struct packed_slots *s = &g->packed;
	s->capacity = g->capacity;
	s->next = mem_zalloc((size_t)s->capacity + 1, sizeof *s->next);
	if (!s->next)
		return err_set(err, KVIK_ERR_NOMEM, "kv: no memory for packing pages");
	pages_count_table(p, (int64_t)((s->capacity + UINT64_C(1)) * sizeof *s->next));
	return p->memory.reserve(p->memory.ctx, KV_AREA_PACKED(group), s->capacity, bytes, err);
}

/* What a packed page takes; 0: nothing would be gained by packing. */
static size_t packed_stride(const struct pages *p, const struct kv_group_desc *d, bool packs, size_t stride)
{
	size_t packed = packs && d->packed_bytes ? p->memory.stride(p->memory.ctx, d->packed_bytes) : 0;
	return packed < stride ? packed : 0;
}

static int group_init(struct pages *p, uint32_t group, const struct kv_group_desc *d, bool packs, struct kvik_err *err)
{
	struct page_group *g = &p->group[group];
	*g = (struct page_group){.page_bytes = d->page_bytes};
	g->stride = p->memory.stride(p->memory.ctx, d->page_bytes);
	g->packed.stride = packed_stride(p, d, packs, g->stride);
	uint64_t cold = p->store ? p->store->cold_bytes / g->stride : 0;
	g->cold_max = cold < UINT32_MAX / 2 ? (uint32_t)cold : UINT32_MAX / 2;
	uint64_t capacity = p->memory_bytes / (g->packed.stride ? g->packed.stride : g->stride) + g->cold_max;
	if (p->memory_bytes < g->stride)
		return err_set(err, KVIK_ERR_LIMIT,
			       "the KV cache may use %llu bytes, but one page needs %zu: raise --kv-memory",
			       (unsigned long long)p->memory_bytes, g->stride);
	g->capacity = capacity < UINT32_MAX ? (uint32_t)capacity : UINT32_MAX - 1;
	g->info = mem_zalloc((size_t)g->capacity + 1, sizeof *g->info);
	if (p->store)
		g->place = mem_zalloc((size_t)g->capacity + 1, sizeof *g->place);
	if (!g->info || (p->store && !g->place))
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the books of a KV cache of %llu bytes",
			       (unsigned long long)p->memory_bytes);
	pages_count_table(
		p, (int64_t)((g->capacity + UINT64_C(1)) * (sizeof *g->info + (p->store ? sizeof *g->place : 0))));
	int rc = p->memory.reserve(p->memory.ctx, KV_AREA_PAGES(group), g->capacity, d->page_bytes, err);
	return rc || !g->packed.stride ? rc : slots_init(p, group, d->packed_bytes, err);
}

int pages_init(struct pages *p, const struct kv_config *c, const struct kv_memory *m, struct kvik_err *err)
{
	*p = (struct pages){.memory_bytes = c->memory_bytes, .memory = *m, .store = c->store};
	for (uint32_t i = 0; i < c->n_groups; i++) {
		p->n_groups = i + 1;
		int rc = group_init(p, i, &c->groups[i], c->pack_after > 0, err);
		if (rc)
			return rc;
		if (p->group[i].packed.stride > p->convert_bytes)
			p->convert_bytes = p->group[i].packed.stride;
	}
	pages_count_table(p, (int64_t)p->convert_bytes);
	return 0;
}

void pages_release(struct pages *p)
{
	for (uint32_t i = 0; i < p->n_groups; i++) {
		struct page_group *g = &p->group[i];
		p->memory.release(p->memory.ctx, KV_AREA_PAGES(i));
		p->memory.release(p->memory.ctx, KV_AREA_PACKED(i));
		mem_free(g->info);
		mem_free(g->place);
		mem_free(g->packed.next);
	}
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
		while (g->n_free > g->kept &&
		       p->page_bytes_used + p->page_bytes_free + p->table_bytes + bytes > p->memory_bytes) {
			uint32_t page = list_pop(g, &g->free);
			p->memory.decommit(p->memory.ctx, KV_AREA_PAGES(i), page);
			list_push(g, &g->cold, page);
			g->n_free--;
			p->page_bytes_free -= g->stride;
		}
	}
}

/* One more page of the group on its free list. */
static int commit_page(struct pages *p, uint32_t group, struct kvik_err *err)
{
	struct page_group *g = &p->group[group];
	pages_give_back(p, g->stride);
	uint32_t i = g->cold ? g->cold : g->fresh + 1;
	assert(i <= g->capacity);
	if (p->memory.commit(p->memory.ctx, KV_AREA_PAGES(group), i) != 0)
		return err_set(err, KVIK_ERR_NOMEM,
			       "no memory for a page of the KV cache, though its ceiling allows it");
	if (g->cold)
		(void)list_pop(g, &g->cold);
	else
		g->fresh++;
	list_push(g, &g->free, i);
	g->n_free++;
	p->page_bytes_free += g->stride;
	note_peak(p);
	return 0;
}

int pages_prepare(struct pages *p, const uint32_t *n, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t g = 0; g < p->n_groups; g++)
		p->group[g].kept = n[g];
	for (uint32_t g = 0; g < p->n_groups; g++)
		while (p->group[g].n_free < n[g] && !rc)
			rc = commit_page(p, g, err);
	for (uint32_t g = 0; g < p->n_groups; g++)
		p->group[g].kept = 0;
	return rc;
}

kv_page pages_get(struct pages *p, uint32_t group)
{
	struct page_group *g = &p->group[group];
	assert(g->free);
	uint32_t i = list_pop(g, &g->free);
	g->n_free--;
	p->page_bytes_free -= g->stride;
	g->info[i] = (struct page_info){.refs = 1};
	g->n_used++;
	p->page_bytes_used += g->stride;
	return i;
}

void pages_copy(struct pages *p, uint32_t group, kv_page to, kv_page from)
{
	p->memory.copy(p->memory.ctx, KV_AREA_PAGES(group), to, from);
}

static uint64_t used_bytes(const struct page_group *g, const struct page_info *i)
{
	return i->form == PAGE_COLD ? 0 : i->form == PAGE_PACKED ? g->packed.stride : g->stride;
}

/* What comes free with it at once. */
static uint64_t held_bytes(const struct page_group *g, const struct page_info *i)
{
	return i->form == PAGE_WRITING || i->form == PAGE_READING ? 0 : used_bytes(g, i);
}

static void set_form(struct pages *p, uint32_t group, kv_page page, enum page_form form)
{
	struct page_group *g = &p->group[group];
	struct page_info *i = &g->info[page];
	bool cached = i->refs == i->tree && i->refs > 0;
	bool was_away = i->form == PAGE_COLD || i->form == PAGE_READING;
	p->page_bytes_used -= used_bytes(g, i);
	p->page_bytes_cached -= cached ? held_bytes(g, i) : 0;
	g->n_cold -= i->form == PAGE_COLD;
	i->form = (uint8_t)form;
	g->n_cold += form == PAGE_COLD;
	p->page_bytes_used += used_bytes(g, i);
	p->page_bytes_cached += cached ? held_bytes(g, i) : 0;
	p->n_away += (uint32_t)(form == PAGE_COLD || form == PAGE_READING) - (uint32_t)was_away;
	note_peak(p);
}

uint64_t pages_held(const struct pages *p, uint32_t group, kv_page page)
{
	return held_bytes(&p->group[group], pages_info(p, group, page));
}

static void release_slot(struct pages *p, uint32_t group, struct page_info *i)
{
	struct packed_slots *s = &p->group[group].packed;
	p->memory.decommit(p->memory.ctx, KV_AREA_PACKED(group), i->next);
	s->next[i->next] = s->free;
	s->free = i->next;
	i->next = 0;
	p->group[group].n_packed--;
}

/* A page in use that nobody needs any more. */
static void release_page(struct pages *p, uint32_t group, kv_page page)
{
	struct page_group *g = &p->group[group];
	struct page_info *i = &g->info[page];
	g->n_used--;
	if (i->form == PAGE_WRITING || i->form == PAGE_READING) {
		g->n_limbo++;
		return;
	}
	if (p->store)
		pages_forget(p, group, page);
	p->page_bytes_used -= used_bytes(g, i);
	if (i->form != PAGE_HOT) {
		if (i->form == PAGE_PACKED)
			release_slot(p, group, i);
		g->n_cold -= i->form == PAGE_COLD;
		p->n_away -= i->form == PAGE_COLD;
		list_push(g, &g->cold, page);
		return;
	}
	list_push(g, &g->free, page);
	g->n_free++;
	p->page_bytes_free += g->stride;
}

void pages_change_refs(struct pages *p, uint32_t group, kv_page page, int refs, int tree)
{
	struct page_group *g = &p->group[group];
	struct page_info *i = pages_info(p, group, page);
	bool was_cached = i->refs == i->tree;
	assert(i->refs > 0 && (i->form == PAGE_HOT || i->form == PAGE_WRITING || refs == tree));
	i->refs += (uint32_t)refs;
	i->tree += (uint32_t)tree;
	bool cached = i->refs == i->tree && i->refs > 0;
	if (was_cached != cached) {
		uint64_t bytes = held_bytes(g, i);
		g->n_cached = cached ? g->n_cached + 1 : g->n_cached - 1;
		p->page_bytes_cached = cached ? p->page_bytes_cached + bytes : p->page_bytes_cached - bytes;
	}
	if (i->refs == 0)
		release_page(p, group, page);
}

/* ---- Packing ----------------------------------------------------------------------------------------------------- */

bool pages_pack(struct pages *p, uint32_t group, kv_page page)
{
	struct page_group *g = &p->group[group];
	struct packed_slots *s = &g->packed;
	struct page_info *i = &g->info[page];
	uint32_t slot = s->free ? s->free : s->fresh + 1;
	if (s->stride == 0 || i->form != PAGE_HOT || i->refs != i->tree ||
	    p->memory.commit(p->memory.ctx, KV_AREA_PACKED(group), slot) != 0)
		return false;
	if (s->free)
		s->free = s->next[slot];
	else
		s->fresh++;
	p->memory.convert(p->memory.ctx, group, true, i->claimed, page, slot);
	p->memory.decommit(p->memory.ctx, KV_AREA_PAGES(group), page);
	i->next = slot;
	set_form(p, group, page, PAGE_PACKED);
	g->n_packed++;
	p->packs++;
	return true;
}

uint64_t pages_unpack_bytes(const struct pages *p, uint32_t group, kv_page page)
{
	const struct page_group *g = &p->group[group];
	return pages_info(p, group, page)->form == PAGE_PACKED ? g->stride - g->packed.stride : 0;
}

int pages_unpack(struct pages *p, uint32_t group, kv_page page, struct kvik_err *err)
{
	struct page_group *g = &p->group[group];
	struct page_info *i = &g->info[page];
	if (i->form != PAGE_PACKED)
		return 0;
	pages_give_back(p, g->stride - g->packed.stride);
	if (p->memory.commit(p->memory.ctx, KV_AREA_PAGES(group), page) != 0)
		return err_set(err, KVIK_ERR_NOMEM, "no memory to unpack a page of the KV cache");
	p->memory.convert(p->memory.ctx, group, false, i->claimed, page, i->next);
	release_slot(p, group, i);
	set_form(p, group, page, PAGE_HOT);
	p->unpacks++;
	return 0;
}

/* ---- The store --------------------------------------------------------------------------------------------------- */

void pages_forget(struct pages *p, uint32_t group, kv_page page)
{
	uint64_t *place = &p->group[group].place[page];
	if (pages_info(p, group, page)->form == PAGE_WRITING)
		pages_info(p, group, page)->stale = true;
	if (*place)
		p->store->forget(p->store->ctx, *place);
	*place = 0;
}

void pages_write(struct pages *p, uint32_t group, kv_page page, bool stays)
{
	pages_forget(p, group, page); /* another copy of it, in another record */
	pages_info(p, group, page)->stale = false;
	pages_info(p, group, page)->stays = stays;
	set_form(p, group, page, PAGE_WRITING);
}

/* Nobody names a page any more whose I/O has come to its end. */
static void leave_limbo(struct pages *p, uint32_t group, kv_page page)
{
	struct page_group *g = &p->group[group];
	set_form(p, group, page, PAGE_HOT);
	pages_forget(p, group, page);
	g->n_limbo--;
	p->page_bytes_used -= g->stride;
	list_push(g, &g->free, page);
	g->n_free++;
	p->page_bytes_free += g->stride;
}

void pages_cool(struct pages *p, uint32_t group, kv_page page)
{
	p->memory.decommit(p->memory.ctx, KV_AREA_PAGES(group), page);
	set_form(p, group, page, PAGE_COLD);
}

bool pages_written(struct pages *p, uint32_t group, kv_page page, uint64_t place)
{
	struct page_info *i = pages_info(p, group, page);
	bool stale = i->stale;
	p->group[group].place[page] = place;
	if (i->refs == 0) {
		leave_limbo(p, group, page);
		return false;
	}
	set_form(p, group, page, PAGE_HOT);
	if (stale)
		pages_forget(p, group, page);
	else if (place && i->refs == i->tree && !i->stays)
		pages_cool(p, group, page);
	return i->form == PAGE_COLD;
}

int pages_read(struct pages *p, uint32_t group, kv_page page, struct kvik_err *err)
{
	pages_give_back(p, p->group[group].stride);
	if (p->memory.commit(p->memory.ctx, KV_AREA_PAGES(group), page) != 0)
		return err_set(err, KVIK_ERR_NOMEM, "no memory to load a page of the KV cache");
	set_form(p, group, page, PAGE_READING);
	return 0;
}

void pages_was_read(struct pages *p, uint32_t group, kv_page page, bool ok)
{
	if (pages_info(p, group, page)->refs == 0) {
		leave_limbo(p, group, page);
		return;
	}
	set_form(p, group, page, PAGE_HOT);
	if (!ok)
		pages_forget(p, group, page);
}

kv_page pages_adopt(struct pages *p, uint32_t group, uint64_t place, uint32_t claimed)
{
	struct page_group *g = &p->group[group];
	uint32_t i = g->cold ? g->cold : g->fresh + 1;
	if (g->n_cold >= g->cold_max)
		return KV_PAGE_NONE;
	if (g->cold)
		(void)list_pop(g, &g->cold);
	else
		g->fresh++;
	g->info[i] = (struct page_info){.refs = 1, .tree = 1, .claimed = claimed, .form = PAGE_COLD};
	g->place[i] = place;
	g->n_used++;
	g->n_cached++;
	g->n_cold++;
	p->n_away++;
	return i;
}

void pages_count_table(struct pages *p, int64_t bytes)
{
	p->table_bytes = (uint64_t)((int64_t)p->table_bytes + bytes);
	note_peak(p);
}
