/* json_read.h: JSON as the world sends it: numbers of any size. jansson refuses integers beyond 64 bits and reals
 * beyond a double; people's tool schemas have them ("maximum": 18446744073709551615).
 *
 * Such a number becomes a string that begins with TMPL_NUMBER (tmpl/tmpl.h), a byte that no string of JSON has, and
 * goes on with its digits: templates write it as it was sent. Any thread. */
#ifndef KVIK_CHAT_JSON_READ_H
#define KVIK_CHAT_JSON_READ_H

#include <jansson.h>

#include "base/err.h"

/* flags: jansson's. NULL: *e, which may be NULL, says why. */
json_t *json_read(const char *text, size_t bytes, size_t flags, json_error_t *e);

/* json_dumps, with numbers as they were: the huge ones, and 0.1 for 0.1; freed with free. NULL: no memory, or bytes that are no UTF-8. */
char *json_write(const json_t *v, size_t flags);

bool json_is_huge(const json_t *v); /* such a number */
/* Huge numbers of an object's members, however deep, become reals (the largest, where they are beyond); but not those
 * of the members named in keep, which ends with NULL. */
void json_huge_to_real(json_t *object, const char *const *keep);

#endif
