/* hf_ends.h: eos_token_id of config.json and generation_config.json. Any thread. */
#ifndef KVIK_FORMAT_HF_ENDS_H
#define KVIK_FORMAT_HF_ENDS_H

#include "base/err.h"

struct json_t;

/* root: of the file called name. eos_token_id is a number, a list or null: writes at most max ids and their number. A
 * negative id can never be drawn and is left out. Errors: FORMAT, LIMIT (more than max). */
int hf_ends(const struct json_t *root, const char *name, uint32_t *ids, size_t max, size_t *n,
	    struct kvik_err *err) MUST_CHECK;

#endif
