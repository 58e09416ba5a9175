/* sim.h: a server in miniature around the scheduler: a clock, a model that costs time by a formula and draws tokens by
 * a hash, and requests that arrive, are cancelled and run out of time. Everything a plan says is checked against what
 * the simulation knows itself. */
#ifndef TESTS_SCHED_SIM_H
#define TESTS_SCHED_SIM_H

#include <stdbool.h>

#include "sched/sched.h"

enum { SIM_ANSWERS_MAX = 4, SIM_TENANTS_MAX = 4 };

/* One request, and what has happened to it. */
struct sim_req {
	uint32_t id;
	struct sched_request r;        /* ids owned by the simulation */
	int64_t arrival_us, cancel_us; /* SCHED_NEVER: not cancelled */
	uint32_t ends_at;              /* answers end with the token at this position, if before max_new */
	struct sched_req *handle;      /* NULL: not submitted, refused, or ended */
	bool submitted, refused, ended, admitted;
	enum sched_end end;
	int64_t ended_us, first_us[SIM_ANSWERS_MAX], last_us[SIM_ANSWERS_MAX]; /* of tokens */
	uint32_t n_out[SIM_ANSWERS_MAX];                                       /* tokens it was given */
	uint32_t computed; /* prompt tokens that passed through the model for it */
	int64_t itl_us_max;
	struct sched_req_info info;
};

/* The machine: microseconds. */
struct sim_model {
	double step_us, decode_us, prefill_us, depth_us; /* depth_us: per token and 1024 positions before it */
	double noise;                                    /* a step takes 1 +- noise times that */
	/* Now and then the machine is away: of so many steps one (0: none) takes tail_us longer, or 2 times, 4 times,
	 * ... that, each half as often as the one before, up to 64 times. */
	uint32_t tail_one_in;
	double tail_us;
	/* A neighbour: for three quarters of each period (0: none) a step takes so many times as long. */
	int64_t neighbour_us;
	double neighbour;
};

struct sim {
	uint64_t random;
	struct sched *sched;
	struct sched_cache cache;
	bool (*holds)(const void *kv, const uint32_t *ids, uint32_t n); /* NULL: not known */
	bool (*compute)(const struct sched_item *it); /* NULL: nothing is written; false: there is no page */
	const char *(*cache_check)(const void *ctx);  /* may be NULL */
	/* A disk under the cache: it is now this time; returns when it has news if nothing else happens. NULL: none. */
	int64_t (*disk)(int64_t now_us);
	int64_t disk_us; /* a sequence waits at most so long for it, each time that it is admitted */
	struct sim_model model;
	struct sched_config config;
	struct sim_req *reqs; /* [n_reqs], by arrival */
	uint32_t n_reqs, n_submitted, n_ended;
	uint32_t weights[SIM_TENANTS_MAX]; /* with more tenants shares are not checked */
	/* For each pair: how the difference of their services has ranged since both have somebody in the queue. */
	struct sim_range {
		bool both;
		double lowest, highest;
	} ranges[SIM_TENANTS_MAX][SIM_TENANTS_MAX];
	int64_t now_us;
	int64_t plan_us;         /* of the last plan */
	uint64_t tokens_prefill; /* through the model */
	uint64_t step_us_max;
	bool check_all;     /* invariants of sched and cache at every step */
	uint32_t drafts;    /* at most so many guesses for each answer at a time; a part of them right */
	uint32_t again_max; /* a decoding item may compute so many tokens again; 0: none */
	bool eager;         /* a sample may be left out, a handle cancelled between plan and commit */
	bool may_fail;      /* the cache shrinks: requests may fail */
	bool torture;       /* allocations fail now and then: requests may fail for want of memory */
	const char *broken; /* what is wrong; NULL: nothing */
};

uint32_t sim_below(struct sim *sim, uint32_t n);
uint32_t sim_token(const struct sim_req *q, uint32_t index, uint32_t position);
/* One step, or the time until something arrives or expires. False: all requests have ended, or something is broken. */
bool sim_step(struct sim *sim);
void sim_run(struct sim *sim);
/* Time by which everything must have ended, counted from the last arrival: every sequence computed again after each of
 * its preemptions, one token a step. */
int64_t sim_bound_us(const struct sim *sim);

#endif
