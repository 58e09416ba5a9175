/* uring_none.c: a build without liburing. */
#include "store/files.h"

void uring_new(struct uring_hand **out, struct store_files *table, const struct store_files *below)
{
	(void)table;
	(void)below;
	*out = NULL;
}

void uring_free(struct uring_hand *h)
{
	(void)h;
}
