/* test_sched_sim.c: random scenarios of the scheduler, over the fake cache and over the real one: tiny memory, tiny
 * budgets, cancels, deadlines, several answers, shared prefixes. KVIK_SEED=n runs the one scenario n; KVIK_SCENARIOS=n
 * that many (CI: a few hundred; make test-long: 100000). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "fake_cache.h"
#include "kv_cache.h"
#include "support/seed.h"

enum { REQS_MAX = 48, PROMPT_MAX = 96, FAMILIES = 3, TEXTS = 8 };

static struct kv_cache real; /* its shares serve the fake one too */
static struct fake_cache *fake;
static struct sim_req reqs[REQS_MAX];
static uint32_t prompts[REQS_MAX][PROMPT_MAX];
static struct sched_stats total;
static bool texts_return; /* of this scenario: its prompts are a few long texts, again and again */

static bool holds(const void *kv, const uint32_t *ids, uint32_t n)
{
	return fake_holds(kv, ids, n);
}

static const char *check_cache(const void *ctx)
{
	return fake_check(ctx);
}

static bool one_in(struct sim *sim, uint32_t n)
{
	return sim_below(sim, n) == 0;
}

static void make_prompt(struct sim *sim, struct sim_req *q, uint32_t *ids)
{
	uint32_t family = sim_below(sim, FAMILIES), n_shared = one_in(sim, 3) ? 0 : sim_below(sim, PROMPT_MAX / 2);
	uint32_t n_own = one_in(sim, 4) ? sim_below(sim, PROMPT_MAX / 2) : sim_below(sim, 12);
	for (uint32_t i = 0; i < n_shared; i++)
		ids[i] = family * 1000 + i;
	for (uint32_t i = 0; i < n_own; i++)
		ids[n_shared + i] = 100000 + sim_below(sim, one_in(sim, 2) ? 2 : 1000);
	if (texts_return) {
		family = sim_below(sim, TEXTS);
		n_shared = PROMPT_MAX / 2 + sim_below(sim, PROMPT_MAX / 3);
		for (uint32_t i = 0; i < n_shared; i++)
			ids[i] = family * 1000 + i;
	}
	q->r.ids = ids;
	q->r.n_ids = n_shared + n_own;
	if (q->r.n_ids > PROMPT_MAX)
		q->r.n_ids = PROMPT_MAX;
	if (q->r.n_ids == 0) {
		ids[0] = 7;
		q->r.n_ids = 1;
	}
}

static void make_request(struct sim *sim, uint32_t i, int64_t arrival_us)
{
	struct sim_req *q = &reqs[i];
	*q = (struct sim_req){.id = i, .arrival_us = arrival_us, .cancel_us = SCHED_NEVER, .ends_at = UINT32_MAX};
	make_prompt(sim, q, prompts[i]);
	q->r.max_new = one_in(sim, 10) ? 0 : 1 + sim_below(sim, one_in(sim, 2) ? 40 : 8);
	q->r.n_sequences = q->r.max_new && one_in(sim, 5) ? 1 + sim_below(sim, SIM_ANSWERS_MAX) : 1;
	q->r.tenant = sim_below(sim, sim->config.tenants_max);
	q->r.priority = one_in(sim, 3) ? (int32_t)sim_below(sim, 5) - 2 : 0;
	q->r.share = one_in(sim, 12) ? NULL : &real.shares[one_in(sim, 4)];
	q->r.cold = one_in(sim, 12);
	q->r.start_by_us = one_in(sim, 8) ? arrival_us + sim_below(sim, 300000) : 0;
	q->r.deadline_us = one_in(sim, 8) ? arrival_us + sim_below(sim, 600000) : 0;
	if (one_in(sim, 6))
		q->cancel_us = arrival_us + sim_below(sim, 400000);
	if (one_in(sim, 2))
		q->ends_at = q->r.n_ids + sim_below(sim, 10);
}

