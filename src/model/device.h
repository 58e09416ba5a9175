/* device.h: what computes: the kernels of a CPU level and the threads that run them. One device serves any number of
 * models, caches and engines.
 *
 * Any thread. Whoever computes holds the device for a step: device_begin waits for its turn, first come first served,
 * so that steps of several owners follow each other and none is kept waiting by another that comes again and again. */
#ifndef KVIK_MODEL_DEVICE_H
#define KVIK_MODEL_DEVICE_H

#include "base/pool.h"
#include "kernels/kernels.h"

struct device;

/* level: as kernels_select; threads: 1..POOL_THREADS_MAX. Errors: ARG, NOMEM. */
int device_new(struct device **out, const char *level, uint32_t threads, struct kvik_err *err) MUST_CHECK;
/* Nobody may use it any more. */
void device_free(struct device *d);
const struct kernels *device_kernels(const struct device *d);
uint32_t device_threads(const struct device *d);

/* From begin to end the device is the caller's; not re-entrant. */
void device_begin(struct device *d);
void device_end(struct device *d);
/* As pool_run; between begin and end. */
void device_run(struct device *d, uint32_t count, pool_fn *fn, void *ctx);
/* One job by itself: begin, run, end. */
void device_run_once(struct device *d, uint32_t count, pool_fn *fn, void *ctx);

#endif
