/* sched_impl.h: the structs and inner functions of the scheduler; nobody outside src/sched includes it. */
#ifndef KVIK_SCHED_IMPL_H
#define KVIK_SCHED_IMPL_H

#include "sched/sched.h"
#include "sched/sched_cost.h"
#include "sched/sched_key.h"

#define SHARE_SCALE 1024 /* of a tenant's counter: charge * SHARE_SCALE / weight */

struct sched_tenant {
	struct sched_key in_fair; /* in sched.fair while something waits; key: counter */
	struct heap waiting;      /* sched_seq.in_waiting; key: virtual arrival */
	uint32_t n_waiting;
	int64_t counter; /* virtual tokens: what was served and what is owed to the admitted, over the weight */
	uint32_t weight;
	uint64_t served; /* charge */
	uint64_t owed;   /* prompt tokens, of its residents */
	uint32_t n_resident;
};

enum seq_state { SEQ_NEW, SEQ_WAITING, SEQ_PREFILLING, SEQ_RUNNING, SEQ_ENDED };

/* One answer of a request. SEQ_NEW: still to be forked off the first one, whose prompt is being computed. */
struct sched_seq {
	struct sched_key in_waiting;
	struct sched_req *req; /* owner */
	enum seq_state state;
	void *kv;      /* owned while resident, else NULL */
	uint32_t *ids; /* [cap], within the request's block: prompt, generated */
	uint32_t n_ids, cap;
	uint32_t computed; /* committed tokens of kv */
	uint32_t high;     /* the most that were ever computed or found: below, computing is done again */
	uint32_t owed;     /* charged at admission, not served yet */
	uint32_t preemptions;
	uint64_t preempted_step; /* the step of the last one */
	uint64_t admitted_step;
	/* A resident's place in the plan. */
	int64_t level;        /* of its tenant, when ranked */
	uint32_t step_tokens; /* planned in this step, and reserved; n_drafts of them are drafts */
	uint32_t n_drafts;    /* at ids[n_ids..], within cap - 1 */
	uint32_t n_accepted;  /* between plan and commit: tokens that have come */
	bool last;            /* of them the last one ends it */
	bool joins;           /* waits for ids[computed..common): another computes them, or */
	bool loads;           /* they are being read */
	uint32_t common;
	struct sched_key in_short; /* while prefill is shared out; key: tokens left */
	/* A waiting one's memory. */
	uint64_t need;       /* room it lacked when tried last */
	uint64_t retry_step; /* then try again whatever the room is */
};

struct sched_req {
	struct sched_req *prev, *next; /* of the list it is in: live, or ended */
	struct sched_req *next_cancelled;
	struct sched_key in_deadlines; /* if deadline_key < SCHED_NEVER */
	int64_t deadline_key;
	void *user;
	uint64_t number; /* of submission */
	const void *share;
	uint32_t n_marks, marks[SCHED_MARKS_MAX];
	int64_t arrival_us, virtual_us, start_by_us, deadline_us;
	int64_t queue_us;         /* -1: not admitted yet */
	struct sched_match found; /* of the prompt, until its first sequence computes */
	uint32_t tenant, n_prompt, max_new, n_seqs, n_live, computed_first;
	int32_t priority;
	bool cold, cancelled;
	enum sched_end end;
	int code;
	struct sched_seq seqs[]; /* [n_seqs], then their ids */
};

