/* fuzz_vocab_text.c: a text through vocabularies of each kind: any bytes are taken, what comes back is whole
 * characters, in pieces as at once, and for byte-level BPE it is the text itself. The first byte picks the vocabulary,
 * the second the flags of vocab_encode. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fuzz.h"
#include "token/bytemap.h"
#include "token/detok.h"
#include "base/utf8.h"
#include "token/vocab.h"

enum { TOKENS_MAX = 300, TEXTS_BYTES = 4096 };

/* Texts of a vocabulary, one after the other. */
struct tokens {
	struct vocab_str list[TOKENS_MAX];
	int32_t types[TOKENS_MAX];
	char texts[TEXTS_BYTES];
	size_t n, used;
};

static void add(struct tokens *t, const char *text, int32_t type)
{
	size_t n = strlen(text);
	memcpy(t->texts + t->used, text, n);
	t->list[t->n] = (struct vocab_str){t->texts + t->used, n};
	t->types[t->n++] = type;
	t->used += n;
}

static void must(int rc, const struct kvik_err *err)
{
	if (rc) {
		fprintf(stderr, "fuzz_vocab_text: %s\n", err->text);
		abort();
	}
}

static struct vocab *make(struct vocab_desc *d, const struct tokens *t)
{
	struct vocab *v;
	struct kvik_err err;
	d->tokens = t->list;
	d->types = t->types;
	d->n_tokens = t->n;
	must(vocab_new(&v, d, &err), &err);
	return v;
}

#define MARK "\xE2\x96\x81" /* U+2581 */

/* SentencePiece BPE, with byte tokens or without. */
static struct vocab *make_spm(bool bytes)
{
	static const char *const words[] = {MARK, "a", "b", "aa", "ab", MARK "a", MARK "ab", "\xE4\xBD\xA0"};
	struct tokens *t = mem_zalloc(1, sizeof *t);
	struct vocab_desc d;
	char name[8];
	add(t, "<unk>", 2);
	add(t, "<s>", 3);
	add(t, "</s>", 3);
	add(t, "<x>", 4);
	for (unsigned b = 0; bytes && b < 256; b++) {
		snprintf(name, sizeof name, "<0x%02X>", b);
		add(t, name, 6);
	}
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		add(t, words[i], 1);
	vocab_desc_default(&d, VOCAB_SPM, NULL);
	struct vocab *v = make(&d, t);
	mem_free(t);
	return v;
}

#define BLANK "\xC4\xA0" /* U+0120, the blank of byte-level BPE */

static struct vocab *make_bpe(const char *pre)
{
	static const struct vocab_str merges[] = {{"a a", 3}, {"a b", 3}, {"aa aa", 5}, {BLANK " a", 4}};
	struct tokens *t = mem_zalloc(1, sizeof *t);
	struct vocab_desc d;
	for (unsigned b = 0; b < 256; b++) {
		uint8_t utf8[5] = {0};
		utf8_encode(bytemap_char((uint8_t)b), utf8);
		add(t, (const char *)utf8, 1);
	}
	add(t, "aa", 1);
	add(t, "ab", 1);
	add(t, "aaaa", 1);
	add(t, BLANK "a", 1);
	add(t, "<|end|>", 3);
	vocab_desc_default(&d, VOCAB_BPE, pre);
	d.merges = merges;
	d.n_merges = sizeof merges / sizeof *merges;
	struct vocab *v = make(&d, t);
	mem_free(t);
	return v;
}

static struct vocab *make_json(const char *json)
{
	struct vocab *v;
	struct kvik_err err;
	must(vocab_from_files(&v, &(struct vocab_files){.name = "fuzz", .tokenizer_json = {json, strlen(json)}}, &err),
	     &err);
	return v;
}

#define ADDED "\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"special\":true,\"lstrip\":true,\"rstrip\":true}],"

