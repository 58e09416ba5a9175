/* local.c: see local.h. Opening, looking up, reading, erasing; local_put.c writes, local_scan.c finds what is there,
 * local_room.c makes room. */
#include "store/local_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/mem.h"

/* ---- Entries, under the lock --------------------------------------------------------------------------------------- */

static double entry_bytes(const struct entry *e)
{
	return (double)e->head_bytes + (double)e->data_pages * DATA_PAGE;
}

/* Tokens that it saves, per byte that it takes, the more the more often it was asked for; four times that a priority. */
static float worth_of(const struct local *l, const struct entry *e)
{
	uint32_t priority = e->priority < 8 ? e->priority : 8;
	double once = (double)(e->end - e->start) / entry_bytes(e) * 65536 * (double)(UINT32_C(1) << 2 * priority);
	return (float)(l->age + once * (1 + e->hits));
}

void local_entry(struct entry *e, const struct head_view *v)
{
	struct store_part parts[STORE_PARTS_MAX];
	struct store_record r = head_record(v, parts);
	*e = (struct entry){.text = r.text,
			    .scope = r.scope.w[0],
			    .fingerprint = r.fingerprint.w[0],
			    .parts_id = hash_bytes(parts, r.n_parts * sizeof *parts),
			    .expires = r.expires,
			    .head_bytes = v->fixed->head_bytes,
			    .data_page = (uint32_t)(v->fixed->data_at / DATA_PAGE),
			    .data_pages = (uint32_t)((v->fixed->data_bytes + DATA_PAGE - 1) / DATA_PAGE),
			    .start = r.start,
			    .end = r.end,
			    .priority = r.priority};
}

static void link_entry(struct local *l, uint32_t slot)
{
	struct entry *e = &l->index.slots[slot];
	struct segment *s = e->segment;
	e->before = INDEX_NONE;
	e->behind = s->first;
	if (s->first)
		l->index.slots[s->first].before = slot;
	s->first = slot;
	s->n++;
	s->worth += (double)e->worth * entry_bytes(e);
}

static void unlink_entry(struct local *l, uint32_t slot)
{
	struct entry *e = &l->index.slots[slot];
	struct segment *s = e->segment;
	if (e->before)
		l->index.slots[e->before].behind = e->behind;
	else
		s->first = e->behind;
	if (e->behind)
		l->index.slots[e->behind].before = e->before;
	s->n--;
	s->worth -= (double)e->worth * entry_bytes(e);
}

uint32_t local_add(struct local *l, struct segment *s, const struct head_view *v, uint32_t head_at)
{
	struct entry e;
	if (l->index.n >= l->records_max)
		return INDEX_NONE;
	local_entry(&e, v);
	e.segment = s;
	e.head_at = head_at;
	e.worth = worth_of(l, &e);
	uint32_t slot = index_add(&l->index, &e);
	if (slot)
		link_entry(l, slot);
	return slot;
}

void local_remove(struct local *l, uint32_t slot)
{
	unlink_entry(l, slot);
	index_remove(&l->index, slot);
}

void local_used(struct local *l, uint32_t slot)
{
	struct entry *e = &l->index.slots[slot];
	e->hits = (uint8_t)(e->hits + (e->hits < UINT8_MAX));
	float worth = worth_of(l, e), more = worth - e->worth;
	l->index.worth += (double)more;
	e->segment->worth += (double)more * entry_bytes(e);
	e->worth = worth;
}

void local_relocate(struct local *l, uint32_t slot, struct segment *to, uint32_t head_at, uint32_t data_page)
{
	struct entry *e = &l->index.slots[slot];
	unlink_entry(l, slot);
	e->segment = to;
	e->head_at = head_at;
	e->data_page = data_page;
	link_entry(l, slot);
}

void local_unref(struct local *l, struct segment *s)
{
	if (--s->refs == 0 && s->gone)
		segment_close(s, l->files);
}

void local_append(struct local *l, struct segment *s)
{
	struct segment **at = &l->segments;
	while (*at && (*at)->number < s->number)
		at = &(*at)->next;
	s->next = *at;
	*at = s;
	l->bytes += segment_bytes(s);
	if (s->number >= l->next_number)
		l->next_number = s->number + 1;
}

