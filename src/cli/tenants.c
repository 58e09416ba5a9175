/* tenants.c: see tenants.h. Left out of builds without the server: without_server.c. */
#include "cli/tenants.h"

#include <string.h>

#include "http/http_keys.h"

int tenant_scopes(const char *keys_file, const char *name, uint64_t scopes[TENANT_KEYS_MAX], uint32_t *n,
		  struct kvik_err *err)
{
	struct http_keys keys = {0};
	int rc = http_keys_load(&keys, keys_file, 1, err);
	*n = 0;
	for (size_t i = 0; i < keys.n && !rc; i++) {
		if (strcmp(keys.list[i].name, name) != 0)
			continue;
		if (*n == TENANT_KEYS_MAX)
			rc = err_set(err, KVIK_ERR_ARG, "%s: '%s' has more than %d keys", keys_file, name,
				     TENANT_KEYS_MAX);
		else
			scopes[(*n)++] = keys.list[i].scope;
	}
	if (!rc && *n == 0)
		rc = err_set(err, KVIK_ERR_ARG, "%s: no key has the name '%s'", keys_file, name);
	http_keys_release(&keys);
	return rc;
}