static const char unigram[] =
	"{" ADDED "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Nmt\"},{\"type\":\"NFKC\"}]},"
	"\"pre_tokenizer\":{\"type\":\"Metaspace\"},\"decoder\":{\"type\":\"Metaspace\"},\"model\":{\"type\":"
	"\"Unigram\",\"unk_id\":1,\"vocab\":[[\"<s>\",0],[\"<unk>\",0],[\"" MARK
	"\",-2],[\"a\",-3],[\"b\",-3],[\"ab\",-4],[\"aab\",-4.5]]}}";
static const char bert[] =
	"{" ADDED "\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
	"\"decoder\":{\"type\":\"WordPiece\"},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","
	"\"continuing_subword_prefix\":\"##\",\"vocab\":{\"<s>\":0,\"[UNK]\":1,\"a\":2,\"##a\":3,\"##b\":4,\"b\":5}}}";
static const char fallback[] =
	"{" ADDED "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" MARK "\"},"
	"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\d+|[^\\\\w\\\\s]|(?=b)\"},\"behavior\":"
	"\"MergedWithNext\"},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":"
	"\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},\"model\":{\"type\":\"BPE\","
	"\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,\"vocab\":{\"<s>\":0,\"<unk>\":1,\"a\":2,"
	"\"b\":3,\"ab\":4,\"<0xE4>\":5,\"<0xBD>\":6,\"<0xA0>\":7,\"<0xFF>\":8},\"merges\":[\"a b\"]}}";

enum { KINDS = 8, FIRST_BPE = 2, LAST_BPE = 4 };

static struct vocab *make_kind(size_t kind)
{
	switch (kind) {
	case 0: return make_spm(true);
	case 1: return make_spm(false);
	case 2: return make_bpe("llama-bpe");
	case 3: return make_bpe("deepseek-v3");
	case 4: return make_bpe("superbpe");
	case 5: return make_json(unigram);
	case 6: return make_json(bert);
	default: return make_json(fallback);
	}
}

struct collected {
	const char *whole;
	size_t n, bytes;
};

static bool is_utf8(const char *s, size_t n)
{
	for (size_t i = 0, length; i < n; i += length) {
		length = utf8_length((const uint8_t *)s + i, n - i);
		if (length == 0)
			return false;
	}
	return true;
}

/* Each piece is whole characters, and what vocab_decode gave there. */
static void collect(void *user, const char *text, size_t bytes)
{
	struct collected *c = user;
	if (bytes == 0 || c->n + bytes > c->bytes || memcmp(c->whole + c->n, text, bytes) != 0 || !is_utf8(text, bytes))
		abort();
	c->n += bytes;
}

static void check_stream(const struct vocab *v, const uint32_t *ids, size_t n, const char *text, size_t bytes)
{
	struct collected c = {.whole = text, .bytes = bytes};
	struct detok d;
	struct kvik_err err;
	detok_init(&d, v, DETOK_KEEP_SPECIAL);
	for (size_t i = 0; i < n; i++)
		must(detok_feed(&d, ids[i], collect, &c, &err), &err);
	detok_flush(&d, collect, &c);
	if (c.n != bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vocab *vocabs[KINDS];
	const char *text = (const char *)data + 2;
	uint32_t *ids;
	size_t n, bytes;
	char *back;
	struct kvik_err err;
	if (size < 2)
		return 0;
	size_t kind = data[0] % KINDS, text_bytes = size - 2;
	if (!vocabs[kind])
		vocabs[kind] = make_kind(kind);
	must(vocab_encode(vocabs[kind], text, text_bytes, data[1] & 3, &ids, &n, &err), &err);
	must(vocab_decode(vocabs[kind], ids, n, DETOK_KEEP_SPECIAL, &back, &bytes, &err), &err);
	check_stream(vocabs[kind], ids, n, back, bytes);
	bool itself =
		kind >= FIRST_BPE && kind <= LAST_BPE && !(data[1] & VOCAB_ADD_SPECIAL) && is_utf8(text, text_bytes);
	if (itself && (bytes != text_bytes || memcmp(back, text, bytes) != 0))
		abort();
	mem_free(back);
	mem_free(ids);
	return 0;
}
