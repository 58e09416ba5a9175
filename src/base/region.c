/* region.c: anonymous mappings. Huge pages save most of the address translations when weights are streamed. */
#include "base/region.h"

#include <sys/mman.h>

#include "base/mem.h"

int region_new(struct region *r, size_t bytes, const char *what, struct kvik_err *err)
{
	*r = (struct region){0};
	if (bytes == 0)
		return 0;
	void *p = mem_fails_now() ? MAP_FAILED
				  : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for %s: %.1f MiB needed", what,
			       (double)bytes / (1 << 20));
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	*r = (struct region){p, bytes};
	return 0;
}

void region_free(struct region *r)
{
	if (r->data)
		munmap(r->data, r->bytes);
	*r = (struct region){0};
}
