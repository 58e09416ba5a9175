/* vocab_build.c: the tables of a vocabulary, filled step by step by vocab.c (GGUF) and tokenizer_json.c
 * (tokenizer.json).
 *
 * Invariants: 1. ids in every table are below n_tokens. 2. by_text has the lowest id of each text. 3. Nothing changes
 * once the vocabulary has been handed out, so any thread may read. */
#include <stdio.h>

#include "base/hash.h"
#include "token/pipeline.h"
#include "token/unicode.h"
#include "token/vocab_impl.h"

static int no_memory(struct kvik_err *err)
{
	return err_set(err, KVIK_ERR_NOMEM, "no memory for the vocabulary");
}

int vocab_alloc(struct vocab **out, size_t n_tokens, struct kvik_err *err)
{
	*out = NULL;
	if (n_tokens == 0 || n_tokens > VOCAB_TOKENS_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "a vocabulary of %zu tokens; must be 1..%u", n_tokens,
			       VOCAB_TOKENS_MAX);
	struct vocab *v = mem_zalloc(1, sizeof *v);
	if (v)
		v->tokens = mem_zalloc(n_tokens, sizeof *v->tokens);
	/* Room from the first: texts are offsets into it, also where all of them are empty. */
	if (!v || !v->tokens || !buf_reserve(&v->text, 1)) {
		if (v)
			mem_free(v->tokens);
		mem_free(v);
		return no_memory(err);
	}
	v->n_tokens = n_tokens;
	v->bos = v->eos = v->unk = v->sep = v->pad = v->eot = v->eom = -1;
	for (size_t i = 0; i < VOCAB_FIM_COUNT; i++)
		v->fim[i] = -1;
	*out = v;
	return 0;
}

int vocab_set_token(struct vocab *v, uint32_t id, const char *text, size_t bytes, uint32_t attrs, double score,
		    struct kvik_err *err)
{
	if (id >= v->n_tokens || bytes > VOCAB_TOKEN_BYTES_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "token %u of %zu has %zu bytes; at most %u are allowed", id,
			       v->n_tokens, bytes, VOCAB_TOKEN_BYTES_MAX);
	v->tokens[id] = (struct token){v->text.n, (uint32_t)bytes, attrs, score};
	return buf_add(&v->text, text, bytes) ? 0 : no_memory(err);
}

static size_t power_above(size_t n)
{
	size_t p = 16;
	while (p < n)
		p *= 2;
	return p;
}

int64_t vocab_find(const struct vocab *v, const char *text, size_t bytes)
{
	if (bytes > v->longest)
		return -1;
	size_t i = hash_bytes(text, bytes) & v->by_text_mask;
	for (; v->by_text[i]; i = (i + 1) & v->by_text_mask) {
		const struct token *t = &v->tokens[v->by_text[i] - 1];
		if (t->bytes == bytes && memcmp(v->text.data + t->start, text, bytes) == 0)
			return v->by_text[i] - 1;
	}
	return -1;
}

int64_t vocab_own(const struct vocab *v, const char *text, size_t bytes)
{
	int64_t id = vocab_find(v, text, bytes);
	return id >= 0 && v->tokens[id].attrs & (TOKEN_ADDED | VOCAB_ATTR_CONTROL) ? -1 : id;
}

int64_t vocab_char(const struct vocab *v, const char *text, unsigned bytes)
{
	if (bytes <= 2) {
		uint32_t c = bytes == 1 ? (uint8_t)text[0] : utf8_decode((const uint8_t *)text, bytes);
		if (c < VOCAB_CHARS && (bytes == 2 || c < 0x80))
			return v->char_ids[c];
	}
	return vocab_own(v, text, bytes);
}

