/* fake_memory.h: memory for a cache that is worse than the host's: it holds every rule of kv/memory.h against its user,
 * forgets what it may forget, and fails where it may (mem_fail_at counts its calls too). */
#ifndef TESTS_KV_FAKE_MEMORY_H
#define TESTS_KV_FAKE_MEMORY_H

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "kv/memory.h"

enum { FAKE_GARBAGE = 0xA5, FAKE_GONE = 0xDD };

struct fake_memory {
	size_t granule; /* a place is a multiple of it */
	struct {
		uint8_t *places; /* [n + 1][stride]; place 0 is never used */
		bool *committed; /* [n + 1] */
		uint32_t n;
		size_t bytes, stride;
	} area[KV_AREAS];
	kv_convert_fn *convert;
	void *convert_ctx;
	uint64_t bytes; /* committed */
};

static inline void fake_must(bool ok)
{
	if (!ok)
		abort();
}

static inline uint8_t *fake_address(const struct fake_memory *f, uint32_t area, uint32_t place)
{
	fake_must(place > 0 && place <= f->area[area].n && f->area[area].committed[place]);
	return f->area[area].places + place * f->area[area].stride;
}

static inline size_t fake_stride(void *ctx, size_t bytes)
{
	size_t granule = ((struct fake_memory *)ctx)->granule;
	return (bytes + granule - 1) / granule * granule;
}

static inline int fake_reserve(void *ctx, uint32_t area, uint32_t n, size_t bytes, struct kvik_err *err)
{
	struct fake_memory *f = ctx;
	fake_must(!f->area[area].places && n > 0 && bytes > 0);
	f->area[area].n = n;
	f->area[area].bytes = bytes;
	f->area[area].stride = fake_stride(ctx, bytes);
	f->area[area].committed = mem_zalloc((size_t)n + 1, sizeof(bool));
	f->area[area].places = mem_zalloc((size_t)n + 1, f->area[area].stride); /* touched when committed */
	if (!f->area[area].places || !f->area[area].committed)
		return err_set(err, KVIK_ERR_NOMEM, "the fake memory fails");
	return 0;
}

static inline void fake_release(void *ctx, uint32_t area)
{
	struct fake_memory *f = ctx;
	for (uint32_t i = 0; f->area[area].committed && i <= f->area[area].n; i++)
		f->bytes -= f->area[area].committed[i] ? f->area[area].stride : 0;
	mem_free(f->area[area].places);
	mem_free(f->area[area].committed);
	memset(&f->area[area], 0, sizeof f->area[area]);
}

static inline int fake_commit(void *ctx, uint32_t area, uint32_t place)
{
	struct fake_memory *f = ctx;
	fake_must(place > 0 && place <= f->area[area].n && !f->area[area].committed[place]);
	if (mem_fails_now())
		return KVIK_ERR_NOMEM;
	f->area[area].committed[place] = true;
	memset(fake_address(f, area, place), FAKE_GARBAGE, f->area[area].stride);
	f->bytes += f->area[area].stride;
	return 0;
}

static inline void fake_decommit(void *ctx, uint32_t area, uint32_t place)
{
	struct fake_memory *f = ctx;
	memset(fake_address(f, area, place), FAKE_GONE, f->area[area].stride);
	f->area[area].committed[place] = false;
	f->bytes -= f->area[area].stride;
}

static inline void fake_copy(void *ctx, uint32_t area, uint32_t to, uint32_t from)
{
	const struct fake_memory *f = ctx;
	fake_must(to != from);
	memcpy(fake_address(f, area, to), fake_address(f, area, from), f->area[area].bytes);
}

static inline void fake_convert(void *ctx, uint32_t group, bool pack, uint32_t tokens, kv_page page, uint32_t slot)
{
	const struct fake_memory *f = ctx;
	uint8_t *plain = fake_address(f, KV_AREA_PAGES(group), page);
	uint8_t *packed = fake_address(f, KV_AREA_PACKED(group), slot);
	f->convert(f->convert_ctx, group, pack, tokens, pack ? plain : packed, pack ? packed : plain);
}

static inline struct kv_memory fake_memory_ops(struct fake_memory *f)
{
	return (struct kv_memory){.ctx = f,
				  .stride = fake_stride,
				  .reserve = fake_reserve,
				  .release = fake_release,
				  .commit = fake_commit,
				  .decommit = fake_decommit,
				  .copy = fake_copy,
				  .convert = fake_convert};
}

#endif
