/* local_scan.c: what is in the folder: at start, and, for a process that only reads, what another has added since. */
#include "store/local_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* ---- The lock ------------------------------------------------------------------------------------------------------ */

bool local_try_lock(struct local *l)
{
	const struct store_files *f = l->files;
	int rc = l->lock_file;
	bool first = rc < 0;
	if (first)
		rc = f->open(f->ctx, l->dir, "lock", O_RDWR | O_CREAT, 0600);
	if (rc < 0) {
		l->read_only = rc == -EROFS || rc == -EACCES || rc == -EPERM;
		fault(l->faults, l->read_only ? STORE_FAULT_READ_ONLY : STORE_FAULT_WRITE, "lock: %s", strerror(-rc));
		return false;
	}
	l->lock_file = rc;
	rc = f->lock(f->ctx, l->lock_file);
	if (rc == -EWOULDBLOCK && first)
		fault(l->faults, STORE_FAULT_BUSY, "the file 'lock' is taken");
	else if (rc && rc != -EWOULDBLOCK)
		fault(l->faults, STORE_FAULT_WRITE, "lock: %s", strerror(-rc));
	pthread_mutex_lock(&l->lock);
	l->writes = rc == 0;
	pthread_mutex_unlock(&l->lock);
	return rc == 0;
}

/* ---- Segments ------------------------------------------------------------------------------------------------------ */

struct names {
	uint64_t *numbers; /* owned */
	size_t n, cap;
	bool no_memory;
	struct local *l;
};