/* Zeros over the head, so that it is none; its data goes back to the disk. What fails here leaves a record behind that
 * the next start finds again: said, for those who purge. */
void local_wipe_bytes(struct local *l, const struct entry *e)
{
	static const uint8_t zeros[HEAD_LINE];
	const struct store_files *f = l->files;
	int rc = 0;
	if (!l->writes || e->segment->gone)
		return;
	for (uint32_t at = 0; at < e->head_bytes && !rc; at += HEAD_LINE)
		rc = files_write_all(f, e->segment->heads, zeros, HEAD_LINE, e->head_at + at);
	uint64_t data_at = (uint64_t)e->data_page * DATA_PAGE, data_bytes = (uint64_t)e->data_pages * DATA_PAGE;
	e->segment->dirty = true;
	if (f->punch(f->ctx, e->segment->data, data_at, data_bytes) == 0) {
		e->segment->data_gone += data_bytes;
		l->bytes -= data_bytes;
	} else { /* a disk that knows no holes: zeros */
		for (uint64_t at = 0; at < data_bytes && !rc; at += HEAD_LINE)
			rc = files_write_all(f, e->segment->data, zeros, HEAD_LINE, data_at + at);
	}
	if (rc)
		fault(l->faults, STORE_FAULT_WRITE, "a record could not be wiped: %s", strerror(-rc));
}

void local_wipe(struct local *l, uint32_t slot)
{
	struct entry e = l->index.slots[slot];
	local_remove(l, slot);
	l->stats.erased++;
	local_wipe_bytes(l, &e);
}

/* ---- Reading ------------------------------------------------------------------------------------------------------- */

/* A copy of what is at a place, with a reference to its segment; false: it is gone. */
static bool take_entry(struct local *l, uint64_t place, struct entry *e)
{
	pthread_mutex_lock(&l->lock);
	uint32_t slot = index_at(&l->index, place);
	if (slot && l->index.slots[slot].expires && l->index.slots[slot].expires <= (uint64_t)time(NULL))
		slot = INDEX_NONE;
	if (slot) {
		local_used(l, slot);
		*e = l->index.slots[slot];
		e->segment->refs++;
	}
	pthread_mutex_unlock(&l->lock);
	return slot;
}

/* Drops the reference. Damaged: it leaves the index; but if somebody erased or moved it meanwhile, it is only GONE from
 * there. */
static enum store_end drop_entry(struct local *l, uint64_t place, const struct entry *e, enum store_end end)
{
	pthread_mutex_lock(&l->lock);
	uint32_t slot = index_at(&l->index, place);
	const struct entry *now = &l->index.slots[slot];
	if (end == STORE_DAMAGED && (!slot || now->segment != e->segment || now->head_at != e->head_at))
		end = STORE_GONE;
	if (end == STORE_DAMAGED) {
		fault(l->faults, STORE_FAULT_DAMAGED, "segment %llx at %u", (unsigned long long)e->segment->number,
		      e->head_at);
		local_wipe(l, slot);
	}
	local_unref(l, e->segment);
	pthread_mutex_unlock(&l->lock);
	return end;
}

enum store_end local_read_head(struct local *l, const struct entry *e, void *buf, struct head_view *v, uint8_t key[32])
{
	struct record_io io = {l->files, l->faults, &l->seal};
	enum store_end end = record_read_head(&io, e->segment->heads, e->head_at, e->head_bytes, buf, v, key);
	bool other = end == STORE_OK &&
		     (!key_equal(v->fixed->text, e->text) || v->fixed->start != e->start || v->fixed->end != e->end);
	return other ? STORE_DAMAGED : end;
}

/* The parts that reads[n] ask for, of the record whose head is v. */
static void read_parts(struct local *l, const struct segment *s, const struct head_view *v, const uint8_t key[32],
		       struct backend_read *reads, uint32_t n)
{
	struct record_io io = {l->files, l->faults, &l->seal};
	uint64_t bytes = record_read_parts(&io, s->data, v, key, reads, n);
	pthread_mutex_lock(&l->lock);
	l->stats.bytes_read += bytes;
	pthread_mutex_unlock(&l->lock);
}

