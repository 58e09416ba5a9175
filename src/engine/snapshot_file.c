/* snapshot_file.c: snapshots in files. A file is written under another name and renamed once it is on the disk: under its own
 * it is whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kvik.h>

#include "base/err.h"
#include "base/mem.h"
#include "engine/snapshot.h"

struct out {
	FILE *file;
	uint64_t bytes;
};

static bool to_file(void *user, const void *bytes, size_t n)
{
	struct out *o = user;
	o->bytes += n;
	return fwrite(bytes, 1, n, o->file) == n;
}

static bool from_file(void *user, void *bytes, size_t n)
{
	return fread(bytes, 1, n, user) == n;
}

int snapshot_write_file(const char *path,
			int (*save)(void *ctx, kvik_write_fn *write, void *user, struct kvik_err *err), void *ctx,
			uint64_t *bytes, struct kvik_err *err)
{
	static const char end[] = ".part";
	size_t n = strlen(path);
	char *part = mem_alloc(n + sizeof end);
	if (!part)
		return err_set(err, KVIK_ERR_NOMEM, "no memory for a snapshot");
	memcpy(part, path, n);
	memcpy(part + n, end, sizeof end);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct out o = {.file = fd < 0 ? NULL : fdopen(fd, "wb")};
	int rc = o.file ? 0 : err_set(err, KVIK_ERR_IO, "%s: %s", part, strerror(errno));
	if (fd >= 0 && !o.file)
		close(fd);
	if (!rc)
		rc = save(ctx, to_file, &o, err);
	errno = 0;
	bool ok = o.file && fflush(o.file) == 0 && fdatasync(fd) == 0;
	ok = (!o.file || fclose(o.file) == 0) && ok;
	if ((!rc || rc == KVIK_ERR_IO) && o.file && (!ok || rc))
		rc = err_set(err, KVIK_ERR_IO, "%s: %s", part, errno ? strerror(errno) : "it could not be written");
	if (!rc && rename(part, path) != 0)
		rc = err_set(err, KVIK_ERR_IO, "%s: %s", path, strerror(errno));
	if (rc && o.file)
		unlink(part);
	if (!rc && bytes)
		*bytes = o.bytes;
	mem_free(part);
	return rc;
}

int snapshot_read_file(const char *path,
		       int (*restore)(void *ctx, kvik_read_fn *read, void *user, struct kvik_err *err), void *ctx,
		       struct kvik_err *err)
{
	FILE *f = fopen(path, "rbe");
	int rc = f ? restore(ctx, from_file, f, err) : err_set(err, KVIK_ERR_IO, "%s", strerror(errno));
	if (rc)
		err_prefix(err, "%s", path);
	if (f)
		fclose(f);
	return rc;
}

struct saved {
	const struct kvik_session *s;
	size_t n;
};

static int save(void *ctx, kvik_write_fn *write, void *user, struct kvik_err *err)
{
	const struct saved *v = ctx;
	return kvik_session_save(v->s, v->n, write, user, err);
}

int kvik_session_save_file(const struct kvik_session *s, size_t n_tokens, const char *path, uint64_t *bytes,
			   struct kvik_err *err)
{
	struct saved v = {s, n_tokens};
	return snapshot_write_file(path, save, &v, bytes, err);
}

struct restored {
	struct kvik_session **out;
	struct kvik_cache *c;
	const struct kvik_share *share;
};

static int restore(void *ctx, kvik_read_fn *read, void *user, struct kvik_err *err)
{
	const struct restored *v = ctx;
	return kvik_session_restore(v->out, v->c, v->share, read, user, err);
}

int kvik_session_restore_file(struct kvik_session **out, struct kvik_cache *c, const struct kvik_share *share,
			      const char *path, struct kvik_err *err)
{
	struct restored v = {out, c, share};
	*out = NULL;
	return snapshot_read_file(path, restore, &v, err);
}
