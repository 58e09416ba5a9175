/* decimal.h: numbers as JSON writes them, exactly: what a schema bounds is the decimal number that stands there, not the nearest
 * double. Pure functions. */
#ifndef KVIK_CONSTRAIN_DECIMAL_H
#define KVIK_CONSTRAIN_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DECIMAL_DIGITS_MAX = 80, DECIMAL_EXPONENT_MAX = 100000 };

/* 0.d1 d2 d3 ... * 10^exponent, d1 not 0; zero: no digits, exponent 0, not negative. */
struct decimal {
	bool negative;
	uint8_t n; /* digits, without zeros at the end */
	int32_t exponent;
	uint8_t digits[DECIMAL_DIGITS_MAX];
};

/* A number of JSON's grammar, whole. false: more digits than there is room for, or beyond the exponents. */
bool decimal_parse(struct decimal *d, const char *text, size_t n);
/* -1, 0, 1 */
int decimal_compare(const struct decimal *a, const struct decimal *b);
/* value * 10^scale as an integer; false: it is none, or does not fit. */
bool decimal_scaled(const struct decimal *d, unsigned scale, int64_t *value);
/* Decimals behind the point: 0 for integers. */
unsigned decimal_scale(const struct decimal *d);

#endif
