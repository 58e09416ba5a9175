/* manual.c: walks the commands; the formats write. */
#include "cli/manual.h"

#include <string.h>

const char *const manual_formats[] = {"man", "bash", "zsh", "fish", NULL};
static const struct manual_format *const formats[] = {&manual_man, &manual_bash, &manual_zsh, &manual_fish};

bool manual_takes_file(const struct opt *o)
{
	static const char *const names[] = {"FILE", "PEM", "DIR", "OUT"};
	for (size_t i = 0; o->arg && i < sizeof names / sizeof *names; i++)
		if (strstr(o->arg, names[i]))
			return true;
	return false;
}

bool manual_is_shown(const struct opt *o)
{
	return o->kind != OPT_HEADING && o->help;
}

void manual_command(int format, const struct opt *table, const struct usage *u)
{
	char path[64];
	size_t n = strcspn(u->line, "["); /* "bench run [OPTIONS] [MODEL]" */
	while (n > 0 && u->line[n - 1] == ' ')
		n--;
	snprintf(path, sizeof path, "%.*s", (int)n, u->line);
	formats[format]->command(path, table, u);
}

static int print_all(int format, const struct cmd *const *commands)
{
	int status = EXIT_OK;
	for (; *commands && status == EXIT_OK; commands++) {
		char name[32], as[] = "--help-as", what[8];
		char *argv[] = {name, as, what, NULL};
		snprintf(name, sizeof name, "%s", (*commands)->name);
		snprintf(what, sizeof what, "%s", manual_formats[format]);
		status = (*commands)->run(3, argv);
	}
	return status;
}

static int find(const char *format)
{
	for (int i = 0; manual_formats[i]; i++)
		if (strcmp(manual_formats[i], format) == 0)
			return i;
	return -1;
}

int manual_print(const char *format, const struct cmd *const *commands)
{
	int f = find(format);
	if (f < 0) {
		fprintf(stderr, "kvik: help --as man, bash, zsh or fish, not '%s'\n", format);
		return EXIT_USAGE;
	}
	formats[f]->begin(commands);
	int status = print_all(f, commands);
	formats[f]->end(commands);
	return status;
}

int manual_group(const char *format, const char *path, const struct cmd *const *kinds)
{
	int f = find(format);
	if (f < 0)
		return EXIT_USAGE;
	formats[f]->group(path, kinds);
	return print_all(f, kinds);
}