static void get_once(struct local *l, void *buf, struct backend_read *reads, uint32_t n)
{
	struct entry e;
	struct head_view v;
	uint8_t key[32];
	enum store_end end = STORE_GONE;
	if (take_entry(l, reads[0].place, &e)) {
		end = local_read_head(l, &e, buf, &v, key);
		if (end == STORE_OK)
			read_parts(l, e.segment, &v, key, reads, n);
		enum store_end worst = end;
		for (uint32_t i = 0; i < n && end == STORE_OK; i++)
			worst = reads[i].end == STORE_DAMAGED ? STORE_DAMAGED : worst;
		worst = drop_entry(l, reads[0].place, &e, worst);
		for (uint32_t i = 0; i < n && end == STORE_OK; i++)
			reads[i].end = reads[i].end == STORE_DAMAGED ? worst : reads[i].end;
		if (end == STORE_OK)
			return;
		end = worst;
	}
	for (uint32_t i = 0; i < n; i++)
		reads[i].end = end;
}

/* What was moved while it was read is read where it is now. */
static void get_some(void *b, void *buf, struct backend_read *reads, uint32_t n)
{
	struct local *l = b;
	bool again = true;
	for (int tries = 0; tries < 3 && again; tries++) {
		get_once(l, buf, reads, n);
		again = false;
		for (uint32_t i = 0; i < n; i++)
			again |= reads[i].end == STORE_GONE;
		pthread_mutex_lock(&l->lock);
		again = again && index_at(&l->index, reads[0].place);
		pthread_mutex_unlock(&l->lock);
	}
}

static void local_get(void *b, struct backend_read *reads, uint32_t n)
{
	struct local *l = b;
	record_get(l->faults, get_some, l, reads, n);
}

static enum store_end local_has(void *b, const struct store_record *r, uint64_t *place)
{
	struct local *l = b;
	uint64_t found[8];
	uint32_t n = 0;
	pthread_mutex_lock(&l->lock);
	for (uint32_t s = index_find(&l->index, r->text); s && n < 8; s = index_find_next(&l->index, s))
		if (l->index.slots[s].start == r->start && l->index.slots[s].end == r->end)
			found[n++] = index_place(&l->index, s);
	pthread_mutex_unlock(&l->lock);
	void *buf = n ? mem_aligned(HEAD_LINE, HEAD_BYTES_MAX) : NULL;
	enum store_end end = n && !buf ? STORE_FAILED : STORE_GONE;
	for (uint32_t i = 0; i < n && buf && end != STORE_OK; i++) {
		struct entry e;
		struct head_view v;
		uint8_t key[32];
		if (!take_entry(l, found[i], &e))
			continue;
		end = local_read_head(l, &e, buf, &v, key);
		if (end == STORE_OK && !record_is(&v, r))
			end = STORE_GONE;
		end = drop_entry(l, found[i], &e, end);
		*place = found[i];
	}
	mem_free(buf);
	return end;
}

static void local_erase(void *b, uint64_t place)
{
	struct local *l = b;
	pthread_mutex_lock(&l->lock);
	uint32_t slot = index_at(&l->index, place);
	struct entry e = {0};
	if (slot) {
		e = l->index.slots[slot];
		local_wipe(l, slot);
	}
	/* a crash between a move and the wiping of the old copy has left two of them */
	for (uint32_t next; slot; slot = next) {
		for (next = index_find(&l->index, e.text); next; next = index_find_next(&l->index, next))
			if (l->index.slots[next].start == e.start && l->index.slots[next].parts_id == e.parts_id)
				break;
		if (next)
			local_wipe(l, next);
	}
	pthread_mutex_unlock(&l->lock);
}

static void local_sync(void *b);

