/* local_put.c: a record is written: first its data, then its head. A record counts when its head is there and right, so
 * whatever is cut short in between is not a record. Files are written outside of the lock: room in them is reserved under
 * it. */
#include "store/local_impl.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/os.h"

enum { FAILURES_MAX = 4 };
#define PAUSE_NS UINT64_C(2000000000)

/* Under the lock: the entry of the same record, if there is one. */
static uint32_t find_same(const struct local *l, const struct head_view *v)
{
	struct entry e;
	local_entry(&e, v);
	uint32_t slot = index_find(&l->index, e.text);
	for (; slot; slot = index_find_next(&l->index, slot)) {
		const struct entry *o = &l->index.slots[slot];
		if (o->start == e.start && o->end == e.end && o->parts_id == e.parts_id && o->scope == e.scope &&
		    o->fingerprint == e.fingerprint)
			break;
	}
	return slot;
}

static uint64_t data_room(const struct head_view *v)
{
	return (v->fixed->data_bytes + DATA_PAGE - 1) / DATA_PAGE * DATA_PAGE;
}

/* Under the lock: room for a record's data in the active segment, and a reference to it; NULL: there is none. */
static struct segment *reserve_data(struct local *l, struct head_view *v)
{
	uint64_t n = data_room(v);
	struct segment *s = l->active;
	if (n + DATA_PAGE > l->segment_max) {
		fault(l->faults, STORE_FAULT_SPACE, "a record larger than a segment (a 16th of the store) is left out");
		return NULL;
	}
	if (s && (s->data_end + n > l->segment_max || s->heads_end > l->segment_max / 2))
		l->active = NULL;
	if (!local_make_room(l, n + v->fixed->head_bytes + DATA_PAGE + HEAD_LINE) || !local_active(l))
		return NULL;
	s = l->active;
	v->fixed->data_at = s->data_end;
	s->data_end += n;
	l->bytes += n;
	s->refs++;
	return s;
}

static int write_head(struct local *l, struct segment *s, struct head_view *v, uint32_t *head_at)
{
	head_seal_sum(v);
	pthread_mutex_lock(&l->lock);
	*head_at = (uint32_t)s->heads_end;
	s->heads_end += v->fixed->head_bytes;
	l->bytes += v->fixed->head_bytes;
	s->dirty = true;
	pthread_mutex_unlock(&l->lock);
	return files_write_all(l->files, s->heads, v->fixed, v->fixed->head_bytes, *head_at);
}

/* Under the lock: what of a segment was reserved and could not be written. The next goes to a new segment: this disk, or
 * this file, is not to be trusted. */
static void write_failed(struct local *l, struct segment *s, const struct head_view *v, int rc)
{
	bool full = rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG;
	fault(l->faults, full ? STORE_FAULT_SPACE : STORE_FAULT_WRITE, "segment %llx: %s",
	      (unsigned long long)s->number, strerror(-rc));
	if (l->files->punch(l->files->ctx, s->data, v->fixed->data_at, data_room(v)) == 0) {
		s->data_gone += data_room(v);
		l->bytes -= data_room(v);
	}
	if (l->active == s)
		l->active = NULL;
	if (full && (l->segments == s ? s->next != NULL : true))
		local_evict_one(l); /* for the next one */
	if (++l->failures >= FAILURES_MAX)
		l->pause = os_clock_ns() + PAUSE_NS;
}

/* Takes w's record to the disk and into the index; *slot: its entry. */
static enum store_end write_ready(struct local *l, struct record *w, uint64_t *place)
{
	pthread_mutex_lock(&l->lock);
	struct segment *s = reserve_data(l, &w->v);
	pthread_mutex_unlock(&l->lock);
	if (!s)
		return STORE_FAILED;
	uint32_t head_at = 0, slot = 0;
	int rc = record_write(l->files, s->data, w);
	if (!rc)
		rc = write_head(l, s, &w->v, &head_at);
	pthread_mutex_lock(&l->lock);
	if (rc) {
		write_failed(l, s, &w->v, rc);
	} else if (!s->gone) {
		l->failures = 0;
		l->stats.bytes_written += w->v.fixed->data_bytes + w->v.fixed->head_bytes;
		slot = find_same(l, &w->v); /* two at once: the later one lies there in vain until its segment goes */
		if (!slot)
			slot = local_add(l, s, &w->v, head_at);
		if (!slot)
			fault(l->faults, STORE_FAULT_MEMORY, "the index cannot grow");
	}
	*place = slot ? index_place(&l->index, slot) : 0;
	local_unref(l, s);
	pthread_mutex_unlock(&l->lock);
	return slot ? STORE_OK : STORE_FAILED;
}

