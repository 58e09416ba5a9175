/* vocab.c: the tables of a vocabulary, built from a neutral description, and encoding at the top: special tokens are
 * cut out, what lies between goes to the encoder of the kind.
 *
 * Invariants: 1. ids in every table are below n_tokens. 2. by_text has the lowest id of each text. 3. Nothing changes
 * once vocab_new has returned, so any thread may read. */
#include "token/vocab.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "token/utf8.h"
#include "token/vocab_impl.h"

int sink_add(struct sink *s, uint32_t id)
{
	return ids_add(&s->ids, id) ? 0 : err_set(s->err, KVIK_ERR_NOMEM, "no memory for %zu token ids", s->ids.n + 1);
}

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

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
	if (!v || !v->tokens) {
		mem_free(v);
		return no_memory(err);
	}
	v->n_tokens = n_tokens;
	v->bos = v->eos = v->unk = v->sep = v->pad = v->cls = v->mask = v->eot = v->eom = -1;
	*out = v;
	return 0;
}

int vocab_set_token(struct vocab *v, uint32_t id, const char *text, size_t bytes, uint32_t attrs, float score,
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
	size_t i = hash_bytes(text, bytes) & v->by_text_mask;
	for (; v->by_text[i]; i = (i + 1) & v->by_text_mask) {
		const struct token *t = &v->tokens[v->by_text[i] - 1];
		if (t->bytes == bytes && memcmp(v->text.data + t->start, text, bytes) == 0)
			return v->by_text[i] - 1;
	}
	return -1;
}

static void index_bytes(struct vocab *v)
{
	for (int b = 0; b < 256; b++) {
		char text[8];
		size_t n;
		if (v->kind == VOCAB_BPE) {
			struct buf mapped = {0};
			char byte = (char)b;
			if (!bpe_map_bytes(&byte, 1, &mapped)) /* 64 bytes at most; the look-up then just fails */
				mapped.n = 0;
			v->byte_ids[b] = mapped.n ? vocab_find(v, mapped.data, mapped.n) : -1;
			buf_release(&mapped);
			continue;
		}
		n = (size_t)snprintf(text, sizeof text, "<0x%02X>", (unsigned)b);
		v->byte_ids[b] = vocab_find(v, text, n);
	}
}

