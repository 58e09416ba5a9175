/* record_io.c: see record_io.h. */
#include "store/record_io.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "store/index.h"

void record_release(struct record *w)
{
	mem_free(w->v.fixed);
	mem_free(w->ios);
	mem_free(w->sealed);
}

static bool seal_all(const struct seal *s, struct record *w, const void *const *data)
{
	uint8_t key[32], *out = w->sealed = mem_alloc(w->v.fixed->data_bytes);
	if (!out || !seal_begin(s, &w->v, key))
		return false;
	for (uint32_t i = 0; i < w->v.fixed->n_parts; i++) {
		if (!seal_part(key, &w->v, i, data[i], out))
			return false;
		w->ios[i].bytes = out;
		out += head_padded(w->v.parts[i].part.bytes);
	}
	return true;
}

bool record_ready(struct record *w, const struct seal *s, const struct store_record *r, const void *const *data)
{
	void *head = mem_aligned(HEAD_LINE, head_size(r->end - r->start, r->n_parts));
	*w = (struct record){.ios = mem_zalloc(r->n_parts, sizeof *w->ios)};
	if (!head || !w->ios) {
		mem_free(head);
		return false;
	}
	w->v = head_lay_out(head, r);
	for (uint32_t i = 0; i < r->n_parts; i++)
		w->ios[i] =
			(struct file_io){.write = true, .bytes = (void *)(uintptr_t)data[i], .n = r->parts[i].bytes};
	if (s->on && !seal_all(s, w, data))
		return false;
	for (uint32_t i = 0; i < r->n_parts; i++)
		w->v.parts[i].sum = key_of_bytes(w->ios[i].bytes, w->ios[i].n);
	return true;
}

int record_write(const struct store_files *f, int fd, struct record *w)
{
	uint64_t at = w->v.fixed->data_at;
	for (uint32_t i = 0; i < w->v.fixed->n_parts; i++) {
		w->ios[i].fd = fd;
		w->ios[i].at = at;
		at += head_padded(w->ios[i].n);
	}
	f->batch(f->batch_ctx, w->ios, w->v.fixed->n_parts);
	for (uint32_t i = 0; i < w->v.fixed->n_parts; i++)
		if (w->ios[i].rc)
			return w->ios[i].rc;
	return 0;
}

/* -ENODATA: what should be there is not. */
static enum store_end read_end(const struct record_io *io, int rc)
{
	if (rc == 0)
		return STORE_OK;
	if (rc == -ENODATA)
		return STORE_DAMAGED;
	fault(io->faults, STORE_FAULT_READ, "%s", strerror(-rc));
	return STORE_FAILED;
}

enum store_end record_read_head(const struct record_io *io, int fd, uint64_t at, uint32_t bytes, void *buf,
				struct head_view *v, uint8_t key[32])
{
	enum store_end end = read_end(io, files_read_all(io->files, fd, buf, bytes, at));
	if (end != STORE_OK)
		return end;
	if (head_at(buf, bytes, v) != HEAD_GOOD)
		return STORE_DAMAGED;
	if (!(v->fixed->flags & HEAD_SEALED) || seal_open(io->seal, v, key))
		return STORE_OK;
	fault(io->faults, STORE_FAULT_SEALED, "%s", io->seal->on ? "not with this key" : "no key was given");
	return STORE_FAILED;
}

uint64_t record_read_parts(const struct record_io *io, int fd, const struct head_view *v, const uint8_t key[32],
			   struct backend_read *reads, uint32_t n)
{
	struct file_io ios[STORE_PARTS_MAX];
	uint64_t at[STORE_PARTS_MAX + 1] = {v->fixed->data_at}, bytes = 0;
	for (uint32_t i = 0; i < v->fixed->n_parts; i++)
		at[i + 1] = at[i] + head_padded(v->parts[i].part.bytes);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t part = index_part(reads[i].place);
		bool fits = part < v->fixed->n_parts && v->parts[part].part.bytes == reads[i].bytes;
		reads[i].end = fits ? STORE_OK : STORE_GONE;
		ios[i] = (struct file_io){
			.fd = fd, .bytes = reads[i].into, .n = fits ? reads[i].bytes : 0, .at = fits ? at[part] : 0};
	}
	io->files->batch(io->files->batch_ctx, ios, n);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t part = index_part(reads[i].place);
		if (reads[i].end != STORE_OK)
			continue;
		reads[i].end = read_end(io, ios[i].rc);
		if (reads[i].end != STORE_OK)
			continue;
		bytes += reads[i].bytes;
		if (!key_equal(key_of_bytes(reads[i].into, reads[i].bytes), v->parts[part].sum) ||
		    ((v->fixed->flags & HEAD_SEALED) && !seal_open_part(key, v, part, reads[i].into)))
			reads[i].end = STORE_DAMAGED;
	}
	return bytes;
}

bool record_is(const struct head_view *v, const struct store_record *r)
{
	const struct head_fixed *f = v->fixed;
	return f->start == r->start && f->end == r->end && key_equal(f->scope, r->scope) &&
	       key_equal(f->fingerprint, r->fingerprint) &&
	       memcmp(v->ids, r->ids, (r->end - r->start) * sizeof *r->ids) == 0;
}

void record_get(struct faults *faults, void (*get)(void *b, void *buf, struct backend_read *reads, uint32_t n), void *b,
		struct backend_read *reads, uint32_t n)
{
	void *buf = mem_aligned(HEAD_LINE, HEAD_BYTES_MAX);
	if (!buf)
		fault(faults, STORE_FAULT_MEMORY, "a record is not read");
	for (uint32_t i = 0, m; i < n; i += m) {
		m = n - i < STORE_PARTS_MAX ? n - i : STORE_PARTS_MAX;
		for (uint32_t k = i; k < i + m; k++)
			reads[k].end = STORE_FAILED;
		if (buf)
			get(b, buf, reads + i, m);
	}
	mem_free(buf);
}
