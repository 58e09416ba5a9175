/* sp_model.h: a SentencePiece model file (tokenizer.model), read without its library: the pieces and what the trainer and
 * the normaliser of it were told. Source: sentencepiece_model.proto and the encoding of Protocol Buffers. Any thread. */
#ifndef KVIK_TOKEN_SP_MODEL_H
#define KVIK_TOKEN_SP_MODEL_H

#include "token/vocab.h"

enum sp_kind { SP_UNIGRAM = 1, SP_BPE = 2, SP_WORD = 3, SP_CHAR = 4 };

struct sp_piece {
	struct vocab_str text; /* into the file */
	float score;
	uint32_t type; /* 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte: as in GGUF */
};

struct sp_model {
	struct sp_piece *pieces; /* [n], owned */
	size_t n, cap;
	uint64_t kind; /* enum sp_kind */
	bool byte_fallback, space_suffix;
	bool dummy_prefix, remove_extra_spaces, escape_spaces;
	struct vocab_str charsmap;           /* precompiled; may be empty */
	struct vocab_str denormal_charsmap;  /* of decoding; hardly ever there */
	struct vocab_str bos, eos, pad, unk; /* texts of these pieces */
};

/* Views into data, which must outlive m. Release with sp_model_release, also after an error. FORMAT: this is no such file,
 * or it was cut or damaged; NOMEM. */
int sp_model_read(struct sp_model *m, const char *data, size_t bytes, struct kvik_err *err) MUST_CHECK;
void sp_model_release(struct sp_model *m);

#endif
