/* vocab_impl.h: the inside of a vocabulary, for the files of this room that build it and those that use it. */
#ifndef KVIK_TOKEN_VOCAB_IMPL_H
#define KVIK_TOKEN_VOCAB_IMPL_H

#include "token/buf.h"
#include "token/detok.h"
#include "token/merge.h"
#include "token/pretok.h"
#include "token/vocab.h"

struct token {
	size_t start; /* of the text, in v->text */
	uint32_t bytes;
	uint32_t attrs; /* enum vocab_attr; 0 = a hole */
	float score;
};

/* Tokens that are cut out of the text before anything else looks at it. */
struct special {
	uint32_t id;
	bool control;        /* only with VOCAB_PARSE_SPECIAL */
	bool lstrip, rstrip; /* take the white space before or after with them */
	bool single_word;    /* not inside a word */
	bool normalized;     /* matched after normalisation */
};

/* (left, right) -> rank and what they become; open addressing, empty where merged < 0. */
struct pair {
	uint32_t left, right, rank;
	int64_t merged;
};

/* How ids become text. */
enum decode_kind {
	DECODE_SPM,   /* U+2581 is a blank, "<0x0A>" tokens are bytes */
	DECODE_BYTES, /* each character stands for a byte (GPT-2's table) */
	DECODE_PLAIN  /* the text as it is; WordPiece joins at "##" */
};

struct vocab {
	enum vocab_kind kind;
	struct buf text; /* of all tokens */
	struct token *tokens;
	size_t n_tokens;
	uint32_t *by_text; /* open addressing over texts: id + 1, 0 = empty */
	size_t by_text_mask;
	struct pair *pairs;
	size_t pairs_mask;
	int64_t byte_ids[256];    /* of "<0x00>".. (SPM) or of the byte's character (BPE); -1 = none */
	struct special *specials; /* longest text first */
	size_t n_specials;
	uint64_t special_first[4]; /* bit set: some special begins with this byte */
	int64_t bos, eos, unk, sep, pad, cls, mask, eot, eom;
	bool add_bos, add_eos;
	bool add_space_prefix, escape_whitespaces, whitespace_as_suffix, remove_extra_whitespaces;
	bool ignore_merges, fuse_unk, byte_fallback;
	struct pretok *pretok; /* byte-level BPE */
	float unk_score;       /* Unigram */
	uint32_t longest;      /* bytes of the longest token */
	enum decode_kind decode;
	bool strip_first_space;    /* of a decoded text */
	struct pipeline *pipeline; /* VOCAB_HF */
};

/* A place where ids go. */
struct sink {
	const struct vocab *v;
	struct ids ids;
	void *ctx; /* of the encoder */
	struct kvik_err *err;
};
int sink_add(struct sink *s, uint32_t id);

/* Building (vocab.c). */
int vocab_alloc(struct vocab **out, size_t n_tokens, struct kvik_err *err) MUST_CHECK;
int vocab_set_token(struct vocab *v, uint32_t id, const char *text, size_t bytes, uint32_t attrs, float score,
		    struct kvik_err *err) MUST_CHECK;
int vocab_index(struct vocab *v, struct kvik_err *err) MUST_CHECK; /* after all tokens: by_text and byte_ids */
/* Merges: room for n, then each by rising rank. One of unknown tokens is left out: no text can ever come to it. */
int vocab_alloc_pairs(struct vocab *v, size_t n, struct kvik_err *err) MUST_CHECK;
void vocab_add_pair(struct vocab *v, struct vocab_str a, struct vocab_str b, uint32_t rank);
/* "left right": the blank that parts them is the first one after the first byte. */
bool vocab_split_merge(struct vocab_str merge, struct vocab_str *a, struct vocab_str *b);
int vocab_add_special(struct vocab *v, const struct special *s, struct kvik_err *err) MUST_CHECK;
int vocab_sort_specials(struct vocab *v, struct kvik_err *err) MUST_CHECK;
const struct pair *vocab_pair(const struct vocab *v, uint32_t left, uint32_t right); /* NULL = none */

/* Cuts special tokens out (special.c): their ids go to the sink, what lies between to plain. */
enum special_pass { SPECIAL_ANY, SPECIAL_RAW, SPECIAL_NORMALIZED };
typedef int special_plain_fn(void *sink, const char *text, size_t bytes, bool at_start);
int special_split(const struct vocab *v, const char *text, size_t bytes, enum special_pass pass, unsigned flags,
		  special_plain_fn *plain, struct sink *out) MUST_CHECK;

/* Encoding a stretch of text that holds no special tokens. first: nothing but special tokens came before, or a special
 * token came right before. */
int spm_encode(const struct vocab *v, const char *text, size_t bytes, bool first, struct sink *out) MUST_CHECK;
int bpe_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out) MUST_CHECK;
/* One word whose characters are vocabulary characters. */
int bpe_word(const struct vocab *v, struct merger *m, const char *word, size_t bytes, struct sink *out) MUST_CHECK;
/* Bytes as the characters of GPT-2's table, appended to out. */
bool bpe_map_bytes(const char *bytes, size_t n, struct buf *out);
/* The byte a character of GPT-2's table stands for, or -1. */
int bpe_char_byte(uint32_t c);

/* A whole text by the best sum of scores (Viterbi). */
int unigram_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out) MUST_CHECK;

int pipeline_encode(const struct vocab *v, const char *text, size_t bytes, unsigned flags, struct sink *out) MUST_CHECK;
void pipeline_free(struct pipeline *p);

#endif
