/* tree_path.c: what a path of the tree has for whoever goes on from it: the page of a block, the last position at which all
 * that a query sees is there (windows, states), and the last at which it is in memory. Nothing changes.
 *
 *     deepest ........................ q        q sees, of each window group, the blocks of its last `window` tokens: all
 *                    [   window     ) ^         of them must be on the path, or position q is no place to go on from
 *
 * Paths are walked from below: blocks are asked for in descending order, and each walk goes on where the last one ended.
 * Owner: the cache's thread. */
#include "kv/tree.h"

/* The last position before `tokens` in a block. */
static uint32_t last_in_block(const struct tree *t, uint32_t group, uint32_t block, uint32_t tokens)
{
	uint64_t end = ((uint64_t)block + 1) * t->desc[group].page_tokens;
	return (end < tokens ? (uint32_t)end : tokens) - 1;
}

kv_page tree_path_page(const struct tree *t, const struct node **at, uint32_t group, uint32_t block, uint32_t deep,
		       uint32_t tokens)
{
	uint32_t last = last_in_block(t, group, block, deep), wanted = last_in_block(t, group, block, tokens);
	while ((*at)->start > last)
		*at = (*at)->parent;
	while (!(*at)->pages[tree_slot(t, group, block)] && (*at)->start > wanted)
		*at = (*at)->parent;
	return (*at)->pages[tree_slot(t, group, block)];
}

void tree_use_units(struct tree *t, uint64_t hash, const uint32_t *ids, uint32_t start, uint32_t n, bool asked)
{
	for (uint32_t i = 0; i < n; i++) {
		hash = ghost_roll(hash, ids[i]);
		if ((start + i + 1) % GHOST_UNIT_TOKENS == 0)
			ghost_use(&t->ghost, hash, asked);
	}
}

/* The last position of the path to *at, at most `position`, of which there are states; *at becomes its node. */
static uint32_t states_usable(const struct tree *t, const struct node **at, uint32_t position)
{
	while ((*at)->parent && ((*at)->end > position || !node_has_states(t, *at)))
		*at = (*at)->parent;
	return (*at)->end;
}

/* What tree_usable knows of a group. */
struct run {
	const struct node *at,
		*tail; /* where the search for the block below `from`, and for the last one, has got to */
	uint32_t from; /* blocks from here up to the last one are there */
	uint32_t matched;
	const struct kv_table *own; /* of the group; NULL: none */
	uint32_t own_blocks;
};

/* Is the block there for a query at `position`? If not, *below gets the next lower position worth a try. */
static bool has_block(const struct tree *t, uint32_t g, const struct run *r, const struct node **at, uint32_t block,
		      uint32_t position, uint32_t *below)
{
	*below = block * t->desc[g].page_tokens;
	if (block < r->own_blocks)
		return table_page(r->own, block) != KV_PAGE_NONE;
	if (tree_path_page(t, at, g, block, r->matched, position))
		return true;
	if ((*at)->start > *below) /* before this node the block may have another page */
		*below = (*at)->start;
	return false;
}

static uint32_t usable_of_group(const struct tree *t, uint32_t g, struct run *r, uint32_t position)
{
	const struct kv_group_desc *d = &t->desc[g];
	while (position > 0) {
		uint32_t need = block_of(d, visible_from(d, position)), last = blocks_for(d, position) - 1, below;
		bool there = has_block(t, g, r, &r->tail, last, position, &below);
		if (r->from > last)
			r->from = last;
		while (there && r->from > need) {
			there = has_block(t, g, r, &r->at, r->from - 1, position, &below);
			r->from -= there;
		}
		if (there)
			return position;
		position = below;
	}
	return 0;
}

static uint32_t usable(const struct tree *t, const struct node *deepest, uint32_t matched, const struct kv_table *own,
		       uint32_t own_tokens, bool states)
{
	struct run run[KV_GROUPS_MAX];
	uint32_t position = matched, before;
	const struct node *at = deepest;
	if (t->window_max == 0)
		return states ? states_usable(t, &at, matched) : matched;
	for (uint32_t g = 0; g < t->n_groups; g++)
		run[g] = (struct run){.at = deepest,
				      .tail = deepest,
				      .from = UINT32_MAX,
				      .matched = matched,
				      .own = own ? &own[g] : NULL,
				      .own_blocks = own ? block_of(&t->desc[g], own_tokens) : 0};
	do {
		before = position;
		for (uint32_t g = 0; g < t->n_groups; g++)
			if (t->desc[g].window)
				position = usable_of_group(t, g, &run[g], position);
		if (states)
			position = states_usable(t, &at, position);
	} while (position != before);
	return position;
}

uint32_t tree_windows_usable(const struct tree *t, const struct node *deepest, uint32_t matched,
			     const struct kv_table *own, uint32_t own_tokens)
{
	return usable(t, deepest, matched, own, own_tokens, false);
}

uint32_t tree_usable(const struct tree *t, const struct node *deepest, uint32_t matched, const struct kv_table *own,
		     uint32_t own_tokens)
{
	return usable(t, deepest, matched, own, own_tokens, t->n_states > 0);
}

/* What of a group stands in the way of going on at `position`: the start of a block that is not in memory, or else
 * position itself. */
static uint32_t resident_of_group(const struct tree *t, const struct node *at, uint32_t g, uint32_t matched,
				  uint32_t from, uint32_t position)
{
	const struct kv_group_desc *d = &t->desc[g];
	uint32_t lowest = position;
	for (uint32_t b = blocks_for(d, position); b-- > block_of(d, from);) {
		kv_page page =
			is_needed(d, b, position) ? tree_path_page(t, &at, g, b, matched, position) : KV_PAGE_NONE;
		if (page && !pages_resident(t->pages, g, page))
			lowest = b * d->page_tokens;
	}
	return lowest;
}

static bool states_resident(const struct tree *t, const struct node *n)
{
	for (uint32_t i = 0; i < t->n_states && n->parent; i++)
		if (!pages_resident(t->pages, t->n_groups + i, node_states(t, n)[i]))
			return false;
	return true;
}

uint32_t tree_resident(const struct tree *t, const struct node *deepest, uint32_t matched, const struct kv_table *own,
		       uint32_t own_tokens, uint32_t position)
{
	while (position > own_tokens) {
		uint32_t lower = position;
		for (uint32_t g = 0; g < t->n_groups; g++) {
			uint32_t here = resident_of_group(t, deepest, g, matched, own_tokens, position);
			lower = here < lower ? here : lower;
		}
		const struct node *end = deepest;
		while (end->parent && end->start >= position)
			end = end->parent;
		if (lower == position && !states_resident(t, end))
			lower = position - 1;
		if (lower == position)
			break;
		position = tree_usable(t, deepest, lower, own, own_tokens);
	}
	return position;
}
