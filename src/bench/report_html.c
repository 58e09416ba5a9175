/* report_html.c: a report as one HTML page that needs nothing else: style, tables, and charts as inline SVG
 * (report_svg.c). Light or dark as the reader's system is. */
#include <string.h>

#include "bench/report.h"

/* The eight series colours can be told apart by those who do not see all colours (after Okabe and Ito, darkened or
 * lightened for contrast). */
static const char style[] =
	":root{color-scheme:light dark;--bg:#fff;--fg:#1c2024;--dim:#626a73;--line:#d8dde3;--card:#f6f8fa;"
	"--s0:#0868ac;--s1:#c8570a;--s2:#00805e;--s3:#a8468c;--s4:#8a6d00;--s5:#3a3f8f;--s6:#b3262e;--s7:#5b6770}\n"
	"@media(prefers-color-scheme:dark){:root{--bg:#14181c;--fg:#e4e8ec;--dim:#98a2ad;--line:#333b44;--card:#1c2228;"
	"--s0:#5db4ef;--s1:#f39a4e;--s2:#3ccf9f;--s3:#e08bc6;--s4:#e0c341;--s5:#9aa0f2;--s6:#f0777c;--s7:#aab4be}}\n"
	"body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:60rem;background:var(--bg);color:var(--fg);"
	"font:16px/1.5 system-ui,sans-serif}\n"
	"h1{font-size:1.7rem;margin:0 0 .8rem}h2{font-size:1.25rem;margin:2.6rem 0 .3rem}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem "
	"1rem;margin:0}dt{color:var(--dim)}dd{margin:0}\n"
	"nav{margin-top:1rem}nav a{margin-right:1rem}a{color:var(--s0)}\n"
	".about,.notes{color:var(--dim);max-width:46rem;margin:.2rem 0 .8rem}.notes{padding-left:1.2rem}\n"
	".scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
	"th,td{padding:.25rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}\n"
	"th{vertical-align:top;font-weight:600}th small{display:block;font-weight:400;color:var(--dim)}\n"
	".w{text-align:left}th:first-child,td:first-child{padding-left:0}\n"
	".charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,25rem),1fr));gap:1rem;margin:1rem "
	"0}\n"
	"figure{margin:0;padding:.8rem;background:var(--card);border:1px solid var(--line);border-radius:6px}\n"
	"figcaption{font-weight:600}.legend{font-size:.85rem;min-height:1.4rem}.legend span{margin-right:1rem;"
	"white-space:nowrap}.legend "
	"i{display:inline-block;width:.8em;height:.8em;margin-right:.35em;border-radius:2px}\n"
	"svg{display:block;width:100%;height:auto}svg text{font-size:14px;fill:var(--dim)}\n"
	".middle,.value{text-anchor:middle}.end{text-anchor:end}.start{text-anchor:start}svg .value{font-size:12px;"
	"fill:var(--fg)}\n"
	".grid{stroke:var(--line)}.axis{stroke:var(--dim)}.line{fill:none!important;stroke-width:2.5}\n"
	".s0{fill:var(--s0);stroke:var(--s0)}.s1{fill:var(--s1);stroke:var(--s1)}.s2{fill:var(--s2);stroke:var(--s2)}\n"
	".s3{fill:var(--s3);stroke:var(--s3)}.s4{fill:var(--s4);stroke:var(--s4)}.s5{fill:var(--s5);stroke:var(--s5)}\n"
	".s6{fill:var(--s6);stroke:var(--s6)}.s7{fill:var(--s7);stroke:var(--s7)}\n";

void report_escaped(const char *text, FILE *to)
{
	for (; *text; text++) {
		switch (*text) {
		case '&': fputs("&amp;", to); break;
		case '<': fputs("&lt;", to); break;
		case '>': fputs("&gt;", to); break;
		case '"': fputs("&quot;", to); break;
		default: fputc(*text, to);
		}
	}
}

/* <tag attributes>text</tag>, nothing for an empty text. */
static void element(const char *tag, const char *attributes, const char *text, FILE *to)
{
	if (!*text)
		return;
	fprintf(to, "<%s%s>", tag, attributes);
	report_escaped(text, to);
	fprintf(to, "</%s>\n", tag);
}

