/* constraint.c: the public functions of constraints: src/constrain over the tokens of a vocabulary, and as a processor between a
 * row of logits and the sampler. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "constrain/constrain.h"
#include "engine/loaded.h"
#include "token/detok.h"

/* Compiled once for texts that are judged and once for answers, in which less white space may come; the second one when it is first
 * asked for. */
struct kvik_constraint {
	pthread_mutex_t lock;
	struct constrain *of[2]; /* texts, answers */
	enum constrain_kind kind;
	char *text; /* [bytes], owned */
	size_t bytes;
	const struct trie *trie;    /* or NULL */
	const struct kvik_vocab *v; /* or NULL */
};

struct kvik_matcher {
	struct matcher m;
	const struct kvik_vocab *v;
};

struct kvik_constrained {
	struct kvik_processor processor;
	const struct kvik_vocab *v;
	uint32_t n_choices;
	struct matcher *matchers; /* [n_choices] */
	uint32_t *masks;          /* [n_choices][words] */
	uint32_t words;
};

/* ---- The tokens of a vocabulary ---------------------------------------------------------------------------------- */

/* detok_emit_fn: all bytes of all tokens, one behind the other */
static void add_bytes(void *user, const char *text, size_t bytes)
{
	(void)buf_add(user, text, bytes); /* what is missing shows in the length */
}

static int list_tokens(const struct vocab *v, struct trie_token *tokens, struct buf *text, struct kvik_err *err)
{
	struct detok d;
	uint32_t n = (uint32_t)vocab_size(v);
	int rc = 0;
	for (uint32_t id = 0; id < n && !rc; id++) {
		size_t before = text->n;
		detok_init(&d, v, DETOK_CONTINUE | DETOK_RAW);
		bool special = vocab_is_control(v, id);
		if (vocab_text(v, id).text && special)
			add_bytes(text, vocab_text(v, id).text, vocab_text(v, id).bytes);
		else if (vocab_text(v, id).text)
			rc = detok_feed(&d, id, add_bytes, text, err);
		tokens[id] = (struct trie_token){.n = (uint32_t)(text->n - before), .id = id, .special = special};
	}
	const uint8_t *at = (const uint8_t *)text->data;
	for (uint32_t id = 0; id < n; at += tokens[id++].n)
		tokens[id].bytes = at;
	return rc;
}

static int list_stops(struct kvik_vocab *v, uint32_t n, struct kvik_err *err)
{
	bool ok = true;
	v->stops.n = 0;
	for (uint32_t id = 0; id < n; id++)
		ok = ok && (!vocab_is_end(v->v, id) || ids_add(&v->stops, id));
	for (size_t i = 0; i < v->n_ends; i++)
		ok = ok && (v->ends[i] >= n || ids_add(&v->stops, v->ends[i]));
	return ok ? 0 : err_set(err, KVIK_ERR_NOMEM, "no memory for the tokens of a constraint");
}

static int make_trie(struct kvik_vocab *v, struct kvik_err *err)
{
	uint32_t n = (uint32_t)vocab_size(v->v);
	struct trie_token *tokens = mem_zalloc((size_t)n + 1, sizeof *tokens);
	struct buf text = {0};
	int rc = tokens ? list_tokens(v->v, tokens, &text, err)
			: err_set(err, KVIK_ERR_NOMEM, "no memory for the tokens of a constraint");
	if (!rc)
		rc = list_stops(v, n, err);
	if (!rc)
		rc = trie_new(&v->trie, tokens, n, n, err);
	buf_release(&text);
	mem_free(tokens);
	return rc;
}

/* What is made on first use does not change what the vocabulary is. */
static int trie_of(const struct kvik_vocab *v, const struct trie **t, struct kvik_err *err)
{
	struct kvik_vocab *lazy = (struct kvik_vocab *)(uintptr_t)v;
	int rc = 0;
	pthread_mutex_lock(&lazy->lock);
	if (!lazy->trie)
		rc = make_trie(lazy, err);
	*t = lazy->trie;
	pthread_mutex_unlock(&lazy->lock);
	return rc;
}

/* ---- Constraints and matchers ------------------------------------------------------------------------------------ */

