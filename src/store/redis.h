/* redis.h: Redis 7 as a folder: the calls of files.h that a shared store (shared.h) makes, over a connection. So records,
 * sums, seals and rules are those of a folder of many servers; only where the bytes lie differs.
 *
 *     kvik:f:NAME     "ID SIZE": what is under a name; set once, when all of it is there
 *     kvik:d:ID:K     its bytes K * 1 MiB on; of a writer that has ended in between they expire
 *
 * A server that is silent, full, gone or restarted costs time alone: each call ends by a time-out, with an error like a
 * disk's, and for a second after one nobody tries again. Any thread. */
#ifndef KVIK_STORE_REDIS_H
#define KVIK_STORE_REDIS_H

#include "store/files.h"

struct redis;

/* where: redis://[[USER:]PASSWORD@]HOST[:PORT][/DB]. Fills in *table, whose context is the result. UNSUPPORTED: this build
 * has no hiredis; ARG; NOMEM; IO: nobody answers there, or does not let us in. */
int redis_open(struct redis **out, struct store_files *table, const char *where, struct kvik_err *err) MUST_CHECK;
/* Its name for people: without the password. */
const char *redis_name(const struct redis *r);
void redis_close(struct redis *r); /* NULL is fine */

#endif
