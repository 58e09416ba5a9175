/* structured.h: what a request says of the form of its answer, in every dialect's words, and the constraint that it means:
 *
 *   response_format      {"type": "json_object"}, {"type": "json_schema", "json_schema": {"schema": ...}}   OpenAI
 *                        {"type": "structural_tag", ...}, {"type": "grammar", "grammar": ...},              vLLM, Fireworks,
 *                        {"type": "regex", "pattern": ...}                                                   Together
 *   structured_outputs   {"json": ...}, {"regex": ...}, {"choice": [...]}, {"json_object": true},            vLLM
 *                        {"grammar": ...}, {"structural_tag": ...}
 *   guided_json, guided_regex, guided_choice, guided_grammar                                                vLLM, formerly
 *   json_schema, grammar ...                                                                                llama-server
 *   regex, ebnf, structural_tag                                                                             SGLang
 *
 * Constraints are kept by the server for a while, for requests that ask for the same: what was found out about one (its
 * states and masks) serves them all. What cannot be enforced is an error of the request. Any thread. */
#ifndef KVIK_API_STRUCTURED_H
#define KVIK_API_STRUCTURED_H

#include <pthread.h>

#include <kvik.h>

#include "api/fields.h"

enum { STRUCTURED_FIELDS = 11, STRUCTURED_KEPT = 16 };

/* The constraints that a server keeps. */
struct kept_constraint;
struct structured_cache {
	pthread_mutex_t lock;
	struct kept_constraint *kept[STRUCTURED_KEPT];
	uint64_t clock;
};
void structured_cache_init(struct structured_cache *sc);
void structured_cache_release(struct structured_cache *sc); /* nobody uses any more */

/* Of a request; zeroed: none. */
struct structured {
	/* Borrowed from the body. */
	json_t *response_format, *outputs, *json, *regex, *choice, *guided_grammar, *json_schema, *grammar,
		*sglang_regex, *ebnf, *structural_tag;
	struct kept_constraint *constraint; /* held; NULL: any text */
	bool of_text;                       /* it is the form of what is said: a call that must be takes its place */
};
/* Writes the fields into table[STRUCTURED_FIELDS]; returns how many. */
size_t structured_fields(struct structured *s, struct field *table);
/* After fields_read: what they mean. v: NULL where the model has no vocabulary. */
int structured_finish(struct structured *s, struct structured_cache *sc, const struct kvik_vocab *v,
		      struct field_error *e) MUST_CHECK;
/* "format" of /v1/responses: as response_format, with the schema beside its type. */
int structured_format(struct structured *s, const json_t *format, const char *name, struct structured_cache *sc,
		      const struct kvik_vocab *v, struct field_error *e) MUST_CHECK;
/* Calls of tools: by the schema of tool_choice.h, or the tag of call_form.h. */
int structured_call(struct structured *s, enum kvik_constraint_kind kind, const json_t *form,
		    struct structured_cache *sc, const struct kvik_vocab *v, struct field_error *e) MUST_CHECK;
void structured_release(struct structured *s, struct structured_cache *sc);
/* NULL: any text. Lives until the release. */
struct kvik_constraint *structured_constraint(const struct structured *s);

#endif
