/* bench_sched.c: what planning costs: scheduler and cache together, without a model. R resident streams of 64 tenants,
 * with thousands of requests waiting behind them; each prompt shares its first half with others.
 *
 *   bench_sched                                                                                                      */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "sched/sched_kv.h"

enum { WAITING = 8000, PROMPT = 256, NEW = 128, TENANTS = 64, STEPS = 2000 };

struct figures {
	double plan_us, commit_us, tokens;
};

/* Microseconds of this thread: others may use the machine. */
static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void must(int rc, const struct kvik_err *err)
{
	if (rc != 0) {
		fprintf(stderr, "%s\n", err->text);
		exit(1);
	}
}

static void submit_all(struct sched *s, const struct kv_share *share)
{
	struct kvik_err err;
	uint32_t ids[PROMPT];
	for (uint32_t i = 0; i < WAITING; i++) {
		struct sched_req *r;
		int64_t retry_us;
		for (uint32_t k = 0; k < PROMPT; k++)
			ids[k] = k < PROMPT / 2 ? i % TENANTS * 1000 + k : bench_random();
		const struct sched_request q = {.ids = ids,
						.n_ids = PROMPT,
						.max_new = NEW,
						.n_sequences = 1,
						.tenant = i % TENANTS,
						.share = share,
						.start_by_us = SCHED_NEVER,
						.deadline_us = INT64_MAX / 2};
		must(sched_submit(s, &r, &q, i, &retry_us, &err), &err);
	}
}

static void step(struct sched *s, int64_t now_us, struct figures *f)
{
	double start = cpu_us();
	const struct sched_plan *p = sched_plan(s, now_us);
	double planned = cpu_us();
	for (uint32_t i = 0; i < p->n_items; i++)
		for (uint32_t k = 0; k < p->items[i].n_samples; k++)
			sched_accept(s, &p->items[i], k, 0, bench_random(), false);
	f->tokens += p->n_tokens;
	sched_commit(s, now_us, 40000, 0);
	f->plan_us += planned - start;
	f->commit_us += cpu_us() - planned;
	for (struct sched_req *r; (r = sched_next_ended(s));)
		sched_req_free(r);
}

static struct figures run(uint32_t residents)
{
	static const struct kv_group_desc group = {.page_tokens = 16, .page_bytes = 4096};
	static const struct kv_share share;
	struct kvik_err err;
	struct sched_kv k = {.step_tokens_max = residents + 512};
	struct kv_config kc = {
		.memory_bytes = (uint64_t)512 << 20, .n_groups = 1, .groups = &group, .seq_tokens_max = PROMPT + NEW};
	must(kv_new(&k.kv, &kc, &err), &err);
	struct sched_cache cache = sched_kv_cache(&k);
	struct sched_config c = sched_defaults;
	c.step_seqs_max = residents;
	c.step_tokens_max = k.step_tokens_max;
	c.tenants_max = TENANTS;
	c.waiting_max = WAITING;
	struct sched *s;
	must(sched_new(&s, &c, &cache, &err), &err);
	submit_all(s, &share);
	struct figures warm_up = {0}, f = {0};
	for (int i = 0; i < STEPS / 10; i++)
		step(s, i * 40000, &warm_up);
	for (int i = STEPS / 10; i < STEPS; i++)
		step(s, i * 40000, &f);
	double n = STEPS - STEPS / 10;
	sched_free(s);
	kv_free(k.kv);
	return (struct figures){f.plan_us / n, f.commit_us / n, f.tokens / n};
}

int main(void)
{
	static const uint32_t residents[] = {1, 8, 64, 256};
	printf("%10s %16s %12s %12s\n", "residents", "tokens a step", "plan, us", "commit, us");
	for (size_t i = 0; i < sizeof residents / sizeof *residents; i++) {
		struct figures f = run(residents[i]);
		printf("%10u %16.0f %12.1f %12.1f\n", residents[i], f.tokens, f.plan_us, f.commit_us);
	}
	return 0;
}
