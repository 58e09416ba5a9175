/* hf_json.h: the JSON files of a Hugging Face folder, read strictly: what is no object, and duplicate keys, are errors
 * that name the file. Any thread. */
#ifndef KVIK_FORMAT_HF_JSON_H
#define KVIK_FORMAT_HF_JSON_H

#include <jansson.h>

#include "base/err.h"

/* name: of the file, for error texts. *root: an object; the caller gives it back with json_decref. FORMAT. */
int hf_json_load(json_t **root, const char *json, size_t bytes, const char *name, struct kvik_err *err) MUST_CHECK;

#endif
