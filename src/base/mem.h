/* mem.h: every allocation of kvik goes through here, so that tests can fail each one in turn (torture).  Any thread. */
#ifndef KVIK_BASE_MEM_H
#define KVIK_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

void *mem_alloc(size_t bytes);                         /* uninitialised; NULL when out of memory */
void *mem_zalloc(size_t count, size_t size);           /* zeroed; NULL also when count * size overflows */
void *mem_realloc(void *p, size_t count, size_t size); /* NULL also when count * size overflows; p stays valid then */
/* Room for item n of an array with room for *cap: p itself, or twice as much. NULL: no memory; p stays valid then. */
void *mem_grow(void *p, size_t *cap, size_t n, size_t size);
void *mem_aligned(size_t align, size_t bytes); /* align: a power of two >= sizeof(void *) */
char *mem_strndup(const char *s, size_t n);    /* n bytes and a terminating NUL */
void mem_free(void *p);                        /* NULL is fine */

/* Test hook: the allocation with this number (1 is the next one) fails, once; 0 switches it off. */
void mem_fail_at(long countdown);
/* For what allocates by other means (mmap): counts as an allocation, and says whether it is the one to fail. */
bool mem_fails_now(void);

#endif
