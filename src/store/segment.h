/* segment.h: a segment: two files that only grow, `NUMBER.heads` and `NUMBER.data`.
 *
 *     .heads   [64: magic] [head] [head] ...            read whole at start, one after the other
 *     .data    [4096: magic] [parts] [parts] ...        of each record at a multiple of 4096
 *
 * Owner: the local store, under its lock; whoever holds a reference may read and write the files without it. */
#ifndef KVIK_STORE_SEGMENT_H
#define KVIK_STORE_SEGMENT_H

#include "store/files.h"
#include "store/index.h"

enum { SEGMENT_NAME = 32 };

struct segment {
	struct segment *next;
	uint64_t number;
	int heads, data;              /* files */
	uint64_t heads_end, data_end; /* where the next record goes */
	uint64_t data_gone;           /* bytes given back to the disk within */
	double worth;                 /* of its records, times their bytes */
	uint32_t first, n;            /* its entries */
	uint32_t refs;
	bool dirty; /* something was written since the last sync */
	bool gone;  /* has no names any more: closed with the last reference */
};

static inline uint64_t segment_bytes(const struct segment *s)
{
	return s->heads_end + s->data_end - s->data_gone;
}

/* The number in a name of ours; false: it is none. data: is it the data file's? */
bool segment_name_read(const char *name, uint64_t *number, bool *data);
void segment_name(char out[SEGMENT_NAME], uint64_t number, bool data);

/* New and empty files; nothing stays behind if it fails. Returns -errno. */
int segment_make(struct segment **out, const struct store_files *f, int dir, uint64_t number) MUST_CHECK;
/* Of files that are there, for writing where that may be; ends are where the files end. -errno; -EBADMSG: they are not
 * ours. */
int segment_open(struct segment **out, const struct store_files *f, int dir, uint64_t number) MUST_CHECK;
void segment_close(struct segment *s, const struct store_files *f);

/* Reads heads from `from` on and calls fn for each good one; v is the callee's to change. *end: behind the last good one;
 * *bad: lines that are neither heads nor zeros. Returns 0 or -errno. */
typedef bool segment_head_fn(void *ctx, struct head_view *v, uint32_t head_at);
int segment_scan(struct segment *s, const struct store_files *f, uint64_t from, uint64_t size, segment_head_fn *fn,
		 void *ctx, uint64_t *end, uint64_t *bad) MUST_CHECK;

#endif
