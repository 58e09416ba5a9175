/* kv_cache.c: see kv_cache.h. */
#include "kv_cache.h"

#include <string.h>

/* A full group, one with a window, one with a window and sinks, a state. */
static const struct kv_group_desc groups[KV_CACHE_GROUPS] = {
	{.page_tokens = 8, .page_bytes = 4096},
	{.page_tokens = 8, .page_bytes = 4096, .window = 20},
	{.page_tokens = 4, .page_bytes = 4096, .window = 10, .sinks = 6},
	{.page_bytes = 4096},
};
static uint32_t n_groups;

static struct kv *the_kv; /* of the simulation that runs */
static struct fake_disk *the_disk;

static uint32_t *slot(const struct kv_seq *s, uint32_t g, uint32_t position)
{
	uint32_t n_blocks, p = groups[g].page_tokens;
	(void)kv_seq_blocks(s, g, &n_blocks);
	uint8_t *page = position / p < n_blocks ? kv_host_page(the_kv, s, g, position / p) : NULL;
	return page ? (uint32_t *)(void *)page + position % p : NULL;
}

/* What a state of the first n tokens holds. */
static uint32_t state_of(const uint32_t *ids, uint32_t n)
{
	uint32_t h = 1;
	for (uint32_t i = 0; i < n; i++)
		h = (h ^ ids[i]) * 0x9E3779B1u;
	return h;
}

static uint32_t *state_at(uint32_t g, kv_page page)
{
	struct page_area area = kv_host_pages(the_kv, g);
	return (uint32_t *)(void *)page_address(&area, page);
}

static bool holds_state(const struct kv_seq *s, uint32_t g, const uint32_t *ids, uint32_t n)
{
	kv_page page;
	uint32_t at = kv_state_at(the_kv, s, g, &page);
	return at == n && (n == 0 || *state_at(g, page) == state_of(ids, n));
}

static bool compute_state(struct kv_seq *s, uint32_t g, const struct sched_item *it)
{
	struct kv_state_step step;
	kv_state_step(the_kv, s, g, &step);
	if ((step.from == KV_PAGE_NONE) != (it->position == 0) ||
	    (step.from && *state_at(g, step.from) != state_of(it->ids, it->position)) ||
	    step.position[step.n - 1] != it->position + it->n_tokens)
		return false;
	for (uint32_t i = 0; i < step.n; i++)
		*state_at(g, step.page[i]) = state_of(it->ids, step.position[i]);
	return true;
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
	if (n_groups == KV_CACHE_GROUPS && !holds_state(s, n_groups - 1, ids, n))
		return false;
	for (uint32_t g = 0; g < n_groups && g < KV_CACHE_GROUPS - 1; g++)
		for (uint32_t i = 0; i < n; i++) {
			const uint32_t *have = slot(s, g, i);
			if (sees(g, n, i) && (!have || *have != ids[i]))
				return false;
		}
	return true;
}

static bool compute(const struct sched_item *it)
{
	kv_state_begin(the_kv, it->kv);
	if (n_groups == KV_CACHE_GROUPS && !compute_state(it->kv, n_groups - 1, it))
		return false;
	for (uint32_t g = 0; g < n_groups && g < KV_CACHE_GROUPS - 1; g++)
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

/* ---- The disk ---------------------------------------------------------------------------------------------------- */

enum { DISK_STALLS_US = 50000 }; /* without news for so long it is not waited for any more */

static uint8_t *page_at(void *ctx, uint32_t group, kv_page page)
{
	struct page_area area = kv_host_pages(the_kv, group);
	(void)ctx;
	return page_address(&area, page);
}

static bool loads(void *disk, uint32_t from, uint32_t to)
{
	const struct fake_disk *d = disk;
	return to - from >= 4 && (d->n_pending == 0 || d->now_us <= d->ended_us + DISK_STALLS_US);
}

static int64_t run_disk(int64_t now_us)
{
	kv_clock(the_kv, (uint64_t)now_us / 1000);
	disk_run_to(the_disk, the_kv, groups, page_at, NULL, now_us);
	int64_t next = disk_next(the_disk), stalls = the_disk->ended_us + DISK_STALLS_US + 1;
	return the_disk->n_pending > 0 && stalls < next ? stalls : next;
}

static void add_disk(struct kv_cache *c, struct sim *sim)
{
	disk_init(&c->disk, sim_below(sim, 2) ? 64 << 10 : 1 << 20, 1 + sim_below(sim, 60), sim->random);
	c->disk.latency_us = 1 + sim_below(sim, sim_below(sim, 2) ? 300 : 20000);
	c->disk.fails_one_in = sim_below(sim, 2) ? 0 : 2 + sim_below(sim, 20);
	c->disk.hangs_one_in = sim_below(sim, 4) ? 0 : 10 + sim_below(sim, 100);
	the_disk = &c->disk;
	sim->disk = run_disk;
	sim->disk_us = 100 * (int64_t)c->disk.latency_us + 4 * DISK_STALLS_US;
	c->k.store = &c->disk;
	c->k.loads = loads;
}

bool kv_cache_init(struct kv_cache *c, struct sim *sim, uint64_t bytes, uint32_t n, bool disk)
{
	struct kv_config config = {.memory_bytes = bytes,
				   .n_groups = n,
				   .groups = groups,
				   .seq_tokens_max = sim->config.seq_tokens_max,
				   .state_every = sim->config.step_tokens_max % 3 * 16};
	n_groups = n;
	memset(c, 0, sizeof *c);
	c->k.step_tokens_max = sim->config.step_tokens_max;
	c->has_disk = disk;
	if (disk) {
		add_disk(c, sim);
		config.store = &c->disk.store;
	}
	c->shares[1].scope.secret[0] = 1;
	c->shares[1].read_public = true;
	if (kv_new(&c->k.kv, &config, NULL) != 0)
		return false;
	the_kv = c->k.kv;
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
	if (c->has_disk)
		disk_run(&c->disk, c->k.kv, groups, page_at, NULL, true);
	kv_drop_cached(c->k.kv);
	if (c->has_disk) {
		disk_run(&c->disk, c->k.kv, groups, page_at, NULL, true);
		if (c->disk.n_used != 0)
			return "places of the disk are still in use";
		disk_release(&c->disk);
	}
	for (uint32_t g = 0; g < n_groups; g++)
		if (kv_stats(c->k.kv).group[g].pages_used != 0)
			return "the cache still holds pages";
	return kv_check(c->k.kv);
}
