/* text.c: the public functions over vocabularies. Any thread. */
#include "base/mem.h"
#include "engine/loaded.h"
#include "engine/vocab_load.h"
#include "token/detok.h"

int kvik_vocab_load(struct kvik_vocab **out, const char *path, struct kvik_err *err)
{
	*out = NULL;
	struct kvik_vocab *v = mem_zalloc(1, sizeof *v);
	if (!v)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a vocabulary");
	int rc = vocab_open(&v->v, path, err);
	if (rc)
		mem_free(v);
	else
		*out = v;
	return rc;
}

void kvik_vocab_free(struct kvik_vocab *v)
{
	if (!v)
		return;
	vocab_free(v->v);
	mem_free(v);
}

size_t kvik_vocab_size(const struct kvik_vocab *v)
{
	return vocab_size(v->v);
}

uint32_t kvik_vocab_bos(const struct kvik_vocab *v)
{
	int64_t bos = vocab_bos(v->v);
	return bos >= 0 ? (uint32_t)bos : KVIK_NO_ID;
}

int kvik_tokenize(const struct kvik_vocab *v, const char *text, size_t text_bytes, unsigned flags, uint32_t **ids,
		  size_t *n, struct kvik_err *err)
{
	unsigned f = (flags & KVIK_ADD_SPECIAL ? VOCAB_ADD_SPECIAL : 0u) |
		     (flags & KVIK_PARSE_SPECIAL ? VOCAB_PARSE_SPECIAL : 0u);
	return vocab_encode(v->v, text, text_bytes, f, ids, n, err);
}

int kvik_detokenize(const struct kvik_vocab *v, const uint32_t *ids, size_t n, unsigned flags, char **text,
		    size_t *text_bytes, struct kvik_err *err)
{
	return vocab_decode(v->v, ids, n, flags & KVIK_KEEP_SPECIAL ? DETOK_KEEP_SPECIAL : 0u, text, text_bytes, err);
}

void kvik_free(void *p)
{
	mem_free(p);
}
