/* report_svg.c: one chart of a report as an <svg> element. Colours and fonts are the page's (report_html.c): class sN
 * is the N-th series. Axes begin at 0 upwards, so that a bar's or a line's height is its value. */
#include <math.h>
#include <string.h>

#include "bench/report.h"

enum { WIDTH = 500, HEIGHT = 280, LEFT = 56, RIGHT = 20, TOP = 34, BOTTOM = 46, COLOURS = 8, TICKS = 5 };

struct plot {
	const json_t *series; /* [n_series] */
	size_t n_series;
	double x0, x1; /* range of x, logarithms where x_log */
	double y_top;  /* highest tick, in units of y_by */
	double y_step, y_by;
	bool x_log, tokens; /* tokens: ticks at powers of two */
	FILE *to;
};

/* The smallest of 1, 2 and 5 times a power of ten that is at least `least`. */
static double nice_step(double least)
{
	double power = pow(10, floor(log10(least)));
	for (int i = 0; i < 3; i++) {
		static const double factors[] = {1, 2, 5};
		if (factors[i] * power >= least * (1 - 1e-9))
			return factors[i] * power;
	}
	return 10 * power;
}

static double at_x(const struct plot *p, double x)
{
	double v = p->x_log ? log2(x) : x;
	double part = p->x1 > p->x0 ? (v - p->x0) / (p->x1 - p->x0) : 0.5;
	return LEFT + part * (WIDTH - LEFT - RIGHT);
}

/* y in its own unit. */
static double at_y(const struct plot *p, double y)
{
	return HEIGHT - BOTTOM - y / p->y_by / p->y_top * (HEIGHT - BOTTOM - TOP);
}

/* Three digits or so, as people write them; 4096 tokens are 4k. */
static const char *short_number(double v, bool tokens, char out[32])
{
	if (tokens && v >= 1024 && fmod(v, 1024) == 0)
		snprintf(out, 32, "%.0fk", v / 1024);
	else
		snprintf(out, 32, v >= 100 ? "%.0f" : v >= 10 ? "%.3g" : v >= 0.01 || v == 0 ? "%.2g" : "%.1e", v);
	return out;
}

/* Range of all points; y from 0. */
static void measure(struct plot *p, const json_t *chart)
{
	double most = 0;
	const json_t *s, *point;
	size_t i, k;
	p->x0 = INFINITY;
	p->x1 = -INFINITY;
	json_array_foreach(p->series, i, s) json_array_foreach(json_object_get(s, "points"), k, point)
	{
		double x = json_number_value(json_array_get(point, 0)), y = json_number_value(json_array_get(point, 1));
		x = p->x_log ? log2(x) : x;
		p->x0 = fmin(p->x0, x);
		p->x1 = fmax(p->x1, x);
		most = fmax(most, y);
	}
	p->y_by = 1;
	if (strcmp(report_text(chart, "y_unit"), "bytes") == 0)
		report_scale(most, &p->y_by);
	most = most > 0 ? most / p->y_by : 1;
	p->y_step = nice_step(most / TICKS);
	p->y_top = p->y_step * ceil(most / p->y_step - 1e-9);
}

