/* index.c: see index.h. Slots never move; buckets double when there are as many entries. */
#include "store/index.h"

#include <string.h>

#include "base/mem.h"
#include "store/key.h"

enum { SLOT_BITS = 28, GENERATION_BITS = 28, PART_BITS = 8 };

void index_release(struct index *x)
{
	mem_free(x->slots);
	mem_free(x->buckets);
	*x = (struct index){0};
}

static uint32_t *bucket_of(const struct index *x, struct store_key text)
{
	return &x->buckets[text.w[0] & (x->n_buckets - 1)];
}

static bool grow_buckets(struct index *x)
{
	uint32_t n = x->n_buckets ? 2 * x->n_buckets : 1024;
	uint32_t *buckets = mem_zalloc(n, sizeof *buckets);
	if (!buckets)
		return false;
	mem_free(x->buckets);
	x->buckets = buckets;
	x->n_buckets = n;
	for (uint32_t i = 1; i < x->n_slots; i++)
		if (x->slots[i].segment) {
			uint32_t *b = bucket_of(x, x->slots[i].text);
			x->slots[i].next = *b;
			*b = i;
		}
	return true;
}

static uint32_t new_slot(struct index *x)
{
	if (x->free) {
		uint32_t slot = x->free;
		x->free = x->slots[slot].next;
		return slot;
	}
	size_t at = x->n_slots ? x->n_slots : 1;
	struct entry *slots = at >> SLOT_BITS ? NULL : mem_grow(x->slots, &x->cap, at, sizeof *slots);
	if (!slots)
		return INDEX_NONE;
	x->slots = slots;
	x->n_slots = at + 1;
	x->slots[at].generation = 0;
	return (uint32_t)at;
}

uint32_t index_add(struct index *x, const struct entry *e)
{
	if (x->n >= x->n_buckets && !grow_buckets(x))
		return INDEX_NONE;
	uint32_t slot = new_slot(x);
	if (!slot)
		return INDEX_NONE;
	struct entry *to = &x->slots[slot];
	uint32_t generation = (to->generation + 1) & ((1u << GENERATION_BITS) - 1), *b = bucket_of(x, e->text);
	*to = *e;
	to->generation = generation ? generation : 1;
	to->next = *b;
	*b = slot;
	x->n++;
	x->worth += (double)e->worth;
	return slot;
}

void index_remove(struct index *x, uint32_t slot)
{
	struct entry *e = &x->slots[slot];
	uint32_t *link = bucket_of(x, e->text);
	while (*link != slot)
		link = &x->slots[*link].next;
	*link = e->next;
	x->worth -= (double)e->worth;
	e->segment = NULL;
	e->next = x->free;
	x->free = slot;
	if (--x->n == 0)
		x->worth = 0; /* roundings end here */
}

static uint32_t find_from(const struct index *x, uint32_t slot, struct store_key text)
{
	while (slot && !key_equal(x->slots[slot].text, text))
		slot = x->slots[slot].next;
	return slot;
}

uint32_t index_find(const struct index *x, struct store_key text)
{
	return x->n_buckets ? find_from(x, *bucket_of(x, text), text) : INDEX_NONE;
}

uint32_t index_find_next(const struct index *x, uint32_t slot)
{
	return find_from(x, x->slots[slot].next, x->slots[slot].text);
}

uint64_t index_place(const struct index *x, uint32_t slot)
{
	return (uint64_t)slot << (GENERATION_BITS + PART_BITS) | (uint64_t)x->slots[slot].generation << PART_BITS;
}

uint32_t index_at(const struct index *x, uint64_t place)
{
	uint64_t slot = place >> (GENERATION_BITS + PART_BITS);
	uint32_t generation = (uint32_t)(place >> PART_BITS) & ((1u << GENERATION_BITS) - 1);
	if (slot == 0 || slot >= x->n_slots || !x->slots[slot].segment || x->slots[slot].generation != generation)
		return INDEX_NONE;
	return (uint32_t)slot;
}
