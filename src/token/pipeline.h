/* pipeline.h: the steps of a tokenizer.json between text and model; filled by hf_json.c, run by pipeline.c. */
#ifndef KVIK_TOKEN_PIPELINE_H
#define KVIK_TOKEN_PIPELINE_H

#include "token/normalize.h"
#include "token/vocab_impl.h"

#define PIPELINE_STEPS_MAX 16

enum split_behavior { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_WITH_PREVIOUS, SPLIT_WITH_NEXT, SPLIT_CONTIGUOUS };
enum prepend_scheme { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };
enum splitter_kind { SPLITTER_PATTERN, SPLITTER_BYTE_LEVEL, SPLITTER_METASPACE };

struct splitter {
	enum splitter_kind kind;
	struct pretok *pattern; /* PATTERN, and BYTE_LEVEL with use_regex; owned */
	enum split_behavior behavior;
	bool invert;                 /* PATTERN: the matches are the words, not the delimiters */
	bool add_prefix_space;       /* BYTE_LEVEL */
	enum prepend_scheme prepend; /* METASPACE */
	bool split;                  /* METASPACE: words end before each U+2581 */
};

enum pipeline_model { PIPELINE_BPE, PIPELINE_UNIGRAM };

struct pipeline {
	enum pipeline_model model;
	struct normalizer normalizers[PIPELINE_STEPS_MAX];
	size_t n_normalizers;
	struct splitter splitters[PIPELINE_STEPS_MAX];
	size_t n_splitters;
	struct ids prefix, suffix; /* that VOCAB_ADD_SPECIAL puts around the text */
};

#endif
