/* tmpl.h: chat templates: the Jinja of published models, rendered to the text that Python's jinja2 gives with the
 * settings of Hugging Face transformers (sandbox, trim_blocks, lstrip_blocks, loop controls, their tojson).
 *
 * A template is outside input: no template and no context can crash, loop without end or take memory without bound.
 * A struct tmpl never changes once parsed: any number of threads may render it at once. Needs 2 MiB of stack. */
#ifndef KVIK_TMPL_TMPL_H
#define KVIK_TMPL_TMPL_H

#include <jansson.h>

#include "base/err.h"

#define TMPL_TEXT_MAX ((size_t)4 << 20) /* bytes of a template */

/* What one rendering may use; 0 in a field means its default. */
struct tmpl_limits {
	uint64_t steps;  /* evaluated nodes, and 1 for each 64 bytes that a function works through: 50 million */
	size_t memory;   /* bytes of all values: 512 MiB */
	size_t output;   /* bytes of text: 64 MiB */
	unsigned levels; /* nested statements, operators and calls: 2000, which is also the most */
};

struct tmpl;

/* text: UTF-8, [bytes]. name: for error texts, may be NULL. The caller frees *out with tmpl_free. Errors: FORMAT
 * ("NAME: template line 3: what is wrong"), LIMIT, NOMEM. */
int tmpl_parse(struct tmpl **out, const char *text, size_t bytes, const char *name, struct kvik_err *err) MUST_CHECK;
void tmpl_free(struct tmpl *t);

/* variables: an object; borrowed for the call and not changed. now: seconds since 1970, what strftime_now tells (as
 * UTC). limits: may be NULL. *out: [*bytes] and a terminating NUL, UTF-8, freed by the caller with mem_free. Errors:
 * FORMAT (an operation on something undefined, raise_exception, a wrong type), UNSUPPORTED (include), ARG (variables
 * is no object), LIMIT, NOMEM. */
int tmpl_render(const struct tmpl *t, const json_t *variables, int64_t now, const struct tmpl_limits *limits,
		char **out, size_t *bytes, struct kvik_err *err) MUST_CHECK;

#endif
