/* bench_kv.h: the parts of `kvik bench kv`. Each compares an ability of the cache with its absence, in turns, and adds
 * a section to the report. One thread, the model's. */
#ifndef KVIK_BENCH_KV_H
#define KVIK_BENCH_KV_H

#include <kvik.h>

#include "bench/arms.h"
#include "bench/bench.h"

struct kv_bench {
	struct kvik_model *m;
	const char *path; /* of m, and how it was loaded */
	const struct kvik_model_params *params;
	struct kvik_model_info info;
	struct report *r;
	uint32_t context; /* most tokens of a sequence */
	uint64_t memory;  /* bytes that the caches of a part may take together */
	double seconds;   /* that a part may take, roughly */
	double prefill;   /* tokens per second, measured at first: sizes what is computed by what there is time for */
	const uint32_t *ids; /* [n_ids] of a text, or random ones */
	size_t n_ids;
	bool has_text; /* ids mean something to the model */
};

struct kv_part {
	const char *name;    /* for --only, and the section's key */
	const char *summary; /* for --help */
	int (*run)(struct kv_bench *b, struct kvik_err *err);
	bool mini_only; /* needs kvik-mini */
};
extern const struct kv_part kv_part_cache, kv_part_pages, kv_part_dtypes, kv_part_recall, kv_part_prefix, kv_part_fork,
	kv_part_window, kv_part_all;
enum { KV_PARTS = 8 };
extern const struct kv_part *const kv_parts[KV_PARTS]; /* all of them, in the order they run */

/* Fills in b->prefill. */
int kv_bench_prefill(struct kv_bench *b, struct kvik_err *err) MUST_CHECK;
/* Runs the parts wanted, each a section of b->r; says on standard error what goes on. */
int kv_bench_run(struct kv_bench *b, const bool wanted[KV_PARTS], struct kvik_err *err) MUST_CHECK;

/* ---- For the parts ----------------------------------------------------------------------------------------------- */

/* Parameters of a cache with dtype d for `sessions` sequences of `context` tokens. */
struct kvik_cache_params kv_bench_params(enum kvik_dtype d, uint32_t context, uint32_t sessions);
/* A round number of tokens that takes about `seconds`, from least to most. */
uint32_t kv_bench_tokens(const struct kv_bench *b, double seconds, uint32_t least, uint32_t most);
/* The progress line: what is being done within the part. */
__attribute__((format(printf, 2, 3))) void kv_bench_step(const struct kv_part *p, const char *format, ...);

#endif
