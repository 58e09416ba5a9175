/* head.h: the bytes of a record's head: pure, of outside bytes, fuzzed.
 *
 *     0   magic  version  flags  head_bytes  n_parts  priority          little-endian, as it lies in memory
 *    16   sum of all of the head, these 16 bytes being zeros
 *    32   fingerprint, scope, text, parent
 *    96   start, end, data_at, data_bytes, expires; if it is sealed (seal.h): salt, tag of the ids
 *   160   parts [n_parts] of 64 bytes: what it is, its sum, and its tag if it is sealed
 *         ids   [end - start], then zeros up to a multiple of 64
 *
 * Heads lie one behind the other at multiples of 64, so that behind a damaged one the next is found. A head of zeros is
 * none: records are erased by that. Any thread. */
#ifndef KVIK_STORE_HEAD_H
#define KVIK_STORE_HEAD_H

#include "store/store.h"

enum { HEAD_LINE = 64, HEAD_SEALED = 1 };
#define HEAD_BYTES_MAX 65536u

struct head_fixed {
	char magic[4];
	uint16_t version, flags;
	uint32_t head_bytes;
	uint16_t n_parts;
	uint8_t priority, zero;
	struct store_key sum;
	struct store_key fingerprint, scope, text, parent;
	uint32_t start, end;
	uint64_t data_at, data_bytes; /* in the data file; parts lie one behind the other, each at a multiple of 64 */
	uint64_t expires;
	uint8_t salt[16], ids_tag[16];
};
_Static_assert(sizeof(struct head_fixed) == 160, "the head is as head.h says");

struct head_part {
	struct store_part part;
	struct store_key sum; /* of the bytes as they lie on the disk */
	uint8_t tag[16], zero[16];
};
_Static_assert(sizeof(struct head_part) == 64, "parts are as head.h says");

/* A head in a buffer, borrowed. */
struct head_view {
	struct head_fixed *fixed;
	struct head_part *parts; /* [fixed->n_parts] */
	uint32_t *ids;           /* [end - start] */
};

uint32_t head_size(uint32_t n_ids, uint32_t n_parts);
/* Bytes that a part, or a record's parts, take in the data file. */
static inline uint64_t head_padded(uint64_t bytes)
{
	return (bytes + HEAD_LINE - 1) / HEAD_LINE * HEAD_LINE;
}
/* Bytes from data_at to the end of the last part: nothing is written behind. */
static inline uint64_t head_data_used(const struct head_view *v)
{
	uint32_t last = v->parts[v->fixed->n_parts - 1].part.bytes;
	return v->fixed->data_bytes - head_padded(last) + last;
}
/* Lays out a head for r in out[head_size()] (aligned to 64): everything but the parts' sums and the head's. */
struct head_view head_lay_out(void *out, const struct store_record *r);
void head_seal_sum(struct head_view *v); /* the last step of writing one */

enum head_found { HEAD_GOOD, HEAD_BAD, HEAD_EMPTY, HEAD_MORE };
/* What begins at bytes (aligned to 64)? BAD: no head, or not a whole and right one. EMPTY: zeros. MORE: it may go on
 * behind n. */
enum head_found head_at(void *bytes, size_t n, struct head_view *v);
/* A record as the caller knows it; parts: room for STORE_PARTS_MAX. */
struct store_record head_record(const struct head_view *v, struct store_part *parts);

#endif
