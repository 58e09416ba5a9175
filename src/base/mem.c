/* mem.c: the allocator's front door. The countdown is atomic because threads of a torture test allocate too. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_countdown;

bool mem_fails_now(void)
{
	if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0)
		return false;
	return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void mem_fail_at(long countdown)
{
	atomic_store(&fail_countdown, countdown);
}

void *mem_alloc(size_t bytes)
{
	return mem_fails_now() ? NULL : malloc(bytes ? bytes : 1);
}

void *mem_zalloc(size_t count, size_t size)
{
	return mem_fails_now() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *mem_realloc(void *p, size_t count, size_t size)
{
	if (mem_fails_now() || (size && count > SIZE_MAX / size))
		return NULL;
	size_t bytes = count * size;
	return realloc(p, bytes ? bytes : 1);
}

void *mem_grow(void *p, size_t *cap, size_t n, size_t size)
{
	if (n < *cap)
		return p;
	size_t more = *cap ? 2 * *cap : 64;
	void *grown = mem_realloc(p, more, size);
	if (grown)
		*cap = more;
	return grown;
}

void *mem_aligned(size_t align, size_t bytes)
{
	void *p = NULL;
	if (mem_fails_now() || posix_memalign(&p, align, bytes ? bytes : 1) != 0)
		return NULL;
	return p;
}

char *mem_strndup(const char *s, size_t n)
{
	char *copy = n == SIZE_MAX ? NULL : mem_alloc(n + 1);
	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

void mem_free(void *p)
{
	free(p);
}
