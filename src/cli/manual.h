/* manual.h: the manual page and the completions of shells, written from the same tables that parse options and answer
 * --help, so that they cannot disagree.
 *
 * `kvik help --as FORMAT` (manual_print) runs every command with --help-as FORMAT, which parse_command answers with
 * manual_command instead of running it. */
#ifndef KVIK_CLI_MANUAL_H
#define KVIK_CLI_MANUAL_H

#include "cli/cmd.h"
#include "cli/common.h"

extern const char *const manual_formats[]; /* NULL-terminated: "man", "bash", "zsh", "fish" */

/* To standard output. commands: NULL-terminated. Returns the exit status. */
int manual_print(const char *format, const struct cmd *const *commands);
/* The part of one command; format: index of manual_formats; table as for opts_parse. */
void manual_command(int format, const struct opt *table, const struct usage *u);
/* The part of a command that has kinds ("bench"), which answers --help-as itself. Returns the exit status. */
int manual_group(const char *format, const char *path, const struct cmd *const *kinds);

/* ---- For the formats (manual_man.c, manual_shells.c) ------------------------------------------------------------- */

struct manual_format {
	void (*begin)(const struct cmd *const *commands);
	void (*command)(const char *path, const struct opt *table, const struct usage *u); /* path: "bench run" */
	void (*group)(const char *path, const struct cmd *const *kinds); /* a command that has kinds; before them */
	void (*end)(const struct cmd *const *commands);
};
extern const struct manual_format manual_man, manual_bash, manual_zsh, manual_fish;

bool manual_takes_file(const struct opt *o); /* the value names a file */
bool manual_is_shown(const struct opt *o);   /* an option, and none that is kept from people */

#endif
