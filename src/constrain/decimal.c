/* decimal.c: digits and an exponent. */
#include "constrain/decimal.h"

#include <string.h>

static void push_digit(struct decimal *d, unsigned digit, unsigned *zeros, bool *fits)
{
	if (digit == 0) {
		*zeros += d->n > 0; /* they count once another digit follows */
		return;
	}
	if (d->n + *zeros >= DECIMAL_DIGITS_MAX) {
		*fits = false;
		return;
	}
	memset(d->digits + d->n, 0, *zeros);
	d->n = (uint8_t)(d->n + *zeros);
	d->digits[d->n++] = (uint8_t)digit;
	*zeros = 0;
}

bool decimal_parse(struct decimal *d, const char *text, size_t n)
{
	size_t i = 0;
	unsigned zeros = 0;
	bool fits = true, point = false, started = false;
	int32_t exponent = 0, written = 0;
	*d = (struct decimal){0};
	d->negative = n > 0 && text[0] == '-';
	for (i = d->negative; i < n && text[i] != 'e' && text[i] != 'E'; i++) {
		if (text[i] == '.') {
			point = true;
			continue;
		}
		started = started || text[i] != '0';
		if (!point)
			exponent += started;
		else if (!started)
			exponent--;
		push_digit(d, (unsigned)(text[i] - '0'), &zeros, &fits);
	}
	if (i < n) {
		bool down = text[++i] == '-';
		for (i += text[i] == '-' || text[i] == '+'; i < n && written <= DECIMAL_EXPONENT_MAX; i++)
			written = 10 * written + (text[i] - '0');
		exponent += down ? -written : written;
	}
	d->exponent = d->n ? exponent : 0;
	d->negative = d->negative && d->n > 0;
	return fits && written <= DECIMAL_EXPONENT_MAX;
}

static int compare_magnitudes(const struct decimal *a, const struct decimal *b)
{
	if (a->n == 0 || b->n == 0)
		return (a->n > 0) - (b->n > 0);
	if (a->exponent != b->exponent)
		return a->exponent < b->exponent ? -1 : 1;
	int c = memcmp(a->digits, b->digits, a->n < b->n ? a->n : b->n);
	if (c != 0)
		return c < 0 ? -1 : 1;
	return (a->n > b->n) - (a->n < b->n);
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
	if (a->negative != b->negative)
		return a->negative ? -1 : 1;
	int c = compare_magnitudes(a, b);
	return a->negative ? -c : c;
}

unsigned decimal_scale(const struct decimal *d)
{
	return (int32_t)d->n > d->exponent ? (unsigned)((int32_t)d->n - d->exponent) : 0;
}

bool decimal_scaled(const struct decimal *d, unsigned scale, int64_t *value)
{
	int64_t v = 0;
	int32_t digits = d->exponent + (int32_t)scale; /* of the integer */
	*value = 0;
	if (d->n == 0)
		return true;
	if (digits > 18 || digits < (int32_t)d->n)
		return false;
	for (int32_t i = 0; i < digits; i++)
		v = 10 * v + (i < d->n ? d->digits[i] : 0);
	*value = d->negative ? -v : v;
	return true;
}
