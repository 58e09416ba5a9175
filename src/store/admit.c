/* admit.c: see admit.h. */
#include "store/admit.h"

#include "base/hash.h"

enum { OFTEN = 2, DAY_PARTS = 24, HALVE_AFTER = 4 * ADMIT_COUNTERS };
#define DAY_NS 86400e9

void admit_init(struct admit *a, uint64_t per_day, uint64_t now_ns)
{
	*a = (struct admit){.per_day = per_day, .then_ns = now_ns, .room = (double)per_day / DAY_PARTS};
}

static void refill(struct admit *a, uint64_t now_ns)
{
	double most = (double)a->per_day / DAY_PARTS;
	a->room += (double)(now_ns - a->then_ns) / DAY_NS * (double)a->per_day;
	a->then_ns = now_ns;
	if (a->room > most)
		a->room = most;
}

static uint32_t count(struct admit *a, struct store_key text)
{
	uint32_t least = UINT8_MAX;
	for (uint32_t r = 0; r < ADMIT_ROWS; r++) {
		uint8_t *c = &a->counts[r][hash_mix(text.w[0] + r * HASH_STEP) % ADMIT_COUNTERS];
		*c = (uint8_t)(*c + (*c < UINT8_MAX));
		least = *c < least ? *c : least;
	}
	if (++a->n == HALVE_AFTER) {
		a->n = 0;
		for (uint32_t i = 0; i < ADMIT_ROWS * ADMIT_COUNTERS; i++)
			a->counts[i / ADMIT_COUNTERS][i % ADMIT_COUNTERS] /= 2;
	}
	return least;
}

bool admit_wants(struct admit *a, struct store_key text, uint64_t bytes, uint64_t now_ns)
{
	if (a->per_day == 0)
		return true;
	refill(a, now_ns);
	uint32_t seen = count(a, text);
	double after = a->room - (double)bytes;
	return after >= 0 || (seen >= OFTEN && after > -(double)a->per_day / DAY_PARTS);
}

void admit_wrote(struct admit *a, uint64_t bytes)
{
	if (a->per_day)
		a->room -= (double)bytes;
}
