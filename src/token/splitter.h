/* splitter.h: the pre-tokenizers of a tokenizer.json: they cut a text into words, and some change it. Any thread. */
#ifndef KVIK_TOKEN_SPLITTER_H
#define KVIK_TOKEN_SPLITTER_H

#include "base/buf.h"
#include "token/regex.h"

/* What becomes of the text that a pattern matches, next to what it does not. */
enum split_behavior { SPLIT_REMOVED, SPLIT_ISOLATED, SPLIT_WITH_PREVIOUS, SPLIT_WITH_NEXT, SPLIT_CONTIGUOUS };
enum prepend_scheme { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };
enum splitter_kind { SPLITTER_PATTERN, SPLITTER_BYTE_LEVEL, SPLITTER_METASPACE };

struct splitter {
	enum splitter_kind kind;
	struct regex *pattern; /* PATTERN, and BYTE_LEVEL with use_regex. Owned */
	enum split_behavior behavior;
	bool invert;                 /* PATTERN: matches and gaps change places */
	bool add_prefix_space;       /* BYTE_LEVEL */
	enum prepend_scheme prepend; /* METASPACE */
	bool split;                  /* METASPACE: words begin at each mark */
	char mark[5];                /* METASPACE: stands for a blank (U+2581), NUL-terminated */
};

/* Words as ranges of one text; zeroed = none. */
struct words {
	struct buf text;
	size_t *ends; /* [n] */
	size_t n, cap;
	bool at_start; /* the first word begins where the whole text begins */
};
void words_release(struct words *w);
/* Ends the word that is being added to w->text; an empty one is dropped. False: no memory. */
bool words_end(struct words *w);

/* Cuts each word of in, and appends to out, which is empty. Errors: NOMEM, LIMIT. */
int splitter_run(const struct splitter *s, struct regex_work *work, const struct words *in, struct words *out,
		 struct kvik_err *err) MUST_CHECK;
void splitter_release(struct splitter *s);

#endif
