/* disk_none.c: disk.h in a build without src/store (KVIK_STORE=OFF): a folder that is asked for is an error. */
#include "engine/disk.h"

int disk_open(struct disk **out, struct kvik_cache *c, struct kvik_err *err)
{
	*out = NULL;
	return err_set(err, KVIK_ERR_UNSUPPORTED, "%s: this libkvik was built without a store (KVIK_STORE)",
		       c->params.disk);
}

const struct kv_store *disk_store(struct disk *d, uint64_t room)
{
	(void)d, (void)room;
	return NULL;
}

void disk_attach(struct disk *d)
{
	(void)d;
}

void disk_find(void *disk, const struct kv_share *share, const uint32_t *ids, uint32_t n)
{
	(void)disk, (void)share, (void)ids, (void)n;
}

void disk_flush(struct disk *d)
{
	(void)d;
}

void disk_close(struct disk *d)
{
	(void)d;
}

bool disk_run(struct disk *d)
{
	(void)d;
	return false;
}

void disk_wait(struct disk *d, uint32_t ms)
{
	(void)d, (void)ms;
}

int64_t disk_due_us(const struct disk *d)
{
	(void)d;
	return INT64_MAX;
}

int disk_watch(struct disk *d, void (*fn)(void *ctx), void *ctx, struct kvik_err *err)
{
	(void)d, (void)fn, (void)ctx, (void)err;
	return 0;
}

bool disk_pays(void *disk, uint32_t from, uint32_t to)
{
	(void)disk, (void)from, (void)to;
	return false;
}

void disk_prefill_us(struct disk *d, double us_per_token)
{
	(void)d, (void)us_per_token;
}

struct disk_stats disk_stats(const struct disk *d)
{
	(void)d;
	return (struct disk_stats){0};
}
