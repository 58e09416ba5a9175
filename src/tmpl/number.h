/* number.h: numbers to text and back, and Python's three ways to fill a text in: %, str.format, strftime. */
#ifndef KVIK_TMPL_NUMBER_H
#define KVIK_TMPL_NUMBER_H

#include "tmpl/vm.h"

#define FLOAT_REPR_MAX 32

void float_repr(double f, char text[FLOAT_REPR_MAX]); /* the shortest that reads back the same: 0.1, 1e+16, inf */
bool parse_int(const struct str *s, int base, int64_t *out, bool *too_large); /* int(s, base) */
bool parse_float(const struct str *s, double *out);                           /* float(s) */

/* text % values: values is a tuple, a dict (for "%(name)s") or a single value. */
struct value percent_format(struct vm *vm, const struct str *text, struct value values);
/* text.format(*args, **kwargs) */
struct value brace_format(struct vm *vm, const struct str *text, const struct args *args);

/* A format specification of either kind ("<8", ".2f", "05d"), taken apart. */
struct spec {
	uint32_t fill;
	char align; /* '<', '>', '^', '=' or 0 */
	char sign;  /* '+', ' ' or 0 */
	char group; /* ',', '_' or 0 */
	bool alternate, zero;
	int64_t width, precision; /* precision -1 = none */
	char type;                /* or 0 */
};

void format_text(struct vm *vm, struct out *o, const struct spec *f, const struct str *s);
void format_number(struct vm *vm, struct out *o, const struct spec *f, struct value v);

#endif
