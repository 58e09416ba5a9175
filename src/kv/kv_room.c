/* kv_room.c: what fits: for those who plan before they reserve. */
#include "kv/io.h"

/* Blocks that come to a table of `from` tokens on its way to `to`; the page that `from` ends in may have to
 * be copied. */
static uint64_t blocks_between(const struct kv_group_desc *d, uint32_t from, uint32_t to, uint32_t chunk)
{
	uint64_t blocks = blocks_for(d, to) - block_of(d, from) + 1;
	if (d->window == 0)
		return blocks;
	uint64_t visible = ((uint64_t)d->window + chunk) / d->page_tokens + 2 + blocks_for(d, d->sinks);
	return blocks < visible ? blocks : visible;
}

/* A root, those of the path, those promised to the next reservation (seq_promise_nodes), marks among them. */
static uint64_t nodes_for(const struct tree *t, uint32_t tokens, uint32_t chunk)
{
	uint32_t marks = t->window_max > 0 || t->n_states > 0 ? KV_MARKS_MAX : 0;
	return 2 + tokens / t->frame + 1 + chunk / t->frame + 3 + marks;
}

uint64_t kv_tree_bytes(const struct kv_group_desc *groups, uint32_t n_groups, uint32_t tokens, uint32_t chunk)
{
	struct tree t = {.desc = groups, .n_groups = n_groups};
	while (t.n_groups > 0 && kv_kind(&groups[t.n_groups - 1]) == KV_KIND_STATE)
		t.n_groups--;
	t.n_states = n_groups - t.n_groups;
	tree_lay_out(&t);
	return nodes_for(&t, tokens, chunk) * (t.node_bytes + 2 * sizeof *t.buckets);
}

uint64_t kv_cost(const struct kv *kv, uint32_t from, uint32_t to, uint32_t chunk)
{
	uint64_t bytes = nodes_for(&kv->tree, to - from, chunk) * kv->tree.node_bytes + (from == 0 ? seq_bytes(kv) : 0);
	/* The state that a step starts from and the one that it leaves; snapshots take only what is free. */
	bytes += (from == 0 ? 2 : 1) * tree_state_bytes(&kv->tree);
	for (uint32_t g = 0; g < kv->n_paged; g++) {
		const struct kv_table none = {0};
		bytes += blocks_between(&kv->desc[g], from, to, chunk) * kv->pages.group[g].stride;
		bytes += table_more_bytes(&none, blocks_for(&kv->desc[g], to));
	}
	return bytes;
}

uint64_t kv_room(const struct kv *kv)
{
	const struct tree *t = &kv->tree;
	return pages_room(&kv->pages) + kv->pages.page_bytes_cached + (t->n_spare - t->n_promised) * t->node_bytes;
}

uint64_t kv_capacity(const struct kv *kv)
{
	uint64_t fixed = kv->bytes_fixed + io_memory(&kv->tree);
	return kv->pages.memory_bytes > fixed ? kv->pages.memory_bytes - fixed : 0;
}
