/* segment.c: see segment.h. */
#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char magic[2][HEAD_LINE] = {"kvik store heads 1\n", "kvik store data 1\n"};

enum { SCAN_BYTES = 4 << 20, SCAN_FALSE_MAX = 4096 };
_Static_assert(SCAN_BYTES >= 2 * HEAD_BYTES_MAX, "a head fits the window");

void segment_name(char out[SEGMENT_NAME], uint64_t number, bool data)
{
	snprintf(out, SEGMENT_NAME, "%012llx.%s", (unsigned long long)number, data ? "data" : "heads");
}

bool segment_name_read(const char *name, uint64_t *number, bool *data)
{
	uint64_t value = 0;
	for (int i = 0; i < 12; i++) {
		char c = name[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*number = value;
	*data = strcmp(name + 12, ".data") == 0;
	return *data || strcmp(name + 12, ".heads") == 0;
}

void segment_close(struct segment *s, const struct store_files *f)
{
	if (!s)
		return;
	if (s->heads >= 0)
		f->close(f->ctx, s->heads);
	if (s->data >= 0)
		f->close(f->ctx, s->data);
	mem_free(s);
}

static struct segment *new_segment(uint64_t number)
{
	struct segment *s = mem_zalloc(1, sizeof *s);
	if (s)
		*s = (struct segment){.number = number, .heads = -1, .data = -1};
	return s;
}

static int make_file(const struct store_files *f, int dir, uint64_t number, bool data, int *fd)
{
	char name[SEGMENT_NAME];
	segment_name(name, number, data);
	*fd = f->open(f->ctx, dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	return *fd < 0 ? *fd : files_write_all(f, *fd, magic[data], HEAD_LINE, 0);
}

int segment_make(struct segment **out, const struct store_files *f, int dir, uint64_t number)
{
	struct segment *s = new_segment(number);
	if (!s)
		return -ENOMEM;
	int rc = make_file(f, dir, number, true, &s->data);
	if (!rc)
		rc = make_file(f, dir, number, false, &s->heads);
	for (int data = 0; rc && data < 2; data++) {
		char name[SEGMENT_NAME];
		segment_name(name, number, data);
		if ((data ? s->data : s->heads) >= 0)
			f->unlink(f->ctx, dir, name);
	}
	if (rc) {
		segment_close(s, f);
		return rc;
	}
	s->heads_end = HEAD_LINE;
	s->data_end = DATA_PAGE;
	s->dirty = true;
	*out = s;
	return 0;
}

static int open_file(const struct store_files *f, int dir, uint64_t number, bool data, int *fd, uint64_t *end)
{
	char name[SEGMENT_NAME], found[HEAD_LINE];
	segment_name(name, number, data);
	*fd = f->open(f->ctx, dir, name, O_RDWR, 0);
	if (*fd == -EACCES || *fd == -EROFS || *fd == -EPERM)
		*fd = f->open(f->ctx, dir, name, O_RDONLY, 0);
	if (*fd < 0)
		return *fd;
	int rc = f->size(f->ctx, *fd, end, NULL);
	if (!rc)
		rc = files_read_all(f, *fd, found, sizeof found, 0);
	if (rc == -ENODATA || rc == -EINVAL || (!rc && memcmp(found, magic[data], HEAD_LINE) != 0))
		return -EBADMSG;
	return rc;
}

int segment_open(struct segment **out, const struct store_files *f, int dir, uint64_t number)
{
	struct segment *s = new_segment(number);
	if (!s)
		return -ENOMEM;
	int rc = open_file(f, dir, number, false, &s->heads, &s->heads_end);
	if (!rc)
		rc = open_file(f, dir, number, true, &s->data, &s->data_end);
	if (rc) {
		segment_close(s, f);
		return rc;
	}
	*out = s;
	return 0;
}

/* A window over the heads' file that slides to its end. */
struct scan {
	uint8_t *bytes; /* [room] */
	size_t room, n; /* n are there, from file position `at` on */
	uint64_t at, size;
	bool stops;       /* fn wants no more */
	uint32_t n_false; /* that looked like heads: each costs a hash, and a file made of them would take for ever */
};

static int slide(struct scan *c, struct segment *s, const struct store_files *f, size_t used)
{
	memmove(c->bytes, c->bytes + used, c->n - used);
	c->n -= used;
	c->at += used;
	uint64_t left = c->size - c->at - c->n;
	size_t more = left < c->room - c->n ? (size_t)left : c->room - c->n;
	int rc = files_read_all(f, s->heads, c->bytes + c->n, more, c->at + c->n);
	c->n += rc ? 0 : more;
	return rc;
}

/* All heads in the window that are whole; returns the bytes done with. */
static size_t scan_window(struct scan *c, segment_head_fn *fn, void *ctx, uint64_t *end, uint64_t *bad)
{
	size_t i = 0;
	bool last = c->at + c->n >= c->size;
	while (c->n - i >= HEAD_LINE && c->n_false < SCAN_FALSE_MAX) {
		struct head_view v;
		enum head_found found = head_at(c->bytes + i, c->n - i, &v);
		if (found == HEAD_MORE && !last)
			break;
		if (found == HEAD_GOOD) {
			uint64_t at = c->at + i;
			i += v.fixed->head_bytes;
			*end = c->at + i;
			c->stops = !fn(ctx, &v, (uint32_t)at);
			if (c->stops)
				break;
			continue;
		}
		*bad += found != HEAD_EMPTY;
		c->n_false += found == HEAD_BAD && memcmp(c->bytes + i, "KVKr", 4) == 0;
		i += HEAD_LINE;
	}
	return last || c->n_false >= SCAN_FALSE_MAX ? c->n : i;
}

int segment_scan(struct segment *s, const struct store_files *f, uint64_t from, uint64_t size, segment_head_fn *fn,
		 void *ctx, uint64_t *end, uint64_t *bad)
{
	if (size > UINT32_MAX)
		size = UINT32_MAX / HEAD_LINE * HEAD_LINE;
	if (size <= from) {
		*end = from;
		*bad = 0;
		return 0;
	}
	struct scan c = {
		.room = size - from < SCAN_BYTES ? (size_t)(size - from) : SCAN_BYTES, .at = from, .size = size};
	c.bytes = mem_aligned(HEAD_LINE, c.room);
	int rc = c.bytes ? 0 : -ENOMEM;
	*end = from;
	*bad = 0;
	for (size_t used = 0; !rc && !c.stops && c.at + used < size;) {
		rc = slide(&c, s, f, used);
		if (!rc)
			used = scan_window(&c, fn, ctx, end, bad);
		if (!rc && c.n == 0)
			break;
	}
	mem_free(c.bytes);
	return rc;
}
