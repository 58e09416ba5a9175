/* bench.h: what measurements share: a clock, medians, a line of progress, and the limit that
 * decoding is held against. One thread. */
#ifndef KVIK_BENCH_H
#define KVIK_BENCH_H

#include <kvik.h>

#include <kvik.h>

#include "bench/report.h"

double bench_now(void); /* seconds, monotonic */

/* Sorts and returns the middle value; NAN of none. */
double bench_median(double *values, size_t n);
/* Nearest rank: the smallest value that at least `share` of them do not exceed. Sorts; NAN of none. */
double bench_percentile(double *values, size_t n, double share);

/* One line on standard error that says what is going on: on a terminal in place of the one before, else only when it
 * begins something new (detail is left out). An empty text clears it. */
void bench_progress(const char *what, const char *detail);

/* Bytes per second that `threads` threads read together from memory that no cache holds; takes half a second. */
int bench_read_bandwidth(double *bytes_per_s, uint32_t threads, struct kvik_err *err) MUST_CHECK;

/* Pseudo-random ids, the same in every run; for speed alone. *ids: [n], freed with mem_free. */
int bench_random_ids(uint32_t **ids, size_t n, uint32_t n_vocab, struct kvik_err *err) MUST_CHECK;

/* The facts that every report on a model begins with. path as kvik_model_load takes it. */
void bench_model_facts(struct report *r, const struct kvik_model *m, const char *path);

#endif
