/* opts.c: the option table's parser and its help. */
#include "cli/opts.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/hints.h"

static bool is_end(const struct opt *o)
{
	return !o->name && !o->help;
}

static const struct opt *find(const struct opt *table, const char *name, size_t n)
{
	for (; !is_end(table); table++)
		if (table->name && strlen(table->name) == n && memcmp(table->name, name, n) == 0)
			return table;
	return NULL;
}

static const struct opt *find_letter(const struct opt *table, char letter)
{
	for (; !is_end(table); table++)
		if (table->letter && table->letter == letter)
			return table;
	return NULL;
}

/* dashes: as it was written. */
static int unknown(const struct opt *table, const char *dashes, const char *name, size_t n, struct kvik_err *err)
{
	struct nearest guess = nearest_begin(name, n);
	const struct hint *hint = hint_of_option(name, n);
	if (hint && (!hint->option || find(table, hint->option, strlen(hint->option))))
		return err_set(err, KVIK_ERR_ARG, "there is no option %s%.*s: %s", dashes, (int)n, name, hint->text);
	for (; !is_end(table); table++)
		if (table->name && table->help)
			nearest_try(&guess, table->name);
	if (guess.best)
		return err_set(err, KVIK_ERR_ARG, "unknown option %s%.*s; did you mean --%s?", dashes, (int)n, name,
			       guess.best);
	return err_set(err, KVIK_ERR_ARG, "unknown option %s%.*s; --help lists them", dashes, (int)n, name);
}

static int bad_range(const struct opt *o, const char *text, double min, double max, struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_ARG, "--%s must be a number from %.15g to %.15g, not '%s'", o->name, min, max,
		       text);
}

/* Digits only (strtoull would take a sign and blanks), with an optional unit when o is a size. */
static int parse_integer(const struct opt *o, const char *text, uint64_t limit, uint64_t *out, struct kvik_err *err)
{
	double min = o->min, max = o->max > o->min ? o->max : (double)limit;
	char *end = NULL;
	errno = 0;
	unsigned long long v = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
	if (!end || errno)
		return bad_range(o, text, min, max, err);
	int shift = 0;
	if (o->kind == OPT_SIZE && *end) {
		const char *unit = strchr("kmgt", tolower((unsigned char)*end));
		if (!unit)
			return err_set(err, KVIK_ERR_ARG, "--%s: '%s' is no size; write for example 512M or 4G",
				       o->name, text);
		shift = 10 * (int)(unit - "kmgt" + 1);
		end++;
	}
	if (*end || v > limit >> shift)
		return bad_range(o, text, min, max, err);
	v <<= shift;
	if ((double)v < min || (double)v > max)
		return bad_range(o, text, min, max, err);
	*out = v;
	return 0;
}

static int parse_float(const struct opt *o, const char *text, struct kvik_err *err)
{
	char *end;
	float v = strtof(text, &end);
	if (end == text || *end || !isfinite(v) || (o->max > o->min && ((double)v < o->min || (double)v > o->max)))
		return bad_range(o, text, o->min, o->max, err);
	*(float *)o->value = v;
	return 0;
}

static int parse_choice(const struct opt *o, const char *text, struct kvik_err *err)
{
	char all[160] = "";
	for (int i = 0; o->choices[i]; i++) {
		if (strcmp(o->choices[i], text) == 0) {
			*(int *)o->value = i;
			return 0;
		}
		size_t used = strlen(all);
		snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", o->choices[i]);
	}
	return err_set(err, KVIK_ERR_ARG, "--%s must be one of %s, not '%s'", o->name, all, text);
}

static int add_text(const struct opt *o, const char *text, struct kvik_err *err)
{
	struct opt_texts *list = o->value;
	if (list->n == OPT_TEXTS_MAX)
		return err_set(err, KVIK_ERR_ARG, "--%s may be given at most %d times", o->name, OPT_TEXTS_MAX);
	list->text[list->n++] = text;
	return 0;
}

