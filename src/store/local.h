/* local.h: a folder of segments on this machine. The first process that locks it writes, others read and try again for
 * the lock now and then. Any thread. */
#ifndef KVIK_STORE_LOCAL_H
#define KVIK_STORE_LOCAL_H

#include "store/backend.h"

/* Reads the heads of all segments. c->bytes_max and records_max filled in; path: of the folder, borrowed like c's. */
int local_open(struct backend *out, const char *path, const struct store_config *c, struct faults *faults,
	       struct kvik_err *err) MUST_CHECK;

#endif
