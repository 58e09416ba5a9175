/* sched.h: which tokens of which sequences the next step computes: continuous batching with chunked prefill, fair
 * shares, priorities, deadlines, preemption. A pure planner: it has no clock, does no I/O, never looks at weights. It
 * holds the cache's sequences (through struct sched_cache), so that whatever a plan names has its pages.
 *
 *	sched_submit ... sched_cancel ...
 *	plan = sched_plan(now)            every item's pages are reserved
 *	(forward pass over plan->items)
 *	sched_accept(item, i, n_right, token, last)  once for each answer that an item samples for
 *	sched_commit(now, step_us, busy_us)
 *	sched_draft(req, i, ids, n)       guesses of what comes next: the next step verifies them
 *	while ((r = sched_next_ended()))  notify, sched_req_free
 *
 * Times are microseconds of any clock that does not go back. Owner: one thread. A step costs O(R log R + new + ended)
 * for R resident sequences, plus one prefix lookup for each admission that is tried, and allocates nothing. See
 * src/sched/README.md for the states, the invariants and the reasons. */
#ifndef KVIK_SCHED_SCHED_H
#define KVIK_SCHED_SCHED_H

#include "base/err.h"

#define SCHED_NEVER INT64_MAX    /* a time that does not come */
#define SCHED_CHARGE_PREFILL 1   /* what a computed prompt token costs a tenant's share */
#define SCHED_CHARGE_DECODE 2    /* and a generated one (the weights of the VTC paper, arXiv 2401.00588) */
#define SCHED_CHUNK_MIN 8        /* prefill tokens that a step may take however slow the machine is */
#define SCHED_CONTENTION_MAX 2.0 /* times itl_us that a step may take on a machine that others keep busy */
#define SCHED_MARKS_MAX 4        /* places of one prompt */
#define SCHED_JOIN_TOKENS_MIN 16 /* a shorter piece in common is computed rather than waited for */

/* How far a sequence can start from what others have computed. */
struct sched_match {
	uint32_t tokens;  /* that the sequence holds now */
	uint32_t pending; /* > tokens: another sequence has announced that it computes the same tokens up to here */
	uint32_t
		loading; /* > tokens: known up to here, but not in memory yet: being read, which match has begun, as the
			     cache thinks that quicker than computing it. Asked again it says how far that is; a read
			     that fails ends it, and the tokens are computed */
	/* Why it ends there, for whoever asks why a request was slow; the scheduler only passes it on. */
	uint32_t matched; /* the same tokens are known up to here, usable or not */
	uint32_t other;   /* what is known at `matched` instead */
	int why;          /* of the cache: sched_kv.h */
};

/* The cache as the scheduler sees it; sched_kv.h makes one of src/kv. Calls that fail change nothing. */
struct sched_cache {
	void *ctx;
	/* A new, empty sequence; share: as in the request. */
	int (*open)(void *ctx, void **seq, const void *share);
	/* Moves it forward as far as ids[0..max) are known. Again and again: to what is new since then. */
	int (*match)(void *ctx, void *seq, const uint32_t *ids, uint32_t max, struct sched_match *m);
	/* seq is going to compute ids[0..n): others that match see them as pending, until it has, or is released. */
	void (*announce)(void *ctx, void *seq, const uint32_t *ids, uint32_t n);
	/* A new sequence that shares the first `tokens` committed tokens of seq. */
	int (*fork)(void *ctx, void **out, const void *seq, uint32_t tokens);
	/* Room for n tokens behind the committed ones, evicting what no sequence uses. drafts: perhaps not all of them will
	 * be committed. */
	int (*reserve)(void *ctx, void *seq, uint32_t n, bool drafts);
	/* The first n of the reserved tokens are written; these are their ids. Others may match them. The room of the
	 * rest stays reserved: drafts that were wrong. Returns n; or 0, if behind wrong drafts the cache is only known as
	 * it was before the step (states of recurrent layers): then the n tokens are to be computed again. */
	uint32_t (*commit)(void *ctx, void *seq, const uint32_t *ids, uint32_t n);
	/* The prompt ends here: a place that others will come back to. */
	void (*mark)(void *ctx, void *seq);
	/* The same of a position ahead of what seq has computed. */
	void (*mark_at)(void *ctx, void *seq, uint32_t position);
	/* The sequence goes; what it has committed stays known until it is evicted. */
	void (*release)(void *ctx, void *seq);
	/* Upper bound of the bytes that a sequence of `from` tokens needs to become one of `to` tokens. */
	uint64_t (*cost)(void *ctx, uint32_t from, uint32_t to);
	uint64_t (*room)(void *ctx);     /* bytes that reserve could get now, eviction included */
	uint64_t (*capacity)(void *ctx); /* bytes that one sequence could get if it were alone */
};