static int set_value(const struct opt *o, const char *text, struct kvik_err *err)
{
	uint64_t v = 0;
	int rc = 0;
	switch (o->kind) {
	case OPT_U32:
		rc = parse_integer(o, text, UINT32_MAX, &v, err);
		if (!rc)
			*(uint32_t *)o->value = (uint32_t)v;
		return rc;
	case OPT_U64:
	case OPT_SIZE:
		rc = parse_integer(o, text, UINT64_MAX, &v, err);
		if (!rc)
			*(uint64_t *)o->value = v;
		return rc;
	case OPT_FLOAT: return parse_float(o, text, err);
	case OPT_CHOICE: return parse_choice(o, text, err);
	case OPT_TEXTS: return add_text(o, text, err);
	case OPT_TEXT: *(const char **)o->value = text; return 0;
	case OPT_FLAG: *(bool *)o->value = true; return 0;
	case OPT_HEADING: break;
	}
	return 0;
}

/* value: what stood behind "=" or the letter, or NULL: then the next word is taken. */
static int apply(const struct opt *o, const char *value, int argc, char **argv, int *i, struct kvik_err *err)
{
	if (o->kind == OPT_FLAG && value)
		return err_set(err, KVIK_ERR_ARG, "--%s takes no value", o->name);
	if (o->kind != OPT_FLAG && !value) {
		if (*i + 1 >= argc)
			return err_set(err, KVIK_ERR_ARG, "--%s needs a value: --%s %s", o->name, o->name,
				       o->arg ? o->arg : "VALUE");
		value = argv[++*i];
	}
	return set_value(o, value, err);
}

static int parse_long(const struct opt *table, int argc, char **argv, int *i, struct kvik_err *err)
{
	const char *name = argv[*i] + 2;
	const char *equals = strchr(name, '=');
	size_t n = equals ? (size_t)(equals - name) : strlen(name);
	const struct opt *o = find(table, name, n);
	return o ? apply(o, equals ? equals + 1 : NULL, argc, argv, i, err) : unknown(table, "--", name, n, err);
}

static int parse_letters(const struct opt *table, int argc, char **argv, int *i, struct kvik_err *err)
{
	const char *word = argv[*i] + 1;
	size_t n = strlen(word);
	if (n > 1 && hint_of_option(word, n)) /* -ngl is no row of letters */
		return unknown(table, "-", word, n, err);
	for (const char *c = argv[*i] + 1; *c; c++) {
		const struct opt *o = find_letter(table, *c);
		if (!o)
			return unknown(table, "-", c, 1, err);
		if (o->kind != OPT_FLAG)
			return apply(o, c[1] ? c + 1 : NULL, argc, argv, i, err);
		*(bool *)o->value = true;
	}
	return 0;
}

int opts_parse(const struct opt *table, int argc, char **argv, const char **rest, int rest_max, struct kvik_err *err)
{
	int n = 0;
	bool options = true;
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		int rc = 0;
		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && word[0] == '-' && word[1] == '-')
			rc = parse_long(table, argc, argv, &i, err);
		else if (options && word[0] == '-' && word[1])
			rc = parse_letters(table, argc, argv, &i, err);
		else if (n == rest_max)
			rc = err_set(err, KVIK_ERR_ARG, "unexpected '%s'; %s", word,
				     find(table, "prompt", 6) ? "a text is given with -p TEXT"
							      : "--help shows the usage");
		else
			rest[n++] = word;
		if (rc)
			return rc;
	}
	return n;
}

void opts_help(const struct opt *table, FILE *to)
{
	for (; !is_end(table); table++) {
		if (table->kind == OPT_HEADING) {
			fprintf(to, "\n%s\n", table->help);
			continue;
		}
		if (!table->help)
			continue;
		char left[64];
		char letter[8] = "    ";
		if (table->letter)
			snprintf(letter, sizeof letter, "-%c, ", table->letter);
		snprintf(left, sizeof left, "  %s--%s %s", letter, table->name, table->arg ? table->arg : "");
		fprintf(to, "%-32s %s\n", left, table->help);
	}
}
