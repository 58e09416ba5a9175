/* report.h: results, put together once and shown three ways: aligned tables for a terminal, one JSON object for
 * programs, and one HTML page for people (no outside resources; charts as inline SVG, for light and dark screens).
 *
 * A report has facts (what was measured, where) and sections; a section has a table, notes and charts. Cells are given
 * row by row, in the order of the columns:
 *
 *	static const struct report_column columns[] = {{"dtype", "KV dtype", NULL, REPORT_WORDS},
 *						       {"rate", "decode", "tok/s", 1}};
 *	report_init(&r, "bench kv", "What the cache gives");
 *	report_fact(&r, "model", "%s", name);
 *	REPORT_SECTION(&r, "dtypes", "KV dtypes", columns, "Keys and values stored ...");
 *	report_words(&r, "f16");
 *	report_number(&r, 31.2);
 *	report_chart(&r, &(struct report_chart){.title = "Decode speed", .x = "depth", .x_unit = "tokens", ...});
 *	report_point(&r, "f16", 512, 31.2);
 *	rc = report_finish(&r, &opts, err);
 *	report_release(&r);
 *
 * Nothing but report_finish can fail: where memory ends, it says so. Owner: one thread. Texts are UTF-8 and copied. */
#ifndef KVIK_BENCH_REPORT_H
#define KVIK_BENCH_REPORT_H

#include <jansson.h>
#include <kvik.h>

#include "base/err.h"
#include "base/human.h"

/* The report is the JSON object that --json prints; the other two are views of it (see report.c for its shape). */
struct report {
	json_t *root;
	json_t *section, *chart; /* the current ones, borrowed from root */
	size_t column;           /* of the next cell */
	bool failed;             /* no memory */
};

/* How a column's cells are shown; 0 and more are decimals of a number. */
enum {
	REPORT_WORDS = -1,
	REPORT_BYTES = -2, /* "1.5 MiB"; plain bytes in JSON */
	REPORT_DIGITS = -3 /* three digits that count: "0.00123", "1.23e-06" */
};

struct report_column {
	const char *key;   /* of the cell in JSON: [a-z0-9_] */
	const char *title; /* for people */
	const char *unit;  /* under the title, or NULL; of REPORT_BYTES: NULL */
	int show;          /* decimals, or one of the above */
};

enum report_chart_kind { REPORT_LINES, REPORT_BARS };

struct report_chart {
	enum report_chart_kind kind;
	const char *title;
	const char *x, *x_unit; /* of REPORT_BARS: NULL */
	const char *y, *y_unit; /* the unit "bytes" is shown in KiB, MiB, ... */
	bool x_log;             /* REPORT_LINES: equal factors are equal distances */
};

/* command: "bench kv", also the page's title bar; title: the heading. */
void report_init(struct report *r, const char *command, const char *title);
void report_release(struct report *r);

/* What holds for all of it: model, processor, settings. Shown in the order given; JSON has them as strings. */
__attribute__((format(printf, 3, 4))) void report_fact(struct report *r, const char *name, const char *format, ...);

/* Begins a section. key: names it in JSON. about: what is compared with what, and how it was measured. */
void report_section(struct report *r, const char *key, const char *title, const struct report_column *columns,
		    size_t n_columns, const char *about);
#define REPORT_SECTION(r, key, title, columns, about) \
	report_section(r, key, title, columns, sizeof(columns) / sizeof *(columns), about)

/* The next cell. */
__attribute__((format(printf, 2, 3))) void report_words(struct report *r, const char *format, ...);
void report_number(struct report *r, double value); /* NAN is report_nothing */
void report_nothing(struct report *r);              /* not measured: "-", null in JSON */

/* A sentence below the table of the section. */
__attribute__((format(printf, 2, 3))) void report_note(struct report *r, const char *format, ...);

/* Begins a chart of the section; then its points, a series being all that have its name. A label takes the place of x
 * in REPORT_BARS: bars with one label stand together. Points that are NAN are left out. */
void report_chart(struct report *r, const struct report_chart *c);
void report_point(struct report *r, const char *series, double x, double y);
void report_bar(struct report *r, const char *series, const char *label, double y);

struct report_opts {
	bool json;        /* on standard output, instead of text */
	const char *html; /* path of the page; NULL = none */
};

/* Whether --html can be written: asked before hours of measuring, not after. */
int report_check(const struct report_opts *o, struct kvik_err *err) MUST_CHECK;
/* Text or JSON on standard output, and the page where --html says. NOMEM, IO. */
int report_finish(struct report *r, const struct report_opts *o, struct kvik_err *err) MUST_CHECK;

/* ---- For the views ----------------------------------------------------------------------------------------------- */

/* A cell as people read it; out holds REPORT_CELL bytes. */
enum { REPORT_CELL = 96 };
const char *report_cell(const json_t *column, const json_t *value, char out[REPORT_CELL]);
/* A member as text; "" where there is none. */
const char *report_text(const json_t *object, const char *key);

void report_html(const json_t *root, FILE *to);  /* the page; ferror(to) tells whether it was written */
void report_svg(const json_t *chart, FILE *to);  /* one chart, an <svg> element that takes its colours from the page */
void report_escaped(const char *text, FILE *to); /* as text or attribute value of HTML */
const char *report_scale(double most, double *by); /* unit of bytes up to `most` ("MiB") and what to divide by */

#endif
