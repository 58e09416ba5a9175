/* trace_replay.c: a trace through src/kv itself, one prompt after another: match, load, reserve, commit, free. The pages
 * have no bytes, so that a cache of any size can be tried; a block's tokens follow from its name. The disk does at once
 * what it is asked for, and keeps as much as the cache says may be cold. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/trace.h"
#include "kv/kv.h"

enum { PAGE_TOKENS = 16, STEP_TOKENS = 512, TICKETS = KV_IO_MAX };

/* ---- Memory without bytes ------------------------------------------------------------------------------------------ */

static size_t stride(void *ctx, size_t bytes)
{
	(void)ctx;
	return bytes;
}

static int reserve(void *ctx, uint32_t area, uint32_t n, size_t bytes, struct kvik_err *err)
{
	(void)ctx, (void)area, (void)n, (void)bytes, (void)err;
	return 0;
}

static void release(void *ctx, uint32_t area)
{
	(void)ctx, (void)area;
}

static int commit(void *ctx, uint32_t area, uint32_t place)
{
	(void)ctx, (void)area, (void)place;
	return 0;
}

static void decommit(void *ctx, uint32_t area, uint32_t place)
{
	(void)ctx, (void)area, (void)place;
}

static void copy(void *ctx, uint32_t area, uint32_t to, uint32_t from)
{
	(void)ctx, (void)area, (void)to, (void)from;
}

static const struct kv_memory nowhere = {NULL, stride, reserve, release, commit, decommit, copy, NULL};

/* ---- The disk ------------------------------------------------------------------------------------------------------ */

static uint64_t keep(void *ctx, const struct kv_leaving *l)
{
	(void)ctx, (void)l;
	return 1;
}

static void forget(void *ctx, uint64_t place)
{
	(void)ctx, (void)place;
}

struct replay {
	const struct trace *t;
	const struct trace_room *room;
	struct trace_result *out;
	struct kv *kv;
	struct kv_store disk;
	uint32_t *ids; /* [t->tokens_max] */
	double *ttft;  /* [out->requests] */
	uint64_t page_bytes;
};

static void run_disk(struct replay *r)
{
	struct kv_io io;
	while (r->room->disk_bytes > 0 && kv_io_next(r->kv, &io)) {
		*(io.write ? &r->out->bytes_written : &r->out->bytes_read) += r->page_bytes;
		kv_io_done(r->kv, io.ticket, true, 1);
	}
}

/* ---- Requests ------------------------------------------------------------------------------------------------------ */

static void name_tokens(const struct replay *r, const struct trace_request *q)
{
	uint32_t p = r->t->block_tokens;
	for (uint32_t i = 0; i < q->tokens; i++) {
		uint64_t x = (uint64_t)r->t->blocks[q->first + i / p] * p + i % p;
		r->ids[i] = (uint32_t)((x ^ x >> 32) * UINT64_C(0x9E3779B97F4A7C15) >> 32);
	}
}

/* Takes what is known, from wherever it is. */
static int take_known(struct replay *r, struct kv_seq *s, const struct trace_request *q, struct kv_hit *hit,
		      uint32_t *in_memory, struct kvik_err *err)
{
	int rc = kv_match(r->kv, s, r->ids, q->tokens, hit, err);
	*in_memory = hit->tokens;
	while (!rc && hit->stored > hit->tokens && kv_load(r->kv, s, r->ids, q->tokens)) {
		run_disk(r);
		rc = kv_match(r->kv, s, r->ids, q->tokens, hit, err);
	}
	return rc;
}

static void count(struct replay *r, const struct trace_request *q, const struct kv_hit *hit, uint32_t in_memory,
		  double read_s)
{
	struct trace_result *o = r->out;
	uint32_t block = r->t->block_tokens;
	r->ttft[o->requests++] = read_s + (q->tokens - hit->tokens) / r->room->prefill_rate;
	o->tokens += q->tokens;
	o->tokens_hit += hit->tokens;
	o->tokens_read += hit->tokens - in_memory;
	o->blocks_hit += hit->tokens == q->tokens ? q->n_blocks : hit->tokens / block;
}

