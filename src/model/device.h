/* device.h: what computes: a backend and the threads of the host, which serve it and do what is the host's (sampling,
 * packing of weights). One device serves any number of models, caches and engines.
 *
 * Any thread. Whoever computes holds the device for a step: device_begin waits for its turn, first come first served,
 * so that steps of several owners follow each other and none is kept waiting by another that comes again and again. */
#ifndef KVIK_MODEL_DEVICE_H
#define KVIK_MODEL_DEVICE_H

#include "backend/backend.h"

struct device;

/* level: of the backend, NULL for its best; threads: 1..POOL_THREADS_MAX. Errors: ARG, NOMEM. */
int device_new(struct device **out, const struct backend *backend, const char *level, uint32_t threads,
	       struct kvik_err *err) MUST_CHECK;
/* Nobody may use it any more. */
void device_free(struct device *d);
const struct backend *device_backend(const struct device *d);
struct dev *device_dev(const struct device *d); /* as its functions take it */
uint32_t device_threads(const struct device *d);

/* From begin to end the device is the caller's; not re-entrant. */
void device_begin(struct device *d);
void device_end(struct device *d);
/* One job of the host's threads, as pool_run: begin, run, end. */
void device_run_once(struct device *d, uint32_t count, pool_fn *fn, void *ctx);

#endif
