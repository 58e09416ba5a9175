/* cmd_bench.c: `kvik bench KIND`: picks the kind. */
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/manual.h"

static const struct cmd *const kinds[] = {&bench_run, &bench_kv, &bench_serve, &bench_trace, NULL};

static void help(FILE *to)
{
	fprintf(to, "Usage: kvik bench KIND [OPTIONS] [MODEL]\n\n"
		    "Measures on this machine, with a model of yours or random weights of its shape. Kinds:\n\n");
	for (int i = 0; kinds[i]; i++)
		fprintf(to, "  %-8s %s\n", kinds[i]->name, kinds[i]->summary);
	fprintf(to,
		"\nWhere to begin:\n"
		"  kvik bench run model.gguf                  is decoding as fast as the memory lets it be?\n"
		"  kvik bench kv --quick                      what the cache gives, in a minute, with kvik-mini\n"
		"  kvik bench kv model.gguf --html kv.html    the same for your model, as a page with charts\n"
		"  kvik bench kv --synthetic llama3-8b:q4_0   a shape you have not downloaded yet\n"
		"  kvik bench serve http://127.0.0.1:8080     how many users does a server carry?\n"
		"  kvik bench trace requests.jsonl            how much memory and disk would your users' prompts "
		"need?\n"
		"\nClose other programs: they take memory bandwidth, and decoding is made of it. What a KV dtype or a\n"
		"window costs in quality is told by `kvik perplexity`. `kvik bench KIND --help` explains a kind.\n");
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	if (!name || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		help(name ? stdout : stderr);
		return name ? EXIT_OK : EXIT_USAGE;
	}
	if (strcmp(name, "--help-as") == 0 && argc > 2)
		return manual_group(argv[2], argv[0], kinds);
	for (int i = 0; kinds[i]; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i]->run(argc - 1, argv + 1);
	fprintf(stderr, "kvik: bench: '%s' is no kind of benchmark; `kvik bench --help` lists them\n", name);
	return EXIT_USAGE;
}

const struct cmd cmd_bench = {"bench", "how fast a model is, and what the cache gives", run};
