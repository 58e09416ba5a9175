/* bench_kv.c: what the cache's bookkeeping costs, per token. Of the pages only heads that are copied are touched, so it
 * is tables, tree and counters that are measured. Times are the best of several rounds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kv/kv.h"

enum { TOKENS = 8192, FORKS = 1000, BRANCHES = 200, ROUNDS = 20 };

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(int rc, const char *what)
{
	if (rc == 0)
		return;
	fprintf(stderr, "bench_kv: %s failed (%d)\n", what, rc);
	exit(1);
}

static struct kv *new_kv(uint32_t n_groups)
{
	static const struct kv_group_desc groups[] = {{.page_tokens = 16, .page_bytes = 4096},
						      {.page_tokens = 16, .page_bytes = 4096, .window = 1024}};
	struct kv_config c = {
		.memory_bytes = UINT64_C(4) << 30, .n_groups = n_groups, .groups = groups, .seq_tokens_max = 1 << 20};
	struct kv *kv = NULL;
	must(kv_new(&kv, &c, NULL), "kv_new");
	return kv;
}

static struct kv_seq *new_seq(struct kv *kv)
{
	static const struct kv_share everybody;
	struct kv_seq *s = NULL;
	must(kv_seq_new_shared(&s, kv, &everybody, NULL), "kv_seq_new_shared");
	return s;
}

static void fill(uint32_t *ids, uint32_t from, uint32_t salt)
{
	for (uint32_t i = from; i < TOKENS; i++)
		ids[i] = (i * 2654435761u ^ salt * 40503u) % 128000;
}

static void row(const char *what, double ns, double per, const char *unit)
{
	printf("  %-58s %9.1f us  %8.2f ns/%s\n", what, ns / 1000, ns / per, unit);
}

/* Time of one prefill of all tokens in chunks, from position `from` on. */
static double prefill(struct kv *kv, struct kv_seq *s, const uint32_t *ids, uint32_t chunk)
{
	double start = now_ns();
	for (uint32_t at = kv_seq_tokens(s); at < TOKENS; at += chunk) {
		must(kv_reserve(kv, s, chunk, NULL), "kv_reserve");
		kv_commit_ids(kv, s, ids + at, chunk);
	}
	return now_ns() - start;
}

static void best(double *least, double ns)
{
	*least = *least == 0 || ns < *least ? ns : *least;
}

static void bench_prefill(uint32_t n_groups, uint32_t *ids)
{
	double chunks = 0, decode = 0, again = 0, hit = 0, explain = 0, release = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct kv *kv = new_kv(n_groups);
		struct kv_hit h;
		struct kv_seq *s = new_seq(kv), *t = new_seq(kv), *d = new_seq(kv);
		fill(ids, 0, 1);
		best(&chunks, prefill(kv, s, ids, 512));
		best(&again, prefill(kv, t, ids, 512));
		fill(ids, 0, 2);
		best(&decode, prefill(kv, d, ids, 1));
		double start = now_ns();
		kv_explain(kv, &(struct kv_share){0}, ids, TOKENS, &h);
		best(&explain, now_ns() - start);
		struct kv_seq *m = new_seq(kv);
		start = now_ns();
		must(kv_match(kv, m, ids, TOKENS, &h, NULL), "kv_match");
		best(&hit, now_ns() - start);
		must(h.tokens != TOKENS, "the hit");
		start = now_ns();
		kv_seq_free(kv, m);
		best(&release, now_ns() - start);
		kv_free(kv);
	}
	row("insert 8192 new tokens, 512 at a time (reserve + commit)", chunks, TOKENS, "token");
	row("insert 8192 new tokens, 1 at a time (reserve + commit)", decode, TOKENS, "token");
	row("insert what the tree has already (pages merge)", again, TOKENS, "token");
	row("look up 8192 tokens (kv_explain)", explain, TOKENS, "token");
	row("match 8192 tokens (tables filled)", hit, TOKENS, "token");
	row("free a sequence of 8192 tokens", release, TOKENS, "token");
}