enum store_end local_put(void *b, const struct store_record *r, const void *const *data, uint64_t *place)
{
	struct local *l = b;
	struct record w;
	enum store_end end = STORE_FAILED;
	*place = 0;
	pthread_mutex_lock(&l->lock);
	bool writes = l->writes && os_clock_ns() >= l->pause;
	pthread_mutex_unlock(&l->lock);
	if (!writes)
		return STORE_FAILED;
	if (!record_ready(&w, &l->seal, r, data)) {
		fault(l->faults, STORE_FAULT_MEMORY, "a record is not written");
		record_release(&w);
		return STORE_FAILED;
	}
	pthread_mutex_lock(&l->lock);
	uint32_t same = find_same(l, &w.v);
	if (same) {
		*place = index_place(&l->index, same);
		local_used(l, same);
		l->stats.puts_same++;
	}
	pthread_mutex_unlock(&l->lock);
	end = same ? STORE_OK : write_ready(l, &w, place);
	record_release(&w);
	return end;
}

/* ---- Once more, elsewhere ------------------------------------------------------------------------------------------ */

/* The record as it lies there: sealed ones stay so, sums stay. */
static bool read_ready(struct local *l, const struct entry *e, struct record *w)
{
	void *head = mem_aligned(HEAD_LINE, e->head_bytes);
	*w = (struct record){.sealed = mem_alloc((size_t)e->data_pages * DATA_PAGE)};
	struct head_view v;
	if (!head || !w->sealed || files_read_all(l->files, e->segment->heads, head, e->head_bytes, e->head_at) ||
	    head_at(head, e->head_bytes, &v) != HEAD_GOOD || !(w->ios = mem_zalloc(v.fixed->n_parts, sizeof *w->ios)) ||
	    files_read_all(l->files, e->segment->data, w->sealed, head_data_used(&v), v.fixed->data_at)) {
		mem_free(head);
		return false;
	}
	w->v = v;
	uint8_t *bytes = w->sealed;
	for (uint32_t i = 0; i < v.fixed->n_parts; i++) {
		uint32_t n = v.parts[i].part.bytes;
		w->ios[i] = (struct file_io){.write = true, .bytes = bytes, .n = n};
		if (!key_equal(key_of_bytes(bytes, n), v.parts[i].sum))
			return false;
		bytes += head_padded(n);
	}
	return true;
}

bool local_move(struct local *l, uint64_t place)
{
	pthread_mutex_lock(&l->lock);
	uint32_t slot = index_at(&l->index, place), head_at = 0;
	struct entry e;
	if (slot) {
		e = l->index.slots[slot];
		e.segment->refs++;
	}
	pthread_mutex_unlock(&l->lock);
	if (!slot)
		return false;
	struct record w;
	bool ok = read_ready(l, &e, &w);
	pthread_mutex_lock(&l->lock);
	struct segment *to = ok && l->active != e.segment ? reserve_data(l, &w.v) : NULL;
	pthread_mutex_unlock(&l->lock);
	int rc = to ? record_write(l->files, to->data, &w) : 0;
	if (to && !rc)
		rc = write_head(l, to, &w.v, &head_at);
	pthread_mutex_lock(&l->lock);
	ok = to && !rc && !to->gone && index_at(&l->index, place) == slot;
	if (to && rc)
		write_failed(l, to, &w.v, rc);
	struct entry stale = e; /* of the two copies */
	if (to && !rc && !ok) {
		stale.segment = to;
		stale.head_at = head_at;
		stale.data_page = (uint32_t)(w.v.fixed->data_at / DATA_PAGE);
	}
	if (ok) {
		local_relocate(l, slot, to, head_at, (uint32_t)(w.v.fixed->data_at / DATA_PAGE));
		l->stats.bytes_moved += w.v.fixed->data_bytes + w.v.fixed->head_bytes;
	}
	if (to && !rc) /* or what is purged later would come back with the next start */
		local_wipe_bytes(l, &stale);
	if (to)
		local_unref(l, to);
	local_unref(l, e.segment);
	pthread_mutex_unlock(&l->lock);
	record_release(&w);
	return ok;
}
