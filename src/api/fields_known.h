/* fields_known.h: parameters that some dialect or client knows and kvik does nothing about: which of their values ask
 * for nothing. Any thread. */
#ifndef KVIK_API_FIELDS_KNOWN_H
#define KVIK_API_FIELDS_KNOWN_H

#include "api/fields.h"
#include "base/nearest.h"

/* Of a field that is not null and that the table at hand does not have: 0 when it asks for nothing; KVIK_ERR_ARG, with
 * *e filled in, when it asks for what there is not; 1 when nobody knows it. */
int field_known(const char *name, const json_t *v, struct field_error *e) MUST_CHECK;
/* Is there such a parameter anywhere? */
bool field_is_known(const char *name);
void fields_known_try(struct nearest *guess);

#endif
