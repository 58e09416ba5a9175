/* pack.c: records in one file, for another server.
 *
 *     [64: magic] [head] [parts, each up to a multiple of 64] [head] [parts] ...        in ascending order of start
 *
 * Keys of texts come from a secret that the other server does not have: it names everything anew, from the ids, what comes
 * before first. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/head.h"
#include "store/store_impl.h"

static const char magic[HEAD_LINE] = "kvik store export 1\n";

enum store_end store_read(struct store *s, const struct store_record *r, uint64_t place, void **into)
{
	enum store_end worst = STORE_OK;
	struct kvik_err err;
	memset(into, 0, r->n_parts * sizeof *into);
	for (uint32_t i = 0; i < r->n_parts && worst == STORE_OK; i++) {
		struct store_done d = {.end = STORE_FAILED};
		into[i] = mem_alloc(r->parts[i].bytes);
		if (into[i] && store_get(s, store_place_part(place, i), into[i], r->parts[i].bytes, i, &err) == 0)
			while (!store_next(s, &d))
				store_wait(s, 1000);
		worst = d.end;
	}
	for (uint32_t i = 0; i < r->n_parts && worst != STORE_OK; i++) {
		mem_free(into[i]);
		into[i] = NULL;
	}
	return worst;
}

/* ---- Out ----------------------------------------------------------------------------------------------------------- */

struct out {
	struct store *s;
	FILE *file;
	struct store_key scope;
	struct store_packed *n;
	bool failed;
};

static bool write_padded(struct out *o, const void *bytes, size_t n)
{
	static const uint8_t zeros[HEAD_LINE];
	size_t pad = head_padded(n) - n;
	o->n->bytes += n + pad;
	return fwrite(bytes, 1, n, o->file) == n && fwrite(zeros, 1, pad, o->file) == pad;
}

static bool write_record(void *ctx, const struct store_record *r, uint64_t place, double worth)
{
	(void)worth;
	struct out *o = ctx;
	void *parts[STORE_PARTS_MAX];
	if (!key_equal(r->scope, o->scope))
		return true;
	void *head = mem_aligned(HEAD_LINE, head_size(r->end - r->start, r->n_parts));
	if (!head || store_read(o->s, r, place, parts) != STORE_OK) {
		o->n->skipped++;
		mem_free(head);
		return true;
	}
	struct head_view v = head_lay_out(head, r);
	for (uint32_t i = 0; i < r->n_parts; i++)
		v.parts[i].sum = key_of_bytes(parts[i], r->parts[i].bytes);
	head_seal_sum(&v);
	bool ok = write_padded(o, head, v.fixed->head_bytes);
	for (uint32_t i = 0; i < r->n_parts; i++) {
		ok = ok && write_padded(o, parts[i], r->parts[i].bytes);
		mem_free(parts[i]);
	}
	mem_free(head);
	o->n->records++;
	o->failed |= !ok;
	return ok;
}