static uint64_t local_purge(void *b, struct store_key scope)
{
	struct local *l = b;
	uint64_t n = 0;
	pthread_mutex_lock(&l->lock);
	for (uint32_t i = 1; i < l->index.n_slots && l->writes; i++) {
		if (l->index.slots[i].segment && l->index.slots[i].scope == scope.w[0]) {
			local_wipe(l, i);
			n++;
		}
		if (i % 256 == 0) { /* others come in between */
			pthread_mutex_unlock(&l->lock);
			pthread_mutex_lock(&l->lock);
		}
	}
	pthread_mutex_unlock(&l->lock);
	local_sync(l);
	return n;
}

/* ---- All of them --------------------------------------------------------------------------------------------------- */

struct listed {
	uint64_t place;
	uint64_t order; /* start first, then where it lies */
};

static int by_order(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int local_each(void *b, const struct store_key *fingerprint, store_each_fn *fn, void *ctx, struct kvik_err *err)
{
	struct local *l = b;
	struct store_part parts[STORE_PARTS_MAX];
	size_t n = 0;
	pthread_mutex_lock(&l->lock);
	struct listed *list = mem_alloc((l->index.n + 1) * sizeof *list);
	for (uint32_t i = 1; list && i < l->index.n_slots; i++) {
		const struct entry *e = &l->index.slots[i];
		if (e->segment && (!fingerprint || e->fingerprint == fingerprint->w[0]))
			list[n++] = (struct listed){index_place(&l->index, i), (uint64_t)e->start << 32 | e->head_at};
	}
	pthread_mutex_unlock(&l->lock);
	void *buf = mem_aligned(HEAD_LINE, HEAD_BYTES_MAX);
	bool goes_on = list && buf;
	if (goes_on)
		qsort(list, n, sizeof *list, by_order);
	for (size_t i = 0; i < n && goes_on; i++) {
		struct entry e;
		struct head_view v;
		uint8_t key[32];
		pthread_mutex_lock(&l->lock);
		uint32_t slot = index_at(&l->index, list[i].place);
		if (slot) {
			e = l->index.slots[slot];
			e.segment->refs++;
		}
		pthread_mutex_unlock(&l->lock);
		if (!slot)
			continue;
		enum store_end end = local_read_head(l, &e, buf, &v, key);
		if (end == STORE_OK && (!fingerprint || key_equal(v.fixed->fingerprint, *fingerprint))) {
			struct store_record r = head_record(&v, parts);
			goes_on = fn(ctx, &r, list[i].place, (double)e.worth);
		}
		drop_entry(l, list[i].place, &e, end);
	}
	int rc = list && buf ? 0 : err_set(err, KVIK_ERR_NOMEM, "store: no memory to list its records");
	mem_free(buf);
	mem_free(list);
	return rc;
}

/* ---- As a whole ---------------------------------------------------------------------------------------------------- */

/* A segment that has something to be synced, with a reference to it. */
static struct segment *take_dirty(struct local *l)
{
	pthread_mutex_lock(&l->lock);
	struct segment *s = l->segments;
	while (s && !s->dirty)
		s = s->next;
	if (s) {
		s->dirty = false;
		s->refs++;
	}
	pthread_mutex_unlock(&l->lock);
	return s;
}

static void local_sync(void *b)
{
	struct local *l = b;
	const struct store_files *f = l->files;
	bool any = false;
	for (struct segment *s; (s = take_dirty(l)); any = true) {
		int rc = f->sync(f->ctx, s->data);
		if (!rc)
			rc = f->sync(f->ctx, s->heads);
		pthread_mutex_lock(&l->lock);
		if (rc) {
			fault(l->faults, STORE_FAULT_SYNC, "segment %llx: %s", (unsigned long long)s->number,
			      strerror(-rc));
			if (l->active == s)
				l->active =
					NULL; /* what the system has of it is not known any more: nothing is added */
		}
		local_unref(l, s);
		pthread_mutex_unlock(&l->lock);
	}
	if (any && f->sync(f->ctx, l->dir))
		fault(l->faults, STORE_FAULT_SYNC, "the folder");
}

static void local_stats(void *b, struct store_stats *out)
{
	struct local *l = b;
	pthread_mutex_lock(&l->lock);
	out->writes = l->writes;
	out->sealed = l->seal.on;
	out->hand = l->files->name;
	out->bytes = l->bytes;
	out->bytes_max = l->bytes_max;
	out->records = l->index.n;
	for (const struct segment *s = l->segments; s; s = s->next)
		out->segments++;
	out->puts_same = l->stats.puts_same;
	out->bytes_written = l->stats.bytes_written;
	out->bytes_read = l->stats.bytes_read;
	out->bytes_moved = l->stats.bytes_moved;
	out->evicted = l->stats.evicted;
	out->expired = l->stats.expired;
	out->erased = l->stats.erased;
	pthread_mutex_unlock(&l->lock);
}

static void local_close(void *b)
{
	struct local *l = b;
	if (l->writes)
		local_sync(l);
	for (struct segment *s = l->segments, *next; s; s = next) {
		next = s->next;
		segment_close(s, l->files);
	}
	index_release(&l->index);
	if (l->lock_file >= 0)
		l->files->close(l->files->ctx, l->lock_file);
	if (l->dir >= 0)
		l->files->close(l->files->ctx, l->dir);
	pthread_mutex_destroy(&l->lock);
	mem_free(l);
}

static const struct backend_ops ops = {.put = local_put,
				       .get = local_get,
				       .has = local_has,
				       .erase = local_erase,
				       .purge = local_purge,
				       .each = local_each,
				       .sync = local_sync,
				       .tend = local_tend,
				       .hurries = local_hurries,
				       .stats = local_stats,
				       .close = local_close};

/* The last segment goes on, if there is room in it. */
static void resume(struct local *l)
{
	struct segment *last = l->segments;
	while (last && last->next)
		last = last->next;
	if (last && last->n > 0 && last->data_end < l->segment_max / 2)
		l->active = last;
}

static int open_folder(struct local *l, const struct store_config *c, struct kvik_err *err)
{
	const struct store_files *f = l->files;
	l->dir = f->open_dir(f->ctx, l->path, !c->read_only);
	if (l->dir < 0)
		return err_set(err, KVIK_ERR_IO, "store: %s: %s", l->path, strerror(-l->dir));
	if (!c->read_only)
		local_try_lock(l);
	l->has_holes = !l->writes || f->punch(f->ctx, l->lock_file, 0, DATA_PAGE) == 0;
	int rc = secret_load(&l->secret, f, l->dir, l->writes, err);
	l->has_secret = !rc;
	if (rc && c->read_only) /* for those who look at it from outside */
		rc = 0;
	if (rc)
		err_prefix(err, "%s", l->path);
	return rc;
}

int local_open(struct backend *out, const char *path, const struct store_config *c, struct faults *faults,
	       struct kvik_err *err)
{
	struct local *l = mem_zalloc(1, sizeof *l);
	if (!l)
		return err_set(err, KVIK_ERR_NOMEM, "store: no memory");
	*l = (struct local){.files = c->files,
			    .faults = faults,
			    .path = path,
			    .dir = -1,
			    .lock_file = -1,
			    .read_only = c->read_only,
			    .bytes_max = c->bytes_max,
			    .records_max = c->records_max,
			    .next_number = 1};
	pthread_mutex_init(&l->lock, NULL);
	int rc = seal_load(&l->seal, c->key_file, err);
	if (!rc)
		rc = open_folder(l, c, err);
	if (!rc && l->bytes_max == 0) {
		uint64_t free_bytes = 0;
		l->files->free_bytes(l->files->ctx, l->dir, &free_bytes);
		l->bytes_max = free_bytes / 2;
	}
	l->segment_max = l->bytes_max / 16 < SEGMENT_BYTES_MAX ? l->bytes_max / 16 : SEGMENT_BYTES_MAX;
	if (!rc)
		rc = local_scan(l, err);
	if (!rc && l->writes) {
		resume(l);
		local_make_room(l, 0);
	}
	if (rc) {
		local_close(l);
		return rc;
	}
	*out = (struct backend){&ops, l, l->has_secret ? &l->secret : NULL};
	return 0;
}
