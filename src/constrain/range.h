/* range.h: bounds and multiples of numbers, also of numbers that are not yet whole. Pure functions. */
#ifndef KVIK_CONSTRAIN_RANGE_H
#define KVIK_CONSTRAIN_RANGE_H

#include "constrain/schema.h"

enum { RANGE_EXPONENT_DIGITS = 3 }; /* of numbers that are followed */

/* Is this number (of JSON's grammar, whole) in it? */
bool range_holds(const struct range *r, const char *text, size_t n);
/* Can it become one that is? fraction: it has a point; exponent: it has an "e". Where it cannot be told cheaply: true. */
bool range_reachable(const struct range *r, const char *text, size_t n, bool fraction, bool exponent);

#endif
