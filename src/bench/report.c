/* report.c: builds the JSON object of a report, and shows it as text.
 *
 *	{"command", "title", "version", "facts": {NAME: TEXT, ...},
 *	 "sections": [{"key", "title", "about", "columns": [{"key", "title", "unit", "show"}, ...],
 *		       "rows": [{COLUMN KEY: value or null, ...}, ...], "notes": [TEXT, ...],
 *		       "charts": [{"kind": "lines" | "bars", "title", "x", "x_unit", "y", "y_unit", "x_log",
 *				   "series": [{"name", "points": [[x or label, y], ...]}, ...]}, ...]}, ...]}
 *
 * Invariants: 1. section and chart point into root. 2. In the last row exactly the columns before `column` are set.
 * 3. After a failed allocation `failed` is set and what is missing stays missing. */
#include "bench/report.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 1024, LINE = 100 };

/* ---- Building ---------------------------------------------------------------------------------------------------- */

static void check(struct report *r, bool ok)
{
	r->failed |= !ok;
}

static json_t *words(const char *format, va_list args)
{
	char text[WORDS_MAX];
	vsnprintf(text, sizeof text, format, args);
	return json_string(text);
}

void report_init(struct report *r, const char *command, const char *title)
{
	*r = (struct report){.root = json_pack("{s:s, s:s, s:s, s:{}, s:[]}", "command", command, "title", title,
					       "version", kvik_version(), "facts", "sections")};
	check(r, r->root);
}

void report_release(struct report *r)
{
	json_decref(r->root);
	*r = (struct report){0};
}

void report_fact(struct report *r, const char *name, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	check(r, json_object_set_new(json_object_get(r->root, "facts"), name, words(format, args)) == 0);
	va_end(args);
}

void report_section(struct report *r, const char *key, const char *title, const struct report_column *columns,
		    size_t n_columns, const char *about)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n_columns; i++) {
		const struct report_column *c = &columns[i];
		check(r, json_array_append_new(list, json_pack("{s:s, s:s, s:s?, s:i}", "key", c->key, "title",
							       c->title, "unit", c->unit, "show", c->show)) == 0);
	}
	r->section = json_pack("{s:s, s:s, s:s, s:o, s:[], s:[], s:[]}", "key", key, "title", title, "about", about,
			       "columns", list, "rows", "notes", "charts");
	r->chart = NULL;
	r->column = 0;
	check(r, json_array_append_new(json_object_get(r->root, "sections"), r->section) == 0);
}

static void cell(struct report *r, json_t *value)
{
	json_t *rows = json_object_get(r->section, "rows"), *columns = json_object_get(r->section, "columns");
	if (r->column == 0)
		check(r, json_array_append_new(rows, json_object()) == 0);
	size_t n = json_array_size(rows);
	const char *key = report_text(json_array_get(columns, r->column), "key");
	check(r, json_object_set_new(n ? json_array_get(rows, n - 1) : NULL, key, value) == 0);
	r->column = r->column + 1 < json_array_size(columns) ? r->column + 1 : 0;
}

void report_words(struct report *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	cell(r, words(format, args));
	va_end(args);
}

void report_number(struct report *r, double value)
{
	cell(r, isfinite(value) ? json_real(value) : json_null());
}

void report_nothing(struct report *r)
{
	cell(r, json_null());
}

void report_note(struct report *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	check(r, json_array_append_new(json_object_get(r->section, "notes"), words(format, args)) == 0);
	va_end(args);
}

void report_chart(struct report *r, const struct report_chart *c)
{
	r->chart = json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:b, s:[]}", "kind",
			     c->kind == REPORT_BARS ? "bars" : "lines", "title", c->title, "x", c->x, "x_unit",
			     c->x_unit, "y", c->y, "y_unit", c->y_unit, "x_log", c->x_log, "series");
	check(r, json_array_append_new(json_object_get(r->section, "charts"), r->chart) == 0);
}

/* The points of a series of the current chart, a new one at its end when there is none. */
static json_t *points_of(struct report *r, const char *name)
{
	json_t *all = json_object_get(r->chart, "series"), *s;
	size_t i;
	json_array_foreach(all, i, s) if (strcmp(report_text(s, "name"), name) == 0) return json_object_get(s,
													    "points");
	s = json_pack("{s:s, s:[]}", "name", name, "points");
	check(r, json_array_append_new(all, s) == 0);
	return json_object_get(s, "points");
}

static void point(struct report *r, const char *series, json_t *x, double y)
{
	if (isfinite(y))
		check(r, json_array_append_new(points_of(r, series), json_pack("[o, f]", x, y)) == 0);
	else
		json_decref(x);
}

void report_point(struct report *r, const char *series, double x, double y)
{
	point(r, series, json_real(x), y);
}

void report_bar(struct report *r, const char *series, const char *label, double y)
{
	point(r, series, json_string(label), y);
}

/* ---- Cells ------------------------------------------------------------------------------------------------------- */

const char *report_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* "13141.8" becomes "13,141.8". */
static void group_digits(char *text, size_t cap)
{
	size_t start = text[0] == '-', digits = strspn(text + start, "0123456789");
	for (size_t left = digits; left > 3;) {
		left -= 3;
		char *at = text + start + left;
		if (strlen(text) + 2 > cap)
			return;
		memmove(at + 1, at, strlen(at) + 1);
		*at = ',';
	}
}

