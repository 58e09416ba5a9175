/* device.c: see device.h. Turns are numbers, as in a shop: `next` is the number that the next one draws, `serving`
 * whose turn it is. */
#include "model/device.h"

#include <pthread.h>

#include "base/mem.h"

struct device {
	const struct backend *backend;
	struct dev *dev;
	struct pool *pool;
	pthread_mutex_t lock;
	pthread_cond_t turn;
	uint64_t next, serving;
};

int device_new(struct device **out, const struct backend *backend, const char *level, uint32_t threads,
	       struct kvik_err *err)
{
	*out = NULL;
	struct device *d = mem_zalloc(1, sizeof *d);
	if (!d)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a device");
	d->backend = backend;
	int rc = pool_new(&d->pool, threads, err);
	if (!rc)
		rc = backend->open(&d->dev, d->pool, level, err);
	if (rc) {
		pool_free(d->pool);
		mem_free(d);
		return rc;
	}
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->turn, NULL);
	*out = d;
	return 0;
}

void device_free(struct device *d)
{
	if (!d)
		return;
	d->backend->close(d->dev);
	pool_free(d->pool);
	pthread_cond_destroy(&d->turn);
	pthread_mutex_destroy(&d->lock);
	mem_free(d);
}

const struct backend *device_backend(const struct device *d)
{
	return d->backend;
}

struct dev *device_dev(const struct device *d)
{
	return d->dev;
}

uint32_t device_threads(const struct device *d)
{
	return pool_threads(d->pool);
}

void device_begin(struct device *d)
{
	pthread_mutex_lock(&d->lock);
	uint64_t mine = d->next++;
	while (d->serving != mine)
		pthread_cond_wait(&d->turn, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

void device_end(struct device *d)
{
	pthread_mutex_lock(&d->lock);
	d->serving++;
	pthread_cond_broadcast(&d->turn);
	pthread_mutex_unlock(&d->lock);
}

void device_run_once(struct device *d, uint32_t count, pool_fn *fn, void *ctx)
{
	device_begin(d);
	pool_run(d->pool, count, fn, ctx);
	device_end(d);
}