static void text_at(const struct plot *p, double x, double y, const char *class, const char *text)
{
	fprintf(p->to, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	report_escaped(text, p->to);
	fprintf(p->to, "</text>\n");
}

static void axis_title(char *out, size_t cap, const char *title, const char *unit)
{
	bool said = strstr(title, unit); /* "tokens in the cache", or no unit at all */
	snprintf(out, cap, "%s%s%s", title, said ? "" : ", ", said ? "" : unit);
}

static void draw_y_axis(const struct plot *p, const json_t *chart)
{
	char text[128];
	double by;
	const char *unit = report_text(chart, "y_unit");
	for (double v = 0; v <= p->y_top * (1 + 1e-9); v += p->y_step) {
		double y = at_y(p, v * p->y_by);
		fprintf(p->to, "<path class=\"%s\" d=\"M%d %.1fH%d\"/>\n", v > 0 ? "grid" : "axis", LEFT, y,
			WIDTH - RIGHT);
		text_at(p, LEFT - 6, y + 4, "end", short_number(v, false, text));
	}
	if (strcmp(unit, "bytes") == 0)
		unit = report_scale(p->y_by, &by);
	axis_title(text, sizeof text, report_text(chart, "y"), unit);
	text_at(p, 4, 12, "start", text);
}

static void draw_x_tick(const struct plot *p, double x)
{
	char text[32];
	fprintf(p->to, "<path class=\"axis\" d=\"M%.1f %dv4\"/>\n", at_x(p, x), HEIGHT - BOTTOM);
	text_at(p, at_x(p, x), HEIGHT - BOTTOM + 18, "middle", short_number(x, p->tokens, text));
}

static void draw_x_axis(const struct plot *p, const json_t *chart)
{
	char text[128];
	if (p->x_log) {
		double skip = ceil((floor(p->x1) - ceil(p->x0) + 1) / (2 * TICKS));
		for (double v = ceil(p->x0 - 1e-9); v <= p->x1 + 1e-9; v += skip)
			draw_x_tick(p, exp2(v));
	} else {
		double least = p->x1 > p->x0 ? (p->x1 - p->x0) / TICKS : 1;
		double step = p->tokens ? exp2(ceil(log2(least))) : nice_step(least);
		for (double v = ceil(p->x0 / step) * step; v <= p->x1 * (1 + 1e-9); v += step)
			draw_x_tick(p, v);
	}
	axis_title(text, sizeof text, report_text(chart, "x"), report_text(chart, "x_unit"));
	text_at(p, LEFT + (WIDTH - LEFT - RIGHT) / 2.0, HEIGHT - 10, "middle", text);
}

/* What a mouse over a point or bar says. */
static void hint(const struct plot *p, const char *series, const char *x, double y)
{
	char text[32];
	fprintf(p->to, "<title>");
	report_escaped(series, p->to);
	fprintf(p->to, " at ");
	report_escaped(x, p->to);
	fprintf(p->to, ": %s</title>", short_number(y / p->y_by, false, text));
}

static void draw_line(const struct plot *p, const json_t *series, size_t colour)
{
	const json_t *points = json_object_get(series, "points"), *point;
	size_t i;
	char text[32];
	fprintf(p->to, "<path class=\"line s%zu\" d=\"", colour);
	json_array_foreach(points, i, point)
		fprintf(p->to, "%c%.1f %.1f", i ? 'L' : 'M', at_x(p, json_number_value(json_array_get(point, 0))),
			at_y(p, json_number_value(json_array_get(point, 1))));
	fprintf(p->to, "\"/>\n");
	json_array_foreach(points, i, point)
	{
		double x = json_number_value(json_array_get(point, 0)), y = json_number_value(json_array_get(point, 1));
		fprintf(p->to, "<circle class=\"s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\">", colour, at_x(p, x),
			at_y(p, y));
		hint(p, report_text(series, "name"), short_number(x, p->tokens, text), y);
		fprintf(p->to, "</circle>\n");
	}
}

static void draw_lines(struct plot *p, const json_t *chart)
{
	const json_t *s;
	size_t i;
	draw_x_axis(p, chart);
	json_array_foreach(p->series, i, s) draw_line(p, s, i % COLOURS);
}

/* The place of a label among those of all series, in order of first sight; n_labels when it is new. */
static size_t label_index(const json_t *labels, const char *label)
{
	size_t i = 0;
	while (i < json_array_size(labels) && strcmp(json_string_value(json_array_get(labels, i)), label) != 0)
		i++;
	return i;
}

static json_t *all_labels(const struct plot *p)
{
	json_t *labels = json_array();
	const json_t *s, *point;
	size_t i, k;
	json_array_foreach(p->series, i, s) json_array_foreach(json_object_get(s, "points"), k, point)
	{
		json_t *label = json_array_get(point, 0);
		if (label_index(labels, json_string_value(label)) == json_array_size(labels))
			json_array_append(labels, label);
	}
	return labels;
}

static void draw_bar(const struct plot *p, const json_t *series, size_t colour, double x, double width,
		     const json_t *point)
{
	char text[32];
	double y = json_number_value(json_array_get(point, 1)), top = at_y(p, y);
	fprintf(p->to, "<rect class=\"s%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">", colour, x, top,
		width, HEIGHT - BOTTOM - top);
	hint(p, report_text(series, "name"), json_string_value(json_array_get(point, 0)), y);
	fprintf(p->to, "</rect>\n");
	text_at(p, x + width / 2, top - 4, "value", short_number(y / p->y_by, false, text));
}

static void draw_bars(struct plot *p)
{
	json_t *labels = all_labels(p);
	const json_t *s, *point;
	size_t i, k, n = json_array_size(labels);
	double group = (double)(WIDTH - LEFT - RIGHT) / (double)(n ? n : 1);
	double width = fmin(group * 0.84 / (double)p->n_series, 48);
	double inset = (group - width * (double)p->n_series) / 2;
	json_array_foreach(p->series, i, s) json_array_foreach(json_object_get(s, "points"), k, point)
	{
		size_t place = label_index(labels, json_string_value(json_array_get(point, 0)));
		double x = LEFT + group * (double)place + inset + width * (double)i;
		draw_bar(p, s, i % COLOURS, x + 1, width - 2, point);
	}
	json_array_foreach(labels, i, point)
		text_at(p, LEFT + group * ((double)i + 0.5), HEIGHT - BOTTOM + 18, "middle", json_string_value(point));
	json_decref(labels);
}

void report_svg(const json_t *chart, FILE *to)
{
	struct plot p = {.series = json_object_get(chart, "series"),
			 .n_series = json_array_size(json_object_get(chart, "series")),
			 .x_log = json_is_true(json_object_get(chart, "x_log")),
			 .tokens = strcmp(report_text(chart, "x_unit"), "tokens") == 0,
			 .to = to};
	if (p.n_series == 0)
		return;
	measure(&p, chart);
	fprintf(to, "<svg viewBox=\"0 0 %d %d\" role=\"img\">\n<title>", WIDTH, HEIGHT);
	report_escaped(report_text(chart, "title"), to);
	fprintf(to, "</title>\n");
	draw_y_axis(&p, chart);
	if (strcmp(report_text(chart, "kind"), "bars") == 0)
		draw_bars(&p);
	else
		draw_lines(&p, chart);
	fprintf(to, "</svg>\n");
}