static int compiled(struct constrain **out, struct kvik_constraint *c, bool answers, struct kvik_err *err)
{
	int rc = 0;
	pthread_mutex_lock(&c->lock);
	if (!c->of[answers])
		rc = constrain_new(&c->of[answers], c->kind, c->text, c->bytes, c->trie, answers, err);
	*out = c->of[answers];
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int kvik_constraint_new(struct kvik_constraint **out, const struct kvik_vocab *v, enum kvik_constraint_kind kind,
			const char *text, size_t text_bytes, struct kvik_err *err)
{
	static const enum constrain_kind kinds[] = {
		[KVIK_CONSTRAINT_JSON] = CONSTRAIN_JSON,       [KVIK_CONSTRAINT_SCHEMA] = CONSTRAIN_SCHEMA,
		[KVIK_CONSTRAINT_REGEX] = CONSTRAIN_REGEX,     [KVIK_CONSTRAINT_CHOICE] = CONSTRAIN_CHOICE,
		[KVIK_CONSTRAINT_GRAMMAR] = CONSTRAIN_GRAMMAR, [KVIK_CONSTRAINT_TAGS] = CONSTRAIN_TAGS};
	const struct trie *t = NULL;
	*out = NULL;
	if ((size_t)kind >= sizeof kinds / sizeof *kinds)
		return err_set(err, KVIK_ERR_ARG, "kind: %d is not of enum kvik_constraint_kind", (int)kind);
	int rc = v ? trie_of(v, &t, err) : 0;
	if (rc)
		return rc;
	struct kvik_constraint *c = mem_zalloc(1, sizeof *c);
	if (!c)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a constraint");
	pthread_mutex_init(&c->lock, NULL);
	c->v = v;
	c->trie = t;
	c->kind = kinds[kind];
	c->bytes = kind == KVIK_CONSTRAINT_JSON ? 0 : text_bytes;
	c->text = mem_strndup(c->bytes ? text : "", c->bytes);
	struct constrain *first;
	rc = c->text ? compiled(&first, c, v != NULL, err) : err_set(err, KVIK_ERR_NOMEM, "no memory for a constraint");
	if (rc)
		kvik_constraint_free(c);
	else
		*out = c;
	return rc;
}

void kvik_constraint_free(struct kvik_constraint *c)
{
	if (!c)
		return;
	constrain_free(c->of[false]);
	constrain_free(c->of[true]);
	pthread_mutex_destroy(&c->lock);
	mem_free(c->text);
	mem_free(c);
}

int kvik_matcher_new(struct kvik_matcher **out, struct kvik_constraint *c, struct kvik_err *err)
{
	struct constrain *texts;
	*out = NULL;
	int rc = compiled(&texts, c, false, err);
	if (rc)
		return rc;
	struct kvik_matcher *m = mem_zalloc(1, sizeof *m);
	if (!m)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a matcher");
	matcher_init(&m->m, texts);
	m->v = c->v;
	*out = m;
	return 0;
}

void kvik_matcher_free(struct kvik_matcher *m)
{
	if (!m)
		return;
	matcher_release(&m->m);
	mem_free(m);
}

size_t kvik_matcher_feed(struct kvik_matcher *m, const char *bytes, size_t n)
{
	return matcher_feed(&m->m, bytes, n);
}

bool kvik_matcher_accepts(struct kvik_matcher *m)
{
	return matcher_accepts(&m->m);
}

static void allow_ends(const struct kvik_vocab *v, uint32_t *mask)
{
	for (size_t i = 0; i < v->stops.n; i++)
		mask[v->stops.data[i] / 32] |= 1u << v->stops.data[i] % 32;
}

/* A text that can neither go on nor is whole is ended: nothing else may follow. */
static void mask_of(struct matcher *m, const struct kvik_vocab *v, uint32_t *mask)
{
	bool goes_on = matcher_mask(m, mask);
	if (!goes_on || matcher_accepts(m))
		allow_ends(v, mask);
}

int kvik_matcher_mask(struct kvik_matcher *m, uint32_t *mask, struct kvik_err *err)
{
	if (!m->v)
		return err_set(err, KVIK_ERR_ARG, "the constraint was made without a vocabulary");
	mask_of(&m->m, m->v, mask);
	return 0;
}

/* ---- Answers ----------------------------------------------------------------------------------------------------- */

static void process(void *user, uint32_t choice, const uint32_t *ids, size_t n, float *logits, size_t vocab_size)
{
	struct kvik_constrained *c = user;
	uint32_t *mask = c->masks + (size_t)choice * c->words;
	(void)ids, (void)n;
	if (matcher_is_whole(
		    &c->matchers[choice])) { /* no white space behind it, as the model might like to go on with */
		memset(mask, 0, c->words * sizeof *mask);
		allow_ends(c->v, mask);
	} else {
		mask_of(&c->matchers[choice], c->v, mask);
	}
	for (size_t w = 0; w * 32 < vocab_size; w++) {
		uint32_t bits = w < c->words ? mask[w] : 0;
		for (size_t id = w * 32; bits != UINT32_MAX && id < vocab_size && id < w * 32 + 32; id++)
			if (!(bits >> id % 32 & 1))
				logits[id] = -INFINITY;
	}
}

static void accept(void *user, uint32_t choice, uint32_t id)
{
	struct kvik_constrained *c = user;
	struct buf text = {0};
	struct detok d;
	struct kvik_err err;
	uint8_t code[TRIE_CODE];
	if (id >= vocab_size(c->v->v))
		return;
	if (vocab_is_control(c->v->v, id)) {
		trie_code(id, code);
		matcher_feed(&c->matchers[choice], (const char *)code, sizeof code);
		return;
	}
	detok_init(&d, c->v->v, DETOK_CONTINUE | DETOK_RAW);
	if (detok_feed(&d, id, add_bytes, &text, &err) == 0)
		matcher_feed(&c->matchers[choice], text.data, text.n);
	buf_release(&text);
}

/* The last token could be a longer one in the text that follows: it is left out. */
static size_t forced(void *user, uint32_t choice, uint32_t *ids, size_t max)
{
	enum { BYTES_MAX = 64 };
	struct kvik_constrained *c = user;
	struct buf text = {0};
	struct kvik_err err;
	uint32_t *known = NULL;
	size_t n = 0;
	matcher_forced(&c->matchers[choice], &text, BYTES_MAX);
	if (text.n >= TRIE_CODE && (uint8_t)text.data[0] == TRIE_SPECIAL &&
	    max > 0) { /* a special token, then the rest */
		const uint8_t *code = (const uint8_t *)text.data;
		ids[0] = (uint32_t)code[1] << 16 | (uint32_t)code[2] << 8 | code[3];
		buf_release(&text);
		return 1;
	}
	const char *special = text.n ? memchr(text.data, TRIE_SPECIAL, text.n) : NULL;
	text.n = special ? (size_t)(special - text.data) : text.n;
	if (text.n > 1 && vocab_encode(c->v->v, text.data, text.n, 0, &known, &n, &err) != 0)
		n = 0;
	n = n > 0 ? n - 1 : 0;
	n = n < max ? n : max;
	if (n > 0)
		memcpy(ids, known, n * sizeof *ids);
	mem_free(known);
	buf_release(&text);
	return n;
}

int kvik_constrained_new(struct kvik_constrained **out, struct kvik_constraint *c, uint32_t choices,
			 struct kvik_err *err)
{
	struct kvik_constrained *k = NULL;
	struct constrain *answers;
	*out = NULL;
	if (!c->v)
		return err_set(err, KVIK_ERR_ARG, "the constraint was made without a vocabulary");
	int rc = compiled(&answers, c, true, err);
	if (rc)
		return rc;
	k = mem_zalloc(1, sizeof *k);
	if (k) {
		k->v = c->v;
		k->words = c->v->trie->words;
		k->matchers = mem_zalloc((size_t)choices + 1, sizeof *k->matchers);
		k->masks = mem_zalloc((size_t)choices * k->words + 1, sizeof *k->masks);
	}
	if (!k || !k->matchers || !k->masks) {
		kvik_constrained_free(k);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a constrained answer");
	}
	for (; k->n_choices < choices; k->n_choices++)
		matcher_init(&k->matchers[k->n_choices], answers);
	k->processor = (struct kvik_processor){
		.size = sizeof k->processor, .user = k, .process = process, .accept = accept, .forced = forced};
	*out = k;
	return 0;
}

void kvik_constrained_free(struct kvik_constrained *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n_choices; i++)
		matcher_release(&c->matchers[i]);
	mem_free(c->matchers);
	mem_free(c->masks);
	mem_free(c);
}

const struct kvik_processor *kvik_constrained_processor(const struct kvik_constrained *c)
{
	return &c->processor;
}