/* Many prompts that part inside a page after the same 1000 tokens. */
static void bench_branches(uint32_t n_groups, uint32_t *ids)
{
	struct kv *kv = new_kv(n_groups);
	struct kv_hit h;
	double least = 0;
	for (uint32_t b = 0; b < BRANCHES; b++) {
		struct kv_seq *s = new_seq(kv);
		fill(ids, 1000, b + 7);
		must(kv_match(kv, s, ids, TOKENS, &h, NULL), "kv_match");
		must(kv_reserve(kv, s, 1100 - kv_seq_tokens(s), NULL), "kv_reserve");
		kv_commit_ids(kv, s, ids + kv_seq_tokens(s), 1100 - kv_seq_tokens(s));
		kv_seq_free(kv, s);
	}
	for (uint32_t b = 0; b < BRANCHES; b++) {
		fill(ids, 1000, b + 7);
		double start = now_ns();
		kv_explain(kv, &(struct kv_share){0}, ids, 1100, &h);
		best(&least, now_ns() - start);
		must(h.tokens != 1100, "the hit");
	}
	row("look up 1100 tokens, 200 branches at 1000", least, 1100, "token");
	kv_free(kv);
}

/* Followers wait for one that has computed half of a long prompt: each asks again after every step. */
static void bench_followers(uint32_t n_groups)
{
	enum { LONG = 102400, FOLLOWERS = 64 };
	struct kv *kv = new_kv(n_groups);
	struct kv_seq *leader = new_seq(kv), *follower[FOLLOWERS];
	uint32_t *ids = malloc(LONG * sizeof *ids);
	struct kv_hit h;
	double least = 0;
	if (!ids)
		exit(1);
	for (uint32_t i = 0; i < LONG; i++)
		ids[i] = i * 2654435761u % 128000;
	kv_announce(kv, leader, ids, LONG);
	for (int f = 0; f < FOLLOWERS; f++)
		follower[f] = new_seq(kv);
	for (uint32_t at = 0; at < LONG / 2; at += 512) {
		must(kv_reserve(kv, leader, 512, NULL), "kv_reserve");
		kv_commit_ids(kv, leader, ids + at, 512);
		double start = now_ns();
		for (int f = 0; f < FOLLOWERS; f++) {
			must(kv_match(kv, follower[f], ids, LONG - 1, &h, NULL), "kv_match");
			must(h.tokens != at + 512 || h.pending != LONG - 1, "the leader");
		}
		best(&least, now_ns() - start);
	}
	row("64 followers of a prompt of 102400 ask after a step of 512", least, FOLLOWERS, "follower");
	kv_free(kv);
	free(ids);
}

static double pages_used(const struct kv *kv, uint32_t n_groups)
{
	struct kv_stats s = kv_stats(kv);
	double pages = 0;
	for (uint32_t g = 0; g < n_groups; g++)
		pages += s.group[g].pages_used;
	return pages;
}

static void bench_forks(uint32_t n_groups, uint32_t *ids)
{
	static struct kv_seq *fork[FORKS];
	double forks = 0, first = 0, pages = 0;
	for (int i = 0; i < 5; i++) {
		struct kv *kv = new_kv(n_groups);
		struct kv_seq *s = new_seq(kv);
		fill(ids, 0, 3);
		prefill(kv, s, ids, 512);
		must(kv_truncate(kv, s, TOKENS - 5, NULL), "kv_truncate");
		double before = pages_used(kv, n_groups), start = now_ns();
		for (int f = 0; f < FORKS; f++)
			must(kv_fork(&fork[f], kv, s, TOKENS - 5, NULL), "kv_fork");
		best(&forks, now_ns() - start);
		start = now_ns();
		for (uint32_t f = 0; f < FORKS; f++) {
			must(kv_reserve(kv, fork[f], 1, NULL), "kv_reserve");
			kv_commit_ids(kv, fork[f], &f, 1);
		}
		best(&first, now_ns() - start);
		pages = (pages_used(kv, n_groups) - before) / FORKS / n_groups;
		kv_free(kv);
	}
	row("1000 forks of 8187 tokens", forks, FORKS, "fork");
	row("the first token of each (copies the page's head)", first, FORKS, "fork");
	printf("  pages of each group that a fork then has of its own: %.3f\n", pages);
}

int main(void)
{
	uint32_t *ids = malloc(TOKENS * sizeof *ids);
	if (!ids)
		return 1;
	for (uint32_t n_groups = 1; n_groups <= 2; n_groups++) {
		printf("%s\n", n_groups == 1 ? "full attention" : "full attention and a window of 1024");
		bench_prefill(n_groups, ids);
		bench_branches(n_groups, ids);
		bench_forks(n_groups, ids);
		bench_followers(n_groups);
	}
	free(ids);
	return 0;
}
