/* main.c: picks the command. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <kvik.h>

#include "base/nearest.h"
#include "cli/hints.h"
#include "cli/manual.h"

static const struct cmd *const commands[] = {&cmd_run,      &cmd_chat,      &cmd_serve,    &cmd_bench,  &cmd_perplexity,
					     &cmd_tokenize, &cmd_constrain, &cmd_template, &cmd_logits, &cmd_inspect,
					     &cmd_plan,     &cmd_cache,     NULL};

static void help(FILE *to)
{
	fprintf(to, "kvik %s: runs language models over a paged KV cache\n\nUsage: kvik COMMAND [OPTIONS] [MODEL]\n\n",
		kvik_version());
	for (int i = 0; commands[i]; i++)
		fprintf(to, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(to, "\nMODEL is a GGUF file, a Hugging Face folder, or left out for the built-in kvik-mini.\n"
		    "`kvik COMMAND --help` explains a command, with examples.\n");
}

static const struct cmd *find(const char *name)
{
	for (int i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/* What a command printed may not have reached its file: a full disk shows here, at the latest. */
static int close_output(int status)
{
	errno = 0;
	if ((fflush(stdout) == 0 && !ferror(stdout)) || status != EXIT_OK)
		return status;
	fprintf(stderr, "kvik: standard output: %s\n", errno ? strerror(errno) : "all of it could not be written");
	return EXIT_FAILED;
}

static int unknown(const char *name)
{
	struct nearest guess = nearest_begin(name, strlen(name));
	const char *hint = hint_of_command(name);
	for (int i = 0; commands[i]; i++)
		nearest_try(&guess, commands[i]->name);
	if (hint || guess.best) {
		fprintf(stderr, "kvik: no command '%s'; %s%s%s\n", name, hint ? hint : "did you mean `kvik ",
			hint ? "" : guess.best, hint ? "" : "`?");
		return EXIT_USAGE;
	}
	fprintf(stderr, "kvik: no command '%s'\n\n", name);
	help(stderr);
	return EXIT_USAGE;
}

static int run_command(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 || strcmp(name, "version") == 0) {
		printf("kvik %s\n", kvik_version());
		return EXIT_OK;
	}
	if (argc == 4 && strcmp(name, "help") == 0 && strcmp(argv[2], "--as") == 0)
		return manual_print(argv[3], commands); /* for `make install` and shells */
	if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
		const struct cmd *about = argc > 2 ? find(argv[2]) : NULL;
		char *question[] = {argc > 2 ? argv[2] : NULL, argc > 3 ? argv[3] : "--help", "--help", NULL};
		if (about)
			return about->run(argc > 3 ? 3 : 2, question); /* `kvik help bench kv` too */
		help(stdout);
		return EXIT_OK;
	}
	const struct cmd *c = find(name);
	if (c)
		return c->run(argc - 1, argv + 1);
	return unknown(name);
}

int main(int argc, char **argv)
{
	return close_output(run_command(argc, argv));
}
