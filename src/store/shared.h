/* shared.h: a folder that many servers use at once, on a disk or over NFS: a file a record, written under another name and
 * renamed, never changed after. Nobody locks, and nobody trims it: whoever runs the servers removes files (`find -atime`),
 * whenever he likes. Any thread. */
#ifndef KVIK_STORE_SHARED_H
#define KVIK_STORE_SHARED_H

#include "store/backend.h"

int shared_open(struct backend *out, const char *path, const struct store_config *c, struct faults *faults,
		struct kvik_err *err) MUST_CHECK;

#endif
