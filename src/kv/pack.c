/* pack.c: pages of the tree that nobody has used for long are kept in a smaller form.
 *
 * A hand goes round the buckets of the tree's index and packs what it finds idle: some buckets and very few pages each
 * time, since it is called once per step. Nothing needs to be told when nodes are used, and no order is kept.
 *
 * A page is packed for all nodes that hold it at once, in its place (pages.c), and unpacked as a whole before a table
 * takes it: what sequences work on is never packed. */
#include "kv/tree.h"

enum { BUCKETS_MAX = 256, PAGES_MAX = 2 }; /* of one call: a page of a 1B model takes a millisecond */

static void pack_node(struct tree *t, const struct node *n, uint32_t *left)
{
	for (uint32_t g = 0; g < t->n_groups; g++)
		for (uint32_t b = node_first(t, n, g); b <= node_last(t, n, g) && *left > 0; b++) {
			kv_page page = n->pages[tree_slot(t, g, b)];
			*left -= page && pages_pack(t->pages, g, page);
		}
}

void tree_pack_idle(struct tree *t)
{
	uint32_t left = PAGES_MAX;
	for (uint32_t i = 0; i < BUCKETS_MAX && i < t->n_buckets && t->pack_after > 0; i++) {
		uint32_t bucket = t->pack_hand & (t->n_buckets - 1);
		for (const struct node *n = t->buckets[bucket]; n && left > 0; n = n->chain)
			if (n->parent && t->now - n->used_at >= t->pack_after)
				pack_node(t, n, &left);
		if (left == 0)
			return; /* the bucket may have more */
		t->pack_hand = bucket + 1;
	}
}
