/* kv_cache.c: see kv_cache.h. */
#include "kv_cache.h"

/* A full group, one with a window, one with a window and sinks. */
static const struct kv_group_desc groups[KV_CACHE_GROUPS] = {
	{.page_tokens = 8, .page_bytes = 4096},
	{.page_tokens = 8, .page_bytes = 4096, .window = 20},
	{.page_tokens = 4, .page_bytes = 4096, .window = 10, .sinks = 6},
};
static uint32_t n_groups;

static uint32_t *slot(const struct kv_seq *s, uint32_t g, uint32_t position)
{
	uint32_t n_blocks, p = groups[g].page_tokens;
	uint8_t *const *pages = kv_seq_pages(s, g, &n_blocks);
	if (position / p >= n_blocks || !pages[position / p])
		return NULL;
	return (uint32_t *)(void *)pages[position / p] + position % p;
}

static bool sees(uint32_t g, uint32_t query, uint32_t position)
{
	return groups[g].window == 0 || position + groups[g].window > query || position < groups[g].sinks;
}

/* Everything that the query at position n sees is there and is what ids say. */
static bool holds(const void *seq, const uint32_t *ids, uint32_t n)
{
	const struct kv_seq *s = seq;
	if (kv_seq_tokens(s) != n)
		return false;
	for (uint32_t g = 0; g < n_groups; g++)
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t *have = slot(s, g, i);
			if (sees(g, n, i) && (!have || *have != ids[i]))
				return false;
		}
	return true;
}

static bool compute(const struct sched_item *it)
{
	for (uint32_t g = 0; g < n_groups; g++)
		for (uint32_t i = it->position; i < it->position + it->n_tokens; i++) {
			uint32_t *to = slot(it->kv, g, i);
			if (!to)
				return false;
			*to = it->ids[i];
		}
	return true;
}

static const char *check(const void *ctx)
{
	const struct kv *kv = ((const struct sched_kv *)ctx)->kv;
	struct kv_stats st = kv_stats(kv);
	return st.bytes_used > st.memory_bytes || st.bytes_peak > st.memory_bytes ? "the cache is above its ceiling"
										  : kv_check(kv);
}

bool kv_cache_init(struct kv_cache *c, struct sim *sim, uint64_t bytes, uint32_t n)
{
	struct kv_config config = {
		.memory_bytes = bytes, .n_groups = n, .groups = groups, .seq_tokens_max = sim->config.seq_tokens_max};
	n_groups = n;
	*c = (struct kv_cache){.k = {.step_tokens_max = sim->config.step_tokens_max}};
	c->shares[1].scope.secret[0] = 1;
	c->shares[1].read_public = true;
	if (kv_new(&c->k.kv, &config, NULL) != 0)
		return false;
	sim->cache = sched_kv_cache(&c->k);
	sim->holds = holds;
	sim->compute = compute;
	sim->cache_check = check;
	return true;
}

const char *kv_cache_left_over(struct kv_cache *c)
{
	if (kv_stats(c->k.kv).sequences != 0)
		return "the cache still holds sequences";
	kv_drop_cached(c->k.kv);
	for (uint32_t g = 0; g < n_groups; g++)
		if (kv_stats(c->k.kv).group[g].pages_used != 0)
			return "the cache still holds pages";
	return kv_check(c->k.kv);
}