static const char *class_of(const json_t *column)
{
	return json_integer_value(json_object_get(column, "show")) == REPORT_WORDS ? " class=\"w\"" : "";
}

static void print_table(const json_t *section, FILE *to)
{
	const json_t *columns = json_object_get(section, "columns"), *row, *c;
	size_t i, k;
	char cell[REPORT_CELL];
	fputs("<div class=\"scroll\"><table>\n<tr>", to);
	json_array_foreach(columns, i, c)
	{
		fprintf(to, "<th%s>", class_of(c));
		report_escaped(report_text(c, "title"), to);
		element("small", "", report_text(c, "unit"), to);
		fputs("</th>", to);
	}
	fputs("</tr>\n", to);
	json_array_foreach(json_object_get(section, "rows"), i, row)
	{
		fputs("<tr>", to);
		json_array_foreach(columns, k, c) element(
			"td", class_of(c), report_cell(c, json_object_get(row, report_text(c, "key")), cell), to);
		fputs("</tr>\n", to);
	}
	fputs("</table></div>\n", to);
}

static void print_chart(const json_t *chart, FILE *to)
{
	const json_t *series = json_object_get(chart, "series"), *s;
	size_t i;
	if (json_array_size(series) == 0)
		return;
	fputs("<figure>", to);
	element("figcaption", "", report_text(chart, "title"), to);
	fputs("<div class=\"legend\">", to);
	json_array_foreach(series, i, s)
	{
		if (json_array_size(series) == 1) /* the title says it */
			break;
		fprintf(to, "<span><i style=\"background:var(--s%zu)\"></i>", i % 8);
		report_escaped(report_text(s, "name"), to);
		fputs("</span> ", to);
	}
	fputs("</div>\n", to);
	report_svg(chart, to);
	fputs("</figure>\n", to);
}

static void print_section(const json_t *s, FILE *to)
{
	const json_t *charts = json_object_get(s, "charts"), *notes = json_object_get(s, "notes"), *x;
	size_t i;
	fputs("<section id=\"", to);
	report_escaped(report_text(s, "key"), to);
	fputs("\">", to);
	element("h2", "", report_text(s, "title"), to);
	element("p", " class=\"about\"", report_text(s, "about"), to);
	if (json_array_size(charts) > 0) {
		fputs("<div class=\"charts\">\n", to);
		json_array_foreach(charts, i, x) print_chart(x, to);
		fputs("</div>\n", to);
	}
	print_table(s, to);
	if (json_array_size(notes) > 0) {
		fputs("<ul class=\"notes\">\n", to);
		json_array_foreach(notes, i, x) element("li", "", json_string_value(x), to);
		fputs("</ul>\n", to);
	}
	fputs("</section>\n", to);
}

static void print_head(const json_t *root, FILE *to)
{
	json_t *facts = json_object_get(root, "facts"), *fact;
	const json_t *sections = json_object_get(root, "sections"), *s;
	const char *name;
	size_t i;
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>kvik ",
	      to);
	report_escaped(report_text(root, "command"), to);
	fprintf(to, "</title>\n<style>\n%s</style></head>\n<body>\n", style);
	element("h1", "", report_text(root, "title"), to);
	fputs("<dl>\n", to);
	json_object_foreach(facts, name, fact)
	{
		element("dt", "", name, to);
		element("dd", "", json_string_value(fact), to);
	}
	fputs("</dl>\n", to);
	if (json_array_size(sections) < 2)
		return;
	fputs("<nav>", to);
	json_array_foreach(sections, i, s)
	{
		fprintf(to, "<a href=\"#%s\">", report_text(s, "key"));
		report_escaped(report_text(s, "title"), to);
		fputs("</a> ", to);
	}
	fputs("</nav>\n", to);
}

void report_html(const json_t *root, FILE *to)
{
	const json_t *s;
	size_t i;
	print_head(root, to);
	json_array_foreach(json_object_get(root, "sections"), i, s) print_section(s, to);
	fputs("</body></html>\n", to);
}
