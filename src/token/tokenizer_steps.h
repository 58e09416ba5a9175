/* tokenizer_steps.h: the parts of a tokenizer.json besides vocabulary and added tokens. All errors name the field:
 * FORMAT where it is not what it must be, UNSUPPORTED where kvik cannot honour it, NOMEM. Thread: the builder's. */
#ifndef KVIK_TOKEN_TOKENIZER_STEPS_H
#define KVIK_TOKEN_TOKENIZER_STEPS_H

#include <jansson.h>

#include "token/decode.h"
#include "token/pipeline.h"

/* j: the value of "normalizer", "pre_tokenizer", "decoder" or "post_processor"; NULL and null are fine. */
int tj_normalizer(struct pipeline *p, const json_t *j, struct kvik_err *err) MUST_CHECK;
int tj_pre_tokenizer(struct pipeline *p, const json_t *j, struct kvik_err *err) MUST_CHECK;
/* Sets v->strip and v->whole_pieces, too. */
int tj_decoder(struct vocab *v, struct decoder *d, const json_t *j, struct kvik_err *err) MUST_CHECK;
/* *template: the file says which special tokens go around a text. */
int tj_post_processor(struct vocab *v, const json_t *j, bool *template, struct kvik_err *err) MUST_CHECK;

/* "type" of a step; *type is "" where the step is absent. */
int tj_step_type(const json_t *j, const char *where, const char **type, struct kvik_err *err) MUST_CHECK;
/* Calls fn for each step of a sequence. */
typedef int tj_step_fn(void *ctx, const json_t *j, unsigned depth, struct kvik_err *err);
int tj_each_step(const json_t *list, const char *where, tj_step_fn *fn, void *ctx, unsigned depth,
		 struct kvik_err *err) MUST_CHECK;

/* Typed members of an object; where: for error texts. Absent and null give the default. */
int tj_bool(const json_t *j, const char *key, const char *where, bool otherwise, bool *value,
	    struct kvik_err *err) MUST_CHECK;
int tj_string(const json_t *j, const char *key, const char *where, const char *otherwise, const char **value,
	      struct kvik_err *err) MUST_CHECK;
/* Both return the code that they set; inline, so that compilers see that it is not 0. */
static inline int tj_unsupported(const char *where, const char *what, struct kvik_err *err)
{
	err_set(err, KVIK_ERR_UNSUPPORTED, "%s %.100s is not supported; use a GGUF file of the model", where, what);
	return KVIK_ERR_UNSUPPORTED;
}

static inline int tj_malformed(const char *where, const char *what, struct kvik_err *err)
{
	err_set(err, KVIK_ERR_FORMAT, "%s: %.100s; fetch the file again", where, what);
	return KVIK_ERR_FORMAT;
}

#endif
