/* place.h: what a schema asks of one value: the nodes of the circuit that look at it, in an order in which each comes after those
 * that it is made of.
 *
 *   seeds    the nodes that must be known at the end (those of the members, items that this value is)
 *   failed   bits, one for each node: leaves that this value has broken, for good
 *
 * From the bits follows what each node can still become (place_judge): a leaf that is not broken can be true, and before the end
 * of the value also false. So a text is given up the moment that nothing can save it, and never before.
 *
 * Places are made when a text first leads to them, and kept (struct places). Owner: one thread at a time. */
#ifndef KVIK_CONSTRAIN_PLACE_H
#define KVIK_CONSTRAIN_PLACE_H

#include "constrain/intern.h"
#include "constrain/schema.h"

enum { CAN_BE_TRUE = 1, CAN_BE_FALSE = 2 };
#define NOWHERE UINT32_MAX

/* A pattern of names, of node `leaf`. */
struct place_pattern {
	uint32_t leaf;
	struct dfa *dfa;
	uint32_t node; /* of the member's value */
};

struct place {
	uint32_t n, words; /* nodes; 32-bit words of their bits */
	uint32_t *nodes;   /* [n] */
	uint32_t *kids;    /* [n_kids]: local numbers of the kids of gates, in the order of the nodes */
	uint32_t *seeds;   /* local numbers, in the order of their nodes */
	uint8_t *start;    /* [n]: some value can make it true */
	/* Leaves (local numbers) by what they look at. */
	uint32_t *strings, n_strings; /* TEXTS, LENGTH, PATTERN */
	uint32_t *numbers, n_numbers; /* NUMBERS, RANGE */
	uint32_t *objects, n_objects; /* MEMBERS, REQUIRED, COUNT, NAMES */
	uint32_t *arrays, n_arrays;   /* ITEMS, SIZE, CONTAINS */
	/* Names of members that some leaf knows; sorted. */
	struct text *names;
	uint32_t n_names;
	uint32_t *member; /* [n_objects][n_names]: MEMBERS: the value's node or NOWHERE; REQUIRED: 0 or NOWHERE */
	struct place_pattern *patterns;
	uint32_t n_patterns;
	uint32_t counted; /* members or items beyond which it makes no difference how many there are */
	uint32_t n_contains;
};

/* Which seed of a value breaks (or is counted by) which leaf of the value that holds it. */
struct link {
	uint32_t seed, leaf;
};

struct places {
	struct schema *schema;
	struct intern seeds; /* number of a place -> its seeds' nodes */
	struct place **list; /* [seeds.n + 1] */
	size_t cap;
	struct intern links, children; /* see place_child */
	uint32_t *child;               /* [children.n + 1][2]: place, links */
	size_t child_cap;
	uint8_t *can; /* scratch of place_judge */
	size_t can_cap;
	size_t bytes;
};

void places_release(struct places *ps);
/* The place with these seeds (nodes; sorted here, doubles dropped). 0: no memory. No seeds: a place that asks nothing. */
uint32_t place_of(struct places *ps, uint32_t *nodes, uint32_t n);
static inline const struct place *place_get(const struct places *ps, uint32_t id)
{
	return ps->list[id];
}

/* What each node can be, given what is broken: [place.n] CAN_BE bits, until the next call. ended: the value is whole. */
const uint8_t *place_judge(struct places *ps, const struct place *p, const uint32_t *failed, bool ended);

/* The value of a member or item: its place and the links (a number for place_links); false: no memory. what[n] tells which one:
 * the caller's own words. pairs: {node, leaf} of what is asked. */
struct asked {
	uint32_t node, leaf;
};
bool place_child(struct places *ps, const uint32_t *key, uint32_t key_n, const struct asked *asked, uint32_t n,
		 uint32_t *place, uint32_t *links);
bool place_child_known(const struct places *ps, const uint32_t *key, uint32_t key_n, uint32_t *place, uint32_t *links);
const struct link *place_links(const struct places *ps, uint32_t links, uint32_t *n);

static inline bool bit_get(const uint32_t *bits, uint32_t i)
{
	return bits[i / 32] >> i % 32 & 1;
}
static inline void bit_set(uint32_t *bits, uint32_t i)
{
	bits[i / 32] |= 1u << i % 32;
}

/* The leaves that a value of one of these types breaks by being it. */
void place_typed(const struct places *ps, const struct place *p, unsigned types, uint32_t *failed);

#endif
