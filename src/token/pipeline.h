/* pipeline.h: the steps of a tokenizer.json between text and model; filled by tokenizer_steps.c, run by pipeline.c. */
#ifndef KVIK_TOKEN_PIPELINE_H
#define KVIK_TOKEN_PIPELINE_H

#include "token/normalize.h"
#include "token/splitter.h"
#include "token/vocab_impl.h"

#define PIPELINE_STEPS_MAX 32
#define UNIGRAM_UNK_PENALTY 10.0 /* an unknown character scores so much below the worst token */

struct pipeline {
	struct normalizer normalizers[PIPELINE_STEPS_MAX];
	size_t n_normalizers;
	struct splitter splitters[PIPELINE_STEPS_MAX];
	size_t n_splitters;
	struct ids prefix, suffix; /* that VOCAB_ADD_SPECIAL puts around the text */
};

/* Patterns of splitters that have a name instead. */
#define PIPELINE_WHITE "\\s"
#define PIPELINE_PUNCTUATION "[\\p{P}!-/:-@\\[-`{-~]"

/* The steps before WordPiece, for GGUF files, which do not name them: BERT's. */
int pipeline_for_bert(struct pipeline **out, bool lowercase, bool strip_accents, struct kvik_err *err) MUST_CHECK;

/* Runs the normalizers over text; front as for normalize. */
int pipeline_normalize(const struct pipeline *p, struct regex_work *work, struct buf *text, bool *front,
		       struct kvik_err *err) MUST_CHECK;

#endif
