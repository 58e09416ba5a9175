/* local_impl.h: the inside of a local store, for its own files.
 *
 * Invariants, under the lock: 1. Each entry is in the list of its segment, and its bytes lie within the segment's ends.
 * 2. bytes is the sum of segment_bytes. 3. Without `writes` no file is changed. 4. Only the active segment grows. */
#ifndef KVIK_STORE_LOCAL_IMPL_H
#define KVIK_STORE_LOCAL_IMPL_H

#include <pthread.h>

#include "store/local.h"
#include "store/record_io.h"
#include "store/segment.h"

#define SEGMENT_BYTES_MAX (UINT64_C(256) << 20)

struct local {
	const struct store_files *files;
	struct faults *faults;
	const char *path; /* borrowed */
	int dir, lock_file;
	bool read_only; /* by the caller's wish, or the folder's nature: no lock is asked for */
	bool has_secret;
	bool has_holes; /* the disk takes back parts of files */
	struct secret secret;
	struct seal seal;
	uint64_t bytes_max, segment_max;
	uint32_t records_max;

	pthread_mutex_t lock; /* of all below */
	bool writes;
	struct index index;
	struct segment *segments; /* by number */
	struct segment *active;   /* one of them; NULL: none yet */
	uint64_t next_number, bytes;
	double age;        /* worth of what was evicted last: what was not used since then counts less (GreedyDual) */
	uint32_t failures; /* writes that failed, one behind the other */
	uint64_t pause;    /* os_clock_ns() up to which nothing is written, after too many of them */
	uint32_t expiry_hand;     /* slot where looking for expired entries goes on */
	struct store_stats stats; /* counters */
};

/* local.c; under the lock */
void local_entry(struct entry *e, const struct head_view *v); /* but for where it lies */
void local_used(struct local *l, uint32_t slot);              /* it is worth more now */
void local_relocate(struct local *l, uint32_t slot, struct segment *to, uint32_t head_at, uint32_t data_page);
void local_remove(struct local *l, uint32_t slot); /* of the index, and of its segment */
uint32_t local_add(struct local *l, struct segment *s, const struct head_view *v, uint32_t head_at);
void local_unref(struct local *l, struct segment *s);
/* Wipes head and data of an entry, and removes it. */
void local_wipe(struct local *l, uint32_t slot);
void local_wipe_bytes(struct local *l, const struct entry *e); /* those alone */
void local_append(struct local *l, struct segment *s);         /* to the list, by number */

/* local_scan.c */
int local_scan(struct local *l, struct kvik_err *err) MUST_CHECK; /* reads what is new; takes the lock itself */
bool local_try_lock(struct local *l);                             /* becomes the one who writes, if it can */
bool local_active(struct local *l); /* under the lock: there is an active segment after it */

/* local_room.c */
bool local_make_room(struct local *l, uint64_t bytes); /* under the lock: evicts until so many more fit */
bool local_evict_one(struct local *l);                 /* under the lock */
void local_tend(void *b);
bool local_hurries(void *b);

/* local_put.c */
enum store_end local_put(void *b, const struct store_record *r, const void *const *data, uint64_t *place);
/* Writes a record once more that is in another segment; for local_room.c. */
bool local_move(struct local *l, uint64_t place);
/* Reads the head of an entry into buf (aligned, [HEAD_BYTES_MAX]); opens its ids if it is sealed (key: of the record). */
enum store_end local_read_head(struct local *l, const struct entry *e, void *buf, struct head_view *v, uint8_t key[32]);

/* So much is kept free for what comes next. */
static inline uint64_t local_reserve_bytes(const struct local *l)
{
	return l->segment_max;
}

#endif