static void take_name(void *to, const char *name)
{
	struct names *t = to;
	uint64_t number;
	bool data;
	if (!segment_name_read(name, &number, &data)) {
		if (strcmp(name, "lock") != 0 && strncmp(name, "secret", 6) != 0)
			fault(t->l->faults, STORE_FAULT_FOREIGN, "%s", name);
		return;
	}
	uint64_t *numbers = data ? NULL : mem_grow(t->numbers, &t->cap, t->n, sizeof *numbers);
	if (numbers) {
		t->numbers = numbers;
		t->numbers[t->n++] = number;
	}
	t->no_memory |= !data && !numbers;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static uint64_t whole_pages(uint64_t bytes)
{
	return (bytes + DATA_PAGE - 1) / DATA_PAGE * DATA_PAGE;
}

struct adding {
	struct local *l;
	struct segment *s;
	uint64_t data_size, data_used; /* the file's end, that of its records */
	uint64_t data_live;            /* bytes of them, in whole pages */
	uint64_t n_torn;
	bool full;
};

static bool add_head(void *ctx, struct head_view *v, uint32_t head_at)
{
	struct adding *a = ctx;
	const struct head_fixed *f = v->fixed;
	if (f->data_at % DATA_PAGE || f->data_at / DATA_PAGE + f->data_bytes / DATA_PAGE + 1 > UINT32_MAX) {
		a->n_torn++;
		return true;
	}
	/* also of those that are torn: their heads stay, and what they name must never be another's */
	if (f->data_at + head_data_used(v) > a->data_used)
		a->data_used = f->data_at + head_data_used(v);
	if (f->data_at >= a->data_size || head_data_used(v) > a->data_size - f->data_at) {
		a->n_torn++;
		return true;
	}
	pthread_mutex_lock(&a->l->lock);
	a->full = !local_add(a->l, a->s, v, head_at);
	pthread_mutex_unlock(&a->l->lock);
	a->data_live += whole_pages(f->data_bytes);
	return !a->full;
}

/* Reads s from `from` on; cut: and cuts what is behind its last record. */
static int scan_segment(struct local *l, struct segment *s, uint64_t from, bool cut)
{
	uint64_t end, bad;
	struct adding a = {.l = l, .s = s, .data_size = s->data_end, .data_used = DATA_PAGE};
	uint64_t size = s->heads_end;
	int rc = segment_scan(s, l->files, from, size, add_head, &a, &end, &bad);
	if (rc)
		return rc;
	if (a.full)
		fault(l->faults, STORE_FAULT_MEMORY, "more records than the index takes");
	if (a.n_torn || (bad && end < size))
		fault(l->faults, STORE_FAULT_TORN, "segment %llx", (unsigned long long)s->number);
	else if (bad)
		fault(l->faults, STORE_FAULT_DAMAGED, "heads of segment %llx", (unsigned long long)s->number);
	if (l->has_holes && s->data_end > DATA_PAGE + a.data_live)
		s->data_gone = s->data_end - DATA_PAGE - a.data_live; /* what lies between records was given back */
	if (a.full || !cut) {
		s->heads_end = end;
		return 0;
	}
	const struct store_files *f = l->files;
	s->data_end = whole_pages(a.data_used);
	s->heads_end = end;
	s->data_gone = l->has_holes ? s->data_end - DATA_PAGE - a.data_live : 0;
	if (end < size)
		rc = f->truncate(f->ctx, s->heads, end);
	if (!rc && s->data_end < a.data_size)
		rc = f->truncate(f->ctx, s->data, s->data_end);
	if (rc)
		fault(l->faults, STORE_FAULT_WRITE, "segment %llx: %s", (unsigned long long)s->number, strerror(-rc));
	return 0;
}

static void open_segment(struct local *l, uint64_t number)
{
	struct segment *s;
	int rc = segment_open(&s, l->files, l->dir, number);
	if (rc == -ENOENT)
		return; /* its writer has dropped it just now, or has not made the other file yet */
	if (rc) {
		fault(l->faults, rc == -EBADMSG ? STORE_FAULT_FOREIGN : STORE_FAULT_READ, "segment %llx: %s",
		      (unsigned long long)number, rc == -EBADMSG ? "not a segment of this version" : strerror(-rc));
		pthread_mutex_lock(&l->lock);
		if (number >= l->next_number)
			l->next_number = number + 1;
		pthread_mutex_unlock(&l->lock);
		return;
	}
	rc = scan_segment(l, s, HEAD_LINE, l->writes);
	if (rc)
		fault(l->faults, STORE_FAULT_READ, "segment %llx: %s", (unsigned long long)number, strerror(-rc));
	pthread_mutex_lock(&l->lock);
	local_append(l, s);
	pthread_mutex_unlock(&l->lock);
}

static struct segment *find_segment(struct local *l, uint64_t number)
{
	struct segment *s = l->segments;
	while (s && s->number != number)
		s = s->next;
	return s;
}

/* A reader looks at what another process has done to a segment. */
static void look_again(struct local *l, struct segment *s)
{
	uint64_t heads, data;
	const struct store_files *f = l->files;
	int rc = f->size(f->ctx, s->heads, &heads, NULL);
	if (rc == -ESTALE) {
		pthread_mutex_lock(&l->lock);
		while (s->first)
			local_remove(l, s->first);
		struct segment **at = &l->segments;
		while (*at != s)
			at = &(*at)->next;
		*at = s->next;
		l->bytes -= segment_bytes(s);
		s->gone = true;
		s->refs++;
		local_unref(l, s);
		pthread_mutex_unlock(&l->lock);
		return;
	}
	if (rc || f->size(f->ctx, s->data, &data, NULL) || heads <= s->heads_end)
		return;
	uint64_t from = s->heads_end;
	pthread_mutex_lock(&l->lock);
	l->bytes -= segment_bytes(s);
	s->heads_end = heads;
	s->data_end = data;
	pthread_mutex_unlock(&l->lock);
	rc = scan_segment(l, s, from, false);
	pthread_mutex_lock(&l->lock);
	l->bytes += segment_bytes(s);
	pthread_mutex_unlock(&l->lock);
	if (rc)
		fault(l->faults, STORE_FAULT_READ, "segment %llx: %s", (unsigned long long)s->number, strerror(-rc));
}

int local_scan(struct local *l, struct kvik_err *err)
{
	struct names names = {.l = l};
	int rc = l->files->list(l->files->ctx, l->dir, take_name, &names);
	if (!rc && names.no_memory)
		rc = -ENOMEM;
	if (!rc && names.n)
		qsort(names.numbers, names.n, sizeof *names.numbers, by_number);
	for (struct segment *s = l->segments, *next; s; s = next) { /* there are none at start */
		next = s->next;
		look_again(l, s);
	}
	for (size_t i = 0; i < names.n && !rc; i++)
		if (!find_segment(l, names.numbers[i]))
			open_segment(l, names.numbers[i]);
	mem_free(names.numbers);
	if (rc)
		return err_set(err, rc == -ENOMEM ? KVIK_ERR_NOMEM : KVIK_ERR_IO, "store: %s: %s", l->path,
			       strerror(-rc));
	return 0;
}

/* ---- The one that grows -------------------------------------------------------------------------------------------- */

bool local_active(struct local *l)
{
	if (l->active)
		return true;
	const struct store_files *f = l->files;
	struct segment *s;
	int rc = segment_make(&s, f, l->dir, l->next_number);
	if (rc) {
		if (rc == -EEXIST)
			l->next_number++;
		bool full = rc == -ENOSPC || rc == -EDQUOT;
		fault(l->faults,
		      rc == -ENOENT ? STORE_FAULT_VANISHED
		      : full        ? STORE_FAULT_SPACE
				    : STORE_FAULT_WRITE,
		      "a new segment: %s", strerror(-rc));
		if (rc == -ENOENT)
			l->pause = UINT64_MAX;
		if (full)
			local_evict_one(l);
		return false;
	}
	local_append(l, s);
	l->active = s;
	return true;
}
