/* tenants.h: the scopes of a tenant of `kvik serve`: one for each of its keys. */
#ifndef KVIK_CLI_TENANTS_H
#define KVIK_CLI_TENANTS_H

#include "base/err.h"

enum { TENANT_KEYS_MAX = 64 };

/* Of the keys with this name in a file of --keys: kvik_share.scope of each. Errors: those of the file; ARG: there is no such
 * name, or it has more than TENANT_KEYS_MAX; UNSUPPORTED: a kvik without the server. */
int tenant_scopes(const char *keys_file, const char *name, uint64_t scopes[TENANT_KEYS_MAX], uint32_t *n,
		  struct kvik_err *err) MUST_CHECK;

#endif
