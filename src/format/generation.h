/* generation.h: how a model's makers want it sampled: general.sampling.* of a GGUF file, generation_config.json of a
 * Hugging Face folder. Any thread. */
#ifndef KVIK_FORMAT_GENERATION_H
#define KVIK_FORMAT_GENERATION_H

#include "base/warn.h"
#include "format/gguf.h"

enum generation_field {
	GENERATION_TEMPERATURE = 1 << 0,
	GENERATION_TOP_K = 1 << 1,
	GENERATION_TOP_P = 1 << 2,
	GENERATION_MIN_P = 1 << 3,
	GENERATION_REPEAT_PENALTY = 1 << 4,
	GENERATION_PENALTY_LAST_N = 1 << 5
};

struct json_t;

struct generation {
	unsigned given;    /* enum generation_field: which of these the files set */
	float temperature; /* 0 = greedy */
	float top_p, min_p, repeat_penalty;
	uint32_t top_k;          /* 0 = off */
	uint32_t penalty_last_n; /* 0 = all */
	uint32_t *suppressed;    /* [n_suppressed] ids that are never drawn; owned */
	size_t n_suppressed;
};

/* What is out of its range, and what kvik does not do, is a warning. name: of the file, for texts. Fields that are not
 * there leave g as it is. Errors: FORMAT (a field of the wrong type), NOMEM. */
int generation_of_gguf(struct generation *g, const struct gguf *file, const char *name, struct warnings *w,
		       struct kvik_err *err) MUST_CHECK;
int generation_of_json(struct generation *g, const struct json_t *root, const char *name, struct warnings *w,
		       struct kvik_err *err) MUST_CHECK;
void generation_release(struct generation *g);

#endif