int vocab_index(struct vocab *v, struct kvik_err *err)
{
	size_t size = power_above(v->n_tokens * 2);
	v->by_text = mem_zalloc(size, sizeof *v->by_text);
	if (!v->by_text)
		return no_memory(err);
	v->by_text_mask = size - 1;
	for (uint32_t id = 0; id < v->n_tokens; id++) {
		const struct token *t = &v->tokens[id];
		const char *text = v->text.data + t->start;
		if (t->attrs == 0 || vocab_find(v, text, t->bytes) >= 0)
			continue;
		size_t i = hash_bytes(text, t->bytes) & v->by_text_mask;
		while (v->by_text[i])
			i = (i + 1) & v->by_text_mask;
		v->by_text[i] = id + 1;
	}
	index_bytes(v);
	return 0;
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

void vocab_add_pair(struct vocab *v, struct vocab_str a, struct vocab_str b, uint32_t rank)
{
	char whole[512];
	if (a.bytes + b.bytes > sizeof whole)
		return;
	memcpy(whole, a.text, a.bytes);
	memcpy(whole + a.bytes, b.text, b.bytes);
	int64_t left = vocab_find(v, a.text, a.bytes), right = vocab_find(v, b.text, b.bytes);
	int64_t merged = vocab_find(v, whole, a.bytes + b.bytes);
	if (left < 0 || right < 0 || merged < 0 || vocab_pair(v, (uint32_t)left, (uint32_t)right))
		return;
	size_t i = pair_slot(v, (uint32_t)left, (uint32_t)right);
	while (v->pairs[i].merged >= 0)
		i = (i + 1) & v->pairs_mask;
	v->pairs[i] = (struct pair){(uint32_t)left, (uint32_t)right, rank, merged};
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

static int set_pairs(struct vocab *v, size_t n, const struct vocab_str *merges, struct kvik_err *err)
{
	struct vocab_str a, b;
	int rc = vocab_alloc_pairs(v, n, err);
	for (size_t i = 0; i < n && !rc; i++)
		if (vocab_split_merge(merges[i], &a, &b))
			vocab_add_pair(v, a, b, (uint32_t)i);
	return rc;
}

/* ---- Encoding ---------------------------------------------------------------------------------------------------- */

static int encode_plain(void *ctx, const char *text, size_t bytes, bool at_start)
{
	struct sink *out = ctx;
	(void)at_start; /* every stretch gets its leading blank, as llama.cpp does it */
	return out->v->kind == VOCAB_SPM ? spm_encode(out->v, text, bytes, true, out)
					 : bpe_encode(out->v, text, bytes, out);
}

int vocab_encode(const struct vocab *v, const char *text, size_t bytes, unsigned flags, uint32_t **ids, size_t *n,
		 struct kvik_err *err)
{
	struct sink out = {.v = v, .err = err};
	int rc = 0;
	*ids = NULL;
	*n = 0;
	if (bytes > VOCAB_TEXT_MAX)
		return err_set(err, KVIK_ERR_LIMIT, "a text of %zu bytes; at most %zu are taken", bytes,
			       VOCAB_TEXT_MAX);
	if (v->kind == VOCAB_HF) {
		rc = pipeline_encode(v, text, bytes, flags, &out);
	} else {
		if (flags & VOCAB_ADD_SPECIAL && v->add_bos && v->bos >= 0)
			rc = sink_add(&out, (uint32_t)v->bos);
		if (!rc)
			rc = special_split(v, text, bytes, SPECIAL_ANY, flags, encode_plain, &out);
		if (!rc && flags & VOCAB_ADD_SPECIAL && v->add_eos && v->eos >= 0)
			rc = sink_add(&out, (uint32_t)v->eos);
	}
	if (rc) {
		ids_release(&out.ids);
		return rc;
	}
	*ids = out.ids.data;
	*n = out.ids.n;
	return 0;
}

/* ---- From a description ------------------------------------------------------------------------------------------ */

int vocab_kind_from_gguf(const char *model)
{
	static const struct {
		const char *name;
		enum vocab_kind kind;
	} known[] = {{"llama", VOCAB_SPM}, {"gpt2", VOCAB_BPE}, {"t5", VOCAB_UNIGRAM}, {"bert", VOCAB_WPM}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(model, known[i].name) == 0)
			return (int)known[i].kind;
	return -1;
}

static bool one_of(const char *s, const char *const *list)
{
	for (; s && *list; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

void vocab_desc_default(struct vocab_desc *d, enum vocab_kind kind, const char *pre)
{
	static const char *const with_bos[] = {"llama3", "llama-v3",  "llama-bpe", "falcon3",
					       "tekken", "chameleon", NULL};
	static const char *const whole_words[] = {"llama3", "llama-v3", "llama-bpe", "falcon3", "tekken", NULL};
	*d = (struct vocab_desc){.kind = kind, .pre = pre, .escape_whitespaces = true};
	d->bos = d->eos = d->unk = d->sep = d->pad = d->cls = d->mask = d->eot = d->eom = -1;
	if (kind == VOCAB_SPM) {
		d->bos = 1;
		d->eos = 2;
		d->unk = 0;
		d->add_space_prefix = true;
		d->add_bos = true;
	} else if (kind == VOCAB_BPE) {
		d->bos = d->eos = 11;
		d->escape_whitespaces = false;
		d->add_bos = one_of(pre, with_bos);
		d->ignore_merges = one_of(pre, whole_words);
	}
}

static bool phi3_keeps_space(const char *text, size_t n)
{
	static const char *const keep[] = {"<unk>", "<s>", "<|endoftext|>"};
	for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
		if (strlen(keep[i]) == n && memcmp(keep[i], text, n) == 0)
			return true;
	return false;
}

/* Phi-3's files do not say that its special tokens swallow the blanks behind them. */
static bool swallows_blanks(const struct vocab_desc *d, const char *text, size_t n)
{
	bool phi3 = d->name && (strstr(d->name, "phi-3") || strstr(d->name, "phi3") || strstr(d->name, "Phi-3"));
	return phi3 && !phi3_keeps_space(text, n);
}

static int add_specials(struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	const uint32_t kinds = VOCAB_ATTR_CONTROL | VOCAB_ATTR_UNKNOWN | VOCAB_ATTR_USER_DEFINED;
	int rc = 0;
	for (uint32_t id = 0; id < v->n_tokens && !rc; id++) {
		const struct token *t = &v->tokens[id];
		if (!(t->attrs & kinds) || t->bytes == 0)
			continue;
		struct special s = {.id = id, .control = !(t->attrs & VOCAB_ATTR_USER_DEFINED)};
		s.rstrip = swallows_blanks(d, v->text.data + t->start, t->bytes);
		rc = vocab_add_special(v, &s, err);
	}
	return rc ? rc : vocab_sort_specials(v, err);
}

static int64_t checked(const struct vocab *v, int64_t id)
{
	return id >= 0 && (uint64_t)id < v->n_tokens ? id : -1;
}

/* A model's end-of-turn token, where the file names none. */
static int64_t find_eot(const struct vocab *v)
{
	static const char *const names[] = {"<|eot_id|>",    "<|im_end|>",    "<|end|>",
					    "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int64_t id = vocab_find(v, names[i], strlen(names[i]));
		if (id >= 0)
			return id;
	}
	return -1;
}

static void copy_settings(struct vocab *v, const struct vocab_desc *d)
{
	v->bos = checked(v, d->bos);
	v->eos = checked(v, d->eos);
	v->unk = checked(v, d->unk);
	v->sep = checked(v, d->sep);
	v->pad = checked(v, d->pad);
	v->cls = checked(v, d->cls);
	v->mask = checked(v, d->mask);
	v->eot = checked(v, d->eot);
	v->eom = checked(v, d->eom);
	if (v->eot < 0)
		v->eot = find_eot(v);
	v->add_bos = d->add_bos;
	v->add_eos = d->add_eos;
	v->add_space_prefix = d->add_space_prefix;
	v->escape_whitespaces = d->escape_whitespaces;
	v->whitespace_as_suffix = d->treat_whitespace_as_suffix;
	v->remove_extra_whitespaces = d->remove_extra_whitespaces;
	v->ignore_merges = d->ignore_merges;
	v->byte_fallback = true;
	v->decode = d->kind == VOCAB_BPE ? DECODE_BYTES : DECODE_SPM;
	v->strip_first_space = d->kind == VOCAB_SPM && d->add_space_prefix;
}

static int fill(struct vocab *v, const struct vocab_desc *d, struct kvik_err *err)
{
	int rc = 0;
	v->kind = d->kind;
	for (uint32_t id = 0; id < d->n_tokens && !rc; id++) {
		int32_t type = d->types ? d->types[id] : 1;
		uint32_t attrs = VOCAB_ATTR(type >= 1 && type <= 6 ? type : 1);
		rc = vocab_set_token(v, id, d->tokens[id].text, d->tokens[id].bytes, attrs,
				     d->scores ? d->scores[id] : 0, err);
	}
	if (!rc)
		rc = vocab_index(v, err);
	if (!rc && d->kind == VOCAB_BPE)
		rc = set_pairs(v, d->n_merges, d->merges, err);
	if (!rc && d->kind == VOCAB_BPE)
		rc = pretok_new(&v->pretok, d->pre, err);
	if (rc)
		return rc;
	copy_settings(v, d);
	return add_specials(v, d, err);
}

int vocab_new(struct vocab **out, const struct vocab_desc *d, struct kvik_err *err)
{
	struct vocab *v;
	*out = NULL;
	if (d->kind != VOCAB_SPM && d->kind != VOCAB_BPE)
		return err_set(
			err, KVIK_ERR_UNSUPPORTED,
			"the vocabulary is neither SentencePiece BPE ('llama') nor byte-level BPE ('gpt2'); use the "
			"model's tokenizer.json");
	int rc = vocab_alloc(&v, d->n_tokens, err);
	if (!rc)
		rc = fill(v, d, err);
	if (rc)
		vocab_free(v);
	else
		*out = v;
	return rc;
}

void vocab_free(struct vocab *v)
{
	if (!v)
		return;
	pretok_free(v->pretok);
	pipeline_free(v->pipeline);
	buf_release(&v->text);
	mem_free(v->tokens);
	mem_free(v->by_text);
	mem_free(v->pairs);
	mem_free(v->specials);
	mem_free(v);
}

/* ---- Look-ups ---------------------------------------------------------------------------------------------------- */

size_t vocab_size(const struct vocab *v)
{
	return v->n_tokens;
}

enum vocab_kind vocab_kind(const struct vocab *v)
{
	return v->kind;
}

struct vocab_str vocab_text(const struct vocab *v, uint32_t id)
{
	if (id >= v->n_tokens || v->tokens[id].attrs == 0)
		return (struct vocab_str){NULL, 0};
	return (struct vocab_str){v->text.data + v->tokens[id].start, v->tokens[id].bytes};
}

unsigned vocab_attrs(const struct vocab *v, uint32_t id)
{
	return id < v->n_tokens ? v->tokens[id].attrs : 0;
}

bool vocab_is_control(const struct vocab *v, uint32_t id)
{
	return vocab_attrs(v, id) & (VOCAB_ATTR_CONTROL | VOCAB_ATTR_UNKNOWN);
}

bool vocab_is_end(const struct vocab *v, uint32_t id)
{
	return (int64_t)id == v->eos || (int64_t)id == v->eot || (int64_t)id == v->eom;
}

int64_t vocab_bos(const struct vocab *v)
{
	return v->bos;
}

int64_t vocab_eos(const struct vocab *v)
{
	return v->eos;
}

int64_t vocab_unk(const struct vocab *v)
{
	return v->unk;
}

int64_t vocab_pad(const struct vocab *v)
{
	return v->pad;
}

int64_t vocab_eot(const struct vocab *v)
{
	return v->eot;
}

bool vocab_adds_bos(const struct vocab *v)
{
	return v->add_bos && v->bos >= 0;
}

bool vocab_adds_eos(const struct vocab *v)
{
	return v->add_eos && v->eos >= 0;
}
