/* manual_shells.c: completions for bash, zsh and fish.
 *
 * Each command becomes one function (bash, zsh) or one condition (fish). Where a value is one of a few, these are
 * offered; where it names a file, files; else nothing, as nobody can guess a number. */
#include <stdlib.h>
#include <string.h>

#include "cli/manual.h"

/* Text inside single quotes of a POSIX shell or zsh, with a backslash before each of `special`. */
static void quoted(const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else if (strchr(special, *text))
			printf("\\%c", *text);
		else
			putchar(*text == '\n' ? ' ' : *text);
	}
}

/* "bench run" as part of a function's name. */
static void identifier(const char *path)
{
	for (; *path; path++)
		putchar(*path == ' ' || *path == '-' ? '_' : *path);
}

static void names(const struct cmd *const *commands)
{
	for (bool first = true; *commands; commands++, first = false)
		printf("%s%s", first ? "" : " ", (*commands)->name);
}

static void choices(const struct opt *o)
{
	for (int i = 0; o->choices && o->choices[i]; i++)
		printf("%s%s", i ? " " : "", o->choices[i]);
}

static bool is_last(const struct opt *o)
{
	return !o->name && !o->help;
}

/* ---- bash -------------------------------------------------------------------------------------------------------- */

static void bash_begin(const struct cmd *const *commands)
{
	(void)commands;
	puts("# bash completion of kvik\n"
	     "_kvik_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$cur\"); }\n"
	     "_kvik_files() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); }");
}

static void bash_pattern(const struct opt *o)
{
	if (o->letter)
		printf("-%c | ", o->letter);
	printf("--%s)", o->name);
}

static void bash_command(const char *path, const struct opt *table, const struct usage *u)
{
	(void)u;
	fputs("_kvik_", stdout);
	identifier(path);
	puts("()\n{\n\tcase $prev in");
	for (const struct opt *o = table; !is_last(o); o++) {
		if (!manual_is_shown(o) || o->kind == OPT_FLAG)
			continue;
		putchar('\t');
		bash_pattern(o);
		if (o->kind == OPT_CHOICE) {
			fputs(" _kvik_words '", stdout);
			choices(o);
			puts("' ;;");
		} else {
			puts(manual_takes_file(o) ? " _kvik_files ;;" : " ;;");
		}
	}
	fputs("\t*)\n\t\tif [[ $cur == -* ]]; then\n\t\t\t_kvik_words '", stdout);
	for (const struct opt *o = table; !is_last(o); o++)
		if (manual_is_shown(o))
			printf("--%s ", o->name);
	puts("'\n\t\telse\n\t\t\t_kvik_files\n\t\tfi\n\t\t;;\n\tesac\n}");
}

static void bash_group(const char *path, const struct cmd *const *kinds)
{
	fputs("_kvik_", stdout);
	identifier(path);
	fputs("() { _kvik_words '", stdout);
	names(kinds);
	puts("'; }");
}

static void bash_end(const struct cmd *const *commands)
{
	fputs("_kvik()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal one=_kvik_${COMP_WORDS[1]} two=_kvik_${COMP_WORDS[1]}_${COMP_WORDS[2]}\n"
	      "\tCOMPREPLY=()\n"
	      "\tif ((COMP_CWORD == 1)); then\n\t\t_kvik_words '",
	      stdout);
	names(commands);
	puts("'\n"
	     "\telif ((COMP_CWORD > 2)) && declare -F \"$two\" >/dev/null; then\n\t\t\"$two\"\n"
	     "\telif declare -F \"$one\" >/dev/null; then\n\t\t\"$one\"\n"
	     "\tfi\n}\ncomplete -F _kvik kvik");
}

const struct manual_format manual_bash = {bash_begin, bash_command, bash_group, bash_end};

/* ---- zsh --------------------------------------------------------------------------------------------------------- */

static void zsh_begin(const struct cmd *const *commands)
{
	(void)commands;
	puts("#compdef kvik\n# zsh completion of kvik");
}

/* The part of _arguments behind the option's name. */
static void zsh_option(const struct opt *o, const char *dash, const char *name)
{
	printf(" \\\n\t\t'%s%s%s[", o->kind == OPT_TEXTS ? "*" : "", dash, name);
	quoted(o->help, "[]\\");
	putchar(']');
	if (o->kind != OPT_FLAG) {
		putchar(':');
		quoted(o->arg ? o->arg : "value", ":\\");
		putchar(':');
		if (o->kind == OPT_CHOICE) {
			putchar('(');
			choices(o);
			putchar(')');
		} else if (manual_takes_file(o)) {
			fputs("_files", stdout);
		}
	}
	putchar('\'');
}

