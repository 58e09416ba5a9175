/* cmd.h: the commands of kvik. Each parses its own options and returns the exit status: 0, 1 for what went wrong, 2 for
 * a wrong command line. */
#ifndef KVIK_CLI_CMD_H
#define KVIK_CLI_CMD_H

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct cmd {
	const char *name, *summary;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct cmd cmd_run, cmd_chat, cmd_serve, cmd_tokenize, cmd_logits, cmd_inspect, cmd_plan, cmd_template,
	cmd_bench, cmd_perplexity, cmd_cache, cmd_constrain;
/* The kinds of `kvik bench`; "bench" is left out: argv[0] is the kind. */
extern const struct cmd bench_kv, bench_run, bench_serve, bench_trace;

#endif
