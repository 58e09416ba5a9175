/* vocab_min.c: a lower bound of how many tokens a text has, from its length and the longest token, so that one that is
 * far too long for its place is refused before the work of encoding it. It holds only where every byte of the text ends
 * up in some token; else it is 0. */
#include "token/bytemap.h"
#include "token/pipeline.h"
#include "token/vocab_impl.h"

enum {
	CHAR_BYTES = 4, /* an unknown character becomes one token */
	NFC_SHRINKS = 3 /* at most, in bytes: three Hangul letters of three bytes become one syllable of three */
};

static bool has_all_bytes(const struct vocab *v)
{
	bool has_ids = true, has_chars = true;
	for (int b = 0; b < 256; b++) {
		has_ids &= v->byte_ids[b] >= 0;
		has_chars &= v->char_ids[bytemap_char((uint8_t)b)] >= 0;
	}
	return (has_ids && v->byte_fallback) || has_chars;
}

/* Into how many bytes fewer may the steps before the model turn a text; 0: any number. */
static size_t shrinks(const struct pipeline *p)
{
	size_t by = 1;
	for (size_t i = 0; i < p->n_splitters; i++)
		if (p->splitters[i].kind == SPLITTER_PATTERN && p->splitters[i].behavior == SPLIT_REMOVED)
			return 0;
	for (size_t i = 0; i < p->n_normalizers; i++)
		switch (p->normalizers[i].kind) {
		case NORMALIZER_NFC: by *= NFC_SHRINKS; break;
		case NORMALIZER_PREPEND:
		case NORMALIZER_BYTE_LEVEL: break;
		case NORMALIZER_REPLACE:
			if (!p->normalizers[i].keeps_length)
				return 0;
			break;
		default: return 0;
		}
	return by;
}

/* Bytes of a text that one token can stand for; 0: no bound. */
static size_t covers(const struct vocab *v)
{
	size_t longest = v->longest > CHAR_BYTES ? v->longest : CHAR_BYTES;
	if (v->kind == VOCAB_SPM)
		return v->unk >= 0 || has_all_bytes(v) ? longest : 0;
	if (v->model != WORD_BPE || (!(v->unk >= 0 && !v->fuse_unk) && !has_all_bytes(v)))
		return 0;
	return longest * (v->pipeline ? shrinks(v->pipeline) : 1);
}

/* Some special tokens take the white space beside them along: then only what is none for certain counts. */
static size_t bytes_kept(const struct vocab *v, const char *text, size_t bytes)
{
	bool strips = false;
	size_t n = 0;
	for (size_t i = 0; i < v->n_specials; i++)
		strips |= v->specials[i].lstrip || v->specials[i].rstrip;
	if (!strips)
		return bytes;
	for (size_t i = 0; i < bytes; i++)
		n += text[i] > ' ' && text[i] < 127;
	return n;
}

size_t vocab_tokens_min(const struct vocab *v, const char *text, size_t bytes)
{
	size_t most = covers(v);
	return most ? bytes_kept(v, text, bytes) / most : 0;
}
