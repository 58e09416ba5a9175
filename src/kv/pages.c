/* pages.c: see pages.h.
 *
 * Invariants (kv_check proves them):
 *  1. Every page below fresh is in use (refs > 0), on the free list or on the cold list, in exactly one of them.
 *  2. page_bytes_used and page_bytes_free are the strides of pages in use and on free lists.
 *  3. page_bytes_used + page_bytes_free + table_bytes <= memory_bytes, except that tables may have been counted before
 *     the free pages that make room for them were given back.
 */
#include "kv/pages.h"

#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

static int group_init(struct pages *p, struct page_group *g, const struct kv_group_desc *d, struct kvik_err *err)
{
	size_t system = (size_t)sysconf(_SC_PAGESIZE);
	*g = (struct page_group){.page_bytes = d->page_bytes, .free = PAGE_NONE, .cold = PAGE_NONE};
	g->stride = (d->page_bytes + system - 1) / system * system;
	uint64_t capacity = p->memory_bytes / g->stride;
	if (capacity == 0)
		return err_set(err, KVIK_ERR_LIMIT,
			       "the KV cache may use %llu bytes, but one page needs %zu: raise --kv-memory",
			       (unsigned long long)p->memory_bytes, g->stride);
	g->capacity = capacity < PAGE_NONE ? (uint32_t)capacity : PAGE_NONE - 1;
	g->refs = mem_zalloc(g->capacity, sizeof *g->refs);
	g->next = mem_zalloc(g->capacity, sizeof *g->next);
	void *base = mmap(NULL, (size_t)g->capacity * g->stride, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base != MAP_FAILED)
		g->base = base;
	if (!g->base || !g->refs || !g->next)
		return err_set(err, KVIK_ERR_NOMEM, "no address space for a KV cache of %llu bytes: lower --kv-memory",
			       (unsigned long long)p->memory_bytes);
	pages_count_table(p, (int64_t)(g->capacity * (sizeof *g->refs + sizeof *g->next)));
	return 0;
}

int pages_init(struct pages *p, const struct kv_config *c, struct kvik_err *err)
{
	*p = (struct pages){.memory_bytes = c->memory_bytes};
	uint64_t one_of_each = 0;
	for (uint32_t i = 0; i < c->n_groups; i++) {
		p->n_groups = i + 1;
		int rc = group_init(p, &p->group[i], &c->groups[i], err);
		if (rc)
			return rc;
		one_of_each += p->group[i].stride;
	}
	if (pages_room(p) < one_of_each)
		return err_set(err, KVIK_ERR_LIMIT,
			       "the KV cache may use %llu bytes, but one page of each group and the tables need %llu: "
			       "raise --kv-memory",
			       (unsigned long long)p->memory_bytes, (unsigned long long)(one_of_each + p->table_bytes));
	return 0;
}

void pages_release(struct pages *p)
{
	for (uint32_t i = 0; i < p->n_groups; i++) {
		struct page_group *g = &p->group[i];
		if (g->base)
			munmap(g->base, (size_t)g->capacity * g->stride);
		mem_free(g->refs);
		mem_free(g->next);
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
	*head = g->next[i];
	return i;
}

static void list_push(struct page_group *g, uint32_t *head, uint32_t i)
{
	g->next[i] = *head;
	*head = i;
}

/* Gives memory of free pages back to the system until `bytes` more fit below the ceiling. */
static void give_back(struct pages *p, uint64_t bytes)
{
	for (uint32_t i = 0; i < p->n_groups; i++) {
		struct page_group *g = &p->group[i];
		while (g->free != PAGE_NONE &&
		       p->page_bytes_used + p->page_bytes_free + p->table_bytes + bytes > p->memory_bytes) {
			uint32_t page = list_pop(g, &g->free);
			(void)madvise(g->base + (size_t)page * g->stride, g->stride, MADV_DONTNEED);
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
		give_back(p, g->stride);
		i = g->cold != PAGE_NONE ? list_pop(g, &g->cold) : g->fresh++;
	}
	assert(i < g->capacity);
	g->refs[i] = 1;
	g->n_used++;
	p->page_bytes_used += g->stride;
	note_peak(p);
	return g->base + (size_t)i * g->stride;
}

static uint32_t index_of(const struct page_group *g, const uint8_t *page)
{
	return (uint32_t)((size_t)(page - g->base) / g->stride);
}

void pages_ref(struct pages *p, uint32_t group, const uint8_t *page)
{
	struct page_group *g = &p->group[group];
	g->refs[index_of(g, page)]++;
}

void pages_unref(struct pages *p, uint32_t group, const uint8_t *page)
{
	struct page_group *g = &p->group[group];
	uint32_t i = index_of(g, page);
	assert(g->refs[i] > 0);
	if (--g->refs[i] > 0)
		return;
	list_push(g, &g->free, i);
	g->n_free++;
	g->n_used--;
	p->page_bytes_used -= g->stride;
	p->page_bytes_free += g->stride;
}

uint32_t pages_refs(const struct pages *p, uint32_t group, const uint8_t *page)
{
	const struct page_group *g = &p->group[group];
	return g->refs[index_of(g, page)];
}

void pages_count_table(struct pages *p, int64_t bytes)
{
	p->table_bytes = (uint64_t)((int64_t)p->table_bytes + bytes);
	if (bytes > 0)
		give_back(p, 0);
	note_peak(p);
}
