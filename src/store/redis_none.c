/* redis_none.c: a build without hiredis. */
#include "store/redis.h"

int redis_open(struct redis **out, struct store_files *table, const char *where, struct kvik_err *err)
{
	(void)table, (void)where;
	*out = NULL;
	return err_set(err, KVIK_ERR_UNSUPPORTED,
		       "redis:// is not in this build: install libhiredis-dev and build it again");
}

const char *redis_name(const struct redis *r)
{
	(void)r;
	return "redis";
}

void redis_close(struct redis *r)
{
	(void)r;
}
