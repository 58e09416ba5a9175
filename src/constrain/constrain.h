/* constrain.h: what a text must be like, compiled once and used for any number of texts: a JSON schema, a regular expression, a
 * list of choices, a grammar, structural tags. A matcher follows one text and says which tokens may come next.
 *
 * In what a matcher is fed, a special token of the vocabulary is its code (trie.h).
 *
 * Everything that is found out while texts are matched (states, masks) is kept in the constraint for all of them, up to
 * CONSTRAIN_BYTES_MAX; beyond that it starts afresh, and matchers find their way again by themselves.
 *
 * Threads: a constraint may be used by any number of matchers on any threads (each step takes its lock for a moment); a matcher
 * by one at a time. */
#ifndef KVIK_CONSTRAIN_CONSTRAIN_H
#define KVIK_CONSTRAIN_CONSTRAIN_H

#include "base/buf.h"
#include "base/err.h"
#include "constrain/trie.h"

enum { CONSTRAIN_BYTES_MAX = 64 << 20, CONSTRAIN_TEXT_MAX = 4 << 20 };

enum constrain_kind {
	CONSTRAIN_JSON,    /* any JSON object; no text */
	CONSTRAIN_SCHEMA,  /* a JSON schema */
	CONSTRAIN_REGEX,   /* a regular expression that the whole text matches */
	CONSTRAIN_CHOICE,  /* a JSON list of strings, one of which it is */
	CONSTRAIN_GRAMMAR, /* a context-free grammar: GBNF or Lark's */
	CONSTRAIN_TAGS     /* structural tags: a JSON object */
};

struct constrain;

/* trie: the vocabulary, borrowed; NULL: there will be no masks. answers: a model
 * writes the texts: white space and digits are kept from running on (json_init), what a grammar ignores comes once and not at the
 * beginning. Errors say what cannot be enforced and where: FORMAT, UNSUPPORTED, LIMIT, NOMEM; ARG: nothing can
 * match. The caller frees *out with constrain_free, after its matchers. */
int constrain_new(struct constrain **out, enum constrain_kind kind, const char *text, size_t bytes,
		  const struct trie *trie, bool answers, struct kvik_err *err) MUST_CHECK;
void constrain_free(struct constrain *c);

/* Visible so that it can live inside of a caller's struct; the owner releases it with matcher_release. */
struct matcher {
	struct constrain *c;
	struct buf text; /* so far */
	uint32_t state, round;
};

void matcher_init(struct matcher *m, struct constrain *c);
void matcher_release(struct matcher *m);
/* Takes bytes as far as they can be: returns how many. Less than n: the next one is wrong, and m stays before it. */
size_t matcher_feed(struct matcher *m, const char *bytes, size_t n);
/* The last bytes are taken back. */
void matcher_rollback(struct matcher *m, size_t bytes);
bool matcher_accepts(struct matcher *m); /* the text may end here */
/* It may, and nothing but white space could follow. */
bool matcher_is_whole(struct matcher *m);
/* mask[trie.words]: a bit for each token that may come. false: none can (and the text may still be whole). */
bool matcher_mask(struct matcher *m, uint32_t *mask);
/* Appends to out, up to max bytes in all, what must come next because nothing else can. */
void matcher_forced(struct matcher *m, struct buf *out, size_t max);

#endif
