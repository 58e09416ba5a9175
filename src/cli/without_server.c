/* without_server.c: stands for cmd_serve.c, cmd_bench_serve.c, tenants.c and bench/load_*.c where kvik is built without them
 * (KVIK_SERVER=OFF): the commands are known, and say why they do nothing. */
#include <stdio.h>

#include "cli/cmd.h"
#include "cli/tenants.h"

static int run(int argc, char **argv)
{
	(void)argc;
	fprintf(stderr, "kvik: %s: this kvik was built without the server; build with -DKVIK_SERVER=ON\n", argv[0]);
	return EXIT_USAGE;
}

const struct cmd cmd_serve = {"serve", "an OpenAI-compatible server (not in this build)", run};
const struct cmd bench_serve = {"serve", "what a server carries (not in this build)", run};

int tenant_scopes(const char *keys_file, const char *name, uint64_t scopes[TENANT_KEYS_MAX], uint32_t *n,
		  struct kvik_err *err)
{
	(void)name;
	(void)scopes;
	*n = 0;
	return err_set(err, KVIK_ERR_UNSUPPORTED, "%s: this kvik was built without the server and its keys", keys_file);
}
