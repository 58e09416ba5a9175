/* manual_man.c: kvik(1) in roff (the man macros, as groff and mandoc read them). */
#include <string.h>

#include "cli/manual.h"

/* Text as roff shows it: no character is a command. A line's first byte is where line_start says so. */
static void escaped(const char *text, size_t n, bool line_start)
{
	for (size_t i = 0; i < n; i++) {
		if (line_start && (text[i] == '.' || text[i] == '\''))
			fputs("\\&", stdout);
		line_start = text[i] == '\n';
		switch (text[i]) {
		case '\\': fputs("\\e", stdout); break;
		case '-': fputs("\\-", stdout); break;
		case '\'': fputs("\\(aq", stdout); break;
		case '`': fputs("\\(ga", stdout); break;
		case '^': fputs("\\(ha", stdout); break;
		case '~': fputs("\\(ti", stdout); break;
		default: putchar(text[i]);
		}
	}
}

static void text_line(const char *text)
{
	escaped(text, strlen(text), true);
	putchar('\n');
}

static void begin(const struct cmd *const *commands)
{
	printf(".TH KVIK 1 \"\" \"kvik %s\" \"User Commands\"\n"
	       ".SH NAME\nkvik \\- runs language models over a paged KV cache\n"
	       ".SH SYNOPSIS\n.B kvik\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIMODEL\\fR]\n"
	       ".SH DESCRIPTION\n.I MODEL\nis a GGUF file, a Hugging Face folder, or left out for the built\\-in "
	       "kvik\\-mini.\nThe commands:\n",
	       kvik_version());
	for (; *commands; commands++) {
		printf(".TP 12\n.B %s\n", (*commands)->name);
		text_line((*commands)->summary);
	}
	puts(".SH COMMANDS");
}

static void option(const struct opt *o)
{
	puts(".TP");
	if (o->letter)
		printf("\\fB\\-%c\\fR, ", o->letter);
	fputs("\\fB\\-\\-", stdout);
	escaped(o->name, strlen(o->name), false);
	fputs("\\fR", stdout);
	if (o->arg) {
		fputs(" \\fI", stdout);
		escaped(o->arg, strlen(o->arg), false);
		fputs("\\fR", stdout);
	}
	putchar('\n');
	text_line(o->help);
}

static void command(const char *path, const struct opt *table, const struct usage *u)
{
	fputs(".SS kvik ", stdout);
	escaped(u->line, strlen(u->line), false);
	putchar('\n');
	text_line(u->text);
	(void)path;
	for (; table->name || table->help; table++) {
		if (table->kind == OPT_HEADING) {
			puts(".PP");
			text_line(table->help);
		} else if (manual_is_shown(table)) {
			option(table);
		}
	}
	if (u->examples) {
		puts(".PP\nExamples:\n.PP\n.nf");
		escaped(u->examples, strlen(u->examples), true);
		puts(".fi");
	}
}

static void group(const char *path, const struct cmd *const *kinds)
{
	printf(".SS kvik %s KIND\n", path);
	for (; *kinds; kinds++) {
		printf(".TP 12\n.B %s %s\n", path, (*kinds)->name);
		text_line((*kinds)->summary);
	}
}

static void end(const struct cmd *const *commands)
{
	(void)commands;
	puts(".SH EXIT STATUS\n"
	     "0 for success, 1 for what went wrong (a file, memory, the network), 2 for a wrong command line.\n"
	     ".SH ENVIRONMENT\n"
	     ".TP\n.B KVIK_CPU\nThe instructions to compute with, instead of the best there are: scalar, avx2 or "
	     "avx512. "
	     "The bits of the results are the same.\n"
	     ".TP\n.B KVIK_HISTORY\nWhere\n.B kvik chat\nkeeps the lines that were typed; empty: nowhere.\n"
	     ".SH FILES\n"
	     ".TP\n.I ~/.kvik_history\nLines typed in\n.BR \"kvik chat\" .\n"
	     ".SH SEE ALSO\nThe guides in the folder docs of the sources: TOUR.md, SERVING.md, DESIGN.md.");
}

const struct manual_format manual_man = {begin, command, group, end};
