/* text.c: the public functions over vocabularies. Any thread. */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "engine/loaded.h"
#include "engine/vocab_load.h"
#include "token/detok.h"

/* The vocabulary of the model that is built in. */
static int built_in(struct kvik_vocab *v, struct kvik_err *err)
{
	struct source *s;
	int rc = open_source(&s, NULL, err);
	if (rc)
		return rc;
	rc = vocab_of_source(&v->v, s, &v->warnings, err);
	source_free(s);
	return rc;
}

void vocab_init(struct kvik_vocab *v)
{
	*v = (struct kvik_vocab){0};
	pthread_mutex_init(&v->lock, NULL);
}

void vocab_release(struct kvik_vocab *v)
{
	trie_free(v->trie);
	ids_release(&v->stops);
	vocab_free(v->v);
	warnings_release(&v->warnings);
	pthread_mutex_destroy(&v->lock);
}

int kvik_vocab_load(struct kvik_vocab **out, const char *path, struct kvik_err *err)
{
	*out = NULL;
	struct kvik_vocab *v = mem_zalloc(1, sizeof *v);
	if (!v)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a vocabulary");
	vocab_init(v);
	int rc = path ? vocab_open(&v->v, path, &v->warnings, err) : built_in(v, err);
	if (rc)
		kvik_vocab_free(v);
	else
		*out = v;
	return rc;
}

void kvik_vocab_free(struct kvik_vocab *v)
{
	if (!v)
		return;
	vocab_release(v);
	mem_free(v);
}

size_t kvik_vocab_size(const struct kvik_vocab *v)
{
	return vocab_size(v->v);
}

static uint32_t id_or_none(int64_t id)
{
	return id >= 0 ? (uint32_t)id : KVIK_NO_ID;
}

uint32_t kvik_vocab_bos(const struct kvik_vocab *v)
{
	return id_or_none(vocab_bos(v->v));
}

uint32_t kvik_vocab_eos(const struct kvik_vocab *v)
{
	return id_or_none(vocab_eos(v->v));
}

uint32_t kvik_vocab_unk(const struct kvik_vocab *v)
{
	return id_or_none(vocab_unk(v->v));
}

uint32_t kvik_vocab_pad(const struct kvik_vocab *v)
{
	return id_or_none(vocab_pad(v->v));
}

uint32_t kvik_vocab_fim(const struct kvik_vocab *v, enum kvik_fim role)
{
	static const enum vocab_fim roles[] = {
		[KVIK_FIM_PREFIX] = VOCAB_FIM_PREFIX, [KVIK_FIM_SUFFIX] = VOCAB_FIM_SUFFIX,
		[KVIK_FIM_MIDDLE] = VOCAB_FIM_MIDDLE, [KVIK_FIM_PAD] = VOCAB_FIM_PAD,
		[KVIK_FIM_REPO] = VOCAB_FIM_REPO,     [KVIK_FIM_FILE] = VOCAB_FIM_FILE};
	return id_or_none((size_t)role < sizeof roles / sizeof *roles ? vocab_fim(v->v, roles[role]) : -1);
}

const char *kvik_vocab_warning(const struct kvik_vocab *v, size_t i)
{
	return warn_at(&v->warnings, i);
}

struct token_bytes {
	struct buf text;
	bool no_memory;
};

/* detok_emit_fn */
static void add_bytes(void *user, const char *text, size_t bytes)
{
	struct token_bytes *b = user;
	b->no_memory |= !buf_add(&b->text, text, bytes);
}

int kvik_token_bytes(const struct kvik_vocab *v, uint32_t id, char **bytes, size_t *n, struct kvik_err *err)
{
	struct token_bytes b = {0};
	struct detok d;
	*bytes = NULL;
	*n = 0;
	detok_init(&d, v->v, DETOK_KEEP_SPECIAL | DETOK_CONTINUE | DETOK_RAW);
	int rc = detok_feed(&d, id, add_bytes, &b, err);
	if (!rc && b.no_memory)
		rc = err_set(err, KVIK_ERR_NOMEM, "no memory for the text of a token");
	if (rc) {
		buf_release(&b.text);
		return rc;
	}
	*bytes = b.text.data;
	*n = b.text.n;
	return 0;
}

