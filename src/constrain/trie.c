/* trie.c: sorted tokens -> a tree in preorder. */
#include "constrain/trie.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "constrain/json_text.h"

static int compare_tokens(const void *a, const void *b)
{
	const struct trie_token *x = a, *y = b;
	int c = memcmp(x->bytes, y->bytes, x->n < y->n ? x->n : y->n);
	if (c == 0)
		c = (x->n > y->n) - (x->n < y->n);
	return c ? c : (x->id > y->id) - (x->id < y->id);
}

static uint32_t common(const struct trie_token *a, const struct trie_token *b)
{
	uint32_t n = 0;
	while (n < a->n && n < b->n && a->bytes[n] == b->bytes[n])
		n++;
	return n;
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */

struct building {
	struct trie *t;
	size_t cap;
	uint32_t open[TRIE_DEPTH_MAX + 1]; /* the nodes on the way to the last token, by depth */
	uint32_t depth;
};

static void close_to(struct building *b, uint32_t depth)
{
	for (; b->depth > depth; b->depth--)
		b->t->nodes[b->open[b->depth]].skip = b->t->n;
}

static bool add_token(struct building *b, const struct trie_token *token, uint32_t shared)
{
	struct trie *t = b->t;
	close_to(b, shared);
	for (uint32_t d = shared; d < token->n; d++) {
		struct trie_node *nodes = mem_grow(t->nodes, &b->cap, t->n, sizeof *nodes);
		if (!nodes)
			return false;
		t->nodes = nodes;
		nodes[t->n] =
			(struct trie_node){.token = TRIE_NO_TOKEN, .byte = token->bytes[d], .depth = (uint8_t)(d + 1)};
		b->open[++b->depth] = t->n++;
	}
	struct trie_node *end = &t->nodes[b->open[b->depth]];
	t->same[token->id] = end->token;
	end->flags |= end->token != TRIE_NO_TOKEN ? TRIE_TWINS : 0;
	end->token = token->id;
	return true;
}

/* ---- Strings ----------------------------------------------------------------------------------------------------- */

static void flag_nodes(struct trie *t)
{
	uint32_t x[TRIE_DEPTH_MAX + 1] = {0};
	uint8_t characters[TRIE_DEPTH_MAX + 1] = {0};
	for (uint32_t i = 0; i < t->n;) {
		struct trie_node *node = &t->nodes[i];
		struct json_text s = json_text_step(x[node->depth - 1], node->byte);
		uint8_t before = characters[node->depth - 1];
		x[node->depth] = s.x;
		characters[node->depth] = node->characters = (uint8_t)(before + (s.begins && before < 255));
		if (s.kind == JSON_TEXT_BAD || s.kind == JSON_TEXT_CLOSE) {
			node->flags |= s.kind == JSON_TEXT_CLOSE ? TRIE_CLOSES : 0;
			i = node->skip;
			t->n_closes += s.kind == JSON_TEXT_CLOSE;
		} else {
			node->flags |= (uint8_t)(TRIE_INSIDE | (json_text_is_escape(s.x) ? 0 : TRIE_BETWEEN));
			i++;
		}
	}
}

static void add_free(struct trie *t, const struct trie_node *node)
{
	uint32_t from = node->characters < TRIE_LENGTHS ? node->characters : TRIE_LENGTHS;
	for (uint32_t id = node->token; id != TRIE_NO_TOKEN; id = t->same[id])
		for (uint32_t n = from; n <= TRIE_LENGTHS; n++)
			t->free_masks[(size_t)n * t->words + id / 32] |= 1u << id % 32;
}

static bool prepare_strings(struct trie *t)
{
	uint32_t n = 0;
	flag_nodes(t);
	t->closes = mem_zalloc(t->n_closes + 1, sizeof *t->closes);
	t->free_masks = mem_zalloc((size_t)(TRIE_LENGTHS + 1) * t->words, sizeof *t->free_masks);
	t->longs = mem_zalloc(t->n + 1, sizeof *t->longs);
	if (!t->closes || !t->free_masks || !t->longs)
		return false;
	for (uint32_t i = 0; i < t->n;) {
		const struct trie_node *node = &t->nodes[i];
		if (node->flags & TRIE_CLOSES)
			t->closes[n++] = i;
		if (node->flags & TRIE_INSIDE)
			add_free(t, node);
		if (node->flags & TRIE_INSIDE && node->characters >= TRIE_LENGTHS && node->token != TRIE_NO_TOKEN)
			t->longs[t->n_long++] = i;
		i = node->flags & TRIE_INSIDE ? i + 1 : node->skip;
	}
	return true;
}

/* ---- Special tokens ---------------------------------------------------------------------------------------------- */

void trie_code(uint32_t id, uint8_t code[TRIE_CODE])
{
	code[0] = TRIE_SPECIAL;
	code[1] = (uint8_t)(id >> 16);
	code[2] = (uint8_t)(id >> 8);
	code[3] = (uint8_t)id;
}

/* Takes the names of the special tokens, and gives each of them its code instead; texts with the byte that begins one are no UTF-8.
 * codes[n_tokens * TRIE_CODE] lives as long as tokens. */
static bool take_specials(struct trie *t, struct trie_token *tokens, uint32_t n_tokens, uint8_t *codes)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < n_tokens; i++)
		n += tokens[i].special;
	t->specials = mem_zalloc((size_t)n + 1, sizeof *t->specials);
	if (!t->specials)
		return false;
	for (uint32_t i = 0; i < n_tokens; i++) {
		struct trie_token *token = &tokens[i];
		if (!token->special) {
			if (token->n && memchr(token->bytes, TRIE_SPECIAL, token->n))
				token->n = 0;
			continue;
		}
		char *name = mem_strndup((const char *)token->bytes, token->n);
		if (!name)
			return false;
		t->specials[t->n_specials++] = (struct trie_special){name, token->n, token->id};
		token->bytes = codes + (size_t)i * TRIE_CODE;
		token->n = token->id < TRIE_CODES ? TRIE_CODE : 0;
		trie_code(token->id, codes + (size_t)i * TRIE_CODE);
	}
	return true;
}

