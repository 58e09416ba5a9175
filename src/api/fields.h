/* fields.h: a JSON object read by a table of the fields it may have. A field that the table does not know is an error
 * that names it (promise P5: what would change the answer is never ignored). Any thread. */
#ifndef KVIK_API_FIELDS_H
#define KVIK_API_FIELDS_H

#include <jansson.h>

#include "base/err.h"

enum field_kind {
	FIELD_BOOL,      /* bool * */
	FIELD_U32,       /* uint32_t *, within [min, max] */
	FIELD_U64,       /* uint64_t *, any integer: negative ones wrap */
	FIELD_FLOAT,     /* float *, within [min, max] */
	FIELD_STRING,    /* const char **, borrowed from the object */
	FIELD_JSON,      /* json_t **, borrowed: the reader looks at it itself */
	FIELD_NO_EFFECT, /* known, and changes nothing about the answer */
	FIELD_FALSE_ONLY /* known, and not supported when it asks for something: must be null, false, 0 or empty */
};

struct field {
	const char *name;
	enum field_kind kind;
	void *value;     /* keeps what it holds when the field is absent or null */
	double min, max; /* of numbers */
};

/* What is wrong with which field. */
struct field_error {
	char param[64];
	char text[256];
};

/* 0, or KVIK_ERR_ARG with *e filled in. */
int fields_read(const json_t *o, const struct field *fields, size_t n, struct field_error *e) MUST_CHECK;
/* Fills in *e; returns KVIK_ERR_ARG. */
int field_fail(struct field_error *e, const char *param, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
