/* nearest.c: see nearest.h. The distance is Damerau's restricted one: letters put in, left out, changed, and two
 * neighbours exchanged, each counting 1. */
#include "base/nearest.h"

#include <string.h>

enum { LETTERS_MAX = 40 }; /* longer names are far from all */

static int least(int a, int b)
{
	return a < b ? a : b;
}

static int distance(const char *a, size_t na, const char *b, size_t nb)
{
	int rows[3][LETTERS_MAX + 1]; /* of the table the last three rows, in turn */
	for (size_t j = 0; j <= nb; j++)
		rows[0][j] = (int)j;
	for (size_t i = 1; i <= na; i++) {
		int *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
		row[0] = (int)i;
		for (size_t j = 1; j <= nb; j++) {
			row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return rows[na % 3][nb];
}

struct nearest nearest_begin(const char *name, size_t n)
{
	int a_third = (int)(n + 2) / 3; /* of the letters wrong, and it is another word */
	return (struct nearest){.name = name, .n = n, .distance = a_third < 3 ? a_third + 1 : 4};
}

void nearest_try(struct nearest *g, const char *known)
{
	size_t n = strlen(known);
	if (g->n > LETTERS_MAX || n > LETTERS_MAX)
		return;
	int d = distance(g->name, g->n, known, n);
	if (d < g->distance) {
		g->best = known;
		g->distance = d;
	}
}
