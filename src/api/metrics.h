/* metrics.h: what requests took and how they ended, and all figures as Prometheus' text format 0.0.4. Names are vLLM's
 * where it has the same thing, so that the dashboards people have for it work; our own begin with kvik_.
 *
 * Any thread. */
#ifndef KVIK_API_METRICS_H
#define KVIK_API_METRICS_H

#include <pthread.h>

#include <kvik.h>

#include "api/nonce.h"
#include "base/buf.h"
#include "base/err.h"

/* X(series, name, unit, help): upper bounds of the buckets are unit * 1, 2, 5, 10, 20, 50, ... */
#define METRICS_SERIES(X)                                                                               \
	X(FIRST_TOKEN, "vllm:time_to_first_token_seconds", 1e-4, "From submission to the first token.") \
	X(BETWEEN_TOKENS, "vllm:inter_token_latency_seconds", 1e-4, "Between two tokens of an answer.") \
	X(PER_TOKEN, "vllm:request_time_per_output_token_seconds", 1e-4,                                \
	  "Of a request: mean time between tokens after the first.")                                    \
	X(WHOLE, "vllm:e2e_request_latency_seconds", 1e-4, "From submission to the end.")               \
	X(QUEUE, "vllm:request_queue_time_seconds", 1e-4, "From submission to admission.")              \
	X(PREFILL, "vllm:request_prefill_time_seconds", 1e-4, "From admission to the first token.")     \
	X(DECODE, "vllm:request_decode_time_seconds", 1e-4, "From the first token to the end.")         \
	X(PROMPT, "vllm:request_prompt_tokens", 1, "Tokens of the prompt.")                             \
	X(COMPUTED, "vllm:request_prefill_kv_computed_tokens", 1,                                       \
	  "Of these: not found in the cache, nor computed "                                             \
	  "for another request at the same time.")                                                      \
	X(GENERATED, "vllm:request_generation_tokens", 1, "Tokens of all answers to a prompt.")         \
	X(CHOICES, "vllm:request_params_n", 1, "Answers asked for.")

enum metrics_series {
#define METRICS_ENUM(series, name, unit, help) METRICS_##series,
	METRICS_SERIES(METRICS_ENUM)
#undef METRICS_ENUM
		METRICS_SERIES_COUNT
};

#define METRICS_BUCKETS 22 /* to 1000 s, or 10 million tokens */

struct metrics_histogram {
	uint64_t count[METRICS_BUCKETS + 1]; /* of values up to the bound and above the one before; last: above all */
	double sum;
};

enum metrics_end { METRICS_STOP, METRICS_LENGTH, METRICS_ABORT, METRICS_ERROR, METRICS_ENDS };

struct metrics {
	pthread_mutex_t lock; /* of everything below */
	struct metrics_histogram series[METRICS_SERIES_COUNT];
	uint64_t ends[METRICS_ENDS]; /* answers */
	uint64_t misses[KVIK_MISS_COUNT],
		missed_tokens[KVIK_MISS_COUNT]; /* of prompts; of these, tokens that were computed */
	uint64_t nonces[NONCES];
	int64_t running;       /* answers being made or waited for */
	struct metrics *whole; /* of which this is a part: it is told the same; NULL: none */
};

void metrics_init(struct metrics *m);
void metrics_release(struct metrics *m);

void metrics_observe(struct metrics *m, enum metrics_series series, double value);
/* A request has ended well; its answers' ends come by metrics_count_end. */
void metrics_request(struct metrics *m, const struct kvik_usage *u, uint32_t choices);
void metrics_count_end(struct metrics *m, enum metrics_end end, uint32_t answers);
/* A prompt was found so far in the cache and no further, for this reason; so many tokens were computed, but for the last, which
 * always is. */
void metrics_miss(struct metrics *m, enum kvik_miss why, uint32_t tokens, enum nonce nonce);
void metrics_run(struct metrics *m, int32_t answers); /* so many more are being made, or fewer */
int64_t metrics_running(struct metrics *m);

/* Appends everything, with s the engine's figures too. model: the value of the label model_name. False: no memory. */
bool metrics_print(struct metrics *m, const struct kvik_engine_stats *s, const char *model, struct buf *out) MUST_CHECK;

#endif