uint32_t trie_bytes(const struct trie *t, uint32_t id, uint8_t bytes[TRIE_DEPTH_MAX])
{
	for (uint32_t i = 0; i < t->n; i++) {
		bytes[t->nodes[i].depth - 1] = t->nodes[i].byte;
		for (uint32_t k = t->nodes[i].token; k != TRIE_NO_TOKEN; k = t->same[k])
			if (k == id)
				return t->nodes[i].depth;
	}
	return 0;
}

uint32_t trie_find(const struct trie *t, const char *bytes, size_t n)
{
	uint32_t depth = 0;
	for (uint32_t i = 0; i < t->n_specials; i++)
		if (t->specials[i].n == n && memcmp(t->specials[i].name, bytes, n) == 0)
			return t->specials[i].id;
	for (uint32_t i = 0; i < t->n && depth < n && t->nodes[i].depth == depth + 1;)
		if (t->nodes[i].byte != (uint8_t)bytes[depth])
			i = t->nodes[i].skip;
		else if (++depth == n)
			return t->nodes[i].token;
		else
			i++;
	return TRIE_NO_TOKEN;
}

/* ---- The tree ---------------------------------------------------------------------------------------------------- */

int trie_new(struct trie **out, struct trie_token *tokens, uint32_t n_tokens, uint32_t n_vocab, struct kvik_err *err)
{
	struct trie *t = mem_zalloc(1, sizeof *t);
	struct building b = {.t = t};
	const struct trie_token *last = NULL;
	uint8_t *codes = mem_zalloc((size_t)n_tokens + 1, TRIE_CODE);
	bool ok = t && codes && take_specials(t, tokens, n_tokens, codes);
	*out = NULL;
	if (ok) {
		t->n_tokens = n_vocab;
		t->words = (n_vocab + 31) / 32;
		t->same = mem_alloc(((size_t)n_vocab + 1) * sizeof *t->same);
		ok = t->same != NULL;
	}
	if (ok)
		memset(t->same, 0xFF, n_vocab * sizeof *t->same);
	if (ok && n_tokens > 0)
		qsort(tokens, n_tokens, sizeof *tokens, compare_tokens);
	for (uint32_t i = 0; ok && i < n_tokens; i++) {
		if (tokens[i].n == 0 || tokens[i].n > TRIE_DEPTH_MAX || tokens[i].id >= n_vocab)
			continue; /* longer ones are never allowed */
		ok = add_token(&b, &tokens[i], last ? common(last, &tokens[i]) : 0);
		last = &tokens[i];
	}
	if (ok) {
		close_to(&b, 0);
		ok = prepare_strings(t);
	}
	mem_free(codes);
	if (!ok) {
		trie_free(t);
		return err_set(err, KVIK_ERR_NOMEM, "no memory for the tokens of a constraint");
	}
	*out = t;
	return 0;
}

void trie_free(struct trie *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < t->n_specials; i++)
		mem_free(t->specials[i].name);
	mem_free(t->specials);
	mem_free(t->nodes);
	mem_free(t->same);
	mem_free(t->closes);
	mem_free(t->longs);
	mem_free(t->free_masks);
	mem_free(t);
}
