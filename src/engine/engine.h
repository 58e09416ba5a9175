/* engine.h: the inside of an engine. What callers and the owner thread share lies under `lock`; all else is the
 * owner's. */
#ifndef KVIK_ENGINE_ENGINE_H
#define KVIK_ENGINE_ENGINE_H

#include <pthread.h>

#include <kvik.h>

#include "engine/cache.h"
#include "engine/request.h"
#include "sched/sched_kv.h"

struct engine_prompt; /* engine_prompt.h */
struct errand;        /* errand.h */
struct kept_pin;      /* retain.h */

/* A token to be picked from a row of logits. */
struct sample_slot {
	const struct sched_item *item;
	uint32_t i; /* of the item's samples */
	struct request *r;
	uint32_t choice;
	uint32_t n_right;    /* drafts of the item that were sampled, and shown */
	const float *logits; /* [n_vocab]: row n_right of the item */
	struct kvik_token token;
	int state; /* enum emit_state, or an error */
	struct kvik_err err;
};

/* Time by the clock, and of it with a processor. */
struct spent {
	uint64_t ns, cpu_ns;
};

struct kvik_engine {
	struct kvik_model *model;         /* borrowed */
	struct kvik_engine_params params; /* its cache: that of `cache` */
	struct kvik_cache *cache;
	struct sched_kv adapter;
	struct sched *sched;
	struct request *live;      /* submitted to the scheduler; the list is changed under lock */
	struct step_item *items;   /* [sequences] */
	struct sample_slot *slots; /* [sequences] */
	struct emit_room *rooms;   /* [threads] */
	float *logits;             /* [sequences + drafts][n_vocab] */
	float *hidden;             /* [chunk][dim] */
	struct engine_prompt *prompt;
	struct {
		struct kept_pin *first; /* owned */
		uint32_t n;
		uint64_t tokens, refused;
	} pins;                      /* of requests: retain.h */
	struct events *events;       /* to callers */
	struct request_event polled; /* whoever polls: the event at hand, */
	struct request *ended;       /* and its request, if it was the last; owned */
	double step_ms;
	struct spent computing;               /* of the loop at hand: forward passes and sampling */
	struct spent busy_sum, computing_sum; /* of all loops that computed something */
	uint64_t sampled;                     /* tokens, of all requests */

	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake;  /* the owner has something to do */
	pthread_cond_t quiet; /* idle became true */
	struct request *incoming, **incoming_end;
	struct errand *errands; /* what others want done between two steps: errand.h */
	bool cancels;           /* some request's `cancelled` was set */
	bool news;              /* the disk has something for the owner */
	bool idle;              /* the owner sleeps: what had ended is in the figures */
	bool draining;          /* no more requests */
	bool stop;              /* end what is live, then the thread */
	uint64_t next_id;
	struct kvik_engine_stats stats; /* as of the last step */
};

/* Makes the figures of this moment e->stats. The owner's, before its thread starts the creator's. */
void engine_publish(struct kvik_engine *e);
/* The owner's thread: a struct kvik_engine. */
void *engine_run(void *engine);

#endif
