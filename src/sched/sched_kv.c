/* sched_kv.c: see sched_kv.h. Owner: the engine's thread, like the scheduler and the cache. */
#include "sched/sched_kv.h"

#include <assert.h>

static struct kv *kv_of(void *ctx)
{
	return ((struct sched_kv *)ctx)->kv;
}

static int open_seq(void *ctx, void **seq, const void *share)
{
	struct kv_seq *s;
	int rc = share ? kv_seq_new_shared(&s, kv_of(ctx), share, NULL) : kv_seq_new(&s, kv_of(ctx), NULL);
	*seq = s;
	return rc;
}

/* What a match could not take since it is in the store: is it on its way now? */
static bool loads(const struct sched_kv *k, struct kv_seq *s, const uint32_t *ids, uint32_t max,
		  const struct kv_hit *hit)
{
	return hit->stored > hit->tokens && (!k->loads || k->loads(k->store, hit->tokens, hit->stored)) &&
	       kv_load(k->kv, s, ids, max);
}

static int match(void *ctx, void *seq, const uint32_t *ids, uint32_t max, struct sched_match *m)
{
	const struct sched_kv *k = ctx;
	struct kv_hit hit = {0};
	*m = (struct sched_match){.tokens = kv_seq_tokens(seq)};
	if (!kv_seq_shares(seq))
		return 0;
	if (k->find && kv_seq_tokens(seq) == 0)
		k->find(k->store, kv_seq_share(seq), ids, max);
	int rc = kv_match(k->kv, seq, ids, max, &hit, NULL);
	if (rc == 0)
		*m = (struct sched_match){.tokens = hit.tokens,
					  .pending = hit.pending,
					  .matched = hit.matched,
					  .other = hit.other,
					  .loading = loads(k, seq, ids, max, &hit) ? hit.stored : 0,
					  .why = (int)hit.why};
	return rc;
}

static void announce(void *ctx, void *seq, const uint32_t *ids, uint32_t n)
{
	kv_announce(kv_of(ctx), seq, ids, n);
}

static int fork_seq(void *ctx, void **out, const void *seq, uint32_t tokens)
{
	struct kv_seq *s;
	int rc = kv_fork(&s, kv_of(ctx), seq, tokens, NULL);
	*out = s;
	return rc;
}

static int reserve(void *ctx, void *seq, uint32_t n, bool drafts)
{
	kv_state_keep(kv_of(ctx), seq, drafts);
	return kv_reserve(kv_of(ctx), seq, n, NULL);
}

static uint32_t commit(void *ctx, void *seq, const uint32_t *ids, uint32_t n)
{
	if (!kv_can_stop(kv_of(ctx), seq, n)) {
		int rc = kv_truncate(kv_of(ctx), seq, kv_seq_tokens(seq), NULL);
		assert(rc == 0); /* it is where it was, and has kept its states */
		return 0;
	}
	if (kv_seq_shares(seq))
		kv_commit_ids(kv_of(ctx), seq, ids, n);
	else
		kv_commit(kv_of(ctx), seq, n);
	return n;
}

static void mark(void *ctx, void *seq)
{
	kv_mark(kv_of(ctx), seq);
}

static void mark_at(void *ctx, void *seq, uint32_t position)
{
	kv_mark_at(kv_of(ctx), seq, position);
}

static void release(void *ctx, void *seq)
{
	kv_seq_free(kv_of(ctx), seq);
}

static uint64_t cost(void *ctx, uint32_t from, uint32_t to)
{
	return kv_cost(kv_of(ctx), from, to, ((struct sched_kv *)ctx)->step_tokens_max);
}

static uint64_t room(void *ctx)
{
	return kv_room(kv_of(ctx));
}

static uint64_t capacity(void *ctx)
{
	return kv_capacity(kv_of(ctx));
}

struct sched_cache sched_kv_cache(struct sched_kv *k)
{
	return (struct sched_cache){.ctx = k,
				    .open = open_seq,
				    .match = match,
				    .announce = announce,
				    .fork = fork_seq,
				    .reserve = reserve,
				    .commit = commit,
				    .mark = mark,
				    .mark_at = mark_at,
				    .release = release,
				    .cost = cost,
				    .room = room,
				    .capacity = capacity};
}
