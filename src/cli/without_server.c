/* without_server.c: stands for cmd_serve.c, cmd_bench_serve.c and bench/load_*.c where kvik is built without them
 * (KVIK_SERVER=OFF): the commands are known, and say why they do nothing. */
#include <stdio.h>

#include "cli/cmd.h"

static int run(int argc, char **argv)
{
	(void)argc;
	fprintf(stderr, "kvik: %s: this kvik was built without the server; build with -DKVIK_SERVER=ON\n", argv[0]);
	return EXIT_USAGE;
}

const struct cmd cmd_serve = {"serve", "an OpenAI-compatible server (not in this build)", run};
const struct cmd bench_serve = {"serve", "what a server carries (not in this build)", run};