int store_export(struct store *s, struct store_key scope, const struct store_key *fingerprint, const char *path,
		 struct store_packed *n, struct kvik_err *err)
{
	*n = (struct store_packed){0};
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct out o = {.s = s, .file = fd < 0 ? NULL : fdopen(fd, "wb"), .scope = scope, .n = n};
	if (!o.file) {
		int rc = err_set(err, KVIK_ERR_IO, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	o.failed = !write_padded(&o, magic, sizeof magic);
	int rc = store_each(s, fingerprint, write_record, &o, err);
	errno = 0;
	o.failed |= fflush(o.file) != 0 || fdatasync(fd) != 0;
	int why = errno;
	o.failed |= fclose(o.file) != 0;
	if (!rc && o.failed)
		rc = err_set(err, KVIK_ERR_IO, "%s: %s", path, why ? strerror(why) : "it could not be written");
	if (rc)
		unlink(path);
	return rc;
}

/* ---- In ------------------------------------------------------------------------------------------------------------ */

/* What was named before under the other secret, and how its chain goes on here. */
struct known {
	struct store_key text;
	struct key_chain chain;
};

struct in {
	struct store *s;
	FILE *file;
	struct store_key scope;
	const uint8_t *secret; /* [KEY_SECRET_BYTES] */
	struct known *known;   /* owned; a hash table of `size` (a power of two), n in use */
	size_t n_known, size;
	uint8_t head[HEAD_BYTES_MAX] __attribute__((aligned(HEAD_LINE)));
	void *parts[STORE_PARTS_MAX]; /* owned */
	struct store_packed *n;
};

static struct known *known_at(struct known *t, size_t size, struct store_key text)
{
	size_t i = text.w[0] & (size - 1);
	while ((t[i].text.w[0] || t[i].text.w[1]) && !key_equal(t[i].text, text))
		i = (i + 1) & (size - 1);
	return &t[i];
}

static bool know(struct in *in, struct store_key text, const struct key_chain *chain)
{
	if (2 * in->n_known >= in->size) {
		size_t size = in->size ? 2 * in->size : 64;
		struct known *t = mem_zalloc(size, sizeof *t);
		if (!t)
			return false;
		for (size_t i = 0; i < in->size; i++)
			if (in->known[i].text.w[0] || in->known[i].text.w[1])
				*known_at(t, size, in->known[i].text) = in->known[i];
		mem_free(in->known);
		in->known = t;
		in->size = size;
	}
	struct known *k = known_at(in->known, in->size, text);
	in->n_known += !(k->text.w[0] || k->text.w[1]);
	*k = (struct known){text, *chain};
	return true;
}

/* 1: there is a record; 0: the end; negative: an error. */
static int read_record(struct in *in, struct head_view *v, struct kvik_err *err)
{
	size_t got = fread(in->head, 1, HEAD_LINE, in->file);
	if (got == 0 && feof(in->file))
		return 0;
	uint32_t bytes = ((struct head_fixed *)(void *)in->head)->head_bytes;
	if (got == HEAD_LINE && bytes > HEAD_LINE && bytes <= HEAD_BYTES_MAX)
		got += fread(in->head + HEAD_LINE, 1, bytes - HEAD_LINE, in->file);
	if (head_at(in->head, got, v) != HEAD_GOOD || (v->fixed->flags & HEAD_SEALED))
		return err_set(err, KVIK_ERR_FORMAT, "it is damaged or cut behind %llu records",
			       (unsigned long long)(in->n->records + in->n->skipped));
	for (uint32_t i = 0; i < v->fixed->n_parts; i++) {
		uint32_t n = v->parts[i].part.bytes;
		uint8_t pad[HEAD_LINE];
		size_t more = head_padded(n) - n;
		mem_free(in->parts[i]);
		in->parts[i] = mem_alloc(n);
		if (!in->parts[i])
			return err_set(err, KVIK_ERR_NOMEM, "no memory for a record");
		if (fread(in->parts[i], 1, n, in->file) != n || fread(pad, 1, more, in->file) != more ||
		    !key_equal(key_of_bytes(in->parts[i], n), v->parts[i].sum))
			return err_set(err, KVIK_ERR_FORMAT, "it is damaged or cut in record %llu",
				       (unsigned long long)(in->n->records + in->n->skipped + 1));
	}
	return 1;
}

static int put_record(struct in *in, const struct head_view *v, struct kvik_err *err)
{
	struct store_part parts[STORE_PARTS_MAX];
	struct store_record r = head_record(v, parts);
	struct key_chain chain;
	struct known *k = in->size ? known_at(in->known, in->size, r.parent) : NULL;
	if (r.start == 0) {
		key_chain_start(&chain, r.fingerprint, in->scope);
	} else if (k && key_equal(k->text, r.parent)) {
		chain = k->chain;
	} else {
		in->n->skipped++;
		return 0;
	}
	struct store_key was = r.text;
	r.scope = in->scope;
	r.parent = key_chain_end(&chain, in->secret);
	key_chain_add(&chain, in->secret, r.ids, r.end - r.start);
	r.text = key_chain_end(&chain, in->secret);
	if (!know(in, was, &chain))
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a record");
	int rc = store_put(in->s, &r, (const void *const *)in->parts, 0, err);
	struct store_done d = {.end = STORE_FAILED};
	while (!rc && !store_next(in->s, &d))
		store_wait(in->s, 1000);
	if (!rc && d.end != STORE_OK)
		rc = err_set(err, KVIK_ERR_IO, "a record could not be written");
	in->n->records += !rc;
	in->n->bytes += v->fixed->head_bytes + v->fixed->data_bytes;
	return rc;
}

int store_import(struct store *s, struct store_key scope, const char *path, struct store_packed *n,
		 struct kvik_err *err)
{
	*n = (struct store_packed){0};
	struct in *in = mem_aligned(HEAD_LINE, sizeof *in);
	if (!in)
		return err_set(err, KVIK_ERR_NOMEM, "store: no memory");
	memset(in, 0, sizeof *in);
	in->s = s;
	in->scope = scope;
	in->secret = store_hash_secret(s);
	in->n = n;
	in->file = fopen(path, "rbe");
	int rc = in->file ? 0 : err_set(err, KVIK_ERR_IO, "%s", strerror(errno));
	if (!rc && !in->secret)
		rc = err_set(err, KVIK_ERR_ARG, "the store has no secret, and cannot be written");
	char found[HEAD_LINE];
	if (!rc && (fread(found, 1, sizeof found, in->file) != sizeof found || memcmp(found, magic, sizeof magic) != 0))
		rc = err_set(err, KVIK_ERR_FORMAT, "it was not made by `kvik cache export` of this version");
	struct head_view v;
	while (!rc && (rc = read_record(in, &v, err)) == 1)
		rc = put_record(in, &v, err);
	if (rc)
		err_prefix(err, "%s", path);
	if (in->file)
		fclose(in->file);
	for (uint32_t i = 0; i < STORE_PARTS_MAX; i++)
		mem_free(in->parts[i]);
	mem_free(in->known);
	mem_free(in);
	return rc;
}
