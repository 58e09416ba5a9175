/* gguf_hparams.h: the metadata of a GGUF file -> struct hparams. Source: the GGUF specification's standard keys. */
#ifndef KVIK_FORMAT_GGUF_HPARAMS_H
#define KVIK_FORMAT_GGUF_HPARAMS_H

#include "format/gguf.h"
#include "format/hparams.h"

/* vocab_rows: rows of token_embd.weight; has_output, has_rope_freqs: whether these tensors exist. Not yet checked by
 * hparams_check. Errors: UNSUPPORTED, FORMAT (name: of the file). */
int gguf_hparams(const struct gguf *g, const char *name, uint64_t vocab_rows, bool has_output, struct hparams *h,
		 struct kvik_err *err) MUST_CHECK;

#endif
