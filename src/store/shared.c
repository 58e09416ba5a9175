/* shared.c: see shared.h.
 *
 *     TEXT-START.rec     [64: magic] [head] [parts]        TEXT: the key of its text, 32 hex digits; START: 8
 *     NUMBER.part        one that is being written; what is left of a writer that ended can be removed
 *
 * A name follows from the text, so a record is found by asking for its file: what one server has computed another finds at
 * once, without having read the folder. Of one text and start the first record stays. Places are entries of an index of
 * what this process has met. */
#include "store/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "store/index.h"
#include "store/record_io.h"

static const char magic[HEAD_LINE] = "kvik store record 1\n";

enum { NAME_BYTES = 64 };

struct shared {
	const struct store_files *files;
	struct faults *faults;
	const char *path; /* borrowed */
	int dir;
	bool read_only, has_secret;
	struct secret secret;
	struct seal seal;
	uint32_t records_max;

	pthread_mutex_t lock; /* of all below */
	struct index index;
	uint32_t oldest; /* slot that is given up next when the index is full */
	struct store_stats stats;
};

static struct record_io io_of(const struct shared *h)
{
	return (struct record_io){h->files, h->faults, &h->seal};
}

static void name_of(char out[NAME_BYTES], struct store_key text, uint32_t start)
{
	snprintf(out, NAME_BYTES, "%016llx%016llx-%08x.rec", (unsigned long long)text.w[0],
		 (unsigned long long)text.w[1], start);
}

/* ---- Places -------------------------------------------------------------------------------------------------------- */

/* The place of a record that was met; 0: no memory. */
static uint64_t meet(struct shared *h, struct store_key text, uint32_t start, uint32_t end)
{
	pthread_mutex_lock(&h->lock);
	struct index *x = &h->index;
	uint32_t slot = index_find(x, text);
	while (slot && x->slots[slot].start != start)
		slot = index_find_next(x, slot);
	for (uint32_t tries = 0; !slot && x->n >= h->records_max && tries < x->n_slots; tries++) {
		h->oldest = h->oldest + 1 < x->n_slots ? h->oldest + 1 : 1;
		if (x->slots[h->oldest].segment)
			index_remove(x, h->oldest);
	}
	struct entry e = {
		.text = text, .start = start, .end = end, .segment = (struct segment *)h}; /* used: not NULL */
	if (!slot)
		slot = index_add(x, &e);
	uint64_t place = slot ? index_place(x, slot) : 0;
	pthread_mutex_unlock(&h->lock);
	return place;
}

static bool find_place(struct shared *h, uint64_t place, struct entry *e)
{
	pthread_mutex_lock(&h->lock);
	uint32_t slot = index_at(&h->index, place);
	if (slot)
		*e = h->index.slots[slot];
	pthread_mutex_unlock(&h->lock);
	return slot;
}

static void forget(struct shared *h, uint64_t place)
{
	pthread_mutex_lock(&h->lock);
	uint32_t slot = index_at(&h->index, place);
	if (slot)
		index_remove(&h->index, slot);
	pthread_mutex_unlock(&h->lock);
}

/* ---- Reading ------------------------------------------------------------------------------------------------------- */

/* Opens a record's file and reads its head into buf [HEAD_BYTES_MAX]; *fd is the caller's when OK. */
static enum store_end open_record(struct shared *h, const char *name, void *buf, struct head_view *v, uint8_t key[32],
				  int *fd)
{
	const struct store_files *f = h->files;
	struct head_fixed fixed;
	char found[HEAD_LINE];
	struct record_io io = io_of(h);
	*fd = f->open(f->ctx, h->dir, name, O_RDONLY, 0);
	if (*fd == -ENOENT || *fd == -ESTALE)
		return STORE_GONE;
	if (*fd < 0) {
		fault(h->faults, STORE_FAULT_READ, "%s: %s", name, strerror(-*fd));
		return STORE_FAILED;
	}
	int rc = files_read_all(f, *fd, found, sizeof found, 0);
	if (!rc)
		rc = files_read_all(f, *fd, &fixed, sizeof fixed, HEAD_LINE);
	enum store_end end = rc == -ENODATA ? STORE_DAMAGED : rc ? STORE_FAILED : STORE_OK;
	if (end == STORE_FAILED)
		fault(h->faults, STORE_FAULT_READ, "%s: %s", name, strerror(-rc));
	if (end == STORE_OK && (memcmp(found, magic, sizeof magic) != 0 || fixed.head_bytes > HEAD_BYTES_MAX))
		end = STORE_DAMAGED;
	if (end == STORE_OK)
		end = record_read_head(&io, *fd, HEAD_LINE, fixed.head_bytes, buf, v, key);
	if (end == STORE_OK && v->fixed->expires && v->fixed->expires <= (uint64_t)time(NULL))
		end = STORE_GONE;
	if (end == STORE_DAMAGED)
		fault(h->faults, STORE_FAULT_DAMAGED, "%s", name);
	if (end != STORE_OK)
		f->close(f->ctx, *fd);
	return end;
}