const char *report_cell(const json_t *column, const json_t *value, char out[REPORT_CELL])
{
	int show = (int)json_integer_value(json_object_get(column, "show"));
	if (json_is_string(value)) {
		snprintf(out, REPORT_CELL, "%s", json_string_value(value));
	} else if (!json_is_number(value)) {
		strcpy(out, "-");
	} else if (show == REPORT_BYTES) {
		char human[32];
		snprintf(out, REPORT_CELL, "%s", human_bytes((uint64_t)json_number_value(value), human));
	} else if (show == REPORT_DIGITS) {
		snprintf(out, REPORT_CELL, "%.3g", json_number_value(value));
	} else {
		snprintf(out, REPORT_CELL, "%.*f", show > 0 ? show : 0, json_number_value(value));
		group_digits(out, REPORT_CELL);
	}
	return out;
}

const char *report_scale(double most, double *by)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	size_t u = 0;
	for (*by = 1; most / *by >= 1024 && u < 4; u++)
		*by *= 1024;
	return units[u];
}

/* ---- Text -------------------------------------------------------------------------------------------------------- */

/* Characters, as a terminal counts them (wide ones apart). */
static int width(const char *text)
{
	return (int)utf8_count(text, strlen(text));
}

static void pad(int n, FILE *to)
{
	if (n > 0)
		fprintf(to, "%*s", n, "");
}

static int column_width(const json_t *column, const json_t *rows)
{
	char text[REPORT_CELL];
	int title = width(report_text(column, "title")), unit = width(report_text(column, "unit"));
	int most = title > unit ? title : unit;
	const json_t *row;
	size_t i;
	json_array_foreach(rows, i, row)
	{
		int n = width(report_cell(column, json_object_get(row, report_text(column, "key")), text));
		most = n > most ? n : most;
	}
	return most;
}

static bool is_words(const json_t *column)
{
	return json_integer_value(json_object_get(column, "show")) == REPORT_WORDS;
}

/* A line of the table: member `key` of each column or, with row, its cells. */
static void table_line(const json_t *section, const char *key, const json_t *row, FILE *to)
{
	const json_t *columns = json_object_get(section, "columns"), *rows = json_object_get(section, "rows"), *c;
	size_t i;
	int blank = 0; /* owed before the next text, so that no line ends with blanks */
	char cell_text[REPORT_CELL];
	json_array_foreach(columns, i, c)
	{
		const char *text = row ? report_cell(c, json_object_get(row, report_text(c, "key")), cell_text)
				       : report_text(c, key);
		int spare = column_width(c, rows) - width(text);
		blank += is_words(c) ? 0 : spare;
		if (*text) {
			pad(blank, to);
			fputs(text, to);
			blank = 0;
		}
		blank += (is_words(c) ? spare : 0) + 2;
	}
	fputc('\n', to);
}

static bool has_units(const json_t *columns)
{
	const json_t *c;
	size_t i;
	json_array_foreach(columns, i, c) if (*report_text(c, "unit")) return true;
	return false;
}

/* Words in lines, the first one after `first`, the others indented as far. */
static void wrapped(const char *first, const char *text, FILE *to)
{
	int indent = width(first), at = indent;
	fputs(first, to);
	for (bool begun = false; *text; begun = true) {
		int n = (int)strcspn(text, " ");
		if (begun && at + n + 1 > LINE) {
			fputc('\n', to);
			pad(at = indent, to);
		} else if (begun) {
			fputc(' ', to);
			at++;
		}
		fprintf(to, "%.*s", n, text);
		at += n;
		text += n + (text[n] == ' ');
	}
	fputc('\n', to);
}

static void print_section(const json_t *s, FILE *to)
{
	const json_t *columns = json_object_get(s, "columns"), *row, *note;
	size_t i;
	fprintf(to, "\n== %s\n", report_text(s, "title"));
	if (*report_text(s, "about"))
		wrapped("", report_text(s, "about"), to);
	fputc('\n', to);
	table_line(s, "title", NULL, to);
	if (has_units(columns))
		table_line(s, "unit", NULL, to);
	json_array_foreach(json_object_get(s, "rows"), i, row) table_line(s, NULL, row, to);
	json_array_foreach(json_object_get(s, "notes"), i, note) wrapped("* ", json_string_value(note), to);
}

static void print_text(json_t *root, FILE *to)
{
	const char *name;
	json_t *fact;
	const json_t *section;
	size_t i;
	fprintf(to, "%s\n", report_text(root, "title"));
	json_object_foreach(json_object_get(root, "facts"), name, fact)
	{
		char head[32];
		snprintf(head, sizeof head, "%-12s ", name);
		wrapped(head, json_string_value(fact), to);
	}
	json_array_foreach(json_object_get(root, "sections"), i, section) print_section(section, to);
}

/* ---- Writing ----------------------------------------------------------------------------------------------------- */

int report_check(const struct report_opts *o, struct kvik_err *err)
{
	if (!o->html)
		return 0;
	FILE *f = fopen(o->html, "ab");
	if (!f)
		return err_set(err, KVIK_ERR_IO, "--html: %s: %s; give a file that can be written", o->html,
			       strerror(errno));
	fclose(f);
	return 0;
}

static int write_html(const struct report *r, const char *path, struct kvik_err *err)
{
	FILE *f = fopen(path, "wb");
	if (!f)
		return err_set(err, KVIK_ERR_IO, "--html: %s: %s", path, strerror(errno));
	report_html(r->root, f);
	bool bad = ferror(f);
	bad |= fclose(f) != 0;
	return bad ? err_set(err, KVIK_ERR_IO, "--html: %s could not be written: is the disk full?", path) : 0;
}

int report_finish(struct report *r, const struct report_opts *o, struct kvik_err *err)
{
	if (r->failed)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the report");
	if (o->json)
		json_dumpf(r->root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
	else
		print_text(r->root, stdout);
	if (o->json)
		putchar('\n');
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_set(err, KVIK_ERR_IO, "the result could not be written to standard output");
	return o->html ? write_html(r, o->html, err) : 0;
}
