/* vocab.h: text <-> token ids of one vocabulary: from GGUF metadata (struct vocab_desc) or from a Hugging Face
 * tokenizer.json.
 *
 * A struct vocab never changes once built: any number of threads may encode, decode and look up at once. */
#ifndef KVIK_TOKEN_VOCAB_H
#define KVIK_TOKEN_VOCAB_H

#include "base/span.h"
#include "base/warn.h"

enum vocab_kind {
	VOCAB_SPM,     /* SentencePiece-style BPE with scores and byte fallback; GGUF tokenizer.ggml.model "llama" */
	VOCAB_BPE,     /* byte-level BPE with merges and a pre-tokenizer; "gpt2" */
	VOCAB_UNIGRAM, /* Viterbi over scores, text normalised by a charsmap; "t5" */
	VOCAB_WPM,     /* WordPiece, greedy longest match; "bert" */
	VOCAB_SP,      /* a SentencePiece model file, as its library; only vocab_from_files makes it */
	VOCAB_HF       /* the pipeline of a tokenizer.json; only vocab_from_files makes it */
};

/* Tokens around the parts of a text with a hole in it ("fill in the middle"). */
enum vocab_fim {
	VOCAB_FIM_PREFIX, /* what comes before the hole */
	VOCAB_FIM_SUFFIX, /* what comes after it */
	VOCAB_FIM_MIDDLE, /* what is to be filled in */
	VOCAB_FIM_PAD,
	VOCAB_FIM_REPO, /* the name of a repository */
	VOCAB_FIM_FILE, /* the next file */
	VOCAB_FIM_COUNT
};

/* Of each token, one bit; VOCAB_ATTR(n) is the bit of the GGUF tokenizer.ggml.token_type number n. */
#define VOCAB_ATTR(gguf_type) (1u << ((gguf_type)-1))
enum vocab_attr {
	VOCAB_ATTR_NORMAL = 1 << 0,
	VOCAB_ATTR_UNKNOWN = 1 << 1,
	VOCAB_ATTR_CONTROL = 1 << 2,
	VOCAB_ATTR_USER_DEFINED = 1 << 3, /* always matched whole in the text */
	VOCAB_ATTR_UNUSED = 1 << 4,
	VOCAB_ATTR_BYTE = 1 << 5 /* text "<0x0A>" stands for one byte */
};

struct vocab_str {
	const char *text; /* not NUL-terminated */
	size_t bytes;
};

/* What a GGUF file says about its vocabulary. Everything is borrowed for the duration of vocab_new. Start from
 * vocab_desc_default, then overwrite what the file has. */
struct vocab_desc {
	enum vocab_kind kind;
	const char *pre;  /* tokenizer.ggml.pre ("llama-bpe"); NULL = "default" */
	const char *name; /* general.name, which decides the white space after special tokens of Phi-3; may be NULL */
	size_t n_tokens;  /* 1..VOCAB_TOKENS_MAX */
	const struct vocab_str *tokens; /* [n_tokens] */
	const float *scores;            /* [n_tokens], NULL = all zero */
	const int32_t *types;           /* [n_tokens], GGUF token_type numbers 1..6, NULL = all normal */
	size_t n_merges;
	const struct vocab_str *merges;                 /* [n_merges], "left right" in order of rank */
	int64_t bos, eos, unk, sep, pad, cls, eot, eom; /* token ids, -1 = none */
	int64_t fim[VOCAB_FIM_COUNT];                   /* -1 = by its text, if there is one */
	bool add_bos, add_eos, add_sep;
	bool add_space_prefix;
	bool remove_extra_whitespaces;
	bool escape_whitespaces;             /* ' ' becomes U+2581 before the vocabulary is asked */
	bool lowercase, strip_accents;       /* WPM: of BERT's normalisation */
	bool ignore_merges;                  /* a word that is a token as a whole is not cut and merged */
	const uint8_t *precompiled_charsmap; /* [charsmap_bytes], SentencePiece's; may be NULL */
	size_t charsmap_bytes;
	struct warnings *warnings; /* where what is odd is told; may be NULL */
};

#define VOCAB_TOKENS_MAX (16u << 20)
#define VOCAB_TOKEN_BYTES_MAX (1u << 16) /* of one token's text */

/* The vocab_kind of a GGUF tokenizer.ggml.model ("llama", "gpt2", "t5", "bert"), or -1. */
int vocab_kind_from_gguf(const char *model);

/* Zeroes d and fills in what llama.cpp assumes where a GGUF file is silent: special ids and flags by kind and pre. */
void vocab_desc_default(struct vocab_desc *d, enum vocab_kind kind, const char *pre);

