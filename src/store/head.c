/* head.c: see head.h. Nothing of a head is used before its sum and every length in it are right. */
#include "store/head.h"

#include <string.h>

#include "store/key.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are little-endian as they lie in memory"
#endif

static const char magic[4] = "KVKr";
enum { VERSION = 1 };

uint32_t head_size(uint32_t n_ids, uint32_t n_parts)
{
	size_t n = sizeof(struct head_fixed) + n_parts * sizeof(struct head_part) + n_ids * sizeof(uint32_t);
	return (uint32_t)head_padded(n);
}

static struct head_view view(void *bytes)
{
	struct head_fixed *fixed = bytes;
	struct head_part *parts = (void *)(fixed + 1);
	return (struct head_view){fixed, parts, (uint32_t *)(void *)(parts + fixed->n_parts)};
}

struct head_view head_lay_out(void *out, const struct store_record *r)
{
	uint32_t n_ids = r->end - r->start, bytes = head_size(n_ids, r->n_parts);
	memset(out, 0, bytes);
	struct head_fixed *f = out;
	*f = (struct head_fixed){.version = VERSION,
				 .head_bytes = bytes,
				 .n_parts = (uint16_t)r->n_parts,
				 .priority = r->priority,
				 .fingerprint = r->fingerprint,
				 .scope = r->scope,
				 .text = r->text,
				 .parent = r->parent,
				 .start = r->start,
				 .end = r->end,
				 .expires = r->expires};
	memcpy(f->magic, magic, sizeof magic);
	struct head_view v = view(out);
	for (uint32_t i = 0; i < r->n_parts; i++) {
		v.parts[i].part = r->parts[i];
		f->data_bytes += head_padded(r->parts[i].bytes);
	}
	memcpy(v.ids, r->ids, n_ids * sizeof *r->ids);
	return v;
}

static struct store_key sum_of(struct head_fixed *f)
{
	struct store_key sum = f->sum;
	f->sum = (struct store_key){{0, 0}};
	struct store_key right = key_of_bytes(f, f->head_bytes);
	f->sum = sum;
	return right;
}

void head_seal_sum(struct head_view *v)
{
	v->fixed->sum = sum_of(v->fixed);
}

static bool parts_ok(const struct head_view *v)
{
	uint64_t data = 0;
	for (uint32_t i = 0; i < v->fixed->n_parts; i++) {
		const struct store_part *p = &v->parts[i].part;
		if (p->kind >= STORE_KINDS || p->bytes == 0 || p->bytes > STORE_PART_BYTES_MAX)
			return false;
		data += head_padded(p->bytes);
	}
	return data == v->fixed->data_bytes;
}

enum head_found head_at(void *bytes, size_t n, struct head_view *v)
{
	static const uint8_t zeros[HEAD_LINE];
	struct head_fixed *f = bytes;
	if (n < HEAD_LINE)
		return HEAD_MORE;
	if (memcmp(bytes, zeros, HEAD_LINE) == 0)
		return HEAD_EMPTY;
	if (memcmp(f->magic, magic, sizeof magic) != 0 || f->version != VERSION || f->n_parts == 0 ||
	    f->n_parts > STORE_PARTS_MAX || f->head_bytes % HEAD_LINE != 0 || f->head_bytes > HEAD_BYTES_MAX ||
	    f->head_bytes < head_size(1, f->n_parts))
		return HEAD_BAD;
	if (n < f->head_bytes)
		return HEAD_MORE;
	if (f->end <= f->start || f->end - f->start > STORE_IDS_MAX ||
	    f->head_bytes != head_size(f->end - f->start, f->n_parts) || !key_equal(f->sum, sum_of(f)))
		return HEAD_BAD;
	*v = view(bytes);
	return parts_ok(v) ? HEAD_GOOD : HEAD_BAD;
}

struct store_record head_record(const struct head_view *v, struct store_part *parts)
{
	for (uint32_t i = 0; i < v->fixed->n_parts; i++)
		parts[i] = v->parts[i].part;
	const struct head_fixed *f = v->fixed;
	return (struct store_record){.fingerprint = f->fingerprint,
				     .scope = f->scope,
				     .text = f->text,
				     .parent = f->parent,
				     .start = f->start,
				     .end = f->end,
				     .ids = v->ids,
				     .parts = parts,
				     .n_parts = f->n_parts,
				     .priority = f->priority,
				     .expires = f->expires};
}
