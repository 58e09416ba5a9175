/* piece.h: what a grammar takes as a whole, by a machine of its own: a value under a JSON Schema, a regular expression, free text.
 * A state is a number, 0 the one that nothing leads out of. Owner: one thread at a time. */
#ifndef KVIK_CONSTRAIN_PIECE_H
#define KVIK_CONSTRAIN_PIECE_H

#include "constrain/free_text.h"
#include "constrain/json.h"

struct piece {
	/* One of these: */
	bool is_json;
	struct schema schema;
	struct json json;
	struct dfa *dfa;
	struct free_text *text;
	bool answers;
	struct json_scratch *scratch; /* borrowed */
};

/* No white space before the value or behind it: that is for the grammar to say. Errors as schema_compile, json_init. */
int piece_json(struct piece **out, const char *schema, size_t bytes, bool answers, struct json_scratch *scratch,
	       struct kvik_err *err) MUST_CHECK;
/* The whole of what it takes matches the pattern. Errors as re_compile; ARG: nothing does. */
int piece_regex(struct piece **out, const char *pattern, size_t bytes, struct kvik_err *err) MUST_CHECK;
/* Errors as free_text_new. */
int piece_text(struct piece **out, const struct free_text_string *without, size_t n, uint32_t characters_max,
	       struct kvik_err *err) MUST_CHECK;
void piece_free(struct piece *p);

uint32_t piece_start(const struct piece *p);
uint32_t piece_step(struct piece *p, uint32_t state, uint8_t byte);
bool piece_accepts(struct piece *p, uint32_t state);                   /* it may be whole here */
uint32_t piece_free_characters(const struct piece *p, uint32_t state); /* as machine.free_characters (mask.h) */
size_t piece_bytes(const struct piece *p);                             /* kept for its states */
/* Forgets the states. NOMEM. */
int piece_restart(struct piece *p) MUST_CHECK;

#endif
