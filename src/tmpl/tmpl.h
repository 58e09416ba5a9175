/* tmpl.h: chat templates: the Jinja of published models, rendered to the text that Python's jinja2 gives with the
 * settings of Hugging Face transformers (sandbox, trim_blocks, lstrip_blocks, loop controls, their tojson).
 *
 * A template is outside input: no template and no context can crash, loop without end or take memory without bound.
 * A struct tmpl never changes once parsed: any number of threads may render it at once. Needs 2 MiB of stack. */
#ifndef KVIK_TMPL_TMPL_H
#define KVIK_TMPL_TMPL_H

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"

#define TMPL_TEXT_MAX ((size_t)4 << 20) /* bytes of a template */

/* What one rendering may use; 0 in a field means its default. */
struct tmpl_limits {
	uint64_t steps;  /* evaluated nodes, and 1 for each 64 bytes that a function works through: 50 million */
	size_t memory;   /* bytes of all values: 512 MiB */
	size_t output;   /* bytes of text: 64 MiB */
	unsigned levels; /* nested statements, operators and calls: 2000, which is also the most */
};

/* A string of the variables that begins with this byte, which UTF-8 never has, is a number too large for jansson's
 * types: the digits behind it are written as they are. */
#define TMPL_NUMBER "\xff"

struct tmpl;

/* text: UTF-8, [bytes]. name: for error texts, may be NULL. The caller frees *out with tmpl_free. Errors: FORMAT
 * ("NAME: template line 3: what is wrong"), LIMIT, NOMEM. */
int tmpl_parse(struct tmpl **out, const char *text, size_t bytes, const char *name, struct kvik_err *err) MUST_CHECK;
void tmpl_free(struct tmpl *t);

/* Is this text, the member `key` of an object of the variables, as good as the template's own? */
typedef bool tmpl_trusts_fn(const char *key, const char *text);

/* What is rendered; all borrowed for the call and not changed. */
struct tmpl_input {
	const json_t *variables; /* an object: data, but for what `trusts` says; its names hide those of `own` */
	const json_t *own;       /* an object of variables that are as good as the template's own; NULL = none */
	tmpl_trusts_fn *trusts;  /* NULL = nothing */
	int64_t now;             /* seconds since 1970: what strftime_now tells (as UTC) */
	const struct tmpl_limits *limits; /* NULL = the defaults */
};

enum { TMPL_BORDERS = 4 };

/* A rendered text, and who wrote it: the template, or the variables, the stretches of which are `data`: ascending,
 * apart, none empty. A stretch goes with its characters through filters, slices and concatenations; what cannot be
 * traced counts as data. */
struct tmpl_text {
	char *text; /* [bytes] and a terminating NUL, UTF-8 */
	size_t bytes;
	struct span *data; /* [n_data] */
	size_t n_data;
	/* Where loops of the template that lie in no other began a round that wrote something, or had written their last,
	 * in bytes: ascending, apart, the last ones. Of a chat template: where messages begin. */
	size_t borders[TMPL_BORDERS];
	size_t n_borders;
};

/* The caller releases *out with tmpl_text_release, also after an error. Errors: FORMAT (an operation on something
 * undefined, raise_exception, a wrong type), UNSUPPORTED (include), ARG (variables are no object), LIMIT, NOMEM. */
int tmpl_render_text(const struct tmpl *t, const struct tmpl_input *in, struct tmpl_text *out,
		     struct kvik_err *err) MUST_CHECK;
void tmpl_text_release(struct tmpl_text *t);

/* The text alone: *out: [*bytes] and a terminating NUL, freed by the caller with mem_free. Errors as above. */
int tmpl_render(const struct tmpl *t, const json_t *variables, int64_t now, const struct tmpl_limits *limits,
		char **out, size_t *bytes, struct kvik_err *err) MUST_CHECK;

#endif
