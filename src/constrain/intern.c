/* intern.c: a hash table over words in blocks. */
#include "constrain/intern.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { BLOCK_WORDS = 1 << 14 };

struct intern_block {
	struct intern_block *next;
	size_t used, cap;
	uint32_t words[];
};

static size_t slot(const struct intern *t, const uint32_t *words, uint32_t n)
{
	size_t at = hash_bytes(words, n * sizeof *words) & (t->index_n - 1);
	for (; t->index[at]; at = (at + 1) & (t->index_n - 1)) {
		const uint32_t *item = t->items[t->index[at]];
		if (item[0] == n && (n == 0 || memcmp(item + 1, words, n * sizeof *words) == 0))
			break;
	}
	return at;
}

uint32_t intern_find(const struct intern *t, const uint32_t *words, uint32_t n)
{
	return t->index_n ? t->index[slot(t, words, n)] : 0;
}

static bool grow_index(struct intern *t)
{
	size_t n = t->index_n ? 2 * t->index_n : 256;
	uint32_t *old = t->index, *index = mem_zalloc(n, sizeof *index);
	if (!index)
		return false;
	t->index = index;
	t->index_n = n;
	for (uint32_t id = 1; id <= t->n; id++)
		index[slot(t, t->items[id] + 1, t->items[id][0])] = id;
	mem_free(old);
	t->bytes += n * sizeof *index / 2;
	return true;
}

static uint32_t *room(struct intern *t, size_t words)
{
	struct intern_block *b = t->blocks;
	if (!b || b->cap - b->used < words) {
		size_t cap = words > BLOCK_WORDS ? words : BLOCK_WORDS;
		b = mem_alloc(sizeof *b + cap * sizeof(uint32_t));
		if (!b)
			return NULL;
		*b = (struct intern_block){.next = t->blocks, .cap = cap};
		t->blocks = b;
		t->bytes += cap * sizeof(uint32_t);
	}
	b->used += words;
	return b->words + b->used - words;
}

uint32_t intern_add(struct intern *t, const uint32_t *words, uint32_t n)
{
	if (2 * (t->n + 1) > t->index_n && !grow_index(t))
		return 0;
	size_t at = slot(t, words, n);
	if (t->index[at])
		return t->index[at];
	uint32_t **items = mem_grow(t->items, &t->cap, t->n + 1, sizeof *items);
	if (items)
		t->items = items;
	uint32_t *item = items ? room(t, (size_t)n + 1) : NULL;
	if (!item)
		return 0;
	item[0] = n;
	if (n > 0)
		memcpy(item + 1, words, n * sizeof *words);
	items[++t->n] = item;
	t->bytes += sizeof *items;
	t->index[at] = (uint32_t)t->n;
	return (uint32_t)t->n;
}

void intern_release(struct intern *t)
{
	while (t->blocks) {
		struct intern_block *next = t->blocks->next;
		mem_free(t->blocks);
		t->blocks = next;
	}
	mem_free(t->items);
	mem_free(t->index);
	*t = (struct intern){0};
}