/* What a step costs, in microseconds: fixed + per decoded token + per token of prefill. Estimated from the measured
 * steps; these are the first guesses. */
struct sched_cost {
	double step_us, decode_us, prefill_us;
};

struct sched_config {
	uint32_t step_tokens_max; /* token budget of a step; above step_seqs_max */
	uint32_t step_seqs_max;   /* sequences that are resident, and so in a step, at once */
	uint32_t seq_tokens_max;  /* prompt and generated, of one sequence */
	uint32_t step_drafts_max; /* draft tokens in a step, of all sequences; at most half of what decode leaves */
	/* A step that decodes takes at most this times its time without prefill; > 1, or 0: prefill takes what the
	 * budget leaves. */
	double itl_factor;
	double itl_us;               /* or at most so long, where that is more: a gap that a reader does not mind */
	struct sched_cost cost;      /* first guesses, each above 0 */
	uint32_t tenants_max;        /* tenants are 0..tenants_max-1 */
	uint32_t fair_quantum;       /* charge by which a tenant may be ahead before a waiting one displaces it */
	uint32_t preempt_max;        /* a sequence preempted so often is protected from then on */
	uint32_t waiting_max;        /* requests not admitted yet; one more is refused */
	uint64_t waiting_tokens_max; /* and their prompt tokens */
	int64_t priority_us;         /* a step of priority is worth so much earlier an arrival */
};
extern const struct sched_config sched_defaults;

struct sched_request {
	void *user;            /* comes back in items and in sched_req_info */
	const uint32_t *ids;   /* [n_ids]: the prompt; copied */
	uint32_t n_ids;        /* at least 1 */
	const uint32_t *marks; /* [n_marks]: positions in it that other prompts will come back to; copied */
	uint32_t n_marks;      /* at most SCHED_MARKS_MAX */
	uint32_t max_new;      /* tokens to generate; 0: the prompt is computed and that is all */
	uint32_t n_sequences;  /* answers to the one prompt, which is computed once */
	uint32_t tenant;
	int32_t priority;  /* higher is earlier, within its tenant; -1000..1000 */
	const void *share; /* for the cache: who may share with whom; borrowed, for the life of the request */
	/* Nothing is taken from the cache: every prompt position must pass through the model (prompt log-probabilities,
	 * embeddings). */
	bool cold;
	int64_t start_by_us; /* expires if not admitted by then; 0: never */
	int64_t deadline_us; /* expires if not finished by then; 0: never */
};

/* waiting -> prefilling -> running -> ended; preempted: back to waiting. */
enum sched_end { SCHED_LIVE, SCHED_FINISHED, SCHED_CANCELLED, SCHED_EXPIRED, SCHED_FAILED };

struct sched;
struct sched_req;

/* One sequence's share of a step: ids[position .. position + n_tokens). Behind the known ids lie drafts, guesses of
 * what comes next: rows are wanted of the last known token and of each draft, row k says what follows draft k. Whoever
 * samples row 0 and finds draft 1 goes on to row 1, and so on: the tokens are those of steps without drafts, only
 * sooner. */
struct sched_item {
	struct sched_req *req;
	void *user;
	uint32_t index;      /* which of the request's sequences */
	void *kv;            /* the cache's sequence; holds `position` committed tokens and room for n_tokens */
	const uint32_t *ids; /* [n_ids + n_drafts]: all known tokens, then drafts */
	uint32_t n_ids, position, n_tokens;
	uint32_t n_drafts;  /* of n_tokens, the last ones */
	uint32_t n_rows;    /* logits wanted, of the last so many tokens: 0, or 1 + n_drafts */
	uint32_t n_samples; /* answers that the last row (with drafts: the first) is sampled for: index .. index +
			       n_samples - 1; 1 where there are drafts */
	bool prefill;
};

struct sched_plan {
	const struct sched_item *items; /* [n_items], best rank first; valid until sched_commit */
	uint32_t n_items, n_tokens, n_decode, n_prefill, n_samples; /* tokens: n_tokens = n_decode + n_prefill */
	uint32_t n_loading; /* sequences that wait for reads and nothing else; they may be all there are */
	/* With n_tokens 0: plan again when something is submitted, when a read has ended (n_loading), or at this time
	 * at the latest. */
	int64_t wake_us;
};

/* Errors: ARG naming the field, NOMEM. The cache must outlive the scheduler. */
int sched_new(struct sched **out, const struct sched_config *c, const struct sched_cache *cache,
	      struct kvik_err *err) MUST_CHECK;
void sched_free(struct sched *s); /* and every request */

/* A tenant's share; 1 at first, 1..1000. May change at any time. */
void sched_set_weight(struct sched *s, uint32_t tenant, uint32_t weight);

