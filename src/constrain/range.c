/* range.c: a number that goes on is an interval, or some: "-1" becomes -1, -1.x, -1x, -1x.y, ...: for each j from 0 on all of
 * -(1 .. 2) * 10^j, as far as there is room for digits. */
#include "constrain/range.h"

#include <string.h>

enum { POWERS_MAX = 40, TEXT_MAX = 128 };

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

bool range_holds(const struct range *r, const char *text, size_t n)
{
	struct decimal d;
	int64_t v;
	if (!decimal_parse(&d, text, n) || !above_min(r, &d) || !below_max(r, &d))
		return false;
	return !r->multiple_scaled || (decimal_scaled(&d, r->scale, &v) && v % r->multiple_scaled == 0);
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

/* A multiple among those from `from` (in) to `to` (out) that are in the range; away from zero, both of one sign. */
static bool has_multiple(const struct range *r, const struct decimal *from, const struct decimal *to)
{
	int64_t a, b, m = r->multiple_scaled, lo, hi;
	if (!decimal_scaled(from, r->scale, &a) || !decimal_scaled(to, r->scale, &b))
		return true;
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

static bool exponent_reaches(const struct range *r, const struct decimal *mantissa, const char *text, size_t n)
{
	const char *e = memchr(text, 'e', n) ? memchr(text, 'e', n) : memchr(text, 'E', n);
	struct decimal d;
	bool down = e + 1 < text + n && e[1] == '-', signed_ = e + 1 < text + n && (e[1] == '-' || e[1] == '+');
	if (mantissa->n == 0)
		return above_min(r, mantissa) && below_max(r, mantissa);
	if (e + 1 + signed_ == text + n) /* no digits yet */
		return mantissa->negative ? !r->has_min || r->min.negative
					  : !r->has_max || (!r->max.negative && r->max.n > 0);
	if (!decimal_parse(&d, text, n))
		return false;
	/* More digits only lead farther away from, or nearer to, zero. */
	if (down)
		return mantissa->negative ? below_max(r, &d) || (r->has_max && !r->max.negative)
					  : above_min(r, &d) || !r->has_min;
	return mantissa->negative ? above_min(r, &d) : below_max(r, &d);
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
