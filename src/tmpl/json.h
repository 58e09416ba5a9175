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
/* The values of a jansson tree, which must outlive them (its texts are borrowed). */
struct value json_value(struct vm *vm, const json_t *j);

#endif