struct sched {
	struct sched_config config;
	struct sched_cache cache;
	struct sched_tenant *tenants; /* [tenants_max], owned */
	struct heap fair;             /* tenants with something waiting, by counter */
	struct sched_tenant *left;    /* the last that left it */
	struct heap deadlines;        /* live requests */
	struct sched_seq **resident;  /* [step_seqs_max], owned; n_resident, best rank first while planning */
	uint32_t n_resident;
	struct sched_req *live, *live_last;   /* owned, in order of arrival */
	struct sched_req *ended, *ended_last; /* owned, until sched_next_ended */
	struct sched_req *cancelled;          /* for the next plan */
	struct sched_item *items;             /* [step_seqs_max], owned */
	struct sched_plan plan;
	bool planned; /* between plan and commit */
	int64_t now_us;
	uint64_t step, numbers;
	/* Of the step being planned. */
	uint32_t n_decode, n_prefill; /* tokens */
	uint64_t promised;            /* bytes that the prefilling ones will still need */
	uint64_t page_cost;           /* bytes of one page in each group */
	int grow_code;                /* the cache's last refusal */
	uint32_t mixed_steps;         /* in a row with decode and prefill */
	struct cost cost;
	/* The rate at which the queue drains. */
	double admit_us;
	int64_t last_admit_us;
	struct sched_stats stats; /* the counters of it */
};

static inline struct sched_tenant *tenant_of(const struct sched *s, const struct sched_seq *q)
{
	return &s->tenants[q->req->tenant];
}

static inline bool is_resident(const struct sched_seq *q)
{
	return q->state == SEQ_PREFILLING || q->state == SEQ_RUNNING;
}

/* May not be preempted any more. */
static inline bool is_protected(const struct sched *s, const struct sched_seq *q)
{
	return q->preemptions >= s->config.preempt_max;
}

/* ---- sched.c: lives of sequences --------------------------------------------------------------------------------- */

/* Into its tenant's queue. */
void seq_wait(struct sched *s, struct sched_seq *q);
void seq_unwait(struct sched *s, struct sched_seq *q);
void seq_preempt(struct sched *s, struct sched_seq *q, enum sched_preempt_cause cause);
void seq_end(struct sched *s, struct sched_seq *q, enum sched_end end);
/* All sequences of a request. */
void req_end(struct sched *s, struct sched_req *r, enum sched_end end, int code);
void req_admitted(struct sched *s, struct sched_req *r);

/* ---- sched_fair.c: shares ---------------------------------------------------------------------------------------- */

void fair_enter(struct sched *s, struct sched_tenant *t); /* has something waiting from now on */
void fair_leave(struct sched *s, struct sched_tenant *t);
/* At admission: the prompt tokens from `from` on that were never computed are owed. */
void fair_owe(struct sched *s, struct sched_seq *q, uint32_t from);
/* Tokens [q->computed, q->computed + n) were computed. Returns how many of them for the first time. */
uint32_t fair_serve(struct sched *s, struct sched_seq *q, uint32_t n);
void fair_serve_decode(struct sched *s, struct sched_seq *q, uint32_t n);
void fair_settle(struct sched *s, struct sched_seq *q); /* it leaves: what it is still owed is given back */
/* What it was served, in steps of fair_quantum. */
int64_t fair_level(const struct sched *s, const struct sched_tenant *t);
/* By more than fair_quantum. */
bool fair_ahead(const struct sched *s, const struct sched_tenant *a, const struct sched_tenant *b);
/* Is there a slot for one more of t? */
bool fair_slot(const struct sched *s, const struct sched_tenant *t);

/* ---- sched_rank.c: who goes before whom -------------------------------------------------------------------------- */

void rank_residents(struct sched *s);
void rank_insert(struct sched *s, struct sched_seq *q); /* n_resident < step_seqs_max */
/* The worst one behind q that is not protected; NULL: none. */
struct sched_seq *rank_victim(const struct sched *s, const struct sched_seq *q);
/* May a waiting q take the place of the resident v, and why? */
bool rank_displaces(const struct sched *s, const struct sched_seq *q, const struct sched_seq *v,
		    enum sched_preempt_cause *cause);

/* ---- sched_admit.c ----------------------------------------------------------------------------------------------- */

void admit(struct sched *s);
/* A protected q and the protected residents fit to their last token; any other q: true. */
bool admit_protected_fits(const struct sched *s, const struct sched_seq *q);
/* Those that wait for another's tokens take what there is; who has nothing more to wait for will compute. */
void join_update(struct sched *s);

#endif