struct vocab;

/* The caller frees *out with vocab_free. Errors: FORMAT, UNSUPPORTED (an unknown pre-tokenizer), LIMIT, NOMEM. */
int vocab_new(struct vocab **out, const struct vocab_desc *desc, struct kvik_err *err) MUST_CHECK;

/* The files of a Hugging Face folder that describe a tokenizer; what is not there is {NULL, 0}. */
struct vocab_files {
	const char *name; /* of the folder or the main file, for error texts */
	struct vocab_str tokenizer_json;
	struct vocab_str sentencepiece;      /* tokenizer.model; read where there is no tokenizer.json */
	struct vocab_str vocab, merges;      /* vocab.json and merges.txt; read where there is neither */
	struct vocab_str model_config;       /* config.json: its model_type says which tokenizer goes with these two */
	struct vocab_str tokenizer_config;   /* tokenizer_config.json: names bos_token ..., added_tokens_decoder */
	struct vocab_str special_tokens_map; /* special_tokens_map.json: the same names, of older folders */
	struct vocab_str added_tokens;       /* added_tokens.json: text -> id, of older folders */
	struct warnings *warnings;           /* may be NULL */
};
/* Everything is borrowed for the duration of the call. Errors as above. */
int vocab_from_files(struct vocab **out, const struct vocab_files *files, struct kvik_err *err) MUST_CHECK;

void vocab_free(struct vocab *v);

enum vocab_encode_flags {
	VOCAB_ADD_SPECIAL = 1,  /* begin and end tokens, as the vocabulary wants them */
	VOCAB_PARSE_SPECIAL = 2 /* control tokens written in the text are recognised; else they are plain text */
};

/* *ids: [*n], freed by the caller with mem_free (NULL when *n is 0). The text may hold any bytes: what is not UTF-8
 * goes through as bytes where the vocabulary has them (byte-level BPE, byte fallback) and as U+FFFD or unk elsewhere.
 * Errors: LIMIT (text longer than VOCAB_TEXT_MAX, or a regular expression of the file that does not come to an end),
 * NOMEM. */
#define VOCAB_TEXT_MAX ((size_t)1 << 30)
int vocab_encode(const struct vocab *v, const char *text, size_t bytes, unsigned flags, uint32_t **ids, size_t *n,
		 struct kvik_err *err) MUST_CHECK;
/* The same, but a control token that touches one of the stretches data[n_data] (ascending, apart, within the text) is
 * plain text there. Everything else is as without them: words go across their borders. */
int vocab_encode_data(const struct vocab *v, const char *text, size_t bytes, unsigned flags, const struct span *data,
		      size_t n_data, uint32_t **ids, size_t *n, struct kvik_err *err) MUST_CHECK;

/* A number of tokens that the text has at least, flags aside, without the work of encoding it; 0 where the vocabulary
 * allows no such bound. */
size_t vocab_tokens_min(const struct vocab *v, const char *text, size_t bytes);

/* The text of all ids at once: detok_feed of each and detok_flush (see token/detok.h for flags). *text: [*bytes] and a
 * terminating NUL, valid UTF-8, freed by the caller with mem_free. */
int vocab_decode(const struct vocab *v, const uint32_t *ids, size_t n, unsigned flags, char **text, size_t *bytes,
		 struct kvik_err *err) MUST_CHECK;

/* ---- Look-ups; an id outside the vocabulary is answered with "no" ---- */

size_t vocab_size(const struct vocab *v); /* highest id + 1 */
enum vocab_kind vocab_kind(const struct vocab *v);
struct vocab_str vocab_text(const struct vocab *v, uint32_t id);           /* as stored; {NULL, 0} for a hole */
unsigned vocab_attrs(const struct vocab *v, uint32_t id);                  /* enum vocab_attr bits */
bool vocab_is_control(const struct vocab *v, uint32_t id);                 /* not shown to readers */
bool vocab_is_end(const struct vocab *v, uint32_t id);                     /* generation stops here */
int64_t vocab_find(const struct vocab *v, const char *text, size_t bytes); /* by stored text; -1 = none */
int64_t vocab_bos(const struct vocab *v);                                  /* -1 = none; so below */
int64_t vocab_eos(const struct vocab *v);
int64_t vocab_unk(const struct vocab *v);
int64_t vocab_pad(const struct vocab *v);
int64_t vocab_eot(const struct vocab *v);
int64_t vocab_fim(const struct vocab *v, enum vocab_fim role);
bool vocab_adds_bos(const struct vocab *v); /* VOCAB_ADD_SPECIAL puts bos in front */
bool vocab_adds_eos(const struct vocab *v);

#endif
