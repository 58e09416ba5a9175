/* range.c: a number that goes on is an interval, or some: "-1" becomes -1, -1.x, -1x, -1x.y, ...: for each j from 0 on all of
 * -(1 .. 2) * 10^j, as far as there is room for digits. */
#include "constrain/range.h"

#include <string.h>

enum { POWERS_MAX = 40, EXPONENTS = 1000 };

static bool above_min(const struct range *r, const struct decimal *d)
{
	int c = r->has_min ? decimal_compare(d, &r->min) : 1;
	return c > 0 || (c == 0 && !r->above_min);
}

static bool below_max(const struct range *r, const struct decimal *d)
{
	int c = r->has_max ? decimal_compare(d, &r->max) : -1;
	return c < 0 || (c == 0 && !r->below_max);
}

static bool holds(const struct range *r, const struct decimal *d)
{
	int64_t v;
	if (!above_min(r, d) || !below_max(r, d))
		return false;
	return !r->multiple_scaled || (decimal_scaled(d, r->scale, &v) && v % r->multiple_scaled == 0);
}

bool range_holds(const struct range *r, const char *text, size_t n)
{
	struct decimal d;
	return decimal_parse(&d, text, n) && holds(r, &d);
}

/* ---- Numbers that go on ------------------------------------------------------------------------------------------ */

/* The next number with as many decimals, away from zero: 1.29 -> 1.30, -9 -> -10. */
static void away(struct decimal *d, unsigned decimals, bool negative)
{
	int32_t digits = d->exponent + (int32_t)decimals; /* of it as an integer */
	struct decimal next = {.negative = negative};
	uint8_t text[DECIMAL_DIGITS_MAX + 2] = {0};
	if (digits < 0 || digits > DECIMAL_DIGITS_MAX)
		return;
	memcpy(text + 1, d->digits, d->n < digits ? d->n : (size_t)digits);
	int32_t i = digits;
	while (i > 0 && text[i] == 9)
		text[i--] = 0;
	text[i]++;
	int32_t first = text[0] ? 0 : 1, last = digits;
	while (first < last && text[first] == 0)
		first++;
	while (last > first && text[last] == 0)
		last--;
	next.n = (uint8_t)(last - first + 1 <= DECIMAL_DIGITS_MAX ? last - first + 1 : DECIMAL_DIGITS_MAX);
	memcpy(next.digits, text + first, next.n);
	next.exponent = digits + 1 - first - (int32_t)decimals;
	*d = next;
}

/* A multiple among those from `from` (in) to `to` (out) that are in the range; away from zero, both of one sign. Numbers that do not
 * fit are judged to be none (range_holds). */
static bool has_multiple(const struct range *r, const struct decimal *from, const struct decimal *to)
{
	int64_t a, b, m = r->multiple_scaled, lo, hi;
	const int64_t most = INT64_C(1000000000000000000);
	if (from->exponent + (int32_t)r->scale > 18)
		return false;
	if (!decimal_scaled(from, r->scale, &a))
		return true;
	if (!decimal_scaled(to, r->scale, &b)) {
		if (to->exponent + (int32_t)r->scale <= 18)
			return true;
		b = to->negative ? -most : most;
	}
	lo = from->negative || to->negative ? b + 1 : a;
	hi = from->negative || to->negative ? a : b - 1;
	if (r->has_min && decimal_scaled(&r->min, r->scale, &a))
		lo = a + r->above_min > lo ? a + r->above_min : lo;
	if (r->has_max && decimal_scaled(&r->max, r->scale, &b))
		hi = b - r->below_max < hi ? b - r->below_max : hi;
	int64_t last = hi - (hi % m + m) % m; /* the largest multiple that is not above hi */
	return lo <= hi && last >= lo;
}

/* Does the stretch from `from` (in) away from zero to `to` (out) meet the range? */
static bool meets(const struct range *r, const struct decimal *from, const struct decimal *to, bool negative)
{
	bool in = negative ? above_min(r, from) && (!r->has_max || decimal_compare(to, &r->max) < 0)
			   : below_max(r, from) && (!r->has_min || decimal_compare(to, &r->min) > 0);
	return in && (!r->multiple_scaled || has_multiple(r, from, to));
}

/* With one of the exponents sign * (first .. last)? */
static bool some_exponent(const struct range *r, const struct decimal *mantissa, int32_t sign, int32_t first,
			  int32_t last)
{
	for (int32_t k = first; k <= last; k++) {
		struct decimal d = *mantissa;
		d.exponent += d.n ? sign * k : 0;
		if (holds(r, &d))
			return true;
	}
	return false;
}

/* All the exponents that it can still become are tried. */
static bool exponent_reaches(const struct range *r, const struct decimal *mantissa, const char *text, size_t n)
{
	const char *e = memchr(text, 'e', n) ? memchr(text, 'e', n) : memchr(text, 'E', n), *end = text + n;
	int32_t sign = e + 1 < end && e[1] == '-' ? -1 : 1, value = 0, digits = 0;
	bool is_signed = e + 1 < end && (e[1] == '-' || e[1] == '+');
	for (const char *c = e + 1 + is_signed; c < end; c++, digits++)
		value = value * 10 + (*c - '0');
	if (digits == 0)
		return some_exponent(r, mantissa, sign, 0, EXPONENTS - 1) ||
		       (!is_signed && some_exponent(r, mantissa, -1, 0, EXPONENTS - 1));
	for (int32_t more = 1; digits <= RANGE_EXPONENT_DIGITS; digits++, value *= 10, more *= 10)
		if (some_exponent(r, mantissa, sign, value, value + more - 1))
			return true;
	return false;
}

bool range_reachable(const struct range *r, const char *text, size_t n, bool fraction, bool exponent)
{
	bool negative = n > 0 && text[0] == '-', zero = true;
	size_t point = n, mantissa = n;
	struct decimal from, to;
	for (size_t i = 0; i < n; i++) {
		point = text[i] == '.' ? i : point;
		mantissa = (text[i] == 'e' || text[i] == 'E') && i < mantissa ? i : mantissa;
		zero = zero && (text[i] == '0' || text[i] == '-' || text[i] == '.' || i >= mantissa);
	}
	if (negative && n == 1)
		return !r->has_min || r->min.negative || (r->min.n == 0 && !r->above_min);
	if (!decimal_parse(&from, text, mantissa))
		return false;
	if (exponent)
		return exponent_reaches(r, &from, text, n);
	unsigned decimals = point < n ? (unsigned)(n - point - 1) : 0;
	if (r->multiple_scaled && decimal_scale(&from) > r->scale)
		return false;
	to = from;
	away(&to, decimals, negative);
	if (fraction || zero)
		return meets(r, &from, &to, negative);
	for (int j = 0; j < POWERS_MAX; j++, from.exponent++, to.exponent++)
		if (meets(r, &from, &to, negative))
			return true;
	return false;
}