static void make_config(struct sim *sim)
{
	struct sched_config *c = &sim->config;
	*c = sched_defaults;
	c->step_seqs_max = 1 + sim_below(sim, 10);
	c->step_tokens_max = c->step_seqs_max + 1 + sim_below(sim, 60);
	c->seq_tokens_max = PROMPT_MAX + 40;
	c->itl_factor = one_in(sim, 4) ? 0 : 1.2 + sim_below(sim, 30) / 10.0;
	c->tenants_max = 1 + sim_below(sim, 4);
	c->fair_quantum = 1 + sim_below(sim, 100);
	c->preempt_max = sim_below(sim, 5);
	c->waiting_max = one_in(sim, 4) ? 1 + sim_below(sim, 5) : 1000;
	c->waiting_tokens_max = one_in(sim, 4) ? 1 + sim_below(sim, 200) : 1000000;
	c->priority_us = sim_below(sim, 200000);
	sim->drafts = one_in(sim, 2) ? 1 + sim_below(sim, 8) : 0;
	c->step_drafts_max = sim->drafts ? sim_below(sim, c->step_tokens_max) : 0;
	sim->model = (struct sim_model){.step_us = 1000 + sim_below(sim, 20000),
					.decode_us = 100 + sim_below(sim, 2000),
					.prefill_us = 100 + sim_below(sim, 4000),
					.noise = 0.05};
}

static void make_scenario(struct sim *sim, uint64_t seed)
{
	*sim = (struct sim){.random = seed * 2654435761u + 12345, .check_all = true, .reqs = reqs};
	for (int i = 0; i < 4; i++)
		(void)sim_below(sim, 2);
	make_config(sim);
	sim->eager = one_in(sim, 3);
	texts_return = one_in(sim, 3);
	sim->n_reqs = 1 + sim_below(sim, one_in(sim, 3) || texts_return ? REQS_MAX : 12);
	uint32_t gap_us = one_in(sim, 2) ? 1 : 1 + sim_below(sim, 100000);
	int64_t arrival_us = 0;
	for (uint32_t i = 0; i < sim->n_reqs; i++) {
		make_request(sim, i, arrival_us);
		arrival_us += sim_below(sim, gap_us);
	}
}

static void add_stats(const struct sched_stats *st)
{
	for (int c = 0; c < SCHED_CAUSES; c++)
		total.preempted[c] += st->preempted[c];
	for (int e = 0; e <= SCHED_FAILED; e++)
		total.ended[e] += st->ended[e];
	total.stalls += st->stalls;
	total.tokens_joined += st->tokens_joined;
	total.tokens_cached += st->tokens_cached;
	total.tokens_again += st->tokens_again;
	total.tokens_prefill += st->tokens_prefill;
	total.tokens_decode += st->tokens_decode;
	total.steps += st->steps;
	total.refused += st->refused;
	total.tokens_drafted += st->tokens_drafted;
	total.tokens_accepted += st->tokens_accepted;
	total.tokens_loaded += st->tokens_loaded;
}

/* What is left when all is done: NULL, or what is wrong. */
static const char *fake_left_over(void)
{
	return fake->n_seqs != 0 || fake->used != fake->unreferenced ? "the cache still holds sequences or their pages"
								     : NULL;
}

/* It counts how often it is asked. */
static int64_t ask_again(int64_t now_us)
{
	return now_us + 2000;
}

static bool start_fake(struct sim *sim)
{
	uint32_t worst = (PROMPT_MAX + 40) / FAKE_PAGE;
	fake_init(fake, one_in(sim, 5) ? FAKE_PAGES_MAX : worst / 4 + sim_below(sim, 2 * worst));
	fake->reads = one_in(sim, 2) ? sim_below(sim, 20) : 0;
	fake->whole = one_in(sim, 3);
	sim->again_max = fake->whole ? 1 + sim->config.step_drafts_max : 0;
	sim->disk = fake->reads ? ask_again : NULL;
	sim->cache = fake_ops(fake);
	sim->holds = holds;
	sim->cache_check = check_cache;
	return true;
}