static void get_record(void *b, void *buf, struct backend_read *reads, uint32_t n)
{
	struct shared *h = b;
	struct entry e;
	struct head_view v;
	uint8_t key[32];
	char name[NAME_BYTES];
	int fd;
	enum store_end end = STORE_GONE;
	if (find_place(h, reads[0].place, &e)) {
		name_of(name, e.text, e.start);
		end = open_record(h, name, buf, &v, key, &fd);
	}
	if (end == STORE_OK && (!key_equal(v.fixed->text, e.text) || v.fixed->start != e.start)) {
		h->files->close(h->files->ctx, fd);
		fault(h->faults, STORE_FAULT_DAMAGED, "%s is another's", name);
		end = STORE_DAMAGED;
	}
	if (end != STORE_OK) {
		for (uint32_t i = 0; i < n; i++)
			reads[i].end = end;
	} else {
		struct record_io io = io_of(h);
		uint64_t bytes = record_read_parts(&io, fd, &v, key, reads, n);
		h->files->close(h->files->ctx, fd);
		for (uint32_t i = 0; i < n; i++)
			end = reads[i].end == STORE_DAMAGED ? STORE_DAMAGED : end;
		if (end == STORE_DAMAGED)
			fault(h->faults, STORE_FAULT_DAMAGED, "%s", name);
		pthread_mutex_lock(&h->lock);
		h->stats.bytes_read += bytes;
		pthread_mutex_unlock(&h->lock);
	}
	if (end == STORE_DAMAGED && !h->read_only)
		h->files->unlink(h->files->ctx, h->dir, name);
	if (end == STORE_DAMAGED || end == STORE_GONE)
		forget(h, reads[0].place);
}

static void shared_get(void *b, struct backend_read *reads, uint32_t n)
{
	struct shared *h = b;
	record_get(h->faults, get_record, h, reads, n);
}

static enum store_end shared_has(void *b, const struct store_record *r, uint64_t *place)
{
	struct shared *h = b;
	struct head_view v;
	uint8_t key[32];
	char name[NAME_BYTES];
	int fd;
	void *buf = mem_aligned(HEAD_LINE, HEAD_BYTES_MAX);
	if (!buf)
		return STORE_FAILED;
	name_of(name, r->text, r->start);
	enum store_end end = open_record(h, name, buf, &v, key, &fd);
	if (end == STORE_OK) {
		h->files->close(h->files->ctx, fd);
		if (!record_is(&v, r) || !key_equal(v.fixed->text, r->text))
			end = STORE_GONE;
		else if (!(*place = meet(h, r->text, r->start, r->end)))
			end = STORE_FAILED;
	}
	mem_free(buf);
	return end;
}

/* ---- Writing ------------------------------------------------------------------------------------------------------- */

