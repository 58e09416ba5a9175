/* tokenizer_load.h: a vocabulary being built from the files of a Hugging Face folder; shared by those that read one of
 * them each. All errors name the field. Thread: the builder's. */
#ifndef KVIK_TOKEN_TOKENIZER_LOAD_H
#define KVIK_TOKEN_TOKENIZER_LOAD_H

#include "token/tokenizer_steps.h"

struct loading {
	struct vocab *v;
	const struct vocab_files *files;
	const json_t *root;        /* tokenizer.json, or what it would say; NULL: there is only a SentencePiece model */
	const json_t *model;       /* of root */
	const json_t *config;      /* tokenizer_config.json, or NULL */
	const json_t *special_map; /* special_tokens_map.json, or NULL */
	const json_t *added_map;   /* added_tokens.json: text -> id, or NULL */
	const json_t *vocab;       /* vocab.json, or NULL */
	const json_t *model_config; /* config.json, or NULL */
	json_t *added;              /* of all files: a list of {"id", "content", "special", ...}, owned */
	struct kvik_err *err;
};

/* The highest id that the files give to an added token, at least *highest; n: how many tokens there are besides. */
int added_highest(const struct loading *l, size_t n, uint64_t *highest) MUST_CHECK;
/* Fills l->added and gives these tokens to l->v, whose own tokens are there and indexed. */
int added_load(struct loading *l) MUST_CHECK;
/* Makes them special to the encoder, once the normalizers are there. */
int added_make_special(const struct loading *l) MUST_CHECK;
/* The token that a file names as bos_token, eos_token ...; -1: none. */
int64_t added_named(const struct loading *l, const char *key);

/* *root: what a tokenizer.json would say, from vocab and l->files->merges; the caller's also after an error. */
int vocab_join_pairs(struct loading *l, const json_t *vocab, json_t **root) MUST_CHECK;
/* All of l->files->sentencepiece (sp_build.c). */
int vocab_load_sp(struct loading *l) MUST_CHECK;

/* Ids may leave holes, but not so many that a small file would ask for much memory. */
int tj_check_id(const json_t *id, size_t n_tokens, uint64_t *highest, struct kvik_err *err) MUST_CHECK;

#endif