static void index_chars(struct vocab *v)
{
	for (uint32_t b = 0; b < 256; b++) {
		char text[8];
		int n = snprintf(text, sizeof text, "<0x%02X>", (unsigned)b);
		v->byte_ids[b] = (int32_t)vocab_own(v, text, (size_t)n);
	}
	for (uint32_t c = 0; c < VOCAB_CHARS; c++) {
		uint8_t utf8[4];
		unsigned n = utf8_encode(c, utf8);
		v->char_ids[c] = (int32_t)vocab_own(v, (const char *)utf8, n);
	}
}

enum { NEIGHBOUR_BITS = 18 };

static size_t neighbour_bit(uint32_t a, uint32_t b)
{
	uint64_t key = (uint64_t)a << 32 | b;
	return (size_t)((key * 0x9E3779B97F4A7C15u) >> (64 - NEIGHBOUR_BITS));
}

bool vocab_neighbours(const struct vocab *v, uint32_t a, uint32_t b)
{
	size_t bit = neighbour_bit(a, b);
	return v->neighbours[bit / 64] >> bit % 64 & 1;
}

static int index_neighbours(struct vocab *v, struct kvik_err *err)
{
	v->neighbours = mem_zalloc((1u << NEIGHBOUR_BITS) / 64, sizeof *v->neighbours);
	if (!v->neighbours)
		return no_memory(err);
	for (uint32_t id = 0; id < v->n_tokens; id++) {
		const char *text = v->text.data + v->tokens[id].start;
		uint32_t left = v->tokens[id].bytes, before = 0;
		unsigned n;
		for (bool first = true; left > 0; first = false, text += n, left -= n) {
			uint32_t c = uni_next(text, left, &n);
			size_t bit = neighbour_bit(before, c);
			if (!first)
				v->neighbours[bit / 64] |= 1ull << bit % 64;
			before = c;
		}
	}
	return 0;
}

int vocab_index(struct vocab *v, struct kvik_err *err)
{
	mem_free(v->by_text);
	mem_free(v->neighbours);
	v->neighbours = NULL;
	size_t size = power_above(v->n_tokens * 2);
	v->by_text = mem_zalloc(size, sizeof *v->by_text);
	if (!v->by_text)
		return no_memory(err);
	v->by_text_mask = size - 1;
	for (size_t i = 0; i < v->n_tokens; i++)
		if (v->tokens[i].bytes > v->longest)
			v->longest = v->tokens[i].bytes;
	for (uint32_t id = 0; id < v->n_tokens; id++) {
		const struct token *t = &v->tokens[id];
		const char *text = v->text.data + t->start;
		if (t->attrs == 0 || t->bytes == 0 || vocab_find(v, text, t->bytes) >= 0)
			continue;
		size_t i = hash_bytes(text, t->bytes) & v->by_text_mask;
		while (v->by_text[i])
			i = (i + 1) & v->by_text_mask;
		v->by_text[i] = id + 1;
	}
	index_chars(v);
	return index_neighbours(v, err);
}

