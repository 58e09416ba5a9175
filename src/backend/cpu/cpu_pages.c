/* cpu_pages.c: pages in the host's memory (kv/memory.c), which the kernels convert to their floor and back. */
#include <string.h>

#include "backend/cpu/cpu.h"
#include "base/mem.h"
#include "kernels/kv_convert.h"

static void convert(void *ctx, uint32_t group, bool pack, uint32_t tokens, const uint8_t *from, uint8_t *to)
{
	const struct cpu_pages *p = ctx;
	const struct kv_layout *own = &p->own[group], *packed = &p->packed[group];
	kv_convert(p->cpu->kernels, pack ? own : packed, from, pack ? packed : own, to, tokens, p->convert_room);
}

/* Room to convert a token of any group. */
static size_t convert_floats(const struct cpu_pages *p, uint32_t groups)
{
	size_t most = 1;
	for (uint32_t g = 0; g < groups; g++) {
		size_t n = p->packed[g].page_bytes ? kv_convert_floats(&p->own[g]) : 0;
		most = n > most ? n : most;
	}
	return most;
}

int cpu_pages_new(struct dev_pages **out, struct dev *d, const struct kv_layout *own, const struct kv_layout *packed,
		  uint32_t n, struct kv_memory *memory, struct kvik_err *err)
{
	struct cpu_pages *p = mem_zalloc(1, sizeof *p);
	*out = (struct dev_pages *)(void *)p;
	if (p) {
		p->cpu = (const struct cpu *)(void *)d;
		p->own = own;
		p->packed = packed;
		p->host = (struct kv_host){.convert = convert, .convert_ctx = p};
		p->convert_room = mem_zalloc(convert_floats(p, n), sizeof *p->convert_room);
	}
	if (!p || !p->convert_room) {
		mem_free(p);
		*out = NULL;
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the pages of a cache");
	}
	*memory = kv_host_memory(&p->host);
	return 0;
}

void cpu_pages_free(struct dev_pages *pages)
{
	struct cpu_pages *p = (struct cpu_pages *)(void *)pages;
	if (p)
		mem_free(p->convert_room);
	mem_free(p);
}

void *cpu_page_at(struct dev_pages *pages, uint32_t group, kv_page page)
{
	const struct cpu_pages *p = (const struct cpu_pages *)(void *)pages;
	return page_address(&p->host.area[KV_AREA_PAGES(group)].at, page);
}

static size_t page_bytes(const struct dev_pages *pages, uint32_t group)
{
	return ((const struct cpu_pages *)(const void *)pages)->host.area[KV_AREA_PAGES(group)].bytes;
}

void cpu_page_write(struct dev_pages *pages, uint32_t group, kv_page page, const void *from)
{
	memcpy(cpu_page_at(pages, group, page), from, page_bytes(pages, group));
}

void cpu_page_read(struct dev_pages *pages, uint32_t group, kv_page page, void *to)
{
	memcpy(to, cpu_page_at(pages, group, page), page_bytes(pages, group));
}