static void zsh_command(const char *path, const struct opt *table, const struct usage *u)
{
	(void)u;
	fputs("_kvik_", stdout);
	identifier(path);
	fputs("()\n{\n\t_arguments -s", stdout);
	for (; !is_last(table); table++) {
		char letter[2] = {table->letter, '\0'};
		if (!manual_is_shown(table))
			continue;
		zsh_option(table, "--", table->name);
		if (table->letter)
			zsh_option(table, "-", letter);
	}
	puts(" \\\n\t\t'*:model:_files'\n}");
}

static void zsh_list(const struct cmd *const *commands)
{
	for (; *commands; commands++) {
		printf("\t\t'%s:", (*commands)->name);
		quoted((*commands)->summary, ":\\");
		puts("'");
	}
	puts("\t)");
}

/* Offers the names, or passes the rest of the line on to the function of the chosen one. */
static void zsh_choose(const char *function, const char *what, const struct cmd *const *commands)
{
	printf("%s()\n{\n\tlocal -a list=(\n", function);
	zsh_list(commands);
	printf("\tif ((CURRENT == 2)); then\n\t\t_describe %s list\n\telse\n"
	       "\t\tlocal next=%s_$words[2]\n\t\tshift words\n\t\t((CURRENT--))\n"
	       "\t\t(($+functions[$next])) && $next\n\tfi\n}\n",
	       what, function);
}

static void zsh_group(const char *path, const struct cmd *const *kinds)
{
	char function[64];
	snprintf(function, sizeof function, "_kvik_%s", path);
	zsh_choose(function, "kind", kinds);
}

static void zsh_end(const struct cmd *const *commands)
{
	zsh_choose("_kvik", "command", commands);
	puts("if [ \"$funcstack[1]\" = _kvik ]; then\n\t_kvik \"$@\"\nelse\n\tcompdef _kvik kvik\nfi");
}

const struct manual_format manual_zsh = {zsh_begin, zsh_command, zsh_group, zsh_end};

/* ---- fish -------------------------------------------------------------------------------------------------------- */

/* Inside single quotes fish takes a backslash before a quote or a backslash. */
static void fish_quoted(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

static void fish_list(const char *condition, const struct cmd *const *commands)
{
	for (; *commands; commands++) {
		printf("complete -c kvik -f -n '%s' -a %s -d ", condition, (*commands)->name);
		fish_quoted((*commands)->summary);
		putchar('\n');
	}
}

static void fish_begin(const struct cmd *const *commands)
{
	puts("# fish completion of kvik\n"
	     "function __kvik_after # the words after kvik begin with these\n"
	     "\tset -l words (commandline -opc)\n"
	     "\tset -l last (math (count $argv) + 1)\n"
	     "\ttest (count $words) -ge $last; and test \"$words[2..$last]\" = \"$argv\"\n"
	     "end\n"
	     "function __kvik_just # these and no more\n"
	     "\t__kvik_after $argv; and test (count (commandline -opc)) -eq (math (count $argv) + 1)\n"
	     "end");
	fish_list("test (count (commandline -opc)) -eq 1", commands);
}

static void fish_command(const char *path, const struct opt *table, const struct usage *u)
{
	(void)u;
	for (; !is_last(table); table++) {
		if (!manual_is_shown(table))
			continue;
		printf("complete -c kvik -n '__kvik_after %s' -l %s", path, table->name);
		if (table->letter)
			printf(" -s %c", table->letter);
		if (table->kind != OPT_FLAG)
			fputs(manual_takes_file(table) ? " -r -F" : " -x", stdout);
		if (table->kind == OPT_CHOICE) {
			fputs(" -a '", stdout);
			choices(table);
			putchar('\'');
		}
		fputs(" -d ", stdout);
		fish_quoted(table->help);
		putchar('\n');
	}
}

static void fish_group(const char *path, const struct cmd *const *kinds)
{
	char condition[64];
	snprintf(condition, sizeof condition, "__kvik_just %s", path);
	fish_list(condition, kinds);
}

static void fish_end(const struct cmd *const *commands)
{
	(void)commands;
}

const struct manual_format manual_fish = {fish_begin, fish_command, fish_group, fish_end};
