/* memory.h: what the cache asks of the memory that its pages lie in. The host's memory is the one here (kv_config with
 * memory = NULL); a device's, or a test's that fails and forgets, has the same shape.
 *
 * Memory comes in areas: one for the pages of each group, and one for the slots that its packed pages lie in. An area
 * is a range of places 1..n of one size, each of which is committed (holds bytes) or not. An id of a page is the
 * number of its place. What is in a place after commit is undefined, also when it was committed before.
 *
 * Owner: the cache's thread. */
#ifndef KVIK_KV_MEMORY_H
#define KVIK_KV_MEMORY_H

#include "base/err.h"
#include "base/page_table.h"

#define KV_GROUPS_MAX 16

/* A page of a group. Ids are all that is above the memory: a page may lie on a device, or nowhere at all. */
typedef uint32_t kv_page;
#define KV_PAGE_NONE 0u

/* Writes the first `tokens` tokens of a page of a group in its packed form (pack), or back (!pack). Cannot fail. */
typedef void kv_convert_fn(void *ctx, uint32_t group, bool pack, uint32_t tokens, const uint8_t *from, uint8_t *to);

enum { KV_AREAS = 2 * KV_GROUPS_MAX };
#define KV_AREA_PAGES(group) (group)
#define KV_AREA_PACKED(group) (KV_GROUPS_MAX + (group))

struct kv_memory {
	void *ctx;
	/* What a place of so many bytes takes. */
	size_t (*stride)(void *ctx, size_t bytes);
	/* An area of places 1..n; none is committed. NOMEM. */
	int (*reserve)(void *ctx, uint32_t area, uint32_t n, size_t bytes, struct kvik_err *err);
	void (*release)(void *ctx, uint32_t area); /* also one that was not reserved */
	/* NOMEM: the place stays as it was. */
	int (*commit)(void *ctx, uint32_t area, uint32_t place);
	void (*decommit)(void *ctx, uint32_t area, uint32_t place);
	/* All bytes of a place to another of the area; both committed. */
	void (*copy)(void *ctx, uint32_t area, uint32_t to, uint32_t from);
	/* The first `tokens` tokens of a page into its slot (pack) or back; both committed. */
	void (*convert)(void *ctx, uint32_t group, bool pack, uint32_t tokens, kv_page page, uint32_t slot);
};

/* ---- The host's -------------------------------------------------------------------------------------------------- */

struct kv_host {
	struct {
		struct page_area at; /* of place 0, which does not exist */
		size_t bytes, mapped;
	} area[KV_AREAS];
	kv_convert_fn *convert;
	void *convert_ctx;
};

/* Borrows h, which is zeroed but for convert and its context. */
struct kv_memory kv_host_memory(struct kv_host *h);
/* What a page of so many bytes takes of the host's memory: whole pages of the system. */
size_t kv_host_stride(size_t bytes);

#endif