/* The rest is computed in steps, between which the disk works. */
static int compute(struct replay *r, struct kv_seq *s, const struct trace_request *q, struct kvik_err *err)
{
	int rc = 0;
	for (uint32_t at = kv_seq_tokens(s), n; !rc && at < q->tokens; at += n) {
		n = q->tokens - at < STEP_TOKENS ? q->tokens - at : STEP_TOKENS;
		rc = kv_reserve(r->kv, s, n, err);
		if (!rc)
			kv_commit_ids(r->kv, s, r->ids + at, n);
		kv_clock(r->kv, q->ms);
		run_disk(r);
	}
	return rc;
}

static int ask(struct replay *r, const struct trace_request *q, bool counts, struct kvik_err *err)
{
	static const struct kv_share everybody = {0};
	struct kv_hit hit = {0};
	struct kv_seq *s = NULL;
	uint32_t in_memory = 0;
	uint64_t read = r->out->bytes_read;
	name_tokens(r, q);
	kv_clock(r->kv, q->ms);
	run_disk(r);
	int rc = kv_seq_new_shared(&s, r->kv, &everybody, err);
	if (!rc)
		rc = take_known(r, s, q, &hit, &in_memory, err);
	if (!rc)
		rc = compute(r, s, q, err);
	if (counts && (!rc || rc == KVIK_ERR_FULL))
		count(r, q, &hit, in_memory, (double)(r->out->bytes_read - read) / r->room->read_rate);
	if (s)
		kv_seq_free(r->kv, s);
	r->out->refused += rc == KVIK_ERR_FULL;
	return rc == KVIK_ERR_FULL ? 0 : rc;
}

static int begin(struct replay *r, struct kvik_err *err)
{
	r->page_bytes = (uint64_t)PAGE_TOKENS * r->room->token_bytes;
	r->disk =
		(struct kv_store){.keep = keep, .forget = forget, .io_max = TICKETS, .cold_bytes = r->room->disk_bytes};
	const struct kv_group_desc group = {.page_tokens = PAGE_TOKENS, .page_bytes = r->page_bytes};
	const struct kv_config c = {.memory_bytes = r->room->memory_bytes,
				    .n_groups = 1,
				    .groups = &group,
				    .seq_tokens_max = r->t->tokens_max,
				    .memory = &nowhere,
				    .store = r->room->disk_bytes > 0 ? &r->disk : NULL};
	r->ids = mem_zalloc(r->t->tokens_max, sizeof *r->ids);
	r->ttft = mem_zalloc(r->t->n_requests, sizeof *r->ttft);
	if (!r->ids || !r->ttft)
		return err_set(err, KVIK_ERR_NOMEM, "no memory to replay a trace");
	return kv_new(&r->kv, &c, err);
}

int trace_replay(const struct trace *t, const struct trace_room *room, struct trace_result *out, struct kvik_err *err)
{
	struct replay r = {.t = t, .room = room, .out = out};
	*out = (struct trace_result){0};
	int rc = begin(&r, err);
	for (size_t i = 0; i < t->n_requests && !rc; i++) {
		if (i == room->from)
			out->bytes_read = out->bytes_written = 0;
		rc = ask(&r, &t->requests[i], i >= room->from, err);
	}
	if (!rc) {
		out->bytes_peak = kv_stats(r.kv).bytes_peak;
		out->ttft_p50 = bench_percentile(r.ttft, out->requests, 0.5);
		out->ttft_p95 = bench_percentile(r.ttft, out->requests, 0.95);
	}
	run_disk(&r);
	kv_free(r.kv);
	mem_free(r.ids);
	mem_free(r.ttft);
	return rc;
}