/* ARG: bits that no flag of all has, so that a flag of a later version is not passed over in silence. */
static int check_flags(unsigned flags, unsigned all, const char *names, struct kvik_err *err)
{
	return flags & ~all ? err_set(err, KVIK_ERR_ARG, "flags: 0x%x is not of enum %s", flags, names) : 0;
}

size_t kvik_tokens_min(const struct kvik_vocab *v, const char *text, size_t text_bytes)
{
	return vocab_tokens_min(v->v, text, text_bytes);
}

int kvik_tokenize(const struct kvik_vocab *v, const char *text, size_t text_bytes, unsigned flags, uint32_t **ids,
		  size_t *n, struct kvik_err *err)
{
	return kvik_tokenize_data(v, text, text_bytes, flags, NULL, 0, ids, n, err);
}

/* The room below has its own name for them. */
static_assert(sizeof(struct kvik_span) == sizeof(struct span) &&
		      offsetof(struct kvik_span, from) == offsetof(struct span, from) &&
		      offsetof(struct kvik_span, to) == offsetof(struct span, to),
	      "a span is a span");

int kvik_tokenize_data(const struct kvik_vocab *v, const char *text, size_t text_bytes, unsigned flags,
		       const struct kvik_span *data, size_t n_data, uint32_t **ids, size_t *n, struct kvik_err *err)
{
	unsigned f = (flags & KVIK_ADD_SPECIAL ? VOCAB_ADD_SPECIAL : 0u) |
		     (flags & KVIK_PARSE_SPECIAL ? VOCAB_PARSE_SPECIAL : 0u);
	int rc = check_flags(flags, KVIK_ADD_SPECIAL | KVIK_PARSE_SPECIAL, "kvik_tokenize_flags", err);
	*ids = NULL;
	*n = 0;
	if (rc)
		return rc;
	for (size_t i = 0; i < n_data; i++)
		if (data[i].from >= data[i].to || data[i].to > text_bytes || (i && data[i].from < data[i - 1].to))
			return err_set(err, KVIK_ERR_ARG,
				       "stretch %zu of data is empty, out of order or outside the text", i);
	return vocab_encode_data(v->v, text, text_bytes, f, (const struct span *)data, n_data, ids, n, err);
}

/* Behind how many of ids[0..n) lies what piece is, the end of their text? 0: it cannot be told. Alone, the first token of
 * piece may be another one: by a space that the vocabulary puts before texts, or where one reaches over its begin. */
static size_t tokens_before(const struct kvik_vocab *v, const char *piece, size_t bytes, const uint32_t *ids, size_t n)
{
	uint32_t *own;
	size_t n_own, same = 0;
	if (kvik_tokenize(v, piece, bytes, KVIK_PARSE_SPECIAL, &own, &n_own, NULL))
		return 0;
	while (same < n && same < n_own && own[n_own - 1 - same] == ids[n - 1 - same])
		same++;
	mem_free(own);
	return same + 1 >= n_own && n > n_own ? n - n_own : 0;
}

size_t kvik_token_marks(const struct kvik_vocab *v, const char *text, size_t text_bytes, const size_t *at, size_t n_at,
			const uint32_t *ids, size_t n, uint32_t *marks)
{
	uint32_t found[KVIK_MARKS_MAX];
	size_t n_found = 0;
	for (size_t i = n_at; i-- > 0 && n_found < KVIK_MARKS_MAX;) {
		if (at[i] >= text_bytes)
			continue;
		n = tokens_before(v, text + at[i], text_bytes - at[i], ids, n);
		if (n == 0)
			break;
		text_bytes = at[i];
		found[n_found++] = (uint32_t)n;
	}
	for (size_t i = 0; i < n_found; i++)
		marks[i] = found[n_found - 1 - i];
	return n_found;
}

int kvik_detokenize(const struct kvik_vocab *v, const uint32_t *ids, size_t n, unsigned flags, char **text,
		    size_t *text_bytes, struct kvik_err *err)
{
	unsigned f = flags & KVIK_KEEP_SPECIAL ? DETOK_KEEP_SPECIAL : 0u;
	int rc = check_flags(flags, KVIK_KEEP_SPECIAL, "kvik_detokenize_flags", err);
	return rc ? rc : vocab_decode(v->v, ids, n, f, text, text_bytes, err);
}

void kvik_free(void *p)
{
	mem_free(p);
}
