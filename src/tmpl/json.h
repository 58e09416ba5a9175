/* json.h: JSON in and out. */
#ifndef KVIK_TMPL_JSON_H
#define KVIK_TMPL_JSON_H

#include "tmpl/vm.h"

struct json_style {
	bool ascii, sort_keys;
	const struct str *indent;     /* of one level; NULL = all on one line */
	const struct str *item, *key; /* separators */
};

/* json.dumps(v, ...) of Python. */
struct value json_text(struct vm *vm, struct value v, const struct json_style *style);
/* The variables of a rendering, out of jansson objects, which must outlive them (their texts are borrowed): data's,
 * which hide own's of the same name; own may be NULL. */
struct dict *json_variables(struct vm *vm, const json_t *data, const json_t *own, tmpl_trusts_fn *trusts);

#endif