static bool start_real(struct sim *sim)
{
	uint32_t n_groups = 1 + sim_below(sim, KV_CACHE_GROUPS);
	sim->again_max = n_groups == KV_CACHE_GROUPS ? 1 + sim->config.step_drafts_max : 0; /* it has states */
	uint64_t kib = one_in(sim, 5) ? 4096 : 64 + sim_below(sim, 160 * n_groups);
	bool disk = texts_return || one_in(sim, 4);
	if (disk)
		kib = 200 + 100 * n_groups + sim_below(sim, 100 * n_groups);
	return kv_cache_init(&real, sim, kib << 10, n_groups, disk);
}

/* NULL, or what is wrong. */
static const char *run_scenario(uint64_t seed, bool with_real)
{
	struct sim sim;
	make_scenario(&sim, seed);
	if (!(with_real ? start_real : start_fake)(&sim))
		return NULL;
	if (sched_new(&sim.sched, &sim.config, &sim.cache, NULL) != 0)
		return "sched_new";
	for (uint32_t t = 0; t < sim.config.tenants_max; t++) {
		sim.weights[t] = 1 + sim_below(&sim, 3);
		sched_set_weight(sim.sched, t, sim.weights[t]);
	}
	sim.torture = with_real && one_in(&sim, 4);
	sim_run(&sim);
	struct sched_stats st = sched_stats(sim.sched, sim.now_us);
	add_stats(&st);
	if (!sim.broken && (st.running || st.prefilling || st.waiting || st.queued || st.queued_tokens))
		sim.broken = "somebody is left over";
	sched_free(sim.sched);
	if (!sim.broken)
		sim.broken = with_real ? kv_cache_left_over(&real) : fake_left_over();
	if (with_real)
		kv_free(real.k.kv);
	return sim.broken;
}

static void print_total(uint64_t n)
{
	printf("%llu scenarios, %llu steps, %llu prefill and %llu decode tokens, %llu cached, %llu joined, %llu "
	       "again\n",
	       (unsigned long long)n, (unsigned long long)total.steps, (unsigned long long)total.tokens_prefill,
	       (unsigned long long)total.tokens_decode, (unsigned long long)total.tokens_cached,
	       (unsigned long long)total.tokens_joined, (unsigned long long)total.tokens_again);
	printf("drafted %llu, of these right %llu; loaded %llu\n", (unsigned long long)total.tokens_drafted,
	       (unsigned long long)total.tokens_accepted, (unsigned long long)total.tokens_loaded);
	printf("preempted for memory %llu, priority %llu, share %llu; stalls %llu; finished %llu, cancelled %llu, "
	       "expired "
	       "%llu, refused %llu\n",
	       (unsigned long long)total.preempted[0], (unsigned long long)total.preempted[1],
	       (unsigned long long)total.preempted[2], (unsigned long long)total.stalls,
	       (unsigned long long)total.ended[SCHED_FINISHED], (unsigned long long)total.ended[SCHED_CANCELLED],
	       (unsigned long long)total.ended[SCHED_EXPIRED], (unsigned long long)total.refused);
}

static void run_scenarios(bool with_real, uint64_t per_default)
{
	const char *seed = getenv("KVIK_SEED"), *count = getenv("KVIK_SCENARIOS");
	uint64_t first = seed ? seed_of_run() : seed_of_run() * 1000003u;
	uint64_t n = seed ? 1 : count ? strtoull(count, NULL, 0) : per_default;
	total = (struct sched_stats){0};
	for (uint64_t i = 0; i < n; i++) {
		const char *broken = run_scenario(first + i, with_real);
		if (broken)
			fail_msg("KVIK_SEED=%llu: %s", (unsigned long long)(first + i), broken);
	}
	print_total(n);
}

static void test_fake_cache(void **state)
{
	(void)state;
	run_scenarios(false, 1000);
}

static void test_real_cache(void **state)
{
	(void)state;
	run_scenarios(true, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fake_cache), cmocka_unit_test(test_real_cache)};
	fake = calloc(1, sizeof *fake);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(fake);
	return rc;
}
