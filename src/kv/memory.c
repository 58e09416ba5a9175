/* memory.c: the host's memory: an area is a mapping for all its places, backed by the system where it is touched.
 *
 * So commit has nothing to do, and decommit gives the system its pages back. Where the system counts memory when it is
 * asked for and not when it is touched, commit is where that belongs. */
#include "kv/memory.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/os.h"

size_t kv_host_stride(size_t bytes)
{
	size_t system = (size_t)sysconf(_SC_PAGESIZE);
	return (bytes + system - 1) / system * system;
}

static size_t host_stride(void *ctx, size_t bytes)
{
	(void)ctx;
	return kv_host_stride(bytes);
}

static int host_reserve(void *ctx, uint32_t area, uint32_t n, size_t bytes, struct kvik_err *err)
{
	struct kv_host *h = ctx;
	size_t stride = kv_host_stride(bytes), mapped = ((size_t)n + 1) * stride;
	void *base = mem_fails_now() ? MAP_FAILED
				     : mmap(NULL, mapped, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return err_set(err, KVIK_ERR_NOMEM, "no address space for %u pages of the KV cache: lower --kv-memory",
			       n);
	h->area[area].at = (struct page_area){base, stride};
	h->area[area].bytes = bytes;
	h->area[area].mapped = mapped;
	return 0;
}

static void host_release(void *ctx, uint32_t area)
{
	struct kv_host *h = ctx;
	if (h->area[area].mapped)
		munmap(h->area[area].at.base, h->area[area].mapped);
	h->area[area].at.base = NULL;
	h->area[area].mapped = 0;
}

static int host_commit(void *ctx, uint32_t area, uint32_t place)
{
	(void)ctx;
	(void)area;
	(void)place;
	return 0;
}

static void host_decommit(void *ctx, uint32_t area, uint32_t place)
{
	const struct page_area *at = &((struct kv_host *)ctx)->area[area].at;
	os_drop(page_address(at, place), at->stride);
}

static void host_copy(void *ctx, uint32_t area, uint32_t to, uint32_t from)
{
	const struct kv_host *h = ctx;
	const struct page_area *at = &h->area[area].at;
	memcpy(page_address(at, to), page_address(at, from), h->area[area].bytes);
}

static void host_convert(void *ctx, uint32_t group, bool pack, uint32_t tokens, kv_page page, uint32_t slot)
{
	const struct kv_host *h = ctx;
	uint8_t *plain = page_address(&h->area[KV_AREA_PAGES(group)].at, page);
	uint8_t *packed = page_address(&h->area[KV_AREA_PACKED(group)].at, slot);
	h->convert(h->convert_ctx, group, pack, tokens, pack ? plain : packed, pack ? packed : plain);
}

struct kv_memory kv_host_memory(struct kv_host *h)
{
	return (struct kv_memory){.ctx = h,
				  .stride = host_stride,
				  .reserve = host_reserve,
				  .release = host_release,
				  .commit = host_commit,
				  .decommit = host_decommit,
				  .copy = host_copy,
				  .convert = host_convert};
}