/* Queues a request. ARG; LIMIT: it could never fit, however long it waits; FULL: too many wait, *retry_us says when it
 * is worth trying again by the rate at which the queue drains (1 s .. 10 min); NOMEM. *out is valid until
 * sched_req_free. */
int sched_submit(struct sched *s, struct sched_req **out, const struct sched_request *r, int64_t now_us,
		 int64_t *retry_us, struct kvik_err *err) MUST_CHECK;

/* At any time, also between plan and commit and when it has ended: its pages are released by the next sched_plan. */
void sched_cancel(struct sched *s, struct sched_req *r);

const struct sched_plan *sched_plan(struct sched *s, int64_t now_us);
/* What the i-th answer that an item samples for goes on with: the first n_right of its drafts, which were found right,
 * then token. last: the sequence ends with it (it ends by itself after max_new tokens). An answer for which nothing is
 * accepted ends too. */
void sched_accept(struct sched *s, const struct sched_item *it, uint32_t i, uint32_t n_right, uint32_t token,
		  bool last);
/* The planned tokens are computed; step_us is what that took (0: not measured), busy_us for how much of it the calling
 * thread had a CPU (0: not known). */
void sched_commit(struct sched *s, int64_t now_us, uint64_t step_us, uint64_t busy_us);

/* Guesses of the tokens that come next in a running answer, for the next step only; as many as fit are taken along,
 * after everybody has his token. Not between plan and commit. Whatever they are, the answer stays the same. */
void sched_draft(struct sched_req *r, uint32_t index, const uint32_t *ids, uint32_t n);
/* Most drafts that would be taken for it now; 0: it is not running, ends with its next token, or computes again what was
 * lost with a wrong draft. */
uint32_t sched_draft_room(const struct sched_req *r, uint32_t index);

/* Requests that have ended, each once, in the order of their ends; NULL: no more. The caller frees it. */
struct sched_req *sched_next_ended(struct sched *s);
void sched_req_free(struct sched_req *r); /* only what sched_next_ended gave */

struct sched_req_info {
	void *user;
	enum sched_end end;
	int code;                 /* with SCHED_FAILED: the cache's */
	uint32_t cached;          /* prompt tokens that were never computed for it: found, or joined */
	struct sched_match found; /* what was known of the prompt at its first admission */
	uint32_t preemptions;     /* of all its sequences */
	int64_t queue_us;         /* from submission to first admission; -1: not admitted (yet) */
	uint32_t n_sequences;
};
struct sched_req_info sched_req_info(const struct sched_req *r);
/* Prompt and what was generated, of one sequence, as long as the request lives. */
const uint32_t *sched_req_ids(const struct sched_req *r, uint32_t index, uint32_t *n_ids);

enum sched_preempt_cause { SCHED_FOR_MEMORY, SCHED_FOR_PRIORITY, SCHED_FOR_SHARE, SCHED_CAUSES };

struct sched_stats {
	uint32_t running, prefilling; /* sequences */
	uint32_t waiting;             /* sequences, preempted ones included */
	uint32_t queued;              /* requests not admitted yet */
	uint64_t queued_tokens;       /* their prompts */
	int64_t oldest_wait_us;
	uint64_t submitted, refused, admitted, ended[SCHED_FAILED + 1]; /* requests; ended by enum sched_end */
	uint64_t queue_us_sum;                                          /* over `admitted` */
	uint64_t preempted[SCHED_CAUSES], stalls; /* sequences; a stall: a step without its token for want of memory */
	uint64_t tokens_prefill, tokens_decode;   /* computed; prefill includes tokens_again */
	uint64_t tokens_drafted, tokens_accepted; /* drafts that were computed; and that were right */
	uint64_t tokens_loaded;                   /* prompt tokens that were waited for until they were read */
	uint64_t tokens_again;                    /* computed once more after a preemption */
	uint64_t tokens_cached, tokens_joined;    /* prompt tokens found; and waited for instead of computed */
	uint64_t steps;
	uint32_t prefill_budget; /* of the last step */
	struct sched_cost cost;  /* as estimated now */
};
struct sched_stats sched_stats(const struct sched *s, int64_t now_us);
/* Charge so far of one tenant, by the weights above, not divided by its own. */
uint64_t sched_served(const struct sched *s, uint32_t tenant);

/* How far the services of two tenants, each divided by its weight (the smaller one given), may differ over any time in
 * which both have something waiting: 2 S (2 P + D G): S resident sequences, P the charge of the longest prompt, D G of
 * the longest generation. Without memory pressure displacement keeps it near 2 * fair_quantum + P. */
uint64_t sched_fair_bound(const struct sched *s, uint32_t prompt_max, uint32_t new_max, uint32_t weight_min);

/* Proves every invariant (tests, debug builds), not between plan and commit: NULL, or a text that says which
 * is broken. */
const char *sched_check(const struct sched *s);

#endif
