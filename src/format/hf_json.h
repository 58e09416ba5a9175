/* hf_json.h: the JSON files of a Hugging Face folder, read strictly: duplicate keys, another type than an object, and
 * fields of the wrong type are errors that name file and field. Any thread. */
#ifndef KVIK_FORMAT_HF_JSON_H
#define KVIK_FORMAT_HF_JSON_H

#include <jansson.h>

#include "base/err.h"

/* name: of the file, for error texts. *root: an object; the caller gives it back with json_decref. FORMAT. */
int hf_json_load(json_t **root, const char *json, size_t bytes, const char *name, struct kvik_err *err) MUST_CHECK;

/* Holds the first error, so that reading a list of fields stays a list. */
struct hf_reader {
	const json_t *root;
	const char *name; /* of the file */
	int rc;           /* first error */
	struct kvik_err *err;
};

/* NULL where the field is absent, null, or o no object. */
const json_t *hf_get(const json_t *o, const char *field);
/* True: the field of o was there and of the right type. What was absent leaves *out as it is. */
bool hf_get_u32(struct hf_reader *r, const json_t *o, const char *field, uint32_t *out);
bool hf_get_f64(struct hf_reader *r, const json_t *o, const char *field, double *out);
bool hf_get_f32(struct hf_reader *r, const json_t *o, const char *field, float *out);
bool hf_get_bool(struct hf_reader *r, const json_t *o, const char *field, bool *out);
const char *hf_get_str(struct hf_reader *r, const json_t *o, const char *field); /* or NULL */

/* Records "FILE: 'FIELD' WHAT" unless there is an error already. */
void hf_fail(struct hf_reader *r, int code, const char *field, const char *what);

#endif
