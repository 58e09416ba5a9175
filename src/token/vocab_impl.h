/* vocab_impl.h: the inside of a vocabulary, for the files of this room that build it and those that use it. */
#ifndef KVIK_TOKEN_VOCAB_IMPL_H
#define KVIK_TOKEN_VOCAB_IMPL_H

#include "base/buf.h"
#include "token/charsmap.h"
#include "token/detok.h"
#include "token/merge.h"
#include "token/pretok.h"
#include "token/trie.h"
#include "token/vocab.h"

struct token {
	size_t start; /* of the text, in v->text */
	uint32_t bytes;
	uint32_t attrs; /* enum vocab_attr, TOKEN_ADDED; 0 = a hole */
	double score;
};

/* In attrs: not the model's own, so it never comes out of a word. */
#define TOKEN_ADDED (1u << 16)

/* Tokens that are cut out of the text before anything else looks at it. */
struct special {
	uint32_t id;
	bool control;        /* only with VOCAB_PARSE_SPECIAL */
	bool lstrip, rstrip; /* take the white space before or after with them */
	bool single_word;    /* not inside a word */
	bool normalized;     /* matched after normalisation */
};

/* Those of one pass over the text, by what they look like in it. */
struct special_set {
	struct trie texts; /* -> index in v->specials */
	uint64_t first[4]; /* bit set: some text begins with this byte */
};

/* (left, right) -> rank and what they become; open addressing, empty where merged < 0. */
struct pair {
	uint32_t left, right, rank;
	int64_t merged;
};

/* How a word becomes ids. */
enum word_model { WORD_BPE, WORD_UNIGRAM, WORD_PIECE, WORD_LEVEL };

/* What a token becomes in a text, in v->decoded: at its beginning, and elsewhere. */
struct piece {
	uint32_t first, first_bytes, rest, rest_bytes;
	uint32_t flags; /* enum piece_flag */
};
enum piece_flag {
	PIECE_BYTE = 1,       /* stands for one byte of a character */
	PIECE_BLANK_AFTER = 2 /* a blank follows, unless the text ends */
};

#define VOCAB_ENDS_MAX 32
#define VOCAB_CHARS 0x180 /* code points with a table of their own; holds all characters of byte-level BPE */

struct vocab {
	enum vocab_kind kind;
	enum word_model model;
	struct buf text; /* of all tokens */
	struct token *tokens;
	size_t n_tokens;
	uint32_t *by_text; /* open addressing over texts: id + 1, 0 = empty */
	size_t by_text_mask;
	uint32_t longest; /* bytes of the longest token */
	struct pair *pairs;
	size_t pairs_mask;
	uint64_t *neighbours;          /* by a hash of two characters, one bit: they stand side by side in some token */
	int32_t byte_ids[256];         /* of "<0x00>"..; -1 = none */
	int32_t char_ids[VOCAB_CHARS]; /* of single characters; -1 = none */
	struct trie pieces;            /* UNIGRAM and WORD_PIECE: texts of tokens -> id */
	struct special *specials;
	size_t n_specials;
	struct special_set raw, normalized; /* GGUF: all are raw */
	int64_t bos, eos, unk, sep, pad, eot, eom;
	int64_t fim[VOCAB_FIM_COUNT];
	uint32_t ends[VOCAB_ENDS_MAX]; /* [n_ends]: generation stops at these */
	size_t n_ends;
	bool add_bos, add_eos, add_sep;
	bool add_space_prefix, escape_whitespaces, remove_extra_whitespaces;
	bool ignore_merges, fuse_unk, byte_fallback;
	bool plain_bpe, newline_words; /* PRETOK_PLAIN, PRETOK_NEWLINES */
	char *prefix,
		*suffix; /* of a word's later characters ("##"), of its last one ("</w>"); NUL-terminated or NULL */
	uint32_t word_chars_max;   /* WORD_PIECE: longer words are unk */
	struct pretok *pretok;     /* byte-level BPE of a GGUF */
	struct charsmap charsmap;  /* UNIGRAM of a GGUF, SP */
	double unk_score;          /* UNIGRAM */
	float best_score;          /* of the normal pieces of a SentencePiece model */
	struct trie user_symbols;  /* of one: neither normalised nor merged -> id */
	bool has_unused;           /* it has pieces that must not come out */
	bool prefix_after_special; /* the text after a special token gets a blank in front, too */
	struct pipeline *pipeline; /* VOCAB_HF, VOCAB_WPM */
	struct buf decoded;        /* of all tokens, see struct piece */
	struct piece *decode;      /* [n_tokens] */
	bool whole_pieces;         /* pieces are valid UTF-8 by themselves; runs of bytes stand alone */
	char strip[5];             /* this character goes from the beginning of a text, */
	uint32_t strip_count;      /* at most so many times */
};

/* A place where ids go. */
struct sink {
	const struct vocab *v;
	struct ids ids;
	void *ctx;               /* of the encoder */
	const char *text;        /* the whole of it, as given */
	const struct span *data; /* [n_data] of it: control tokens that touch these are plain text */
	size_t n_data;
	struct kvik_err *err;
};
int sink_add(struct sink *s, uint32_t id);