/* Everything is on the disk before the name is: a file with its name is whole. */
static int write_file(struct shared *h, struct record *w, const char *name)
{
	const struct store_files *f = h->files;
	char part[NAME_BYTES];
	uint64_t number;
	if (!secret_random(&number, sizeof number))
		return -ENOSYS;
	snprintf(part, sizeof part, "%016llx.part", (unsigned long long)number);
	int fd = f->open(f->ctx, h->dir, part, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return fd;
	w->v.fixed->data_at = HEAD_LINE + w->v.fixed->head_bytes;
	head_seal_sum(&w->v);
	int rc = record_write(f, fd, w);
	if (!rc)
		rc = files_write_all(f, fd, w->v.fixed, w->v.fixed->head_bytes, HEAD_LINE);
	if (!rc)
		rc = files_write_all(f, fd, magic, sizeof magic, 0);
	if (!rc)
		rc = f->sync(f->ctx, fd);
	f->close(f->ctx, fd);
	if (!rc)
		rc = f->rename(f->ctx, h->dir, part, name);
	if (rc)
		f->unlink(f->ctx, h->dir, part);
	return rc;
}

static enum store_end shared_put(void *b, const struct store_record *r, const void *const *data, uint64_t *place)
{
	struct shared *h = b;
	char name[NAME_BYTES];
	struct record w;
	*place = 0;
	name_of(name, r->text, r->start);
	int there = h->files->open(h->files->ctx, h->dir, name, O_RDONLY, 0);
	if (there >= 0)
		h->files->close(h->files->ctx, there);
	if (there >= 0 && shared_has(h, r, place) == STORE_OK) {
		pthread_mutex_lock(&h->lock);
		h->stats.puts_same++;
		pthread_mutex_unlock(&h->lock);
		return STORE_OK;
	}
	if (h->read_only)
		return STORE_FAILED;
	int rc = record_ready(&w, &h->seal, r, data) ? write_file(h, &w, name) : -ENOMEM;
	if (rc) {
		bool full = rc == -ENOSPC || rc == -EDQUOT;
		fault(h->faults,
		      rc == -ENOMEM   ? STORE_FAULT_MEMORY
		      : full          ? STORE_FAULT_SPACE
		      : rc == -ENOENT ? STORE_FAULT_VANISHED
				      : STORE_FAULT_WRITE,
		      "%s: %s", name, strerror(-rc));
	} else {
		*place = meet(h, r->text, r->start, r->end);
		pthread_mutex_lock(&h->lock);
		h->stats.bytes_written += HEAD_LINE + w.v.fixed->head_bytes + w.v.fixed->data_bytes;
		pthread_mutex_unlock(&h->lock);
	}
	record_release(&w);
	return *place ? STORE_OK : STORE_FAILED;
}

static void shared_erase(void *b, uint64_t place)
{
	struct shared *h = b;
	struct entry e;
	char name[NAME_BYTES];
	if (!find_place(h, place, &e) || h->read_only)
		return;
	name_of(name, e.text, e.start);
	int rc = h->files->unlink(h->files->ctx, h->dir, name);
	if (rc && rc != -ENOENT)
		fault(h->faults, STORE_FAULT_WRITE, "%s: %s", name, strerror(-rc));
	forget(h, place);
	pthread_mutex_lock(&h->lock);
	h->stats.erased++;
	pthread_mutex_unlock(&h->lock);
}

/* ---- All of them --------------------------------------------------------------------------------------------------- */

struct listed {
	struct store_key text;
	uint32_t start;
};

struct listing {
	struct listed *of; /* owned */
	size_t n, cap;
	bool no_memory;
	struct faults *faults;
};

static void take_name(void *to, const char *name)
{
	struct listing *l = to;
	unsigned long long high, low;
	unsigned start;
	int end = 0;
	if (sscanf(name, "%16llx%16llx-%8x.rec%n", &high, &low, &start, &end) != 3 || end == 0 || name[end]) {
		if (strncmp(name, "secret", 6) != 0 && !strstr(name, ".part"))
			fault(l->faults, STORE_FAULT_FOREIGN, "%s", name);
		return;
	}
	struct listed *of = mem_grow(l->of, &l->cap, l->n, sizeof *of);
	l->no_memory |= !of;
	if (of) {
		l->of = of;
		l->of[l->n++] = (struct listed){{{high, low}}, start};
	}
}

static int by_start(const void *a, const void *b)
{
	uint32_t x = ((const struct listed *)a)->start, y = ((const struct listed *)b)->start;
	return x < y ? -1 : x > y;
}

static int shared_each(void *b, const struct store_key *fingerprint, store_each_fn *fn, void *ctx, struct kvik_err *err)
{
	struct shared *h = b;
	struct listing l = {.faults = h->faults};
	struct store_part parts[STORE_PARTS_MAX];
	void *buf = mem_aligned(HEAD_LINE, HEAD_BYTES_MAX);
	int rc = h->files->list(h->files->ctx, h->dir, take_name, &l);
	if (l.n > 0)
		qsort(l.of, l.n, sizeof *l.of, by_start);
	bool goes_on = buf && !l.no_memory && !rc;
	for (size_t i = 0; i < l.n && goes_on; i++) {
		char name[NAME_BYTES];
		struct head_view v;
		uint8_t key[32];
		int fd;
		name_of(name, l.of[i].text, l.of[i].start);
		if (open_record(h, name, buf, &v, key, &fd) != STORE_OK)
			continue;
		h->files->close(h->files->ctx, fd);
		struct store_record r = head_record(&v, parts);
		uint64_t place = 0;
		if (key_equal(r.text, l.of[i].text) && r.start == l.of[i].start &&
		    (!fingerprint || key_equal(r.fingerprint, *fingerprint)))
			place = meet(h, r.text, r.start, r.end);
		goes_on = !place || fn(ctx, &r, place, (double)(r.end - r.start));
	}
	mem_free(l.of);
	mem_free(buf);
	if (rc)
		return err_set(err, KVIK_ERR_IO, "store: %s: %s", h->path, strerror(-rc));
	return buf && !l.no_memory ? 0 : err_set(err, KVIK_ERR_NOMEM, "store: no memory to list its records");
}

struct purging {
	struct shared *h;
	struct store_key scope;
	uint64_t n;
};

static bool purge_one(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	(void)worth;
	struct purging *p = ctx;
	if (key_equal(r->scope, p->scope)) {
		shared_erase(p->h, place);
		p->n++;
	}
	return true;
}

static uint64_t shared_purge(void *b, struct store_key scope)
{
	struct purging p = {.h = b, .scope = scope};
	struct kvik_err err;
	if (shared_each(b, NULL, purge_one, &p, &err))
		fault(p.h->faults, STORE_FAULT_READ, "%s", err.text);
	return p.n;
}

/* ---- As a whole ---------------------------------------------------------------------------------------------------- */

static void shared_sync(void *b)
{
	struct shared *h = b;
	if (!h->read_only && h->files->sync(h->files->ctx, h->dir)) /* files were synced before they had a name */
		fault(h->faults, STORE_FAULT_SYNC, "the folder");
}

static void shared_tend(void *b)
{
	(void)b;
}

static bool shared_hurries(void *b)
{
	(void)b;
	return false;
}

static void shared_stats(void *b, struct store_stats *out)
{
	struct shared *h = b;
	pthread_mutex_lock(&h->lock);
	out->writes = !h->read_only;
	out->bytes_max = UINT64_MAX; /* nobody trims it; 0 would be room for nothing */
	out->sealed = h->seal.on;
	out->hand = h->files->name;
	out->records = h->index.n; /* that this process has met */
	out->puts_same = h->stats.puts_same;
	out->bytes_written = h->stats.bytes_written;
	out->bytes_read = h->stats.bytes_read;
	out->erased = h->stats.erased;
	pthread_mutex_unlock(&h->lock);
}

static void shared_close(void *b)
{
	struct shared *h = b;
	index_release(&h->index);
	if (h->dir >= 0)
		h->files->close(h->files->ctx, h->dir);
	pthread_mutex_destroy(&h->lock);
	mem_free(h);
}

static const struct backend_ops ops = {.put = shared_put,
				       .get = shared_get,
				       .has = shared_has,
				       .erase = shared_erase,
				       .purge = shared_purge,
				       .each = shared_each,
				       .sync = shared_sync,
				       .tend = shared_tend,
				       .hurries = shared_hurries,
				       .stats = shared_stats,
				       .close = shared_close};

int shared_open(struct backend *out, const char *path, const struct store_config *c, struct faults *faults,
		struct kvik_err *err)
{
	struct shared *h = mem_zalloc(1, sizeof *h);
	if (!h)
		return err_set(err, KVIK_ERR_NOMEM, "store: no memory");
	const struct store_files *f = c->files;
	*h = (struct shared){
		.files = f, .faults = faults, .path = path, .read_only = c->read_only, .records_max = c->records_max};
	pthread_mutex_init(&h->lock, NULL);
	h->dir = f->open_dir(f->ctx, path, !c->read_only);
	int rc = h->dir < 0 ? err_set(err, KVIK_ERR_IO, "store: %s: %s", path, strerror(-h->dir)) : 0;
	if (!rc)
		rc = seal_load(&h->seal, c->key_file, err);
	if (!rc) {
		rc = secret_load(&h->secret, f, h->dir, !c->read_only, err);
		h->has_secret = !rc;
		rc = c->read_only ? 0 : rc;
	}
	if (rc) {
		shared_close(h);
		return rc;
	}
	*out = (struct backend){&ops, h, h->has_secret ? &h->secret : NULL};
	return 0;
}
