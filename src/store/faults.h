/* faults.h: what goes wrong is counted by kind, and told once a kind. Any thread. */
#ifndef KVIK_STORE_FAULTS_H
#define KVIK_STORE_FAULTS_H

#include <stdatomic.h>

#include "store/store.h"

struct faults {
	atomic_uint_least64_t n[STORE_FAULT_COUNT];
	void (*log)(void *ctx, const char *line); /* NULL: nobody listens */
	void *ctx;
	const char *where; /* the store's name in its lines */
};

/* what: of which file, or how; one line. */
void fault(struct faults *f, enum store_fault kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A line that is no fault. */
void fault_note(struct faults *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
