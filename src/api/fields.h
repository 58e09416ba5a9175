/* fields.h: a JSON object read by a table of the fields it may have. A field that is null is as good as absent. One
 * that the table does not have may say what is true anyway, if some dialect knows it (fields_known.h); else it is an
 * error that names it (promise P5: what would change the answer is never ignored). Any thread. */
#ifndef KVIK_API_FIELDS_H
#define KVIK_API_FIELDS_H

#include <jansson.h>

#include "base/err.h"

enum field_kind {
	FIELD_BOOL,     /* bool * */
	FIELD_U32,      /* uint32_t *, within [min, max] */
	FIELD_COUNT,    /* uint32_t *, "at most so many": a whole number from min on; what is above max is max, and
			   what is below 0, where min allows it, is 0 */
	FIELD_FLOAT,    /* float *, within [min, max] */
	FIELD_STRING,   /* const char **, without NUL, borrowed from the object */
	FIELD_JSON,     /* json_t **, borrowed: the reader looks at it itself */
	FIELD_NO_EFFECT /* known, and changes nothing about the answer */
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
/* A whole number within [min, max], however it is written: 5, 5.0, 5e0. */
bool field_whole(const json_t *v, int64_t min, int64_t max, int64_t *out);
/* Is it this text, to the last byte? */
bool field_says(const json_t *v, const char *text);
/* Fills in *e; returns KVIK_ERR_ARG. */
int field_fail(struct field_error *e, const char *param, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
