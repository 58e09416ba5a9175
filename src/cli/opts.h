/* opts.h: command-line options from a table: parsing, ranges, and the help text, so that the three cannot disagree. */
#ifndef KVIK_CLI_OPTS_H
#define KVIK_CLI_OPTS_H

#include <stdio.h>

#include "base/err.h"

enum opt_kind {
	OPT_FLAG,   /* bool *           --name */
	OPT_U32,    /* uint32_t *       --name N, within [min, max] */
	OPT_U64,    /* uint64_t * */
	OPT_SIZE,   /* uint64_t *       bytes, with an optional K, M, G or T (powers of 1024) */
	OPT_FLOAT,  /* float *          within [min, max] */
	OPT_TEXT,   /* const char **    borrowed from argv */
	OPT_TEXTS,  /* struct opt_texts *  may be given several times */
	OPT_CHOICE, /* int *            index into choices */
	OPT_HEADING /* help only: a line between groups of options */
};

#define OPT_TEXTS_MAX 64
struct opt_texts {
	const char *text[OPT_TEXTS_MAX]; /* [n], borrowed from argv */
	size_t n;
};

struct opt {
	enum opt_kind kind;
	char letter;                /* 'n' for -n, or 0 */
	const char *name;           /* "temp" for --temp */
	void *value;                /* where the value goes; its type as said above */
	double min, max;            /* of numbers; both 0 = the type's own range */
	const char *const *choices; /* NULL-terminated; of OPT_CHOICE */
	const char *arg;            /* "N" in the help */
	const char *help;           /* one sentence; NULL: not shown */
};

/* Parses argv[1..argc). Options may stand anywhere; "--" ends them; "--name=value" and "-n5" work. What is no option
 * goes to rest[], at most rest_max. Unknown options name the nearest known one. Returns the count of rest, or
 * KVIK_ERR_ARG. The table ends with {0} (name and help NULL). */
int opts_parse(const struct opt *table, int argc, char **argv, const char **rest, int rest_max,
	       struct kvik_err *err) MUST_CHECK;

void opts_help(const struct opt *table, FILE *to);

#endif
