/* trace.h: what people asked of a server once, and what caches of a given size would have had of it.
 *
 * A trace is a list of prompts cut into blocks of equal length (the last may be shorter), each named by a hash of all text
 * up to its end, so that equal names are equal prefixes: the form of Mooncake's traces (Qin et al., 2024), one JSON
 * object a line:
 *
 *     {"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 48, ...]}
 *
 * Answers are not in it. All figures are sums over all requests, in order, of the blocks (tokens) that were there.
 * One thread. */
#ifndef KVIK_BENCH_TRACE_H
#define KVIK_BENCH_TRACE_H

#include <stdio.h>

#include "base/err.h"

struct trace_request {
	uint64_t ms; /* since the trace began */
	uint32_t tokens, n_blocks;
	size_t first; /* of its blocks in trace.blocks */
};

struct trace {
	struct trace_request *requests; /* [n_requests], owned */
	uint32_t *blocks;               /* [n_blocks], owned: numbers 0..n_names-1, in the order of their first use */
	size_t n_requests, n_blocks, n_tokens;
	uint32_t n_names, block_tokens, tokens_max; /* of the longest prompt */
};

/* FORMAT (says the line), NOMEM, IO. name: for messages. Free *t also after an error. */
int trace_read(struct trace *t, FILE *from, const char *name, uint32_t block_tokens, struct kvik_err *err) MUST_CHECK;
/* Made up: so many conversations of so many tokens, each asked once in order and then `revisits` in random order. */
int trace_conversations(struct trace *t, uint32_t conversations, uint32_t tokens, uint32_t revisits, uint64_t seed,
			struct kvik_err *err) MUST_CHECK;
void trace_free(struct trace *t);

/* ---- Whom to compare with: caches of `room` blocks that cost nothing else ------------------------------------------- */

/* Blocks that hit when none ever leaves. */
int trace_hits_all(const struct trace *t, uint64_t *hits, struct kvik_err *err) MUST_CHECK;
/* When the least recently used leave first, of one prompt the last ones. */
int trace_hits_lru(const struct trace *t, uint64_t room, uint64_t *hits, struct kvik_err *err) MUST_CHECK;
/* When those leave that are used again last: nobody can do better who does not know the future (Belady, 1966). */
int trace_hits_optimal(const struct trace *t, uint64_t room, uint64_t *hits, struct kvik_err *err) MUST_CHECK;

/* ---- kvik's cache (src/kv), with pages that have no bytes, and a disk that keeps what it is given --------------------- */

struct trace_room {
	uint64_t memory_bytes, disk_bytes; /* disk 0: none */
	uint32_t token_bytes;              /* of keys and values, a multiple of 4 */
	/* What time passes: tokens computed and bytes read a second. */
	double prefill_rate, read_rate;
	uint64_t from; /* requests before this one are not counted */
};

struct trace_result {
	uint64_t requests, tokens; /* that were counted */
	uint64_t blocks_hit, tokens_hit;
	uint64_t tokens_read; /* of those hit: that came from the disk */
	uint64_t bytes_read, bytes_written, bytes_peak;
	uint64_t refused; /* prompts that are longer than the memory */
	double ttft_p50, ttft_p95;
};
int trace_replay(const struct trace *t, const struct trace_room *room, struct trace_result *out,
		 struct kvik_err *err) MUST_CHECK;

#endif