static size_t pair_slot(const struct vocab *v, uint32_t left, uint32_t right)
{
	uint64_t key = (uint64_t)left << 32 | right;
	return (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & v->pairs_mask;
}

const struct pair *vocab_pair(const struct vocab *v, uint32_t left, uint32_t right)
{
	if (!v->pairs)
		return NULL;
	for (size_t i = pair_slot(v, left, right); v->pairs[i].merged >= 0; i = (i + 1) & v->pairs_mask)
		if (v->pairs[i].left == left && v->pairs[i].right == right)
			return &v->pairs[i];
	return NULL;
}

/* a and b joined, without b's mark of a later character; false: no memory. */
static bool join(const struct vocab *v, struct vocab_str a, struct vocab_str b, struct buf *whole)
{
	size_t skip = v->prefix ? strlen(v->prefix) : 0;
	if (skip > b.bytes)
		skip = b.bytes;
	return buf_add(whole, a.text, a.bytes) && buf_add(whole, b.text + skip, b.bytes - skip);
}

int vocab_add_pair(struct vocab *v, struct vocab_str a, struct vocab_str b, uint32_t rank, struct kvik_err *err)
{
	struct buf whole = {0};
	if (a.bytes > v->longest || b.bytes > v->longest)
		return 0;
	if (!join(v, a, b, &whole)) {
		buf_release(&whole);
		return no_memory(err);
	}
	int64_t left = vocab_own(v, a.text, a.bytes), right = vocab_own(v, b.text, b.bytes);
	int64_t merged = vocab_own(v, whole.data, whole.n);
	buf_release(&whole);
	if (left < 0 || right < 0 || merged < 0 || vocab_pair(v, (uint32_t)left, (uint32_t)right))
		return 0;
	size_t i = pair_slot(v, (uint32_t)left, (uint32_t)right);
	while (v->pairs[i].merged >= 0)
		i = (i + 1) & v->pairs_mask;
	v->pairs[i] = (struct pair){(uint32_t)left, (uint32_t)right, rank, merged};
	return 0;
}

int vocab_alloc_pairs(struct vocab *v, size_t n, struct kvik_err *err)
{
	if (n > VOCAB_TOKENS_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "%zu merges; at most %u are allowed", n, VOCAB_TOKENS_MAX);
	size_t size = power_above(2 * n);
	v->pairs = mem_zalloc(size, sizeof *v->pairs);
	if (!v->pairs)
		return no_memory(err);
	v->pairs_mask = size - 1;
	for (size_t i = 0; i < size; i++)
		v->pairs[i].merged = -1;
	return 0;
}

bool vocab_split_merge(struct vocab_str m, struct vocab_str *a, struct vocab_str *b)
{
	const char *blank = m.bytes > 1 ? memchr(m.text + 1, ' ', m.bytes - 1) : NULL;
	if (!blank)
		return false;
	*a = (struct vocab_str){m.text, (size_t)(blank - m.text)};
	*b = (struct vocab_str){blank + 1, m.bytes - a->bytes - 1};
	return true;
}

int vocab_index_pieces(struct vocab *v, uint32_t attrs, struct kvik_err *err)
{
	for (uint32_t id = 0; id < v->n_tokens; id++) {
		const struct token *t = &v->tokens[id];
		if (t->attrs & attrs && !(t->attrs & TOKEN_ADDED) &&
		    !trie_add(&v->pieces, v->text.data + t->start, t->bytes, (int32_t)id))
			return no_memory(err);
	}
	return 0;
}

int vocab_add_special(struct vocab *v, const struct special *s, const char *text, size_t bytes, struct kvik_err *err)
{
	struct special_set *set = s->normalized ? &v->normalized : &v->raw;
	struct special *list = mem_realloc(v->specials, v->n_specials + 1, sizeof *list);
	if (!list)
		return no_memory(err);
	v->specials = list;
	if (bytes == 0)
		return 0;
	v->specials[v->n_specials] = *s;
	if (!trie_add(&set->texts, text, bytes, (int32_t)v->n_specials))
		return no_memory(err);
	v->n_specials++;
	uint8_t first = (uint8_t)text[0];
	set->first[first / 64] |= 1ull << first % 64;
	return 0;
}

bool vocab_has_bytes(const struct vocab *v, const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (v->byte_ids[(uint8_t)text[i]] < 0)
			return false;
	return true;
}

void vocab_free(struct vocab *v)
{
	if (!v)
		return;
	pretok_free(v->pretok);
	pipeline_free(v->pipeline);
	charsmap_release(&v->charsmap);
	trie_release(&v->pieces);
	trie_release(&v->user_symbols);
	trie_release(&v->raw.texts);
	trie_release(&v->normalized.texts);
	buf_release(&v->text);
	buf_release(&v->decoded);
	mem_free(v->decode);
	mem_free(v->tokens);
	mem_free(v->by_text);
	mem_free(v->pairs);
	mem_free(v->neighbours);
	mem_free(v->specials);
	mem_free(v->prefix);
	mem_free(v->suffix);
	mem_free(v);
}
