/* set.c: open addressing, at most half full. */
#include "base/set.h"

#include "base/mem.h"

enum { LEAST = 64 };

/* Where it is, or would be. */
static uint64_t *find(uint64_t *at, uint32_t cap, uint64_t hash)
{
	uint64_t i = hash >> 1; /* the lowest bit is always set */
	while (at[i & (cap - 1)] && at[i & (cap - 1)] != hash)
		i++;
	return &at[i & (cap - 1)];
}

static bool grow(struct set *s)
{
	uint32_t cap = s->cap ? 2 * s->cap : LEAST;
	uint64_t *at = mem_zalloc(cap, sizeof *at);
	if (!at)
		return false;
	for (uint32_t i = 0; i < s->cap; i++)
		if (s->at[i])
			*find(at, cap, s->at[i]) = s->at[i];
	mem_free(s->at);
	s->at = at;
	s->cap = cap;
	return true;
}

enum set_added set_add(struct set *s, uint64_t hash)
{
	hash |= 1;
	if (2 * (s->n + 1) > s->cap && !grow(s))
		return SET_NO_MEMORY;
	uint64_t *place = find(s->at, s->cap, hash);
	if (*place)
		return SET_THERE;
	*place = hash;
	s->n++;
	return SET_NEW;
}

void set_release(struct set *s)
{
	mem_free(s->at);
	*s = (struct set){0};
}