/* Building (vocab_build.c). */
int vocab_alloc(struct vocab **out, size_t n_tokens, struct kvik_err *err) MUST_CHECK;
int vocab_set_token(struct vocab *v, uint32_t id, const char *text, size_t bytes, uint32_t attrs, double score,
		    struct kvik_err *err) MUST_CHECK;
/* The tables of texts; after all tokens, and again when more have come. */
int vocab_index(struct vocab *v, struct kvik_err *err) MUST_CHECK;
/* v->pieces: the model's own tokens with one of these attributes. */
int vocab_index_pieces(struct vocab *v, uint32_t attrs, struct kvik_err *err) MUST_CHECK;
/* Merges: room for n, then each by rising rank. One of unknown tokens is left out: no text can ever come to it. */
int vocab_alloc_pairs(struct vocab *v, size_t n, struct kvik_err *err) MUST_CHECK;
int vocab_add_pair(struct vocab *v, struct vocab_str a, struct vocab_str b, uint32_t rank,
		   struct kvik_err *err) MUST_CHECK;
/* "left right": the blank that parts them is the first one after the first byte. */
bool vocab_split_merge(struct vocab_str merge, struct vocab_str *a, struct vocab_str *b);
/* text: what the token looks like in the text of its pass. */
int vocab_add_special(struct vocab *v, const struct special *s, const char *text, size_t bytes,
		      struct kvik_err *err) MUST_CHECK;
const struct pair *vocab_pair(const struct vocab *v, uint32_t left, uint32_t right); /* NULL = none */
/* Of the model's own tokens that stand for text: no control token ever comes out of a word; -1 = none. */
int64_t vocab_own(const struct vocab *v, const char *text, size_t bytes);
int64_t vocab_char(const struct vocab *v, const char *text, unsigned bytes); /* a single character; -1 = none */
/* Can a and b stand side by side inside one token? If not, no merge ever joins what ends with a to what begins with b,
 * so that a text can be cut between them and its parts be merged by themselves. May say yes where it is no. */
bool vocab_neighbours(const struct vocab *v, uint32_t a, uint32_t b);

/* Roles of tokens by their text (roles.c). eot, where the file names none: the usual names. */
int64_t vocab_guess_eot(const struct vocab *v);
void vocab_add_end(struct vocab *v, int64_t id); /* -1 is ignored */
/* Every token whose name is known to end a turn or a text becomes an end and a control token; GGUF files name one or
 * two of them only. */
void vocab_add_known_ends(struct vocab *v);
/* Those of v->fim that are still -1; then, for GGUF: they are control tokens, whatever the file says. */
void vocab_find_fim(struct vocab *v);
void vocab_make_fim_control(struct vocab *v);
void vocab_add_fim_ends(struct vocab *v);

/* Cuts special tokens of one set out (special.c): their ids go to the sink, what lies between to plain. The text must
 * lie in out->text where that has data. */
typedef int special_plain_fn(void *sink, const char *text, size_t bytes, bool at_start);
/* Is a part of this stretch of the sink's text data? */
bool special_in_data(const struct sink *s, const char *text, size_t bytes);
int special_split(const struct special_set *set, const char *text, size_t bytes, unsigned flags,
		  special_plain_fn *plain, struct sink *out) MUST_CHECK;

/* Encoding a stretch of text that holds no special tokens. */
int spm_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out) MUST_CHECK;
int bpe_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out) MUST_CHECK;
/* As SentencePiece's normaliser and unigram model do it. */
int unigram_encode(const struct vocab *v, const char *text, size_t bytes, struct sink *out) MUST_CHECK;
/* at_start: of the whole text. */
int sp_encode(const struct vocab *v, const char *text, size_t bytes, bool at_start, struct sink *out) MUST_CHECK;
int pipeline_encode(const struct vocab *v, const char *text, size_t bytes, unsigned flags, struct sink *out) MUST_CHECK;
void pipeline_free(struct pipeline *p);

/* One word by v->model. work: kept from one word to the next, zeroed at first. */
struct word_work {
	struct merger m;
	struct buf text;
};
void word_work_release(struct word_work *w);
int word_encode(const struct vocab *v, struct word_work *w, const char *word, size_t bytes,
		struct sink *out) MUST_CHECK;
int bpe_word(const struct vocab *v, struct word_work *w, const char *word, size_t bytes, struct sink *out) MUST_CHECK;
int unigram_word(const struct vocab *v, const char *word, size_t bytes, struct sink *out) MUST_CHECK;
int wordpiece_word(const struct vocab *v, const char *word, size_t bytes, struct sink *out) MUST_CHECK;
/* The ids of the bytes of a text, where the vocabulary has all of them. */
bool vocab_has_bytes(const struct vocab *v, const char *text, size_t bytes);
int sink_add_bytes(struct sink *s, const char *text, size_t bytes) MUST_CHECK;

#endif
