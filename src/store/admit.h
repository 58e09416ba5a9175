/* admit.h: what is worth a write to a disk that wears: everything up to so many bytes a day; above that only texts that
 * have come more than once lately, and nothing above twice as much. Owner: whoever holds the lock of the front. */
#ifndef KVIK_STORE_ADMIT_H
#define KVIK_STORE_ADMIT_H

#include "store/store.h"

enum { ADMIT_ROWS = 4, ADMIT_COUNTERS = 16384 };

struct admit {
	uint64_t per_day; /* bytes; 0: no limit */
	double room;      /* bytes that may be written now; below zero: over the budget */
	uint64_t then_ns;
	/* How often a key came, at most so often: count-min (Cormode, Muthukrishnan 2005), halved now and then. */
	uint8_t counts[ADMIT_ROWS][ADMIT_COUNTERS];
	uint32_t n;
};

void admit_init(struct admit *a, uint64_t per_day, uint64_t now_ns);
/* A text offers so many bytes. */
bool admit_wants(struct admit *a, struct store_key text, uint64_t bytes, uint64_t now_ns);
void admit_wrote(struct admit *a, uint64_t bytes);

#endif
